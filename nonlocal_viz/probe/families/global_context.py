"""Global context blocks: one map for all queries, the softmax of a 1x1 convolution of the keys.

Cao et al., "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", 2019, section 3.3;
mmcv's and mmdetection's ``ContextBlock`` and timm's ``GlobalContext`` have this structure.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.probe.again import lowered
from nonlocal_viz.probe.arguments import first_tensor
from nonlocal_viz.probe.proving import refuse_beyond
from nonlocal_viz.probe.records import Call, UnprovenError, relative
from nonlocal_viz.probe.twins import twin_of

_SAME_FOR_ALL = (
    "There is one map, whatever the query: every position gets the same sum of all values."
)
#: Modules behind the pooled context, at most.
_BEHIND = 3


def recognises(module: nn.Module) -> bool:
    """Whether it has one convolution to a mask, and a few modules that begin with as many features."""
    mask = _mask(module)
    if mask is None or isinstance(module, nn.Sequential):
        return False
    features = [_features(inner) for inner in _behind(module)]
    return 0 < len(features) <= _BEHIND and all(n == mask.in_channels for n in features)


def read(call: Call, output: Any) -> Affinity:
    """The one row, as the unary row of every query. The proof: the context that it makes is what the
    convolutions behind it are given, and the module made again gives what it gave.

    Raises:
        UnprovenError: either differs.
    """
    first = first_tensor(call.args, call.kwargs)
    if first is None or first[1].ndim != 4:
        raise UnprovenError("A global context block is given (B, C, H, W).")
    x = first[1].detach()
    twin = twin_of(call.module, own_buffers=True)
    seen: list[Tensor] = []
    mask = _mask(twin)
    assert mask is not None
    for module in _behind(twin):
        module.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.no_grad(), lowered(call, x):
        again = twin(x)
        score = mask(x)
    row = score.flatten(2).float().softmax(-1)
    context = (x.flatten(2).float() @ row.mT).flatten(1)
    proof = {"output": relative(again, output)}
    pooled = [t.flatten(1).float() for t in seen if t.numel() == context.numel()]
    if not pooled:
        raise UnprovenError("Nothing behind the pooled context was called.")
    proof["context"] = max(relative(context, given) for given in pooled)
    refuse_beyond(proof, call.lowered or x.dtype)
    batch, _, height, width = x.shape
    nothing = row.new_zeros(batch, 1, height * width, 1)
    grid = (1, height, width)
    return Factored(
        Pairwise(rectify=True, normalise="count"),
        nothing,
        nothing,
        grid,
        grid,
        unary=row,
        instantiation="global context",
        notes=(_SAME_FOR_ALL,),
        proof=proof,
    )


def example() -> tuple[nn.Module, Tensor]:
    """A block of the smallest kind: the context through a convolution, added everywhere."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 4, 5, 6)


class _Example(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_mask = nn.Conv2d(4, 1, 1)
        self.channel_add_conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.conv_mask(x).flatten(2).softmax(-1)
        context = (x.flatten(2) @ mask.mT).unsqueeze(-1)
        added: Tensor = x + self.channel_add_conv(context)
        return added


def _mask(module: nn.Module) -> nn.Conv2d | None:
    """The only convolution of its own that makes one channel, of each position by itself."""
    found = [
        inner
        for inner in module.children()
        if isinstance(inner, nn.Conv2d) and inner.out_channels == 1 and inner.kernel_size == (1, 1)
    ]
    return found[0] if len(found) == 1 and found[0].in_channels > 1 else None


def _behind(module: nn.Module) -> list[nn.Module]:
    """Its other modules with weights."""
    mask = _mask(module)
    others = (inner for inner in module.children() if inner is not mask)
    return [inner for inner in others if any(True for _ in inner.parameters())]


def _features(module: nn.Module) -> int:
    """How many features the first layer of a module reads; 0 where that is not known."""
    for inner in module.modules():
        if isinstance(inner, nn.Conv2d):
            return inner.in_channels
        if isinstance(inner, nn.Linear):
            return inner.in_features
    return 0
