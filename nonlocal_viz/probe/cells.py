"""Which tokens a cell of the picture, or of a feature map, moves: whether they lie as a grid says."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.fitting import Lattice
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.positions import Positions

#: Cells at which the picture is changed, and sides of a grid on which a neighbour may move farther.
_CELLS, _LARGE = 6, 5
#: How many times as far the token of another cell moves, where that is clear.
_CLEARLY = 3.0


def follow_picture(
    again: Again,
    given: tuple[str, tuple[int, ...]],
    axes: Axes,
    positions: Positions,
    lattice: Lattice | None,
    nth: int = 0,
) -> bool:
    """Whether what a module, ``given`` by path and shape, is given (as its ``nth`` tensor) moves where the
    picture is changed at its cells."""
    path, shape = given
    still = again.input(lambda x: x, path, shape=shape, nth=nth)
    # Strided and overlapping convolutions, and attention before it, may move a neighbour farther: on
    # grids that are large enough to tell the next cell from a wrong layout.
    near = 1 if min(positions.grid[1:]) >= _LARGE else 0
    exact = 0
    cells = telling(positions)
    first = len(positions.before)
    behind = first + positions.cells

    def moved_by(cell: int) -> Tensor:
        change = partial(_at_cell, grid=positions.grid, cell=cell, lattice=lattice)
        return far(again.input(change, path, shape=shape, nth=nth) - still, axes)[0]

    for cell in cells:
        found = int(moved_by(cell)[first:behind].argmax())
        if apart(found, cell, positions.grid) > near:
            return False
        exact += found == cell
    if 2 * exact < len(cells):
        return False
    # A special token between the cells would make the first or the last of them a special one.
    ends = (0, positions.cells - 1) if len(positions.aside) else ()
    return all(first <= int(moved_by(cell).argmax()) < behind for cell in ends)


def elsewhere(
    again: Again,
    given: tuple[str, tuple[int, ...]],
    axes: Axes,
    positions: Positions,
    lattice: Lattice | None,
) -> bool:
    """Whether several cells of the picture clearly move tokens of cells that lie elsewhere: the picture is
    turned, or put together anew, before it becomes tokens. Where all tokens move alike nothing is said."""
    path, shape = given
    still = again.input(lambda x: x, path, shape=shape)
    first = len(positions.before)
    other = 0
    for cell in telling(positions):
        change = partial(_at_cell, grid=positions.grid, cell=cell, lattice=lattice)
        moved = far(again.input(change, path, shape=shape) - still, axes)[0].cpu()
        if positions.order is not None:
            moved = torch.zeros_like(moved).scatter(0, positions.order, moved)
        moved = moved[first : first + positions.cells]
        found = int(moved.argmax())
        clear = float(moved[found]) > _CLEARLY * float(moved[cell])
        other += clear and apart(found, cell, positions.grid) > 1
    return 2 * other > len(telling(positions))


def follow_map(again: Again, path: str, axes: Axes, of_map: Axes, positions: Positions) -> bool:
    """Whether what the module at ``path`` is given moves where the input of the module that is run again,
    read by ``of_map``, is changed at its cells."""
    still = again.input(lambda x: x, path)
    for cell in telling(positions):
        where = torch.arange(positions.cells)[None] == cell
        where = where.expand(still.shape[axes.batch], -1)
        moved = far(again.input(partial(of_map.shifted, where=where), path) - still, axes)[0]
        if int(moved.argmax()) != cell:
            return False
    return True


def far(moved: Tensor, axes: Axes) -> Tensor:
    """(images, positions) How far each position moved."""
    count = len(axes.positions)
    moved = moved.float().movedim((axes.batch, *axes.positions), tuple(range(1 + count)))
    each: Tensor = moved.flatten(1, count).flatten(2).norm(dim=2)
    return each


def telling(positions: Positions) -> list[int]:
    """Some cells that lie elsewhere where rows and columns are exchanged, as far as there are such."""
    grid, (height, width) = positions.grid, positions.grid[1:]
    draw = torch.Generator().manual_seed(2)
    drawn = torch.randperm(positions.cells, generator=draw)
    t, row, column = torch.unravel_index(drawn, grid)
    exchanged = torch.unravel_index(t * height * width + column * height + row, grid)
    far_apart = torch.zeros(len(drawn), dtype=torch.bool)
    for one, other in zip((t, row, column), exchanged, strict=True):
        far_apart |= (one - other).abs() > 1
    found: list[int] = torch.cat([drawn[far_apart], drawn[~far_apart]])[:_CELLS].tolist()
    return found


def apart(one: int, other: int, grid: tuple[int, int, int]) -> int:
    """How many cells two cells lie apart, along the axis where they lie farthest."""
    places = (torch.unravel_index(torch.tensor(cell), grid) for cell in (one, other))
    return max(abs(int(a) - int(b)) for a, b in zip(*places, strict=True))


def _at_cell(
    picture: Tensor, grid: tuple[int, int, int], cell: int, lattice: Lattice | None = None
) -> Tensor:
    """The first picture (C, [T,] H, W) with noise where a cell of a grid lies."""
    t, rest = divmod(cell, grid[1] * grid[2])
    h, w = divmod(rest, grid[2])
    sides = picture.shape[-3:] if picture.ndim == 5 else (1, *picture.shape[-2:])
    ranges = [
        slice(i * n // k, max((i + 1) * n // k, i * n // k + 1))
        for i, n, k in zip((t, h, w), sides, grid, strict=True)
    ]
    if lattice is not None:
        for axis, number, pixels in ((0, w, sides[2]), (1, h, sides[1])):
            start = round(lattice.offset[axis] + number * lattice.stride[axis])
            end = min(max(start + math.ceil(lattice.stride[axis]), 1), pixels)
            ranges[2 - axis] = slice(min(max(start, 0), end - 1), end)
    where = ranges if picture.ndim == 5 else ranges[1:]
    at: Any = (0, slice(None), *where)
    part = picture[at]
    noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(7)).to(part)
    # A picture of one colour has no spread of its own.
    picture[at] = part + noise * picture.float().std().clamp_min(0.1).to(part.dtype)
    return picture


def three(grid: Sequence[int]) -> tuple[int, int, int]:
    sides = [1, 1, *(int(side) for side in grid)][-3:]
    return sides[0], sides[1], sides[2]
