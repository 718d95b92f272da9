"""Gated positional attention: a share of every row is a softmax of the places alone.

d'Ascoli et al., "ConViT", 2021, section 3; timm's ``GPSA`` has this structure.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.probe.mixed import Mixed, Tokens, held, placed, split, tokens_of
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.twins import twin_of

#: It is told what its tokens are.
TOKENS = True


def recognises(module: nn.Module) -> bool:
    """Whether it projects to q and k together, and places to one score a head that a gate lets in."""
    heads = getattr(module, "num_heads", None)
    place, gate = getattr(module, "pos_proj", None), getattr(module, "gating_param", None)
    return (
        isinstance(place, nn.Linear)
        and place.out_features == heads
        and isinstance(gate, nn.Parameter)
        and all(isinstance(getattr(module, name, None), nn.Linear) for name in ("qk", "v", "proj"))
        and isinstance(getattr(module, "rel_indices", None), Tensor)
    )


def read(call: Call, output: Any, tokens: Tokens) -> Affinity:
    """The map of one call. Raises UnprovenError where it is not what the module made."""
    # Hooks that people hung on its parts do not fire again.
    module: Any = twin_of(call.module)
    x = tokens_of(call)
    heads, count = module.num_heads, x.shape[1]
    q, k = (split(part, heads) for part in module.qk(x).detach().chunk(2, 2))
    value = split(module.v(x).detach(), heads)
    fixed = module.pos_proj(module.rel_indices).detach()[0].permute(2, 0, 1).float().softmax(-1)
    made = Mixed(
        q * module.scale,
        k,
        (1, 1, count),
        (1, 1, count),
        gate=module.gating_param.detach().sigmoid(),
        fixed=fixed,
        instantiation="gated positional",
        notes=(
            "A share of every row, one for each head, depends on places alone, not on the picture.",
        ),
    )
    return placed(held(made, call, output, value, "proj"), x, tokens)


def example() -> tuple[nn.Module, Tensor]:
    """One with two heads, whose gates are neither open nor shut."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 12, 8)


class _Example(nn.Module):
    num_heads, scale = 2, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.qk, self.v, self.proj = nn.Linear(8, 16), nn.Linear(8, 8), nn.Linear(8, 8)
        self.pos_proj, self.gating_param = nn.Linear(3, 2), nn.Parameter(torch.tensor([0.3, -1]))
        self.rel_indices = torch.randn(1, 12, 12, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k = (split(part, 2) for part in self.qk(x).chunk(2, 2))
        place = self.pos_proj(self.rel_indices).permute(0, 3, 1, 2).softmax(-1)
        gate = self.gating_param.sigmoid().view(1, -1, 1, 1)
        a = (1 - gate) * (q * self.scale @ k.mT).softmax(-1) + gate * place
        y: Tensor = self.proj((a @ split(self.v(x), 2)).transpose(1, 2).flatten(2))
        return y
