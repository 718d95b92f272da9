import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from nonlocal_viz.core.geometry import (
    Axis,
    Grid,
    stored_from_upright,
    upright_from_stored,
    upright_size,
)
from nonlocal_viz.errors import QueryError, ShapeError

sides = st.integers(1, 700)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any grid that resize, crop, padding, stride and offset can make."""
    size = draw(sides), draw(sides)
    resize = draw(st.none() | st.tuples(sides, sides))
    seen = resize or size
    crop = None
    if draw(st.booleans()):
        width = draw(st.floats(0.5, seen[0]))
        height = draw(st.floats(0.5, seen[1]))
        left = draw(st.floats(0, 1)) * (seen[0] - width)
        top = draw(st.floats(0, 1)) * (seen[1] - height)
        crop = left, top, width, height
    pad = tuple(draw(st.integers(0, 20)) for _ in range(4))
    stride = draw(st.none() | st.sampled_from([1, 4, 8, 16, 32, 7.5]))
    offset = draw(st.sampled_from([0.0, -4.0, 3.0]))
    cells = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return Grid.build(size, cells, resize=resize, crop=crop, pad=pad, stride=stride, offset=offset)


@given(grids(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_every_seen_pixel_lies_in_exactly_one_query_cell(grid: Grid, u: float, v: float) -> None:
    # The last double before a border may be nearer to it than any product of doubles tells.
    x = float(grid.x.low) + min(u, 1 - 1e-9) * float(grid.x.high - grid.x.low)
    y = float(grid.y.low) + min(v, 1 - 1e-9) * float(grid.y.high - grid.y.low)
    if not (grid.x.low <= x < grid.size[0] and grid.y.low <= y < grid.size[1]):
        return
    cell = grid.cell(x, y)
    assert grid.unflat(grid.index(x, y)) == cell
    for axis, pixel, at in ((grid.x, x, cell[2]), (grid.y, y, cell[1])):
        numerators, denominator = axis.borders()
        place = pixel * denominator
        holds = [a <= place < b for a, b in itertools.pairwise(numerators)]
        assert holds == [i == at for i in range(axis.cells)]
        # Fractions of a pixel aside that no double tells apart, the rectangle holds it.
        assert axis.edge(at) - 1e-9 <= pixel <= axis.edge(at + 1) + 1e-9


@given(grids(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_without_a_crop_every_pixel_of_the_picture_has_a_cell(
    grid: Grid, u: float, v: float
) -> None:
    whole = Grid.build(grid.size, grid.cells[1:])
    x, y = u * grid.size[0], v * grid.size[1]
    left, top, right, bottom = whole.rect(whole.cell(x, y))
    assert left - 1e-9 <= x <= right + 1e-9 and top - 1e-9 <= y <= bottom + 1e-9


@given(grids(), st.integers(1, 3), st.integers(1, 3))
def test_a_pooled_key_is_the_union_of_its_query_cells(grid: Grid, ph: int, pw: int) -> None:
    keys = grid.pooled((ph, pw))
    ph, pw = min(ph, grid.y.cells), min(pw, grid.x.cells)
    assert keys.cells == (1, grid.y.cells // ph, grid.x.cells // pw)
    for w in range(keys.x.cells):
        first, last = grid.rect((0, 0, w * pw)), grid.rect((0, 0, w * pw + pw - 1))
        assert keys.x.edge(w) == pytest.approx(first.left, abs=1e-3)
        assert keys.x.edge(w + 1) == pytest.approx(last.right, abs=1e-3)


@given(
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_orientation_agrees_with_pillow(
    orientation: int, width: int, height: int, u: float, v: float
) -> None:
    stored = np.arange(width * height, dtype=np.uint8).reshape(height, width)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    assert upright.shape[::-1] == upright_size((width, height), orientation)
    column, row = int(u * width), int(v * height)
    x, y = upright_from_stored(column + 0.5, row + 0.5, (width, height), orientation)
    assert upright[int(y), int(x)] == stored[row, column]
    back = stored_from_upright(x, y, (width, height), orientation)
    assert back == pytest.approx((column + 0.5, row + 0.5))


def test_borders_are_where_they_should_be() -> None:
    grid = Grid.build((640, 480), (30, 40), stride=16)
    assert grid.cell(0, 0) == (0, 0, 0)
    assert grid.cell(15.999, 15.999) == (0, 0, 0)
    assert grid.cell(16, 16) == (0, 1, 1)
    assert grid.cell(639.99, 479.99) == (0, 29, 39)
    assert grid.rect((0, 1, 2)) == (32, 16, 48, 32)


def test_resize_crop_and_offset_by_hand() -> None:
    # 512 x 256 shrunk to 256 x 128, the middle 112 x 112 of it seen, cells of 14 network pixels.
    grid = Grid.build((512, 256), (8, 8), resize=(256, 128), crop=(72, 8, 112, 112), stride=14)
    assert grid.rect((0, 0, 0)) == (144, 16, 172, 44)
    assert grid.cell(144, 16) == (0, 0, 0)
    with pytest.raises(QueryError, match="outside the part"):
        grid.cell(143.9, 16)
    # An offset moves the cells; the first still answers for the pixels before it.
    moved = Grid.build((224, 224), (55, 55), stride=4, offset=2)
    assert moved.cell(0, 0) == (0, 0, 0) and moved.cell(5.9, 0)[2] == 0
    assert moved.cell(6.1, 0)[2] == 1 and moved.rect((0, 0, 54)).right == 224


def test_an_odd_last_column_belongs_to_no_pooled_key() -> None:
    keys = Grid.build((50, 50), (5, 5), stride=10).pooled((1, 2, 2))
    assert keys.cells == (1, 2, 2) and keys.rect((0, 0, 1)) == (20, 0, 40, 20)
    with pytest.raises(QueryError):
        keys.cell(45, 5)


@pytest.mark.parametrize(
    "point", [(-1, 0), (0, -0.1), (64, 0), (0, 48), (math.nan, 0), (0, math.inf), ("3", 0)]
)
def test_points_outside_are_refused(point) -> None:
    with pytest.raises(QueryError):
        Grid.build((64, 48), (6, 8)).cell(*point)


def test_frames() -> None:
    grid = Grid.build((64, 48), (4, 6, 8), frames=8)
    assert grid.cell(0, 0, frame=5)[0] == 2
    with pytest.raises(QueryError, match="frame"):
        grid.cell(0, 0, frame=8)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ShapeError):
        Grid.build((0, 5), (1, 1))
    with pytest.raises(ShapeError):
        Grid.build((10, 10), (2, 2), crop=(5, 5, 10, 10))
    with pytest.raises(ShapeError):
        Axis(0, 0, 1, 0, 1)
    with pytest.raises(ShapeError):
        upright_size((3, 4), 9)
    with pytest.raises(QueryError):
        Grid.build((10, 10), (2, 2)).rect(4)


@given(grids())
def test_borders_are_whole_numbers_that_doubles_hold(grid: Grid) -> None:
    for axis in (grid.x, grid.y, grid.pooled((2, 2)).x):
        numerators, denominator = axis.borders()
        assert len(numerators) == axis.cells + 1 and list(numerators) == sorted(numerators)
        assert max(map(abs, numerators)) < 2**53 and 0 < denominator < 2**53
        edges = [n / denominator for n in numerators]
        assert edges == list(axis.edges())


@pytest.mark.parametrize(
    ("size", "cells", "x", "y"),
    [((800, 600), (40, 53), 400, 300), ((4032, 3024), (40, 53), 0, 378)],
)
def test_whole_pixels_on_a_border_belong_to_the_cell_that_begins_there(size, cells, x, y) -> None:
    """By fractions, which round nothing; 800 x 600 and 4032 x 3024 photos were cases that differed."""
    grid = Grid.build(size, cells, resize=(427, 320))
    for pixel in range(size[0]):
        assert grid.x.find(pixel) == Fraction(pixel * cells[1], size[0]).__floor__()
    for pixel in range(size[1]):
        assert grid.y.find(pixel) == Fraction(pixel * cells[0], size[1]).__floor__()
    assert grid.cell(x, y) == (0, y * cells[0] // size[1], x * cells[1] // size[0])
