"""Criss-cross attention: a position looks at its own row and its own column.

Huang et al., "CCNet", 2019, section 3.2; the authors' and mmcv's have this structure. What stands twice in
their code, the position itself, is left out of one of both: a softmax over the cross.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.again import lowered
from nonlocal_viz.probe.arguments import first_tensor
from nonlocal_viz.probe.mixed import Mixed
from nonlocal_viz.probe.proving import proven
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.twins import twin_of

_NOTHING = "This block adds nothing to its input: its gamma is 0, as where training begins."
#: Rows that the output is made of again for the proof.
_ROWS = 32


def recognises(module: nn.Module) -> bool:
    """Whether it has three convolutions and a gamma, as other blocks have too, and says that it is one."""
    parts = [getattr(module, f"{name}_conv", None) for name in ("query", "key", "value")]
    named = "crisscross" in type(module).__name__.lower().replace("_", "")
    return named and hasattr(module, "gamma") and all(isinstance(p, nn.Conv2d) for p in parts)


def read(call: Call, output: Any) -> Affinity:
    """The map of one call. The proof: with a gamma of 1 the module adds A v to its input, and made again as
    it is it gives what it gave.

    Raises:
        UnprovenError: either differs.
    """
    first = first_tensor(call.args, call.kwargs)
    if first is None or first[1].ndim != 4:
        raise UnprovenError("A criss-cross block is given (B, C, H, W).")
    x = first[1].detach()
    twin: Any = twin_of(call.module, own_buffers=True)
    grid = (1, *x.shape[2:])
    with torch.no_grad(), lowered(call, x):
        again = twin(x)
        query, key, value = (
            part(x).flatten(2).mT[:, None]
            for part in (twin.query_conv, twin.key_conv, twin.value_conv)
        )
        gamma = _gamma(twin)
        adds = bool((gamma != 0).any())
        _set_gamma(twin, torch.ones_like(gamma))
        mixed = (twin(x) - x).flatten(2).mT[:, None]
    made = Mixed(
        query, key, grid, grid, cross=True, instantiation="criss-cross",
        notes=() if adds else (_NOTHING,),
    )  # fmt: skip
    picked = torch.linspace(0, made.shape[1] - 1, min(_ROWS, made.shape[1])).long()
    rows = made.rows(picked, heads=True)
    return proven(
        made,
        call.lowered or x.dtype,
        output=(again, output),
        rows=(rows @ wide(value), wide(mixed[:, :, picked])),
    )


def example() -> tuple[nn.Module, Tensor]:
    """A block of the smallest kind, whose output depends on its map."""
    torch.manual_seed(0)
    return CrissCross().eval(), torch.randn(2, 4, 5, 6)


class CrissCross(nn.Module):
    """One softmax over the cross, as a mask over all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.query_conv, self.key_conv, self.value_conv = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.gamma = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        q, k, v = (f(x) for f in (self.query_conv, self.key_conv, self.value_conv))
        down = torch.einsum("bchw,bcgw->bhwg", q, k)
        down = down.masked_fill(torch.eye(height).bool()[None, :, None], -torch.inf)
        a = torch.cat([down, torch.einsum("bchw,bchv->bhwv", q, k)], -1).softmax(-1)
        y = torch.einsum("bhwg,bcgw->bchw", a[..., :height], v)
        y = y + torch.einsum("bhwv,bchv->bchw", a[..., height:], v)
        return x + self.gamma * y


def _gamma(module: Any) -> Tensor:
    gamma = module.gamma
    found: Tensor = gamma if isinstance(gamma, Tensor) else gamma.scale
    return found.detach()


def _set_gamma(module: Any, value: Tensor) -> None:
    owner, name = (module, "gamma") if isinstance(module.gamma, Tensor) else (module.gamma, "scale")
    setattr(owner, name, nn.Parameter(value, requires_grad=False))
