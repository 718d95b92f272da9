import io
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.errors import OptionError
from nonlocal_viz.render import figure, lookup, normalise, overlay, ticks
from nonlocal_viz.render.colours import DIVERGING, SEQUENTIAL


def test_scales_by_hand() -> None:
    row = np.array([0.0, 0.001, 0.25, 1.0]) * 0.4
    np.testing.assert_allclose(normalise(row), [0, 0.001, 0.25, 1], atol=1e-6)
    np.testing.assert_allclose(normalise(row, "gamma"), [0, 0.0316228, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(normalise(row, "log"), [0, 0, 1 + np.log10(0.25) / 3, 1], atol=1e-6)
    np.testing.assert_allclose(normalise(row, vmax=0.8), [0, 0.0005, 0.125, 0.5], atol=1e-6)
    signed = normalise(np.array([-2.0, 0.0, 0.5]), "gamma", signed=True)
    np.testing.assert_allclose(signed, [-1, 0, 0.5])
    with pytest.raises(OptionError, match="linear, gamma, log"):
        normalise(row, "sqrt")


def test_odd_rows() -> None:
    assert not normalise(np.zeros(3)).any()
    assert normalise(np.array([np.nan, 1.0])).tolist() == [0, 1]
    assert normalise(np.array([2.0, 2.0])).tolist() == [1, 1]


@pytest.mark.parametrize("scale", ["linear", "gamma", "log"])
@pytest.mark.parametrize("signed", [False, True])
def test_ticks_are_the_weights_of_their_colours(scale: str, signed: bool) -> None:
    for position, weight in ticks(0.3, scale, signed)[1:]:
        level = float(normalise(np.array([weight]), scale, signed, vmax=0.3)[0])
        assert ((level + 1) / 2 if signed else level) == pytest.approx(position, abs=1e-6)


def test_colours() -> None:
    for name in SEQUENTIAL + DIVERGING:
        assert lookup(name).shape == (256, 3)
    with pytest.raises(OptionError, match="magma"):
        lookup("mango")


def evenly(*args: Any, **options: Any) -> np.ndarray:
    """One share of the colour everywhere, over a photo turned to grey."""
    return overlay(*args, **options, veil=False, grey=True)


def test_each_cell_is_painted_on_its_own_pixels() -> None:
    image = np.full((6, 10, 3), 100, np.uint8)
    weights = np.array([[0.0, 1.0], [0.5, 0.25]])
    got = evenly(image, weights, [0, 4, 10], [0, 3, 6], cmap="viridis", alpha=1)
    table = lookup("viridis")
    assert (got[:3, :4] == table[0]).all() and (got[:3, 4:] == table[255]).all()
    assert (got[3:, :4] == table[128]).all() and (got[3:, 4:] == table[64]).all()
    half = evenly(image, weights, [0, 4, 10], [0, 3, 6], cmap="viridis", alpha=0.5)
    assert np.abs(half[0, 9].astype(int) - (table[255].astype(int) + 100) // 2).max() <= 1


def test_fractional_borders_go_by_pixel_centres_and_uncovered_pixels_stay_grey() -> None:
    image = np.zeros((2, 5, 3), np.uint8)
    image[..., 0] = 200
    got = evenly(image, np.array([[1.0, 0.0]]), [0, 1.4, 3], [0, 2], alpha=1, cmap="viridis")
    table = lookup("viridis")
    assert (got[:, 0] == table[255]).all() and (got[:, 1:3] == table[0]).all()
    below = evenly(
        image.swapaxes(0, 1), np.array([[1.0], [0.0]]), [0, 2], [0, 1.4, 3], alpha=1, cmap="viridis"
    )
    np.testing.assert_array_equal(below, got.swapaxes(0, 1))
    grey = got[0, 3]
    assert grey[0] == grey[1] == grey[2] and (got[:, 3:] == grey).all()


def test_smooth_is_bilinear_between_centres() -> None:
    image = np.zeros((1, 40, 3), np.uint8)
    got = evenly(
        image, np.array([[0.0, 1.0]]), [0, 20, 40], [0, 1], alpha=1, smooth=True, cmap="gray"
    )
    assert got[0, 5, 0] == 0 and got[0, 35, 0] == 255 and abs(int(got[0, 20, 0]) - 131) < 4
    assert (np.diff(got[0, :, 0].astype(int)) >= 0).all()


def test_signed_rows_are_centred_on_zero() -> None:
    image = np.zeros((1, 3, 3), np.uint8)
    got = evenly(
        image,
        np.array([[-1.0, 0.0, 0.5]]),
        [0, 1, 2, 3],
        [0, 1],
        alpha=1,
        signed=True,
        cmap="RdBu_r",
    )
    table = lookup("RdBu_r")
    assert (got[0, 0] == table[0]).all() and (got[0, 1] == table[128]).all()
    assert (got[0, 2] == table[191]).all()


def test_the_query_is_outlined_and_the_photo_untouched() -> None:
    image = np.full((50, 50, 3), 90, np.uint8)
    got = evenly(image, np.ones((1, 1)), [0, 50], [0, 50], alpha=0, query_rect=Rect(10, 10, 20, 20))
    assert got[10, 15].tolist() == [255, 255, 255] and got[9, 15, 0] == 20 and got[30, 30, 0] == 90
    assert (image == 90).all()


def test_a_veil_is_the_more_solid_the_greater_the_weight() -> None:
    image = np.full((1, 4, 3), (200, 100, 40), np.uint8)
    got = overlay(
        image, np.array([[0.0, 0.25, 1.0]]), [0, 1, 2, 3], [0, 1], cmap="viridis", alpha=0.8
    )
    # Three fifths of the colour and three quarters of the brightness remain of the photo.
    luma = 0.213 * 200 + 0.715 * 100 + 0.072 * 40
    ground = 0.75 * (0.6 * np.array([200, 100, 40]) + 0.4 * luma)
    np.testing.assert_allclose(got[0, 0], ground, atol=1)
    np.testing.assert_array_equal(got[0, 3], got[0, 0])
    table = lookup("viridis").astype(float)
    for column, level in ((1, 0.25), (2, 1.0)):
        colour, solid = table[round(255 * (0.35 + 0.65 * level))], 0.8 * level**0.6
        np.testing.assert_allclose(got[0, column], solid * colour + (1 - solid) * ground, atol=1.01)
    strong = overlay(image, np.ones((1, 1)), [0, 4], [0, 1])
    np.testing.assert_allclose(
        strong[0, 0], 0.92 * lookup("inferno")[255] + 0.08 * ground, atol=1.01
    )


def test_a_veil_over_grey_and_a_signed_one() -> None:
    image = np.full((1, 3, 3), (200, 100, 40), np.uint8)
    weights, edges = np.array([[-1.0, 0.0, 0.5]]), [0, 1, 2, 3]
    got = overlay(image, weights, edges, [0, 1], signed=True, grey=True, alpha=1)
    table = lookup("managua_r").astype(float)
    grey = round(0.75 * float(evenly(image, weights, edges, [0, 1], alpha=0)[0, 0, 0]))
    np.testing.assert_array_equal(got[0, 0], table[0])
    np.testing.assert_array_equal(got[0, 1], [grey] * 3)
    colour, solid = table[round(255 * (1 + 0.35 + 0.65 / 2) / 2)], 0.5**0.6
    np.testing.assert_allclose(got[0, 2], solid * colour + (1 - solid) * grey, atol=1.01)
    smooth = overlay(image, np.array([[0.0, 1.0]]), [0, 1.5, 3], [0, 1], smooth=True, alpha=1)
    assert (np.diff(smooth[0].astype(int).sum(-1)) > 0).all()


def test_signed_colours_are_told_apart_without_red_and_green() -> None:
    # Vienot, Brettel and Mollon 1999: what a protanope sees, in linear RGB.
    protanope = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    ends = ((lookup(DIVERGING[0])[[0, 44, 211, 255]] / 255.0) ** 2.2) @ protanope.T
    seen = ends.clip(0) ** (1 / 2.2)
    assert np.abs(seen[0] - seen[3]).max() > 0.4 and np.abs(seen[1] - seen[2]).max() > 0.25


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_a_figure_is_the_same_byte_for_byte_and_says_what_it_is(suffix: str) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    told = {"Title": "a & b of $x$", "Description": "words", "Creator": "us 1.0"}
    once, again = (
        figure(
            image,
            np.eye(2),
            [0, 20, 40],
            [0, 15, 30],
            suffix=suffix,
            title="a $ b $",
            metadata=told,
        )
        for _ in range(2)
    )
    assert once == again
    if suffix == "svg":
        text = once.decode()
        assert all(words in text for words in ("a &amp; b of $x$", "words", "us 1.0"))
        assert "<dc:date>" not in text
        with matplotlib.rc_context({"svg.fonttype": "none"}):
            drawn = figure(
                image, np.eye(2), [0, 20, 40], [0, 15, 30], suffix="svg", title="a $ b $"
            )
        assert ">a $ b $</text>" in drawn.decode()
    elif suffix == "pdf":
        assert b"(a & b of $x$)" in once and b"(words)" in once and b"(us 1.0)" in once
        assert b"CreationDate" not in once
    else:
        said = Image.open(io.BytesIO(once)).info
        assert said["Title"] == told["Title"] and said["Software"] == "us 1.0"


def test_a_captioned_row_stands_alone() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    sizes = [
        Image.open(
            io.BytesIO(figure(image, np.eye(2), [0, 20, 40], [0, 15, 30], beside=beside))
        ).size
        for beside in (True, False)
    ]
    assert sizes[0][0] > 1.5 * sizes[1][0] and sizes[0][1] == sizes[1][1]


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_figures(suffix: str, magic: bytes) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    data = figure(image, np.eye(2), [0, 20, 40], [0, 15, 30], suffix=suffix, title="a < b")
    assert data.startswith(magic) and len(data) > 1000


def test_a_bar_begins_at_nothing_on_every_scale() -> None:
    assert ticks(2.0, "log") == [
        (0.0, 0.0),
        *((p, pytest.approx(2 * 10 ** (3 * (p - 1)))) for p in (0.25, 0.5, 0.75, 1.0)),
    ]
    assert ticks(2.0, "gamma")[1] == (0.25, pytest.approx(0.125))
    signed = [weight for _, weight in ticks(2.0, "log", signed=True)]
    assert signed[2] == 0 and signed[0] == -2 and signed[4] == 2


@pytest.mark.parametrize("scale", ["linear", "gamma", "log"])
def test_the_bar_of_a_figure_has_the_weights_of_its_scale(scale: str) -> None:
    image, weights = np.zeros((40, 60, 3), np.uint8), np.array([[0.1, 0.8]])
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        drawn = figure(image, weights, [0, 30, 60], [0, 40], suffix="svg", scale=scale).decode()
    for _, weight in ticks(0.8, scale):
        assert f">{weight:.3g}</text>" in drawn
    assert f">affinity ({scale})</text>" in drawn
