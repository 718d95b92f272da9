"""Scores or weights that are sums over the heads of others: talking heads, before a softmax and after it.

Shazeer et al., "Talking-Heads Attention", 2020. Invariant: rows and columns of the heads that are mixed are
those of the mixed one, so that a row of it is as many rows as there are heads.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.records import Capture
from nonlocal_viz.probe.trail import KEPT, PRODUCTS, VIEWS, Trail

_aten = torch.ops.aten
MIXED_AFTER = "Its heads are mixed after their softmax: weights can be negative, sums are not 1."
#: More heads than this are no heads, but features.
_HEADS = 64


@dataclass
class Mixture(Capture):
    """Groups that are each a sum of groups of another capture.

    Attributes:
        base: the capture whose groups are mixed; its query (L', n, D), its key (L', m, D).
        source: (L, h), which of them each group is a sum of.
        share: (L, h), how much of each.
        offset: (L,), what is added.
    """

    base: Capture = field(kw_only=True)
    source: Tensor = field(kw_only=True)
    share: Tensor = field(kw_only=True)
    offset: Tensor = field(kw_only=True)

    def scores(self, groups: Tensor, slots: Tensor) -> Tensor:
        """See :meth:`Capture.scores`."""
        total = wide(self.offset)[groups].unsqueeze(1)
        for source, share in zip(self.source[groups].T, self.share[groups].T, strict=True):
            total = total + wide(share).unsqueeze(1) * self.base.weights(source, slots)
        return total


@dataclass(frozen=True)
class HeadMix:
    """An operation that mixes heads, and the trail of what it mixes.

    Attributes:
        trail: of all groups that there are before it.
        made: how the tensor that the trail is of was made.
        source, share, offset: see :class:`Mixture`.
    """

    trail: Trail
    made: Node | None
    source: Tensor
    share: Tensor
    offset: Tensor

    def mixture(self, seen: Capture, base: Capture) -> Mixture:
        """The capture behind it: ``seen`` has the steps and values, ``base`` the factors."""
        # A slot follows what any of its heads is made of.
        query, key = (
            factor[self.source].movedim(1, 2).flatten(2) for factor in (base.query, base.key)
        )
        fields: dict[str, Any] = {
            **vars(replace(seen, query=query, key=key)),
            "softmax": seen.softmax or base.softmax,
        }
        if base.softmax:
            fields["notes"] = (*seen.notes, *base.notes, MIXED_AFTER)
        fields["dropped"] = seen.dropped or base.dropped
        return Mixture(
            **fields, base=base, source=self.source, share=self.share, offset=self.offset
        )


def mix_at(trail: Trail, node: Node, has_weights: Callable[[Node], bool]) -> HeadMix | None:
    """The mix that an operation is, where it is one; the trail is of what it made. ``has_weights``: whether
    a product is with a parameter of the network."""
    if trail.merged is not None:
        return None
    if node.func is _aten.convolution.default:
        return _of_convolution(trail, node)
    chain = node
    while (chain.func in VIEWS or chain.func in KEPT) and chain.made[0] is not None:
        chain = chain.made[0]
    product = chain.func in PRODUCTS or chain.func is _aten.addmm.default
    return _of_product(trail, chain) if product and has_weights(chain) else None


def _of_convolution(trail: Trail, node: Node) -> HeadMix | None:
    """A convolution 1 x 1 of pictures whose channels are heads, (B, h, rows, columns)."""
    x, weight, bias = node.args[:3]
    if x.ndim != 4 or math.prod(weight.shape[2:]) != 1 or node.args[8] != 1 or node.args[6]:
        return None
    if 1 in (*trail.row, *trail.column) or 0 in (*trail.row, *trail.column):
        return None
    if tuple(x.shape[2:]) != trail.shape[2:]:
        return None
    return _mix(trail, 1, tuple(x.shape), weight.flatten(1), bias, node.made[0])


def _of_product(trail: Trail, node: Node) -> HeadMix | None:
    """A product of (.., heads) with a matrix (heads, heads), or of that with (.., heads, ..)."""
    bias = node.args[0] if node.func is _aten.addmm.default else None
    if node.func is _aten.baddbmm.default or node.kwargs:
        return None
    a, b = [t for t in node.args if isinstance(t, Tensor)][-2:]
    made = node.made[-2:]
    batch = a.shape[0] if a.ndim == 3 else 1
    on_right, on_left = _one_matrix(b), _one_matrix(a)
    sizes = [i for i, size in enumerate(trail.shape) if size > 1]
    last = sizes[-1] if sizes else 0
    if on_right is not None and trail.shape[last] == on_right.shape[1] and _free(trail, last):
        before = (*trail.shape[:last], on_right.shape[0], *trail.shape[last + 1 :])
        return _mix(trail, last, before, on_right.T, bias, made[0])
    if on_left is None or bias is not None:
        return None
    for axis, size in enumerate(trail.shape):
        here = math.prod(trail.shape[:axis]) == batch and size == on_left.shape[0]
        if here and _free(trail, axis):
            before = (*trail.shape[:axis], on_left.shape[1], *trail.shape[axis + 1 :])
            return _mix(trail, axis, before, on_left, None, made[1])
    return None


def _one_matrix(factor: Tensor) -> Tensor | None:
    """The small matrix that a factor is, for all of a batch."""
    if factor.ndim == 3 and (factor.shape[0] == 1 or factor.stride(0) == 0):
        factor = factor[0]
    return factor if factor.ndim == 2 and max(factor.shape) <= _HEADS else None


def _free(trail: Trail, axis: int) -> bool:
    return axis not in (*trail.row, *trail.column)


def _mix(
    trail: Trail,
    axis: int,
    before: tuple[int, ...],
    weight: Tensor,
    bias: Tensor | None,
    made: Node | None,
) -> HeadMix | None:
    """Heads along an axis; ``weight`` (heads made, heads mixed)."""
    sides = (*trail.row, *trail.column)
    if math.prod(before) // before[axis] != math.prod(trail.shape) // trail.shape[axis]:
        return None
    lead = [a for a in range(len(before)) if a not in sides]
    sizes = [before[a] for a in lead]
    index = torch.unravel_index(trail.group, [trail.shape[a] for a in lead])
    at = lead.index(axis)
    heads = torch.arange(before[axis])
    # Numbers of the groups before it: the same in all axes but that of heads.
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    others = sum(
        (index[i] * strides[i] for i in range(len(lead)) if i != at), torch.zeros_like(index[at])
    )
    source = others[:, None] + heads * strides[at]
    share = weight.detach()[index[at]].clone()
    offset = share.new_zeros(len(share)) if bias is None else bias.detach()[index[at]].clone()
    groups = torch.arange(math.prod(sizes))
    inner = Trail(before, trail.row, trail.column, groups)
    return HeadMix(inner, made, source, share, offset)
