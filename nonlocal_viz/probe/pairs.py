"""Attention whose keys are the tokens of two inputs, one after the other: a class token and the patches
that it is told as its context (CaiT, CrossViT), latents and a picture, words and a picture.

Invariant: every slot follows a position of exactly one of the two inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import tensors
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import MIXED, NOWHERE
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call, Capture, UnprovenError
from nonlocal_viz.probe.slots import Slots, image_of

_AXES = Axes(0, (1,))


@dataclass(frozen=True)
class Pair:
    """The slots over the tokens of two inputs, numbered one input after the other.

    Attributes:
        given: the two inputs, (B, N, C) and (B, M, C').
        joint: whether tokens of both ask; else those of the first do.
    """

    slots: Slots
    placing: Placing
    given: tuple[Tensor, Tensor]
    joint: bool


def pair(
    again_of: Callable[[Call, int], Again], capture: Capture, call: Call, number: int
) -> Pair | None:
    """Of an attention of ``call``; None where its keys are not the tokens of two inputs."""
    found = [(nth, x) for nth, (_, x) in enumerate(tensors(call.args, call.kwargs)) if x.ndim == 3]
    if len(found) < 2 or found[0][1].shape[0] != found[1][1].shape[0]:
        return None
    images = found[0][1].shape[0]
    counts = [x.shape[1] for _, x in found[:2]]
    n, m = capture.query.shape[1], capture.key.shape[1]
    if m != sum(counts) or n not in (*counts, m) or capture.groups % images:
        return None
    path = capture.path[len(call.path) :].lstrip(".")
    sides: list[tuple[Tensor, Tensor]] = []
    placings = [Placing(again_of(call, nth), path, number, x, capture) for nth, x in found[:2]]
    for placing, count in zip(placings, counts, strict=True):
        slots = None if placing.still is None else placing.by_bits(_AXES, images, count)
        if slots is None:
            return None
        sides.append(slots)
    first = n == m or bool((sides[0][0] >= 0).all())
    if not first:
        # Those of the second ask: what is said of a pair is said in that order.
        sides, found, placings, counts = sides[::-1], found[1::-1], placings[::-1], counts[::-1]
    query, key = (
        _numbered(one, other, counts) for one, other in zip(sides[0], sides[1], strict=True)
    )
    if query is None or key is None or bool((image_of(key, sum(counts)) == MIXED).any()):
        return None
    joint = n == m
    if not joint:
        query = sides[0][0]
        if bool((query < 0).any()) or bool((sides[1][0] != NOWHERE).any()):
            return None
    if not torch.equal(_images(query, sum(counts) if joint else n), _images(key, sum(counts))):
        return None
    positions = sum(counts) if joint else counts[0]
    whole = Slots(_AXES, query, key, images, positions, sum(counts))
    return Pair(whole, placings[0], (found[0][1], found[1][1]), joint)


def _images(code: Tensor, positions: int) -> Tensor:
    return code.max(1).values // positions


def _numbered(one: Tensor, other: Tensor, counts: list[int]) -> Tensor | None:
    """Positions of two inputs, numbered one after the other; None where a slot follows none, or both."""
    if bool(((one >= 0) & (other >= 0)).any()) or bool(
        (torch.minimum(one, other) != NOWHERE).any()
    ):
        return None
    total = sum(counts)
    ours = one // counts[0] * total + one % counts[0]
    theirs = other // counts[1] * total + counts[0] + other % counts[1]
    found = torch.where(one >= 0, ours, torch.where(other >= 0, theirs, NOWHERE))
    return None if bool((found < 0).any()) else found


def placed(
    found: Pair, positions_of: Callable[[Tensor, Axes], Positions]
) -> tuple[Positions, Positions]:
    """What asks and what is looked at: cells of one of the inputs, and the other's tokens by name.

    Raises:
        UnprovenError: neither lies on a grid, or both do.
    """
    ours, theirs = found.given
    if not found.joint:
        names = _names(ours.shape[1], "query")
        keys = positions_of(theirs, _AXES)
        return Positions((0, 0, 0), names), _with(keys, names, front=True)
    known: list[Positions | None] = []
    for x in found.given:
        try:
            positions = positions_of(x, _AXES)
            # Which of two inputs is a grid is not to be assumed.
            known.append(None if positions.assumed else positions)
        except UnprovenError:
            known.append(None)
    if (known[0] is None) == (known[1] is None):
        raise UnprovenError(
            f"Tokens of two inputs, {ours.shape[1]} and {theirs.shape[1]}, look at all of both, and which "
            "of them are cells the network does not show."
        )
    if known[0] is None:
        assert known[1] is not None
        both = _with(known[1], _names(ours.shape[1], "token"), front=True)
    else:
        both = _with(known[0], _names(theirs.shape[1], "token"), front=False)
    return both, both


def _names(count: int, what: str) -> tuple[str, ...]:
    return ("class",) if count == 1 else tuple(f"{what} {i + 1}" for i in range(count))


def _with(cells: Positions, names: tuple[str, ...], front: bool) -> Positions:
    """Positions and named tokens in front of them, or behind; of two of one name each has its own."""
    taken = {*cells.before, *cells.after}
    names = tuple(f"other {name}" if name in taken else name for name in names)
    order = cells.order
    if front:
        if order is not None:
            order = torch.cat((torch.arange(len(names)), order + len(names)))
        return replace(cells, before=names + cells.before, order=order)
    if order is not None:
        order = torch.cat((order, torch.arange(len(names)) + len(order)))
    return replace(cells, after=cells.after + names, order=order)
