"""Grids of patches, and special tokens before and behind them, that a number of tokens may be."""

import math
from collections.abc import Iterator, Sequence

from nonlocal_viz.probe.cells import three
from nonlocal_viz.probe.positions import Positions, special_names

#: More tokens in front of the cells than this are no special tokens that anybody has.
SPECIAL = 8
#: And more behind them, no detector.
_BEHIND = 300
#: Sides of a grid from which on patches that overlap may make it.
_SIDE = 5


def special_fits(special: int, grid: Sequence[int]) -> bool:
    """Whether so many tokens may stand in front of the cells: few, and fewer than cells, or the tokens of
    a small grid would pass for them."""
    return 0 <= special <= SPECIAL and (not special or special < math.prod(grid))


def with_many_behind(grid: tuple[int, ...], count: int) -> Iterator[Positions]:
    cells = math.prod(grid)
    for front in (1, 0):
        behind = count - cells - front
        if 0 < behind <= _BEHIND and cells > behind:
            names = tuple(f"token {i + 1}" for i in range(behind))
            yield Positions(three(grid), special_names(front), names)


def square_patches(count: int, picture: Sequence[int]) -> list[tuple[int, ...]]:
    """Grids (H, W) of square patches of a picture that leave few of ``count`` tokens over; the patches may
    overlap, but for a rounding they divide both sides alike."""
    height, width = picture
    found: list[tuple[int, ...]] = []
    about: list[tuple[int, ...]] = []
    for special in range(SPECIAL + 1):
        for rows in range(1, count - special + 1):
            columns = (count - special) // rows
            exact = rows * columns == count - special
            if (
                exact
                and height % rows == width % columns == 0
                and height // rows == width // columns
            ):
                found.append((rows, columns))
            elif (
                exact
                and min(rows, columns) >= _SIDE
                and abs(columns - rows * width / height) < 1 > abs(rows - columns * height / width)
            ):
                about.append((rows, columns))
    return found + about


def cubes(count: int, clip: Sequence[int]) -> list[tuple[int, ...]]:
    """Grids (T, H, W) of a clip, of square patches and equal numbers of frames, that leave few tokens."""
    frames, height, width = clip
    found: list[tuple[int, ...]] = []
    for special in range(SPECIAL + 1):
        for depth in (d for d in range(1, frames + 1) if frames % d == 0):
            if (count - special) % depth == 0:
                plane = square_patches((count - special) // depth, (height, width))
                found += [(depth, *g) for g in plane if depth * math.prod(g) == count - special]
    return found
