"""An extra logit beside the scores, which takes a share of every row and is cut away after the softmax."""

from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.node import Node

_aten = torch.ops.aten
_SOFTMAXES = {_aten._softmax.default, _aten._safe_softmax.default}
_KEPT = {_aten.clone.default, _aten._to_copy.default, _aten.detach.default, _aten.alias.default}


def before_sink(node: Node, column: tuple[int, ...]) -> tuple[Tensor, Node | None] | None:
    """(logarithm of what the softmax divided by, how the scores were made), where a node cuts the axis
    ``column`` of the scores out of a softmax of these and others side by side; None where it does
    something else."""
    axis, first, last = _cut(node)
    softmax = _kept(node.made[0])
    if softmax is None or softmax.func not in _SOFTMAXES or column != (axis,):
        return None
    beside = _kept(softmax.made[0])
    if beside is None or beside.func is not _aten.cat.default:
        return None
    whole: Tensor = softmax.args[0]
    dims = [d % whole.ndim for d in (softmax.args[1], *beside.args[1:2])]
    if dims != [axis, axis]:
        return None
    at = 0
    for tensor, made in zip(beside.args[0], beside.parts, strict=True):
        end = at + tensor.shape[axis]
        if (at, end) == (first, last):
            return wide(whole).logsumexp(axis, keepdim=True), made
        at = end
    return None


def _cut(node: Node) -> tuple[int, int, int]:
    """(axis, first, last) of a slice."""
    given: tuple[Any, ...] = (*node.args, *(0, None, None, 1)[len(node.args) - 1 :])
    source, axis, first, last, step = given
    size = source.shape[axis]
    if step != 1:
        return -1, 0, 0
    start, end = (
        size if at is None else min(at + size if at < 0 else at, size) for at in (first or 0, last)
    )
    return axis % source.ndim, start, end


def _kept(node: Node | None) -> Node | None:
    while node is not None and node.func in _KEPT:
        node = node.made[0]
    return node
