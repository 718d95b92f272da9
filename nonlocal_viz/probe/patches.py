"""Grids of patches, and special tokens before and behind them, that a number of tokens may be."""

import math
from collections.abc import Iterator, Sequence

from nonlocal_viz.probe.cells import three
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.records import UnprovenError

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


def in_parts(count: int, grids: Sequence[tuple[int, ...]]) -> Positions:
    """What ``count`` tokens are that their owner gave to a part of the network, after other parts convolved
    to ``grids``: between parts nothing is seen, so that it can only be assumed.

    Raises:
        UnprovenError: none of the grids has so many cells, or several.
    """
    fitting = [g for g in grids if special_fits(count - math.prod(g), g) and math.prod(g) > 1]
    # The number of cells itself says more than that with tokens beside.
    fitting = [g for g in fitting if math.prod(g) == count] or fitting
    if len(fitting) != 1:
        raise UnprovenError(
            f"Parts of the network were called one by one, and its {count} tokens lie on no grid that "
            "these show; give grid=(H, W)."
        )
    grid = three(fitting[0])
    special = special_names(count - math.prod(grid))
    cells = " x ".join(map(str, fitting[0]))
    return Positions(
        grid,
        special,
        assumed=f"That its {count} tokens are {f'{len(special)} and ' if special else ''}the {cells} cells "
        "of a convolution before it is assumed: parts of the network were called one by one, and what "
        "lies between them is not seen; give grid=(H, W).",
    )
