"""Why what looks like an attention over positions is none, by its kind: by what it is computed from."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.records import Call, Capture
from nonlocal_viz.probe.trail import PRODUCTS, SOFTMAXES

_aten = torch.ops.aten
OVER_CHANNELS = (
    "It is attention over channels: its queries and keys are features, each with one number a position, so "
    "that its map has the same size whatever the picture's."
)
ACROSS_IMAGES = (
    "Its queries look at keys of other images of the batch, too: a map over the cells of one image has no "
    "place for these."
)
A_FUNCTION = (
    "It calls flex_attention: its scores go through a function that is not seen. Written with "
    "scaled_dot_product_attention, or as a softmax of q @ k, the same attention is."
)
INSIDE = (
    "It calls {}, an operator that takes functions, and what these compute is not seen. Called directly, "
    "it is."
)
NESTED = "Its images have different numbers of tokens (nested tensors); call it with one of them."
LINEAR = (
    "It is linear attention: keys are multiplied with values over all positions first, features by "
    "features, and queries with that. There is no map of pairs."
)
NO_PAIRS = (
    "What its softmax is taken of is made of each position by itself, not of pairs of a query and a key: "
    "linear attention, or a pooling. There is no map of pairs."
)
OTHER_SCORE = (
    "Its scores are made of pairs of a query and a key by no product of the two (a distance, a sum that is "
    "bent), and what else it could be is not guessed: a family of your own can read it, see docs/attach.md."
)
NORMALISED = (
    "Its weights are normalised over heads after the softmax, and then multiplied with values: no linear "
    "map of heads, which alone are followed."
)
UNKNOWN = (
    "Weights of a softmax are multiplied with something there, but more lies between them "
    "and a product of queries and keys than scales, sums, masks and mixes of heads (a gate, a bank), "
    "or there is no such product."
)
OBJECTS = (
    "Its {} tokens are objects, not places: the first module that is given as many gets the network's own, "
    "whatever the picture."
)
TEXT = "Its {} tokens are text: the network is given a whole number for each, not a place."
_NORMS = {
    _aten.native_layer_norm.default,
    _aten.native_batch_norm.default,
    _aten._native_batch_norm_legit_no_training.default,
    _aten.native_group_norm.default,
}
#: A layer of fewer features than this may mix heads.
_HEADS = 4
#: How every row of one tensor meets every row of another without a product of the two.
_DISTANCES = {_aten._cdist_forward.default, _aten._euclidean_dist.default}
_SUMS = {_aten.add.Tensor, _aten.sub.Tensor}
#: Operations that are looked back through.
_FAR = 64


def lost_weights(made: Node | None, has_weights: Callable[[Node], bool]) -> str | None:
    """Why a tensor that was made of a softmax is not followed; None where it was made of none.

    Args:
        has_weights: whether a product is with a parameter of the network.
    """
    todo, normalised = [made], False
    for _ in range(_FAR):
        node = todo.pop(0) if todo else None
        if node is None:
            continue
        if node.func in SOFTMAXES:
            why = _scores(node.made[0], has_weights)
            if why is not None:
                return why
            return NORMALISED if normalised else UNKNOWN
        normalised = normalised or node.func in _NORMS
        todo += [before for before in node.made if before is not None]
    return None


def _scores(made: Node | None, has_weights: Callable[[Node], bool]) -> str | None:
    """What is wrong with what a softmax is of: pairs that are no products, or none, as what comes straight
    from a layer (a convolution, or weights of its own)."""
    todo = [made]
    found = None
    for _ in range(_FAR):
        node = todo.pop(0) if todo else None
        if node is None:
            continue
        if _of_pairs(node):
            return OTHER_SCORE
        layer = node.func in (_aten.convolution.default, _aten.addmm.default)
        if layer or node.func in PRODUCTS:
            if not layer and not has_weights(node):
                return None
            factor = node.tensors[-1]
            if factor.ndim < 4 and max(factor.shape[-2:]) > _HEADS:
                found = NO_PAIRS
                continue
        todo += [before for before in node.made if before is not None]
    return found


def _of_pairs(node: Node) -> bool:
    """Whether every row of one tensor met every row of another, as in a distance or a sum of both."""
    if node.func in _DISTANCES:
        return True
    both = [before.shape for before in node.made if before is not None]
    return node.func in _SUMS and len(both) == 2 and node.shape not in both


def over_channels(capture: Capture, x: Tensor) -> bool:
    """Whether queries have one number for each position of what the module is given, and keys are as many
    as queries and share out its features."""
    n, numbers = capture.query.shape[1:]
    if n != capture.key.shape[1] or x.ndim not in (3, 4):
        return False
    if x.ndim == 3:
        ways = [(x.shape[1], x.shape[2]), (x.shape[2], x.shape[1])]
    else:
        ways = [
            (x.shape[2:].numel(), x.shape[1]),
            (x.shape[1:3].numel(), x.shape[3]),
        ]
    # Of as many features as positions the shapes do not say which are which.
    return any(numbers == p != n and features % n == 0 for p, features in ways)


def is_text(calls: Sequence[Call], count: int) -> bool:
    """Whether one of the calls was given ``count`` whole numbers a row."""
    given = [t for c in calls for t in (*c.args, *c.kwargs.values()) if isinstance(t, Tensor)]
    kinds = torch.int64, torch.int32
    found = [t for t in given if t.ndim == 2 and t.shape[1] == count and t.dtype in kinds]
    # Numbers of words, and no mask.
    return any(bool(((t != 0) & (t != 1)).any()) for t in found)
