"""Keys that are made of several positions each (pooled, strided): the coarser grid on which they lie.

Of all ways to share the cells out among the keys that single keys agree with, the right one moves them
farthest: a part of a key's own cells moves it, too, and may move it farther than any other key.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape, OffGrid
from nonlocal_viz.probe.halves import in_order
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Capture, UnprovenError
from nonlocal_viz.probe.slots import Slots

#: Keys that are looked at, and which share of the farthest moves is as far.
_KEYS, _AS_FAR = 4, 0.97
_RUNS = (
    "Its keys are pooled of {} cells each, one row after another: {} runs of a raster whose rows have {}, "
    "and no squares of a grid."
)


def mixed_keys(
    capture: Capture, slots: Slots, positions: Positions, placing: Placing, image: Tensor
) -> tuple[GridShape, OffGrid, Tensor]:
    """(grid, special tokens, token (L, m) of every key slot) of keys that follow no single position.

    Raises:
        UnprovenError: they lie on no coarser grid.
    """
    m, special = capture.key.shape[1], len(positions.before)
    in_front = slots.key[:, :special]
    plain = bool((in_front % slots.key_positions == torch.arange(special)).all())
    if positions.after or not plain or bool((in_front < 0).any()):
        raise UnprovenError("Its keys mix positions, special tokens among them.")
    found: list[tuple[float, GridShape | None]] = []
    for grid, of in _shares(positions, m - special):
        moved = _moved(slots, positions, placing, image, m - special, of)
        if moved is not None:
            found.append((moved, grid))
    farthest = max((moved for moved, _ in found), default=0.0)
    for moved, shape in found:
        if moved < _AS_FAR * farthest:
            continue
        if shape is None:
            run = positions.cells // (m - special)
            raise UnprovenError(_RUNS.format(run, m - special, positions.grid[2]))
        return shape, OffGrid(positions.before), torch.arange(m).repeat(len(slots.key), 1)
    for shape in coarser(positions.grid, m - special):
        if in_order(shape, slots, positions, placing, image == 0):
            return shape, OffGrid(positions.before), torch.arange(m).repeat(len(slots.key), 1)
    raise UnprovenError("Its keys mix positions, and lie in order on no coarser grid.")


def _shares(
    positions: Positions, count: int
) -> Iterator[tuple[GridShape | None, Callable[[int, Tensor], None]]]:
    """(grid of ``count`` cells, what marks the cells of each); at last None, and runs of a raster."""
    for grid in coarser(positions.grid, count):
        yield grid, partial(_in_block, grid, positions.grid)
    run, rest = divmod(positions.cells, count)
    if not rest:
        yield None, partial(_in_run, run)


def _in_block(grid: GridShape, whole: GridShape, key: int, cells: Tensor) -> None:
    t, rest = divmod(key, grid[1] * grid[2])
    h, w = divmod(rest, grid[2])
    ranges = [
        slice(at * n // k, max((at + 1) * n // k, at * n // k + 1))
        for at, n, k in zip((t, h, w), whole, grid, strict=True)
    ]
    cells.view(whole)[ranges[0], ranges[1], ranges[2]] = True


def _in_run(run: int, key: int, cells: Tensor) -> None:
    cells[key * run : (key + 1) * run] = True


def _moved(
    slots: Slots, positions: Positions, placing: Placing, image: Tensor, count: int,
    of: Callable[[int, Tensor], None],
) -> float | None:  # fmt: skip
    """How far keys move with the cells that ``of`` marks for each, on average of some drawn at random; None
    where one of them does not move farthest."""
    draw = torch.Generator().manual_seed(3)
    first, special, total = image == 0, len(positions.before), 0.0
    for key in torch.randperm(count, generator=draw)[:_KEYS].tolist():
        where = torch.zeros((slots.images, positions.cells), dtype=torch.bool)
        front = torch.zeros((slots.images, special), dtype=torch.bool)
        of(key, where[0])
        marked = torch.cat([front, where], 1)
        marked = marked if positions.order is None else marked[:, positions.order]
        strength = placing.strength(slots.axes, marked, alike=True)
        moved = strength[1][first][:, special:]
        if not bool((moved.argmax(1) == key).all()):
            return None
        total += float(moved[:, key].mean())
    return total


def coarser(grid: GridShape, count: int | None = None) -> list[GridShape]:
    """The grid, and grids of ``count`` cells (any number: every pitch) that are coarser than it."""
    found: dict[GridShape, None] = {}
    if count is None:
        found[grid] = None
    for t in sorted({grid[0] // s for s in range(1, grid[0] + 1)}, reverse=True):
        for s in range(1, max(grid[1:]) + 1):
            for h in (grid[1] // s, -(-grid[1] // s)):
                for w in (grid[2] // s, -(-grid[2] // s)):
                    if t * h * w == count or (count is None and t * h * w):
                        found[(t, h, w)] = None
    for h in range(1, grid[1] + 1):
        if count is not None and count % h == 0 and count // h <= grid[2]:
            found[(1, h, count // h)] = None
    return list(found)
