"""From tokens whose places are known to those of a later module: the same ones, or pooled, in any order.

What a network does between two modules that are near each other is little, and costs little to run again
(replay.py): half of the known tokens are changed, and which of the later ones move farther than with the
other half says whether these lie where they are thought to.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe import order
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor, shape_of, tensors
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import far
from nonlocal_viz.probe.patches import special_fits
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.replay import Place
from nonlocal_viz.probe.stream import Stream

#: How many times as far its own half moves a token as the other half, where that is clear; the share of
#: tokens of which it has to be; and that of those which the other half moves farther: of tokens in another
#: order it is a half.
_CLEARLY, _ENOUGH, _AGAINST = 2.5, 0.9, 0.25
#: Tokens that are told in all: of few of them several halves are drawn. Single ones, if halves do not say.
_TOLD, _HALVES, _SINGLE = 48, 10, 6
#: How many rows and columns are pooled into one.
_STEPS = 2, 3, 4, 8


class Relay:
    """A later module, looked at while tokens of a stream are changed."""

    def __init__(
        self,
        stream: Stream,
        calls: Sequence[Call],
        axes: Axes,
        again: Again,
        within: Call,
        nth: int = 0,
    ) -> None:
        """``axes``: how the last of ``calls`` reads what it is given, as its ``nth`` tensor; both lie
        ``within`` a call that can run ``again``."""
        paths = [c.path[len(within.path) :].lstrip(".") for c in (stream.calls[-1], calls[-1])]
        self._stream, self._axes, self._again = stream, axes, again
        # What a module inside is given follows from its own input without a hook.
        inside = stream.calls[-1] is within
        self._place = None if inside else Place(paths[0], stream.shape, given=True)
        given = tensors(calls[-1].args, calls[-1].kwargs)[nth][1]
        self._path, self._shape, self._nth = paths[1], tuple(given.shape), nth
        self._still = self._run(lambda x: x)

    def _run(self, change: Callable[[Tensor], Tensor]) -> Tensor:
        return self._again.input(change, self._path, self._shape, self._place, self._nth)

    def moved(self, known: Tensor) -> Tensor:
        """(tokens of all images,) how far each moves where those of the stream do that ``known`` (the same
        of the stream, or only its first) marks."""
        axes = self._stream.axes
        images = self._stream.shape[axes.batch]
        tokens = torch.Size([self._stream.shape[a] for a in axes.positions]).numel()
        where = torch.zeros(images * tokens, dtype=torch.bool)
        where[: len(known)] = known
        found = self._run(lambda x: axes.shifted(x, where.view(images, tokens)))
        return far(found - self._still, self._axes).reshape(-1).cpu()

    def same(self, known: Tensor, these: Tensor) -> bool:
        """Whether the tokens are of the units that ``these`` (tokens,) numbers say, where those of the
        stream are of ``known`` (its tokens,); -1: of none."""
        count = int(known.max()) + 1
        draw = torch.Generator().manual_seed(12)
        clear = True
        # Of tokens that the stream has not got nothing can be said.
        told = torch.isin(these, known)
        for _ in range(min(_HALVES, -(-_TOLD // count))):
            half = torch.rand(count, generator=draw) < 0.5
            on, off = (self._of(h, known)[: len(these)][told] for h in (half, ~half))
            mine = half[these[told]]
            right, wrong = (torch.where(mine, a, b) for a, b in ((on, off), (off, on)))
            if bool((wrong > _CLEARLY * right).any()):
                return False
            if float((wrong > right).float().mean()) > _AGAINST:
                return False
            clear &= float((right > _CLEARLY * wrong).float().mean()) >= _ENOUGH
        return clear or self._singly(known, these, draw)

    def _singly(self, known: Tensor, these: Tensor, draw: torch.Generator) -> bool:
        units = known[known >= 0].unique()
        for unit in units[torch.randperm(len(units), generator=draw)[:_SINGLE]].tolist():
            moved = self._of(torch.arange(int(units[-1]) + 1) == unit, known)
            at = int(moved.argmax())
            if at >= len(these) or int(these[at]) != unit:
                return False
        return True

    def _of(self, chosen: Tensor, known: Tensor) -> Tensor:
        return self.moved(chosen[known.clamp_min(0)] & (known >= 0))


def keeps(stream: Stream, calls: Sequence[Call], axes: Axes, again: Again, within: Call) -> bool:
    """Whether the last of ``calls``, read by ``axes``, is given the tokens of a stream, each in its place;
    both modules lie ``within`` a call that runs again."""
    shape = shape_of(calls[-1])
    if (
        shape == stream.shape
        and axes == stream.axes
        and torch.equal(given(stream.calls), given(calls))
    ):
        return True
    tokens = [axes_count(s, a) for s, a in ((stream.shape, stream.axes), (shape, axes))]
    if tokens[0] != tokens[1]:
        return False
    every = torch.arange(tokens[0][0] * tokens[0][1])
    return Relay(stream, calls, axes, again, within).same(every, every)


def reaches(stream: Stream, calls: Sequence[Call], axes: Axes, again: Again, within: Call) -> bool:
    """Whether more of the tokens that the last of ``calls`` is given move with those of a stream than
    special ones, which may be made of them by attention."""
    count = len(stream.positions.names)
    moved = Relay(stream, calls, axes, again, within).moved(torch.ones(count, dtype=torch.bool))
    return int((moved > 0).sum()) > len(stream.positions.aside)


def given(calls: Sequence[Call]) -> Tensor:
    """The first tensor that the last call was given."""
    found = first_tensor(calls[-1].args, calls[-1].kwargs)
    assert found is not None
    return found[1]


def axes_count(shape: tuple[int, ...], axes: Axes) -> tuple[int, int]:
    """(images, positions of one) of an input in a shape."""
    return axes.count(torch.empty(shape, device="meta"))


def pooled(
    stream: Stream,
    calls: Sequence[Call],
    axes: Axes,
    again: Again,
    within: Call,
    plain: GridShape | None = None,
) -> Positions | None:
    """What the tokens are that the last of ``calls`` is given, by those of a stream: on its grid, or on a
    coarser one, in raster order or another one; ``plain``: on this grid, in raster order alone."""
    shape = shape_of(calls[-1])
    images, count = axes_count(shape, axes)
    if axes_count(stream.shape, stream.axes)[0] != images or stream.table is not None:
        return None
    relay: Relay | None = None
    for positions in _candidates(stream.positions, count):
        if plain is not None and positions.grid != plain:
            continue
        relay = relay or Relay(stream, calls, axes, again, within)
        known, every = units(stream.positions, positions), torch.arange(count)
        if relay.same(known, every):
            return positions
        if plain is not None:
            continue
        found = order.order_of(
            _Cells(relay, known, len(positions.before), count), count, positions.grid
        )
        if found is not None and relay.same(known, found):
            return replace(positions, order=found)
    return None


class _Cells:
    """How far each token of the first image moves where the cells do that are chosen by number."""

    def __init__(self, relay: Relay, known: Tensor, special: int, count: int) -> None:
        self._relay, self._count = relay, count
        self._cell = torch.where(known >= special, known - special, -1)

    def __call__(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        return self._relay.moved(of(self._cell) & (self._cell >= 0))[: self._count]


def _candidates(known: Positions, count: int) -> Iterator[Positions]:
    """What ``count`` tokens may be that are made of known ones."""
    t, h, w = known.grid
    grids = [known.grid]
    for step in _STEPS:
        for rows in dict.fromkeys((-(-h // step), h // step)):
            for columns in dict.fromkeys((-(-w // step), w // step)):
                grids += [(t, rows, columns), (-(-t // step), rows, columns)]
    for grid in dict.fromkeys(grids):
        behind = known.after if grid == known.grid else ()
        added = count - math.prod(grid) - len(behind)
        fronts = [known.before, ()]
        if not known.before and special_fits(added, grid):
            fronts.append(special_names(added))
        for front in dict.fromkeys(fronts):
            if math.prod(grid) > 1 and math.prod(grid) + len(front) + len(behind) == count:
                yield Positions(grid, front, behind)


def units(known: Positions, coarse: Positions) -> Tensor:
    """(known tokens,) the token of a coarser grid that each belongs to, -1 for none."""
    places = torch.unravel_index(torch.arange(known.cells), known.grid)
    t, h, w = (p * to // of for p, to, of in zip(places, coarse.grid, known.grid, strict=True))
    front, cells = len(coarse.before), coarse.cells
    names = torch.full((len(known.names),), -1)
    # Special tokens that are put in front on the way are none of the known ones.
    shared = min(front, len(known.before))
    names[:shared] = torch.arange(shared)
    first = len(known.before)
    names[first : first + known.cells] = (t * coarse.grid[1] + h) * coarse.grid[2] + w + front
    if coarse.after:
        names[first + known.cells :] = front + cells + torch.arange(len(coarse.after))
    return names if known.order is None else names[known.order]


def same_cells(
    stream: Stream,
    positions: Positions,
    given: tuple[Call, int, Tensor, Axes],
    again: Again,
    ancestor: Call,
) -> bool:
    """Whether the cells of a stream are those of what a call is given as its nth tensor, read by axes."""
    call, nth, x, axes = given
    other = stream.positions
    if stream.table is not None or other.grid != positions.grid:
        return False
    if other.order is not None or positions.order is not None:
        return False
    if axes_count(stream.shape, stream.axes)[0] != axes.count(x)[0]:
        return False
    relay = Relay(stream, (call,), axes, again, ancestor, nth)
    return relay.same(units(other, positions), torch.arange(len(positions.names)))
