"""The grid and the order of tokens that are made of a feature map, in whatever order the network has them.

The cells of what a convolution gave out lie in raster order; half of them are changed, and which tokens
move says what each is made of. Found so are also orders that only a network knows (mask units, merges), and
grids deep in a network, where a change of the picture moves all tokens.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import apart, far
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.replay import Place
from nonlocal_viz.probe.windows import tables

#: Cells whose change is looked at, and how much farther than the middlemost token the right one moves.
_CELLS, _FARTHER = 6, 3.0
#: Share of the tokens that have each bit as a known layout says; of a wrong one half of them have some bit.
_AGREES = 0.7
#: Convolutions that are tried, the last before the tokens first; how many cells of one a token may hold.
_TRIED, _MERGED = 3, (1, 2, 4, 8)


class Convolved(NamedTuple):
    """A call of a convolution: how many calls came before it, and the shape of what it gave out."""

    call: Call
    before: int
    shape: tuple[int, ...]


def found(
    again: Again,
    convolutions: Sequence[Convolved],
    given: tuple[str, tuple[int, ...]],
    axes: Axes,
    images: int,
    count: int,
    special: int,
) -> Positions | None:
    """What ``count`` tokens are that a module, ``given`` by path and shape, is given; None where no
    convolution before it tells. At most ``special`` of them lie in front of the cells."""
    tried: set[tuple[tuple[int, ...], GridShape]] = set()
    for convolved in reversed(convolutions):
        for whole, grid in _grids(convolved.shape, images, count, special):
            if len(tried) == _TRIED or (convolved.shape, grid) in tried:
                continue
            tried.add((convolved.shape, grid))
            moved = _Moved(again, convolved, given, axes, whole, grid)
            order = order_of(moved, count, grid, [given[1][a] for a in axes.positions])
            if order is not None:
                names = special_names(count - math.prod(grid))
                plain = torch.equal(order, torch.arange(count))
                return Positions(grid, names, order=None if plain else order)
    return None


def _grids(
    shape: tuple[int, ...], images: int, count: int, special: int
) -> Iterator[tuple[GridShape, GridShape]]:
    """(cells of a feature map (B', C, [T,] H, W), coarser grid) that leave few of the tokens over."""
    frames, rest = divmod(shape[0], images)
    if rest or len(shape) not in (4, 5) or (frames > 1 and len(shape) == 5):
        return
    depth = shape[2] if len(shape) == 5 else frames
    for step in _MERGED:
        grid = depth, -(-shape[-2] // step), -(-shape[-1] // step)
        if 0 <= count - math.prod(grid) <= special and math.prod(grid) > 1:
            yield (depth, shape[-2], shape[-1]), grid


class _Moved:
    """How far each token of the first image moves where cells of a feature map change."""

    def __init__(
        self, again: Again, convolved: Convolved, given: tuple[str, tuple[int, ...]], axes: Axes,
        whole: GridShape, grid: GridShape,
    ) -> None:  # fmt: skip
        self._again, self._convolved, self._given, self._axes = again, convolved, given, axes
        places = torch.unravel_index(torch.arange(math.prod(whole)), whole)
        t, h, w = (p * to // of for p, to, of in zip(places, grid, whole, strict=True))
        #: The coarser cell of each cell of the feature map.
        self._cell = ((t * grid[1] + h) * grid[2] + w).view(whole)
        self._still = self._run(lambda x: x)

    def __call__(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        where = of(self._cell)

        def change(x: Tensor) -> Tensor:
            mask = where[None] if x.ndim == 5 else where
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(9)).to(x)
            size = 0.1 * x.float().std().clamp_min(1e-3).to(x.dtype)
            shifted = x.clone()
            first = slice(0, 1 if x.ndim == 5 else len(where))
            mask = mask.unsqueeze(1).to(x.device)
            shifted[first] = torch.where(mask, x[first] + noise[first] * size, x[first])
            return shifted

        return far(self._run(change) - self._still, self._axes)[0]

    def _run(self, change: Callable[[Tensor], Tensor]) -> Tensor:
        place = Place(self._convolved.call.path, self._convolved.shape)
        return self._again.input(change, self._given[0], shape=self._given[1], place=place)


def _has_bit(bit: int, value: int, cells: Tensor) -> Tensor:
    return (cells >> bit & 1) == value


def _is_cell(one: int, cells: Tensor) -> Tensor:
    return cells == one


def order_of(
    moved: Callable[[Callable[[Tensor], Tensor]], Tensor],
    count: int,
    grid: GridShape,
    parts: Sequence[int] = (),
) -> Tensor | None:
    """(count,) the number of every token: special ones first, then cells in raster order.

    Args:
        moved: how far each token moves where the cells change that a function chooses by their numbers.
        parts: the lengths of the axes that count tokens, where there are several.
    """
    cells = math.prod(grid)
    special = count - cells
    code = torch.zeros(cells, dtype=torch.long)
    layouts = known = [] if special else _layouts(grid, parts)
    for bit in range(max(1, (cells - 1).bit_length())):
        on, off = (moved(partial(_has_bit, bit, value))[special:] for value in (1, 0))
        bits = (on > off).long().cpu()
        code += bits << bit
        known = [o for o in known if float(((o >> bit & 1) == bits).float().mean()) > _AGREES]
        # As many cells have these bits as tokens, or there is no order.
        low = torch.arange(cells) % (2 << bit)
        if not known and not torch.equal(
            code.bincount(minlength=2 << bit), low.bincount(minlength=2 << bit)
        ):
            return _by_cells(moved, layouts, cells)
    pooled = not torch.equal(code.sort().values, torch.arange(cells))
    if pooled:
        # Pooling between the map and the tokens leaves a few in doubt: a layout that the others have.
        if len(known) != 1:
            return _by_cells(moved, layouts, cells)
        code = known[0]
    draw = torch.Generator().manual_seed(6)
    # A token that moves with nothing passes for the first cell until that is looked at.
    for cell in [0, *torch.randperm(cells, generator=draw)[: _CELLS - 1].tolist()]:
        each = moved(partial(_is_cell, cell))[special:]
        token = int(each.argmax())
        # And a neighbour's pool may hold the most of a cell.
        near = apart(int(code[token]), cell, grid)
        at = float(each[token])
        if near > pooled or at <= 0 or at < _FARTHER * float(each.median()):
            return None
    return torch.cat([torch.arange(special), special + code])


def _by_cells(
    moved: Callable[[Callable[[Tensor], Tensor]], Tensor], layouts: Sequence[Tensor], cells: int
) -> Tensor | None:
    """The one layout in which single cells move their own tokens farthest, where tokens that have looked at
    each other move with half of the cells whatever their own does."""
    draw = torch.Generator().manual_seed(6)
    for cell in torch.randperm(cells, generator=draw)[: 2 * _CELLS].tolist() if layouts else ():
        each = moved(partial(_is_cell, cell))
        token = int(each.argmax())
        layouts = [order for order in layouts if int(order[token]) == cell]
        if float(each[token]) < _FARTHER * float(each.median()):
            return None
    return layouts[0] if len(layouts) == 1 else None


def _layouts(grid: GridShape, parts: Sequence[int]) -> list[Tensor]:
    """Orders (cells,) that windows of a picture are known to have, each once."""
    if len(parts) == 4:
        # Rows and columns of windows, and within them.
        parts = parts[0] * parts[1], parts[2] * parts[3]
    if len(parts) != 2 or grid[0] != 1 or math.prod(parts) != math.prod(grid):
        return []
    found = [torch.arange(math.prod(grid))]
    for table in tables(parts[0], parts[1], 1, grid[1:]):
        order = table.reshape(-1)
        whole = torch.equal(order.sort().values, torch.arange(len(order)))
        if whole and not any(torch.equal(order, other) for other in found):
            found.append(order)
    return found
