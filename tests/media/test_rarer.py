"""Rarer kinds: portable maps beyond Pillow's, transparent WebM, whole numbers and lists as pictures."""

import io

import av
import numpy as np
import pytest
import torch

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import open_image, open_video


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:24, :40]
    return np.stack([6 * x, 10 * y, 2 * (x + y)], -1).astype(np.uint8)


def pam(values: np.ndarray, most: int = 255, said: str = "# by hand\nTUPLTYPE RGB\n") -> bytes:
    height, width, depth = values.shape
    head = f"P7\nWIDTH {width}\n{said}HEIGHT {height}\nDEPTH {depth}\nMAXVAL {most}\nENDHDR\n"
    return head.encode() + values.astype(">u2" if most > 255 else "u1").tobytes()


def pfm(values: np.ndarray, order: str = "<") -> bytes:
    height, width = values.shape[:2]
    head = (
        f"P{'F' if values.ndim == 3 else 'f'}\n{width} {height}\n{'-' if order == '<' else ''}1.0\n"
    )
    return head.encode() + values[::-1].astype(f"{order}f4").tobytes()


def test_every_depth_of_a_pam(picture: np.ndarray) -> None:
    assert np.array_equal(open_image(pam(picture)), picture)
    grey = picture[..., :1]
    assert np.array_equal(open_image(pam(grey)), np.repeat(grey, 3, 2))
    wide = np.rint(picture.astype(float) * 1023 / 255).astype(int)
    assert np.abs(open_image(pam(wide, 1023)).astype(int) - picture).max() <= 1
    opacity = np.full_like(grey, 51)
    for colours in (picture, grey):
        over = np.rint(0.2 * colours + 0.8 * 255).astype(int)
        found = open_image(pam(np.concatenate([colours, opacity], 2)))
        assert np.abs(found.astype(int) - over).max() <= 1


@pytest.mark.parametrize("order", "<>")
def test_a_map_of_floats(picture: np.ndarray, order: str) -> None:
    assert np.array_equal(open_image(pfm(picture / 255, order)), picture)
    grey = picture[..., 0] / 255
    assert np.array_equal(open_image(pfm(grey, order)), np.repeat(picture[..., :1], 3, 2))
    bright = picture / 255 * 3
    bright[0, 0] = np.nan
    found = open_image(pfm(bright, order))
    assert found.max() == 255 and (found[0, 0] == 0).all()


@pytest.mark.parametrize("make", [pam, lambda p: pfm(p / 255)], ids=["pam", "pfm"])
def test_a_map_that_is_cut_or_huge_is_refused(picture: np.ndarray, make) -> None:
    content = make(picture)
    with pytest.raises(MediaError, match="cut short"):
        open_image(content[:-1])
    with pytest.raises(MediaError, match="more than can be shown"):
        open_image(content.replace(b"40", b"90000", 1))
    with pytest.raises(MediaError, match="more than can be shown"):
        open_image(content, Limits(image_pixels=900))
    for broken in (b"P7\nWIDTH 4\n", b"PF\n4 4\n", content.replace(b"40", b"no", 1)):
        with pytest.raises(MediaError):
            open_image(broken)
    for depth in (b"DEPTH 0", b"DEPTH 5"):
        with pytest.raises(MediaError):
            open_image(pam(picture).replace(b"DEPTH 3", depth))


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_of_a_webm_lies_over_white(codec: str) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as out:
        stream = out.add_stream(codec, rate=10, options={"auto-alt-ref": "0", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        for i in range(40):
            frame = np.full((48, 64, 4), (200, 6 * i, 0, 255), np.uint8)
            frame[:, 32:, 3] = 0
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgba")))
        out.mux(stream.encode(None))
    clip = open_video(buffer.getvalue(), 3)
    assert len(clip) == 3
    for time, frame in zip(clip.times, clip.frames.astype(int), strict=True):
        assert np.abs(frame[:, 36:] - 255).max() <= 6
        # And the time is that of the frame.
        assert np.abs(frame[:, :28].mean((0, 1)) - (200, 60 * time, 0)).max() <= 8


def test_whole_numbers_and_lists_are_pictures(picture: np.ndarray) -> None:
    numbers = picture.astype(np.int64)
    kinds = [
        *(numbers, numbers.astype(np.int16), numbers.tolist(), (picture / 255).tolist()),
        torch.tensor(numbers).permute(2, 0, 1),
    ]
    for given in kinds:
        assert np.array_equal(open_image(given), picture)
    for wrong in (numbers - 1, numbers + 200):
        with pytest.raises(MediaError, match="within 0 and 255"):
            open_image(wrong)
    for none in ([[1], [1, 2]], [], [[]]):
        with pytest.raises(MediaError, match="from list"):
            open_image(none)
