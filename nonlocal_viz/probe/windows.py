"""Layouts that windowed attentions have, to be tried before a layout is searched for bit by bit.

Nothing here is believed: each table is held against which slots move (layout.py), and the first that agrees
with all of them is the one.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

_NOWHERE = -1


def tables(groups: int, slots: int, images: int, sides: tuple[int, ...]) -> Iterator[Tensor]:
    """Tables (groups, slots) of the number image * positions + position, :data:`_NOWHERE` in padding.

    Args:
        sides: of the positions: (rows, columns), or (number,), which may be a square.
    """
    positions = math.prod(sides)
    yield from _spread(torch.arange(positions)[None], groups, slots, images, positions)
    if len(sides) > 3 and positions % slots == 0:
        yield from _spread(
            torch.arange(positions).view(-1, slots), groups, slots, images, positions
        )
    if len(sides) == 1:
        side = math.isqrt(sides[0])
        sides = (side, side) if side * side == sides[0] else sides
    if len(sides) != 2:
        return
    for table in _of_one_image(sides[0], sides[1], slots):
        yield from _spread(table, groups, slots, images, positions)


def _spread(
    table: Tensor, groups: int, slots: int, images: int, positions: int
) -> Iterator[Tensor]:
    """A table (windows, slots) of one image, for all images and heads, within windows and outside."""
    windows = len(table)
    if table.shape[1] != slots or groups % (images * windows):
        return
    heads = groups // (images * windows)
    offset = (torch.arange(images) * positions)[:, None, None, None]
    placed = torch.where(table >= 0, table + offset[..., 0], table)  # (images, windows, slots)
    yield placed[:, :, None].expand(-1, -1, heads, -1).reshape(groups, slots)
    if heads > 1 and windows > 1:
        yield placed[:, None].expand(-1, heads, -1, -1).reshape(groups, slots)
        yield placed[None].expand(heads, -1, -1, -1).reshape(groups, slots)


def _of_one_image(height: int, width: int, slots: int) -> Iterator[Tensor]:
    """Windows, shifted or not, padded after the shift or before; and grids of cells far apart."""
    for rows in range(1, slots + 1):
        columns = slots // rows
        if rows * columns != slots or rows > 2 * height or columns > 2 * width:
            continue
        if height % rows == 0 and width % columns == 0:
            cells = torch.arange(height * width).view(height, width)
            far = cells.view(rows, height // rows, columns, width // columns)
            yield far.permute(1, 3, 0, 2).reshape(-1, slots)
        for down in {0, rows // 2}:
            for right in {0, columns // 2}:
                for padded_first in (True, False):
                    yield _windows(height, width, rows, columns, down, right, padded_first)


def _windows(
    height: int, width: int, rows: int, columns: int, down: int, right: int, padded_first: bool
) -> Tensor:
    full = -(-height // rows) * rows, -(-width // columns) * columns
    row, column = (
        _rolled(side, padded, shift, padded_first)
        for side, padded, shift in ((height, full[0], down), (width, full[1], right))
    )
    plane = row[:, None] * width + column
    plane = torch.where((row[:, None] >= 0) & (column >= 0), plane, _NOWHERE)
    parted = plane.view(full[0] // rows, rows, full[1] // columns, columns)
    return parted.permute(0, 2, 1, 3).reshape(-1, rows * columns)


def _rolled(side: int, padded: int, shift: int, padded_first: bool) -> Tensor:
    """The cell at every place of a padded axis that was rolled back by ``shift``."""
    place = torch.arange(padded)
    if padded_first:
        cell = (place + shift) % padded
        return torch.where(cell < side, cell, _NOWHERE)
    return torch.where(place < side, (place + shift) % side, _NOWHERE)
