"""Cells that are no keys, and such that ask nothing: every second row and column of a grid is one."""

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.positions import Positions


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
