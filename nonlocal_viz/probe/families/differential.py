"""Differential attention: the difference of two softmaxes, the second one times lambda.

Ye et al., "Differential Transformer", 2024, section 2; timm's ``DiffAttention`` has this structure.
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
    """Whether it has lambdas, and norms of queries, keys and what two maps make of the values."""
    parts = ("qkv", "q_norm", "k_norm", "sub_norm", "proj")
    return (
        all(isinstance(getattr(module, name, None), nn.Module) for name in parts)
        and callable(getattr(module, "_compute_lambda", None))
        and isinstance(getattr(module, "num_heads", None), int)
    )


def read(call: Call, output: Any, tokens: Tokens) -> Affinity:
    """The map of one call. Raises UnprovenError where it is not what the module made."""
    # Hooks that people hung on its parts do not fire again.
    module: Any = twin_of(call.module)
    x = tokens_of(call)
    heads, count = module.num_heads, x.shape[1]
    q, k, v = module.qkv(x).detach().chunk(3, 2)
    q, k = (
        norm(split(part, 2 * heads)).detach()
        for norm, part in ((module.q_norm, q), (module.k_norm, k))
    )
    less = module._compute_lambda().detach().to(q.dtype).reshape(())
    after = q.new_zeros(heads, 2 * heads)
    for head in range(heads):
        after[head, 2 * head], after[head, 2 * head + 1] = 1, -less
    made = Mixed(
        q * module.scale,
        k,
        (1, 1, count),
        (1, 1, count),
        after=(after, after.new_zeros(heads)),
        instantiation="differential",
        notes=("A row is one softmax less another: weights can be negative, sums are not 1.",),
    )
    return placed(held(made, call, output, split(v, heads), "sub_norm"), x, tokens)


def example() -> tuple[nn.Module, Tensor]:
    """One with two heads, that is four softmaxes."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 12, 8)


class _Example(nn.Module):
    num_heads, scale = 2, 0.7

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.q_norm, self.k_norm, self.sub_norm = nn.Identity(), nn.LayerNorm(2), nn.LayerNorm(4)

    def _compute_lambda(self) -> Tensor:
        return torch.tensor(0.6)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, 2)
        q, k = self.q_norm(split(q, 4)), self.k_norm(split(k, 4))
        a = (q * self.scale @ k.mT).softmax(-1).unflatten(1, (2, 2))
        y = self.sub_norm((a[:, :, 0] - self._compute_lambda() * a[:, :, 1]) @ split(v, 2))
        z: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return z
