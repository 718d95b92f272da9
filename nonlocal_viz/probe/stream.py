"""Tokens that keep their places from one module to the next.

Where the tokens of one module lie was found, and a later one is given tokens in the same shape: they lie
where those lay, if each token that is changed before the first module moves itself farthest before the
later one, as a residual stream has it. That is looked at, not taken for granted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again, shape_of
from nonlocal_viz.probe.cells import far
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.layout import Axes, Slots
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call

#: Tokens whose change is looked at.
_TOKENS = 6


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


def outermost(calls: Sequence[Call]) -> int:
    """Which of the calls is the outermost that is given what the last one is, in shape."""
    shape = shape_of(calls[-1])
    at = len(calls) - 1
    while at > 0 and shape_of(calls[at - 1]) == shape:
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


def keeps(stream: Stream, calls: Sequence[Call], again: Again, ancestor: Call) -> bool:
    """Whether the last of ``calls`` is given the tokens of a stream, each in its place; both modules lie in
    the ``ancestor`` that runs again."""
    first, last = stream.calls[-1], calls[-1]
    if stream.shape != shape_of(last) or first is last:
        return first is last
    paths = [c.path[len(ancestor.path) :].lstrip(".") for c in (first, last)]
    axes, shape = stream.axes, stream.shape
    before = (paths[0], shape)
    images = shape[axes.batch]
    count = torch.Size([shape[a] for a in axes.positions]).numel()
    draw = torch.Generator().manual_seed(8)
    still = again.input(lambda x: x, paths[1], shape=shape)
    for token in torch.randperm(images * count, generator=draw)[:_TOKENS].tolist():
        where = (torch.arange(images * count) == token).view(images, count)
        change = partial(axes.shifted, where=where)
        moved = again.input(change, paths[1], before=before, shape=shape) - still
        if int(far(moved, axes).argmax()) != token:
            return False
    return True


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
