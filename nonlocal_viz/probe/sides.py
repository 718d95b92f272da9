"""The sides of a grid that a network is told in whole numbers, beside tokens that were cut from the picture
before (NaFlex, Qwen-VL): (images, 2) rows and columns, or (images, 3) frames, rows and columns.

The numbers say how many cells there are, not in which order. Where queries and keys are turned by their
places, that is read off: of tokens that are all alike, the score of two depends on how far apart they lie,
and on nothing else, in the right order alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor, shape_of
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import far, three
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.slots import Slots

#: How many cells a side the blocks have that tokens are merged by, one after the other.
_MERGED = (2, 3, 4)
#: Of the spread of a head's scores what those of equally far pairs differ by; of their size what is none.
_EQUAL, _NONE = 1e-2, 1e-4
#: Query slots whose pairs are looked at.
_PAIRS = 256
_DIFFERENT = "Its images have different grids ({}); call it with one of them."
_ROWS = (
    "Its {} rows may be images as well as tokens: nothing that the network was given says which; give "
    "grid=(H, W)."
)
_ORDER = "That its {} tokens are {} x {} cells in rows is assumed: it was told the sides alone."
_NO_ORDER = (
    "Its {} tokens are {} x {} cells, as the network was told, in an order that it does not show."
)


def told(calls: Sequence[Call], count: int, images: int) -> Positions | None:
    """What ``count`` tokens are by whole numbers that the network was given; None where there are none.

    Cells come first. What is left over is padding, where a mask that the network was given says so.

    Raises:
        UnprovenError: images have grids of their own.
    """
    whole = list(_whole_numbers(calls))
    for sides in whole:
        if sides.ndim != 2 or sides.shape[1] not in (2, 3) or not bool((sides > 0).all()):
            continue
        cells = sides.prod(1).tolist()
        if len(sides) != images and sum(cells) != count:
            continue
        left = [count - number for number in cells]
        masks = [m for m in whole if tuple(m.shape) == (images, count)]
        fits = sum(cells) == count or not any(left)
        if not fits and not any(m.sum(1).tolist() == cells for m in masks):
            continue
        if len({*map(tuple, sides.tolist())}) > 1 or len(sides) != images:
            grids = dict.fromkeys(" x ".join(map(str, one)) for one in sides.tolist())
            raise UnprovenError(_DIFFERENT.format(", ".join(grids)))
        padding = tuple(f"padding {i + 1}" for i in range(left[0]))
        return Positions(three(sides[0].tolist()), after=padding)
    return None


def _whole_numbers(calls: Sequence[Call]) -> Iterator[Tensor]:
    kinds = torch.int64, torch.int32, torch.bool
    for call in calls:
        for value in (*call.args, *call.kwargs.values()):
            if isinstance(value, Tensor) and value.dtype in kinds and not value.is_nested:
                yield value.detach().cpu()


def refuse_rows(calls: Sequence[Call], count: int) -> None:
    """Raises:
    UnprovenError: the last call is given rows of features, and no picture says that they are tokens.
    """
    if _unbatched(calls[-1]):
        raise UnprovenError(_ROWS.format(count))


def _unbatched(call: Call) -> bool:
    """Whether a call was given rows of features (N, C) alone."""
    return not any(
        isinstance(value, Tensor) and (value.is_nested or value.ndim >= 3)
        for value in (*call.args, *call.kwargs.values())
    )


class Sides:
    """Finds the order of tokens whose grid was told."""

    def __init__(self, again_of: Callable[[Call], Again]) -> None:
        self._again_of = again_of
        #: {(tokens, images): the number, at the network's input, of each token of its first module}
        self._moved: dict[tuple[int, int], Tensor | None] = {}
        #: And the order that scores told.
        self._proven: dict[tuple[int, int], Tensor] = {}

    def ordered(
        self,
        positions: Positions,
        slots: Slots,
        placing: Placing,
        calls: Sequence[Call],
        notes: list[str],
    ) -> Positions:
        """The positions in the order that the network has them in; what is assumed goes into ``notes``.

        Raises:
            UnprovenError: the network turns its queries by places that are in no order that is known.
        """
        key = slots.positions, slots.images
        if key not in self._moved:
            self._moved[key] = self._from_input(calls, slots)
        sides = positions.grid[1:]
        moved = self._moved[key]
        scores = _of_equals(slots, placing)
        if moved is None:
            raise UnprovenError(_NO_ORDER.format(slots.positions, *sides))
        orders = [order[moved] for order in _orders(positions)]
        found = [o for o in orders if scores is None or scores.fit(o, positions)]
        if not found:
            raise UnprovenError(_NO_ORDER.format(slots.positions, *sides))
        if scores is not None and len(found) == 1:
            self._proven[key] = found[0]
        elif key in self._proven:
            found = [self._proven[key]]
        else:
            notes.append(_ORDER.format(positions.cells, *sides))
        return _in_order(positions, found[0])

    def known(self, positions: Positions, count: int, images: int, notes: list[str]) -> Positions:
        """The positions of keys whose queries are something else, in the order that other maps told."""
        order = self._proven.get((count, images))
        if order is None:
            notes.append(_ORDER.format(positions.cells, *positions.grid[1:]))
            return positions
        return _in_order(positions, order)

    def _from_input(self, calls: Sequence[Call], slots: Slots) -> Tensor | None:
        """(positions,) the token of the network's input that each token of the last call is made of."""
        root, call = calls[0], calls[-1]
        first = first_tensor(root.args, root.kwargs)
        if call is root:
            return torch.arange(slots.positions)
        if first is None or first[1].shape[:2] != (slots.images, slots.positions):
            return None
        again, axes = self._again_of(root), Axes(0, (1,))
        path, shape = call.path[len(root.path) :].lstrip("."), shape_of(call)
        still = again.input(lambda x: x, path, shape=shape)
        numbers = torch.arange(slots.positions)
        found = torch.zeros_like(numbers)
        for bit in range(max(1, (slots.positions - 1).bit_length())):
            where = (numbers >> bit & 1).bool()[None].expand(slots.images, -1)
            on, off = (
                far(again.input(_shifting(axes, w), path, shape=shape) - still, axes)[0].cpu()
                for w in (where, ~where)
            )
            if not bool(((on > 0) ^ (off > 0)).all()):
                return None
            found += (on > off).long() << bit
        return found if torch.equal(found.sort().values, numbers) else None


def _in_order(positions: Positions, order: Tensor) -> Positions:
    plain = torch.equal(order, torch.arange(len(order)))
    return replace(positions, order=None if plain else order)


def _shifting(axes: Axes, where: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: axes.shifted(x, where)


def _orders(positions: Positions) -> Iterator[Tensor]:
    """(tokens,) the number in raster order of every token that a network is given: rows, or block by
    block."""
    t, h, w = positions.grid
    cells = torch.arange(t * h * w).view(t, h, w)
    behind = torch.arange(positions.cells, len(positions.names))
    yield torch.cat((cells.reshape(-1), behind))
    for side in _MERGED:
        if h % side or w % side or side in (h, w):
            continue
        parted = cells.view(t, h // side, side, w // side, side).transpose(2, 3)
        yield torch.cat((parted.reshape(-1), behind))


class _Equals:
    """Scores of the tokens of one image where all are alike."""

    def __init__(self, query: Tensor, key: Tensor, scores: Tensor, group: Tensor) -> None:
        self._query, self._key, self._scores, self._group = query, key, scores, group

    def fit(self, order: Tensor, positions: Positions) -> bool:
        """Whether the scores of pairs that lie equally far apart, in this order, are the same."""
        grid: GridShape = positions.grid
        cells = positions.cells
        one, other = order[self._query], order[self._key]
        there = (one < cells) & (other < cells)
        places = [torch.unravel_index(p.clamp_max(cells - 1), grid) for p in (one, other)]
        code = torch.zeros_like(one)
        for a, b, side in zip(*places, grid, strict=True):
            code = code * (2 * side) + (b - a + side)
        code = code * (int(self._group.max()) + 1) + self._group
        code, scores = code[there], self._scores[there]
        names, at = code.unique(return_inverse=True)
        most, least = (
            torch.full((len(names),), fill).scatter_reduce(0, at, scores, how)
            for fill, how in ((-math.inf, "amax"), (math.inf, "amin"))
        )
        return float((most - least).max()) < _EQUAL


def _of_equals(slots: Slots, placing: Placing) -> _Equals | None:
    """None where scores say nothing of places."""
    found = placing.run(lambda x: x[:, :1].expand_as(x))
    if found is None or not bool((slots.query >= 0).any()):
        return None
    n = found.query.shape[1]
    flat = slots.query.reshape(-1)
    mine = ((flat >= 0) & (flat < slots.positions)).nonzero()[:, 0]
    draw = torch.Generator().manual_seed(12)
    mine = mine[torch.randperm(len(mine), generator=draw)[:_PAIRS]]
    groups, query = mine // n, flat[mine]
    scores = found.scores(groups, mine % n).float().cpu()
    key = slots.key[groups]
    # Heads score differently; equal pairs of one head are compared, whichever window they are in.
    head = _heads(slots)[groups]
    on = (key >= 0).reshape(-1)
    pairs = query[:, None].expand_as(key), key, scores, head[:, None].expand_as(key)
    parts = [p.reshape(-1)[on] for p in pairs]
    apart = _each_by_its_spread(parts[2], parts[3])
    if apart is None:
        return None
    return _Equals(parts[0] % slots.positions, parts[1] % slots.positions, apart, parts[3])


def _each_by_its_spread(scores: Tensor, head: Tensor) -> Tensor | None:
    """Scores as shares of the spread of their head; 0 in heads, and None where in all heads, they are all
    the same."""
    found = torch.zeros_like(scores)
    for number in head.unique().tolist():
        mine = scores[head == number]
        spread = float(mine.max() - mine.min())
        if spread > _NONE * float(mine.abs().max()):
            found[head == number] = (mine - mine.min()) / spread
    return found if bool(found.any()) else None


def _heads(slots: Slots) -> Tensor:
    """(groups,) which head each group of slots is: how many groups before it hold the same query."""
    first = slots.query.max(1).values
    head = torch.zeros(len(first), dtype=torch.long)
    seen: dict[int, int] = {}
    for i, name in enumerate(first.tolist()):
        head[i] = seen.get(name, 0)
        seen[name] = int(head[i]) + 1
    return head
