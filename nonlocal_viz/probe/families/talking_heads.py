"""Talking heads: heads are mixed linearly before the softmax and after it.

Shazeer et al., "Talking-Heads Attention", 2020; timm's CaiT has this structure.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.probe.mixed import Mixed, Tokens, held, mixing, placed, split, tokens_of
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.twins import twin_of

#: It is told what its tokens are.
TOKENS = True


def recognises(module: nn.Module) -> bool:
    """Whether it projects to q, k and v together, and mixes as many heads twice."""
    heads = getattr(module, "num_heads", None)
    mixes = [getattr(module, name, None) for name in ("proj_l", "proj_w")]
    return (
        isinstance(heads, int)
        and all(isinstance(mix, nn.Linear) and mix.in_features == heads for mix in mixes)
        and all(isinstance(getattr(module, name, None), nn.Linear) for name in ("qkv", "proj"))
        and isinstance(getattr(module, "scale", None), float)
    )


def read(call: Call, output: Any, tokens: Tokens) -> Affinity:
    """The map of one call. Raises UnprovenError where it is not what the module made."""
    # Hooks that people hung on its parts do not fire again.
    module: Any = twin_of(call.module)
    x = tokens_of(call)
    heads = module.num_heads
    q, k, v = (split(part, heads) for part in module.qkv(x).detach().chunk(3, 2))
    count = x.shape[1]
    made = Mixed(
        q * module.scale,
        k,
        (1, 1, count),
        (1, 1, count),
        before=mixing(module.proj_l),
        after=mixing(module.proj_w),
        instantiation="talking heads",
        notes=(
            "Its heads are mixed after their softmax: weights can be negative, sums are not 1.",
        ),
    )
    return placed(held(made, call, output, v, "proj"), x, tokens)


def example() -> tuple[nn.Module, Tensor]:
    """One with two heads that are mixed both times."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 12, 8)


class _Example(nn.Module):
    num_heads, scale = 2, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.proj_l, self.proj_w = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split(part, 2) for part in self.qkv(x).chunk(3, 2))
        a = self.proj_l((q * self.scale @ k.mT).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        a = self.proj_w(a.softmax(-1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y: Tensor = self.proj((a @ v).transpose(1, 2).flatten(2))
        return y
