"""Queries drawn on a photo, ranked by hand, and the means and intervals over photos."""

import math

import numpy as np
import pytest
import torch

from nonlocal_viz.evaluation.scores import BlockScores, Draw, size_of
from nonlocal_viz.evaluation.segments import Segmented


def test_sizes_begin_at_their_bounds() -> None:
    assert [size_of(a) for a in (0.03, 0.0599, 0.06, 0.1799, 0.18, 1.0)] == [
        "small",
        "small",
        "medium",
        "medium",
        "large",
        "large",
    ]


def test_a_draw_by_hand() -> None:
    # A row of ten cells, 10 pixels each: a large object of four cells, a medium one of one cell, which
    # has no other to be found, and a medium one of two cells that is 1/8 of the picture's height.
    masks = np.zeros((3, 8, 100), bool)
    masks[0, :, :40], masks[1, :, 50:60], masks[2, :5, 70:90] = True, True, True
    draw = Draw.of(
        Segmented("a", np.zeros((8, 100, 3), np.uint8), masks),
        (1, 10),
        99,
        np.random.default_rng(0),
    )
    assert draw is not None
    order = draw.picked.argsort()
    assert draw.picked[order].tolist() == [0, 1, 2, 3, 7, 8]
    assert [draw.sizes[i] for i in order] == ["large"] * 4 + ["medium"] * 2
    assert (
        draw.positive.shape == (6, 9) and draw.positive.sum(1)[order].tolist() == [3] * 4 + [1] * 2
    )
    # From left to right: the large object comes first; cell 8 is found after 0..6, cell 7 after 0..6
    # too, for whichever of the two asks is not ranked.
    leftwards = -torch.arange(10.0).expand(6, -1)
    found = draw.by_size("ap", draw.precision(leftwards))
    assert found["ap_large"] == pytest.approx(1) and found["ap_medium"] == pytest.approx(1 / 8)
    assert math.isnan(found["ap_small"]) and found["ap"] == pytest.approx((4 + 2 / 8) / 6)


def test_at_the_edge_only_the_cells_along_the_outline_are_ranked() -> None:
    masks = np.zeros((1, 40, 80), bool)
    masks[0, :, :40] = True
    photo = Segmented("a", np.zeros((40, 80, 3), np.uint8), masks)
    draw = Draw.of(photo, (4, 8), 99, np.random.default_rng(0))
    assert draw is not None and draw.grid == (4, 8)
    planes = draw.at_edge.view(-1, 4, 8)
    asked = planes.sum((1, 2))
    # Columns 3 and 4 meet at the outline; a query that lies there itself is not ranked.
    assert set(asked.tolist()) == {7, 8} and not planes[:, :, [0, 1, 2, 5, 6, 7]].any()
    left = torch.arange(32.0).remainder(8)
    assert draw.precision_at_edge(-left.expand(16, -1)).tolist() == [1] * 16
    # A row that is flat along the outline earns no more than chance there, whatever it has elsewhere.
    blurred = torch.where((left == 3) | (left == 4), 0.5, -left).expand(16, -1)
    assert float(draw.precision_at_edge(blurred).max()) < 0.8
    assert float(draw.precision_at_edge(left.expand(16, -1)).max()) < 0.5


def test_a_photo_without_two_cells_of_an_object_is_not_drawn_from() -> None:
    whole = np.ones((1, 8, 8), bool)
    photo = Segmented("a", np.zeros((8, 8, 3), np.uint8), whole)
    assert Draw.of(photo, (1, 1), 20, np.random.default_rng(0)) is None
    drawn = Draw.of(photo, (1, 2), 20, np.random.default_rng(0))
    assert drawn is not None and sorted(drawn.picked.tolist()) == [0, 1]


def test_summary_and_interval_leave_out_what_does_not_apply() -> None:
    scores = BlockScores()
    for i in range(40):
        scores.add(ap=i / 39, ap_small=math.nan, ap_large=math.nan if i % 2 else 0.25)
    means = scores.summary()
    assert means["ap"] == 0.5 and means["ap_large"] == 0.25 and math.isnan(means["ap_small"])
    low, high = scores.interval("ap")
    # Forty numbers spread evenly over 0..1 have a standard error of .047.
    assert low == pytest.approx(0.5 - 1.96 * 0.047, abs=0.02)
    assert high == pytest.approx(0.5 + 1.96 * 0.047, abs=0.02)
    assert scores.interval("ap_large") == (0.25, 0.25)
    assert all(map(math.isnan, scores.interval("ap_small")))
