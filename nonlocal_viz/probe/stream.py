"""Tokens that keep their places from one module to the next.

Where the tokens of one module lie was found, and a later one is given as many: they lie where those lay,
if tokens that are changed before the first module move themselves farther than others before the later one,
as a residual stream has it. That is looked at (relay.py), not taken for granted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nonlocal_viz.probe.arguments import shape_of
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.slots import Slots


@dataclass(frozen=True)
class Stream:
    """Where the tokens lie that a module was given.

    Attributes:
        calls: that the module lay in, the outermost first, and its own.
        axes: how its input is read.
        positions: what the tokens of one of ``images`` are.
        table: (tokens of the input,) the number image * positions + position of each, where the input's
            first axis does not count images (windows); None where it does.
    """

    calls: tuple[Call, ...]
    axes: Axes
    positions: Positions
    images: int = 1
    table: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input."""
        return shape_of(self.calls[-1])

    def moved_to(self, slots: Slots) -> Slots:
        """Slots over the input's own axes as slots over the cells."""
        assert self.table is not None
        count = len(self.positions.names)
        query, key = (
            torch.where(code >= 0, self.table[code.clamp_min(0)], code)
            for code in (slots.query, slots.key)
        )
        return Slots(Axes(0, (2, 3)), query, key, self.images, count, count)


def outermost(calls: Sequence[Call], left: Collection[int] = ()) -> int:
    """Which of the calls is the outermost that is given what the last one is, in shape; not those whose
    numbers (``id``) were ``left``, and what they lie in: they hold what comes before, too."""
    shape = shape_of(calls[-1])
    at = len(calls) - 1
    while at > 0 and shape_of(calls[at - 1]) == shape and id(calls[at - 1]) not in left:
        at -= 1
    return at


def table(slots: Slots, known: Slots) -> Tensor | None:
    """What places the tokens of one reading have (``slots``) by those of another (``known``)."""
    found = torch.full((slots.images * slots.positions,), NOWHERE)
    for one, other in ((slots.query, known.query), (slots.key, known.key)):
        there = (one >= 0) & (other >= 0)
        found[one[there]] = other[there]
    for one, other in ((slots.query, known.query), (slots.key, known.key)):
        there = one >= 0
        if not torch.equal(found[one[there]], other[there]):
            return None
    on = found[found >= 0]
    whole = len(on) == known.images * known.positions and len(on.unique()) == len(on)
    return found if whole else None


def common(one: Sequence[Call], other: Sequence[Call]) -> Call | None:
    """The innermost call that two calls lie in."""
    both = [a for a, b in zip(one, other, strict=False) if a is b]
    return both[-1] if both else None


def within(call: Call, root: Call) -> bool:
    """Whether a call is of a part of the module that its owner called."""
    return call.path.startswith(f"{root.path}." if root.path else "") and call.path != root.path


def as_part(call: Call, root: Call) -> Call:
    """The call of a part of a module, by its path there."""
    return replace(call, path=call.path[len(root.path) :].lstrip("."))
