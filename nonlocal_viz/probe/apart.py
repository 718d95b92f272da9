"""Queries and keys that a module is given, made by another: these are not what they were made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from nonlocal_viz.probe.again import tensors
from nonlocal_viz.probe.layout import Axes, Placing, Slots
from nonlocal_viz.probe.records import Call, Capture


@dataclass
class Search:
    """What was tried for one capture, and found: where keys follow nothing, a parent may have made queries
    and keys of one thing, and given them apart."""

    capture: Capture
    number: int
    tried: set[tuple[int, int, Axes]] = field(default_factory=set)
    lost: list[tuple[Placing, Axes, Call]] = field(default_factory=list)
    found: tuple[Slots, Placing, Call] | None = None


def is_split(call: Call, capture: Capture) -> bool:
    """Whether a module is given the queries themselves, (B, heads, n, D), and keys besides: its heads are
    no positions. A map may have such sides by chance, but comes alone."""
    found = tensors(call.args, call.kwargs)
    n, features = capture.query.shape[1:]
    if len(found) < 2 or found[0][1].ndim != 4:
        return False
    sides = found[0][1].shape
    return sides[2:] == (n, features) and sides[:2].numel() == capture.groups


def given_tokens(calls: tuple[Call, ...], capture: Capture) -> tuple[Call, ...]:
    """The calls up to the innermost that is not given queries of all heads apart."""
    while len(calls) > 1 and is_split(calls[-1], capture):
        calls = calls[:-1]
    return calls


def as_many(x: Tensor, ways: Sequence[Axes], slots: Slots) -> bool:
    """Whether x, read in one of these ways, has as many positions as the slots."""
    return any(axes.count(x) == (slots.images, slots.positions) for axes in ways)
