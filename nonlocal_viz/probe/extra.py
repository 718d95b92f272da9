"""Keys that follow no position of what a module is given (padding, and what is made of something else), and
cells that are no keys."""

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.layout import Slots
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Capture, relative

#: Groups whose keys are looked at, and how near those of padding are to each other.
_LOOKED_AT, _ALIKE = 8, 1e-3


def names_of_extra(capture: Capture, slots: Slots, count: int) -> tuple[str, ...]:
    """Names of ``count`` keys that follow no position. Padding is all alike in a group; others are learnt,
    or made of another input (text)."""
    alike = True
    nowhere = slots.key == NOWHERE
    for group in nowhere.any(1).nonzero()[:_LOOKED_AT, 0].tolist():
        keys = capture.key[group][nowhere[group].to(capture.key.device)].float()
        alike &= relative(keys, keys[:1].expand_as(keys)) < _ALIKE
    return tuple(f"{'padding' if alike else 'extra'} {i + 1}" for i in range(count))


def picked(token: Tensor, positions: Positions) -> tuple[GridShape, Tensor]:
    """(grid of the keys, which key each slot of ``token`` is) where keys are every second (or third ...)
    row and column of the cells; else the grid of the cells, and ``token``."""
    used = token.unique()
    grid = spread_evenly(used.tolist(), positions) if len(used) < positions.cells else None
    if grid is None:
        return positions.grid, token
    return grid, torch.searchsorted(used, token)


def spread_evenly(asking: list[int], positions: Positions) -> GridShape | None:
    """The grid of those picked where they are every second (or third ...) row and column of the cells."""
    depth, height, width = positions.grid
    if depth != 1 or positions.aside:
        return None
    rows, columns = (sorted({p // width for p in asking}), sorted({p % width for p in asking}))
    whole = sorted(asking) == [r * width + c for r in rows for c in columns]
    for taken, side in ((rows, height), (columns, width)):
        step = taken[1] - taken[0] if len(taken) > 1 else side
        whole &= taken == list(range(0, side, step))
    return (1, len(rows), len(columns)) if whole else None
