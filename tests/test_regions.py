"""Where a row is bright, by the law that README states, against a flood fill written out in loops."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nonlocal_viz as nv
from nonlocal_viz.row import Row


def row_of(weights: np.ndarray, direction: str = "row", first_frame: int = 0) -> Row:
    steps, height, width = weights.shape
    grid = nv.Grid.build((10 * width, 10 * height), weights.shape)
    frames = np.zeros((steps + first_frame, 10 * height, 10 * width, 3), np.uint8)
    return Row(
        block="b",
        x=5,
        y=15,
        query_cell=(first_frame, 1, 0),
        query_rect=grid.rect(0),
        map=weights.astype(np.float32),
        grid=grid,
        direction=direction,  # type: ignore[arg-type]
        frames=frames,
        times=tuple(map(float, range(len(frames)))),
        first_frame=first_frame,
    )


def flooded(weights: np.ndarray) -> list[set[tuple[int, ...]]]:
    """The regions as sets of cells, in no order."""
    sizes = np.abs(np.nan_to_num(weights.astype(np.float64)))
    ordered = sorted(sizes.ravel(), reverse=True)
    total = held = 0.0
    for size in ordered:
        total += size
    least = np.inf
    for size in ordered:
        if held >= total / 2:
            break
        held, least = held + size, size
    left = {c for c in np.ndindex(weights.shape) if sizes[c] >= least}
    found = []
    while left:
        region = {left.pop()}
        edge = set(region)
        while edge:
            t, h, w = edge.pop()
            beside = {
                (t + a - 1, h + b - 1, w + c - 1)
                for a, b, c in np.ndindex(3, 3, 3)
                if (t + a - 1, h + b - 1, w + c - 1) in left
                and (weights[t + a - 1, h + b - 1, w + c - 1] > 0) == (weights[t, h, w] > 0)
            }
            left -= beside
            region |= beside
            edge |= beside
        found.append(region)
    return found


shapes = hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)
values = st.one_of(
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, -1.0, 2.0]),
    st.just(float("nan")),
)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.float32, shapes, elements=values))
def test_regions_are_those_of_a_flood_fill(weights: np.ndarray) -> None:
    row = row_of(weights)
    wanted, found = flooded(weights), row.regions(10_000)
    total = np.nansum(np.abs(weights.astype(np.float64)))
    assert [region.rank for region in found] == list(range(1, len(wanted) + 1))
    # Each has a strongest cell of its own, by which it is known.
    by_key = {cell: cells for cells in wanted for cell in cells}
    assert len({id(by_key[region.key.cell]) for region in found}) == len(wanted)
    for region in found:
        cells = by_key[region.key.cell]
        assert region.cells == len(cells)
        mass = sum(float(weights[c]) for c in cells)
        assert region.mass == pytest.approx(mass, rel=1e-6, abs=1e-9)
        assert region.share == pytest.approx(abs(mass) / total, rel=1e-6)
        assert abs(region.key.weight) == max(abs(weights[c]) for c in cells)
        assert region.frames == (min(c[0] for c in cells), max(c[0] for c in cells))
        held = {t: sum(abs(float(weights[c])) for c in cells if c[0] == t) for t, _, _ in cells}
        assert held[region.frame] == pytest.approx(max(held.values()))
        inside = [c for c in cells if c[0] == region.frame]
        rows, columns = [c[1] for c in inside], [c[2] for c in inside]
        assert tuple(region.rect) == pytest.approx(
            (10 * min(columns), 10 * min(rows), 10 * max(columns) + 10, 10 * max(rows) + 10)
        )
    shares = [region.share for region in found]
    assert shares == sorted(shares, reverse=True)
    assert not shares or sum(shares) >= 0.5 - 1e-9


def cells(*weights: list[list[float]]) -> np.ndarray:
    return np.array(weights, np.float32)


def test_a_sink_an_even_row_and_a_row_of_nothing() -> None:
    (sink,) = row_of(cells([[9, 1, 1], [1, 1, 1]])).regions()
    assert (sink.cells, sink.key.cell, sink.share) == (1, (0, 0, 0), pytest.approx(9 / 14))
    (even,) = row_of(cells([[1, 1, 1], [1, 1, 1]])).regions()
    assert (even.cells, even.share, tuple(even.rect)) == (6, 1.0, (0, 0, 30, 20))
    assert row_of(np.zeros((1, 3, 3))).regions() == ()
    (alone,) = row_of(np.ones((1, 1, 1))).regions()
    assert alone.share == 1.0


def test_what_is_above_0_never_joins_what_is_below() -> None:
    above, below = row_of(cells([[4, -4, 0, 0.1]])).regions()
    assert (above.mass, below.mass, below.rank) == (4, -4, 2)
    assert above.share == below.share == pytest.approx(4 / 8.1)


def test_regions_run_over_frames_and_keep_the_frames_of_the_clip() -> None:
    weights = cells([[4, 0, 0]], [[0, 5, 0]], [[0, 0, 0]], [[4, 0, 0]])
    tube, late = row_of(weights, first_frame=2).regions()
    assert (tube.frames, tube.frame, tube.cells, tube.mass) == ((2, 3), 3, 2, 9)
    assert tuple(tube.rect) == (10, 0, 20, 10) and tube.key.cell == (3, 0, 1)
    assert late.frames == (5, 5)
    assert row_of(weights).regions(1) == row_of(weights).regions()[:1]
    assert row_of(weights).regions(0) == ()


def test_numbers_hold_the_regions_and_are_fit_for_json() -> None:
    row = row_of(cells([[4, 0, 0], [0, 0, 3]]))
    told = json.loads(json.dumps(row.numbers()))["regions"]
    assert told == [
        {
            "rank": rank,
            "frame": 0,
            "frames": [0, 0],
            "cells": 1,
            "mass": mass,
            "share": pytest.approx(mass / 7),
            "rect": rect,
            "key": {"cell": cell, "weight": mass, "rect": rect},
        }
        for rank, mass, cell, rect in [(1, 4, [0, 0, 0], [0, 0, 10, 10])]
    ]


def test_a_row_is_described_with_its_frames() -> None:
    photo, clip = cells([[4, 0, 0], [0, 0, 3]]), np.stack([cells([[4, 0], [0, 3]])[0]] * 3)
    said = row_of(photo).describe()
    assert "the cell in row 1, column 0, at pixel (5, 15), looks most at the cell in row 0" in said
    assert said.endswith("The largest bright region, 1 cells, holds 57 % of the row.")
    assert "frame" not in said + repr(row_of(photo)) and "2 x 3 cells)" in repr(row_of(photo))
    row = row_of(clip, "column", first_frame=1)
    assert (
        "row 1, column 0 of frame 1" in row.describe() and "is looked at most by" in row.describe()
    )
    assert "cells in frames 1 to 3, holds 57 % of the column" in row.describe().replace("6 ", "")
    assert "2 x 2 cells in each of 3 frames" in repr(row) and "of frame 1" in repr(row)
    nothing = row_of(np.zeros((1, 2, 2))).describe()
    assert "region" not in nothing
