"""Clips through the lens: rows over space and time, frame by frame, and what is written of them."""

import io
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz import render
from nonlocal_viz.errors import QueryError
from nonlocal_viz.lens import Lens, View
from nonlocal_viz.media import encode_webm, open_image, open_video
from nonlocal_viz.render import lookup


@pytest.fixture(scope="module")
def frames(picture: np.ndarray) -> np.ndarray:
    """(5, 60, 90, 3): the picture sliding to the right."""
    return np.stack([np.roll(picture, 9 * t, axis=1) for t in range(5)])


@pytest.fixture(scope="module")
def lens(tiny_model) -> Lens:
    return Lens(tiny_model, short_side=64)


@pytest.fixture(scope="module")
def view(lens: Lens, frames: np.ndarray) -> View:
    return lens.open(frames, frames=5)


def test_a_row_spans_all_frames_and_is_affinitys(view: View) -> None:
    row = view.query(40, 20, frame=3)
    affinity = view.affinity("layer2.1")
    assert row.map.shape == affinity.query_grid == (5, 8, 12)
    assert row.query_cell[0] == 3 and row.map.sum() == pytest.approx(1, abs=1e-4)
    index = view.query_grid("layer2.1").index(40, 20, 3)
    np.testing.assert_allclose(row.map.ravel(), affinity.dense()[0, index].numpy(), atol=1e-5)
    assert len(row.shares) == 5 and sum(row.shares) == pytest.approx(1)
    assert "frame 3" in row.describe()
    assert row.numbers()["times"] == [0, 1, 2, 3, 4]


def test_frame_by_frame_is_each_frame_alone(lens: Lens, frames: np.ndarray) -> None:
    view = lens.open(frames, spacetime=False)
    row = view.query(40, 20, frame=2, block="layer2.1")
    alone = lens.open(frames[2]).query(40, 20, block="layer2.1")
    assert row.map.shape == (1, 8, 12) and row.first_frame == 2
    assert row.query_cell == (2, *alone.query_cell[1:])
    np.testing.assert_allclose(row.map, alone.map, atol=1e-5)
    assert all(key.cell[0] == 2 for key in row.strongest(5))
    column = view.column(40, 20, frame=4)
    assert column.map.shape == (1, 8, 12) and column.first_frame == 4


@pytest.mark.parametrize("spacetime", [True, False])
@pytest.mark.parametrize("frame", [-1, 5, 99])
def test_unknown_frames(lens: Lens, frames: np.ndarray, spacetime: bool, frame: int) -> None:
    view = lens.open(frames, frames=5, spacetime=spacetime)
    with pytest.raises(QueryError, match="frames go from 0"):
        view.query(1, 1, frame=frame)


def test_one_frame_is_the_picture(lens: Lens, frames: np.ndarray) -> None:
    np.testing.assert_allclose(
        lens.open(frames[:1]).query(9, 9).map, lens.open(frames[0]).query(9, 9).map, atol=1e-6
    )


def test_the_same_weights_see_a_still_clip_as_its_picture(lens: Lens, picture) -> None:
    still = lens.open(np.stack([picture] * 3), frames=3)
    row, alone = still.query(40, 20, frame=1), lens.open(picture).query(40, 20)
    # Three equal frames: each gets a third of the picture's row (C2D).
    np.testing.assert_allclose(row.map, np.repeat(alone.map, 3, axis=0) / 3, atol=1e-5)
    torch.testing.assert_close(torch.tensor(row.shares), torch.full((3,), 1 / 3))


def test_pictures_stay_pictures_and_videos_are_clips(lens: Lens, frames, tmp_path) -> None:
    (tmp_path / "a.webm").write_bytes(encode_webm(list(frames), fps=5))
    view = lens.open(tmp_path / "a.webm", frames=3)
    assert view.frames.shape == (3, 60, 90, 3) and view.times == pytest.approx((0, 0.4, 0.8))
    assert len(lens.open(tmp_path / "a.webm").frames) == 5
    first, *rest = [Image.fromarray(f) for f in frames]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=100)
    assert len(lens.open(tmp_path / "a.gif").frames) == 1
    assert len(lens.open(tmp_path / "a.gif", frames=4).frames) == 4


def test_everything_that_is_written(view: View, tmp_path) -> None:
    row = view.query(40, 20, frame=3)
    for frame in range(5):
        assert row.overlay(frame=frame).shape == (60, 90, 3)
    with pytest.raises(QueryError, match="frame"):
        row.overlay(frame=5)
    strip = open_image(row.save(tmp_path / "strip.png"))
    assert strip.shape[1] > 2 * strip.shape[0]
    clip = open_video(row.save(tmp_path / "row.webm"), 5)
    assert clip.frames.shape == (5, 60, 90, 3)
    for frame, painted in zip(clip.frames, row.overlays(), strict=True):
        assert np.abs(frame.astype(int) - painted).mean() < 12
    arrays = np.load(row.save(tmp_path / "row.npz"))
    np.testing.assert_array_equal(arrays["weights"], row.map)
    np.testing.assert_array_equal(arrays["times"], view.times)
    assert row.save(tmp_path / "row.csv").read_text().count("\n") == 1 + row.map.size
    for suffix, magic in {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}.items():
        assert row.arrows(suffix).startswith(magic)
    arrows = open_image(row.save(tmp_path / "row.arrows.png"))
    assert arrows.shape != strip.shape or (arrows != strip).any()


def test_one_colour_scale_for_all_frames(view: View) -> None:
    row = view.query(40, 20, frame=0)
    shares = row.map.max((1, 2)) / row.map.max()
    assert shares.min() < 0.5
    for t in range(1, 5):
        # Were each frame scaled by itself, all would reach the last colour.
        strongest = lookup("magma")[round(255 * float(shares[t]))]
        assert (row.overlay(frame=t, alpha=1, cmap="magma", veil=False) == strongest).all(-1).any()


def test_webm_has_the_rate_and_size_that_were_asked_for(frames: np.ndarray) -> None:
    with av.open(io.BytesIO(encode_webm(list(frames), fps=10, long_side=45))) as made:
        stream = made.streams.video[0]
        assert (stream.width, stream.height) == (44, 30) and stream.codec.name in (
            "vp9",
            "libvpx-vp9",
        )
        times = [float(frame.time) for frame in made.decode(stream)]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=2e-3)


def test_frames_keep_their_numbers_in_what_is_written(lens: Lens, frames, tmp_path) -> None:
    row = lens.open(frames, spacetime=False).query(40, 20, frame=2)
    table = row.save(tmp_path / "row.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in table[1:]} == {"2"}
    one = open_image(row.save(tmp_path / "one.png", frame=1))
    assert one.shape == (60, 90, 3)
    with pytest.raises(QueryError, match="frame"):
        row.overlay(frame=1.5)


def test_a_number_that_is_none_does_not_blank_the_picture(view: View) -> None:
    row = view.query(40, 20, frame=0)
    spoiled = row.map.copy()
    spoiled[4, 0, 0] = np.nan
    other = replace(row, map=spoiled)
    np.testing.assert_array_equal(other.overlay(), row.overlay())
    assert other.stats.entropy is None


def test_numpys_numbers_are_numbers(view: View) -> None:
    row = view.query(np.float32(40), np.int64(20), frame=np.int64(1))
    np.testing.assert_array_equal(row.map, view.query(40, 20, frame=1).map)


def test_figures_of_a_clip_have_arrows(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = view.query(40, 20, frame=3)
    drawn = []
    monkeypatch.setattr(
        render,
        "arrows",
        lambda *given, suffix, metadata: drawn.append((given, suffix, metadata)) or b"drawn",
    )
    for name in ("a.svg", "a.pdf", "a.arrows.png"):
        assert row.save(tmp_path / name).read_bytes() == b"drawn"
    assert [suffix for _, suffix, _ in drawn] == ["svg", "pdf", "png"]
    assert json.loads(drawn[0][2]["Description"])["frame"] == 3
    frames, times, marked, rect, keys = drawn[0][0]
    assert len(frames) == 5 and times == view.times and marked == 3 and rect == row.query_rect
    assert keys == [(k.cell[0], k.rect, k.weight) for k in row.peaks(20)]
