"""Whether keys that are made of several cells each lie in order on a coarser grid: by which of them move at
all.

How far a key moves says little where the windows of keys overlap (a strided convolution, a pool of 3 x 3):
with random weights a neighbour moves farther. But all cells above a row move the keys above some row and
no others, and the cells below it those below; and so for columns and frames. In another order, or where a
key is made of all cells, that holds for no grid.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.slots import Slots

#: Cuts through one axis that are tried, and the keys that are made of cells on both sides of one.
_CUTS, _ACROSS = 8, 2
#: Of the farthest move: less is none.
_STILL = 1e-4


def in_order(
    grid: GridShape, slots: Slots, positions: Positions, placing: Placing, groups: Tensor
) -> bool:
    """Whether the keys of ``groups`` (L,), those of the first image, lie on ``grid`` behind the special
    tokens."""
    return all(
        _cut(axis, at, grid, slots, positions, placing, groups)
        for axis in range(3)
        if grid[axis] > 1
        for at in _cuts(positions.grid[axis])
    )


def _cuts(cells: int) -> Sequence[int]:
    """Where an axis is cut: before these rows."""
    step = max(1, -(-(cells - 1) // _CUTS))
    return range(1, cells, step)


def _cut(
    axis: int,
    at: int,
    grid: GridShape,
    slots: Slots,
    positions: Positions,
    placing: Placing,
    groups: Tensor,
) -> bool:
    cells, keys = positions.grid[axis], grid[axis]
    number = torch.arange(cells).view([-1 if a == axis else 1 for a in range(3)])
    moved = []
    for side in (number < at, number >= at):
        where = torch.zeros((slots.images, *positions.grid), dtype=torch.bool)
        where[0] = side
        front = torch.zeros((slots.images, len(positions.before)), dtype=torch.bool)
        both = torch.cat([front, where.view(slots.images, -1)], 1)
        strength = placing.strength(slots.axes, both)[1][groups].amax(0)[len(positions.before) :]
        field = (strength > _STILL * strength.max()).view(grid).movedim(axis, 0)
        moved.append(field.flatten(1))
    return _parted(moved[0], moved[1], at * keys / cells)


def _parted(above: Tensor, below: Tensor, cut: float) -> bool:
    """Whether rows of keys (rows, keys of each) up to one are moved by the cells above a cut, and rows from
    one on by those below, with no more than a few in common."""
    keys = len(above)
    # Of a key on both sides the greatest may all be on one; then it moves with that one for sure.
    unclear = (above.any(1) & ~above.all(1) & ~below.all(1)) | (
        below.any(1) & ~below.all(1) & ~above.all(1)
    )
    up, down = above.any(1), below.any(1)
    first, last = int(up.sum()), int(down.sum())
    rows = torch.arange(keys)
    plain = torch.equal(up, rows < first) and torch.equal(down, rows >= keys - last)
    if not plain or bool(unclear.any()) or not bool((above | below).all()):
        return False
    across = first + last - keys
    middle = (first + keys - last) / 2
    return across <= min(_ACROSS, keys - 1) and abs(middle - cut) <= 1
