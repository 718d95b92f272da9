"""Sums and scales that a network writes into a part of its scores: ``scores[..., 1:, 1:] += bias``.

The part shares its memory with the whole, which nothing is said to have happened to. So the same is noted
of the whole, with 0 added, or 1 multiplied, where nothing was written.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.probe.memory import key_of, storage_of
from nonlocal_viz.probe.node import Node

_aten = torch.ops.aten
#: {what is written into a part: (the same of the whole, what leaves it as it is)}
_WRITES: dict[Any, tuple[Any, float]] = {
    _aten.add_.Tensor: (_aten.add.Tensor, 0.0),
    _aten.add_.Scalar: (_aten.add.Tensor, 0.0),
    _aten.sub_.Tensor: (_aten.sub.Tensor, 0.0),
    _aten.sub_.Scalar: (_aten.sub.Tensor, 0.0),
    _aten.mul_.Tensor: (_aten.mul.Tensor, 1.0),
    _aten.mul_.Scalar: (_aten.mul.Tensor, 1.0),
    _aten.div_.Tensor: (_aten.div.Tensor, 1.0),
    _aten.div_.Scalar: (_aten.div.Tensor, 1.0),
}


def of_the_whole(node: Node, made: Mapping[Any, Node]) -> dict[Any, Node]:
    """{key of a tensor: how it was made by now} of those that an operation wrote into by a part of them;
    empty where it did something else, or wrote into all of it."""
    if node.func not in _WRITES or not isinstance(node.args[0], Tensor):
        return {}
    part, before = node.args[0], node.made[0]
    wholes = [part]
    # Back through the views; what was written into them before is one of these steps.
    while before is not None and before.args and isinstance(before.args[0], Tensor):
        if storage_of(before.args[0]) != storage_of(part):
            break
        wholes.append(before.args[0])
        before = before.made[0]
    known = {key_of(t): t for t in wholes if t.numel() > part.numel()}
    return {key: _written(node, whole, made[key]) for key, whole in known.items() if key in made}


def _written(node: Node, whole: Tensor, before: Node) -> Node:
    func, nothing = _WRITES[node.func]
    part, operand = node.args[:2]
    spread = torch.empty_strided(
        whole.shape, whole.stride(), dtype=whole.dtype, device=whole.device
    ).fill_(nothing)
    offset = part.storage_offset() - whole.storage_offset()
    spread.as_strided(part.shape, part.stride(), offset).copy_(torch.as_tensor(operand))
    return Node(func, (whole, spread), node.kwargs, (before, None), tuple(whole.shape))
