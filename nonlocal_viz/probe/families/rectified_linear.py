"""Linear attention of rectified queries and keys: weights are their products over the sum of these.

Cai et al., "EfficientViT", 2022, section 3.1; the authors' and timm's ``LiteMLA`` have this structure. Its
heads are those of all scales, one scale after the other.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.arguments import first_tensor
from nonlocal_viz.probe.proving import proven
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.twins import twin_of

#: Rows that what the projection was given is made of again for the proof.
_ROWS = 32


def recognises(module: nn.Module) -> bool:
    """Whether it gathers several scales of q, k and v, rectifies, and projects."""
    return (
        isinstance(getattr(module, "kernel_func", None), nn.ReLU)
        and isinstance(getattr(module, "aggreg", None), nn.ModuleList)
        and isinstance(getattr(module, "dim", None), int)
        and all(isinstance(getattr(module, name, None), nn.Module) for name in ("qkv", "proj"))
    )


def read(call: Call, output: Any) -> Affinity:
    """The map of one call. The proof: A v is what the projection was given, and the module made again gives
    what it gave.

    Raises:
        UnprovenError: either differs.
    """
    first = first_tensor(call.args, call.kwargs)
    if first is None or first[1].ndim != 4:
        raise UnprovenError("Its module is given (B, C, H, W).")
    x = first[1].detach()
    twin: Any = twin_of(call.module, own_buffers=True)
    seen: list[Tensor] = []
    twin.proj.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.no_grad():
        again = twin(x)
        qkv = twin.qkv(x)
        scales = torch.cat([qkv, *(scale(qkv) for scale in twin.aggreg)], 1)
    tokens = scales.unflatten(1, (-1, 3 * twin.dim)).flatten(3).mT
    q, k, value = tokens.chunk(3, -1)
    grid = (1, *x.shape[2:])
    # The module adds a small number to every sum: queries are divided by theirs, as it does, and by count.
    q, k = q.relu(), k.relu()
    total = q @ k.sum(2, keepdim=True).mT + float(getattr(twin, "eps", 0.0))
    made = Factored(
        Pairwise(rectify=True, normalise="count"), q * (k.shape[2] / total), k, grid, grid,
        instantiation="rectified linear",
        notes=("A query that matches no key has weights of 0.",),
    )  # fmt: skip
    picked = torch.linspace(0, made.shape[1] - 1, min(_ROWS, made.shape[1])).long()
    given = wide(seen[0]).unflatten(1, (made.heads, -1)).flatten(3).mT
    rows = made.rows(picked, heads=True)
    return proven(
        made,
        call.lowered or x.dtype,
        output=(again, output),
        rows=(rows @ wide(value), given[:, :, picked]),
    )


def example() -> tuple[nn.Module, Tensor]:
    """One with two heads in each of two scales."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 6, 4, 5)


class _Example(nn.Module):
    dim, eps = 3, 1e-5

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Conv2d(6, 18, 1), nn.Conv2d(12, 6, 1)
        self.aggreg, self.kernel_func = nn.ModuleList([nn.Conv2d(18, 18, 3, 1, 1)]), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        parts = torch.cat([qkv, self.aggreg[0](qkv)], 1).unflatten(1, (-1, 9)).flatten(3).mT
        q, k, v = parts.chunk(3, -1)
        q, k = self.kernel_func(q), self.kernel_func(k)
        y = q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT + self.eps)
        z: Tensor = self.proj(y.mT.reshape(len(x), 12, *x.shape[2:]))
        return z
