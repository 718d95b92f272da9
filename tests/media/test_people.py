"""Pictures and clips as people have them: from phones, scanners, cameras and other programs."""

import io
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorTrc
from PIL import Image, ImageCms, PngImagePlugin

from nonlocal_viz.errors import MediaError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import frames as frames_module
from nonlocal_viz.media import is_video, moves, open_image, open_video
from nonlocal_viz.media.bare import without_metadata
from tests.media.test_video import indices, numbered, video


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([4 * x, 5 * y, 2 * (x + y)], -1).clip(0, 255).astype(np.uint8)


def saved(image: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def near(found: np.ndarray, wanted: np.ndarray, by: float = 1.5) -> bool:
    return found.shape == wanted.shape and float(np.abs(found.astype(int) - wanted).mean()) <= by


@pytest.mark.parametrize("kind", ["PPM", "JPEG2000", "ICO", "HEIF"])
def test_formats_that_people_have(kind: str, picture: np.ndarray) -> None:
    options = {"sizes": [(64, 48)]} if kind == "ICO" else {}
    assert near(open_image(saved(picture, kind, **options)), picture, 3 if kind == "HEIF" else 1)


def test_a_format_without_a_mark_is_believed_of_its_name_alone(
    tmp_path: Path, picture: np.ndarray
) -> None:
    content = saved(picture, "TGA")
    (tmp_path / "a.tga").write_bytes(content)
    assert near(open_image(tmp_path / "a.tga"), picture, 0)
    with pytest.raises(MediaError, match="not a picture"):
        open_image(content)


def damaged(kind: str, picture: np.ndarray) -> bytes:
    if kind == "JPEG":
        exif = Image.Exif()
        exif[274] = 1
        content = saved(picture, "JPEG", exif=exif, quality=95)
        at = content.index(b"Exif\x00\x00") + 6
        # A header that is none, and a directory far beyond the segment.
        return content[:at] + b"XX\x2a\x00\xff\xff\xff\x7f" + content[at + 8 :]
    if kind == "PNG":
        told = PngImagePlugin.PngInfo()
        told.add_itxt("words", "w" * 1_500_000, zip=True)
        return saved(picture, "PNG", pnginfo=told)
    content = saved(picture, "WEBP", lossless=True, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00")
    assert b"EXIF" in content
    return content


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_said_beside_the_pixels_refuses_none(kind: str, picture: np.ndarray) -> None:
    assert near(open_image(damaged(kind, picture)), picture, 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_taking_metadata_out_leaves_the_pixels(kind: str, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[305] = "somebody"
    options: dict[str, Any] = {"exif": exif, "icc_profile": profile()}
    content = saved(picture, kind, **options)
    bare = without_metadata(content)
    assert bare is not None and len(bare) < len(content) and b"somebody" not in bare
    with Image.open(io.BytesIO(content)) as full, Image.open(io.BytesIO(bare)) as plain:
        np.testing.assert_array_equal(
            np.asarray(full.convert("RGB")), np.asarray(plain.convert("RGB"))
        )
        assert "icc_profile" not in plain.info
    assert without_metadata(bare) is None and without_metadata(b"GIF89a") is None


def profile(swapped: bool = False) -> bytes:
    """The profile of sRGB, or one whose red is green and whose green is red."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if swapped:
        places = {}
        for i in range(struct.unpack(">I", content[128:132])[0]):
            at = 132 + 12 * i
            places[bytes(content[at : at + 4])] = at
        red, green = places[b"rXYZ"], places[b"gXYZ"]
        content[red + 4 : red + 12], content[green + 4 : green + 12] = (
            content[green + 4 : green + 12],
            content[red + 4 : red + 12],
        )
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_colours_are_those_that_the_profile_means(kind: str, picture: np.ndarray) -> None:
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    found = open_image(saved(picture, kind, icc_profile=profile(swapped=True), **options))
    assert near(found, picture[..., [1, 0, 2]], 3)
    assert near(open_image(saved(picture, kind, icc_profile=profile(), **options)), picture, 2)


def test_a_profile_that_is_none_or_of_other_colours_is_ignored(picture: np.ndarray) -> None:
    broken = profile(swapped=True)[:200]
    assert near(open_image(saved(picture, "PNG", icc_profile=broken)), picture, 0)
    grey = saved(picture[..., 0], "PNG", icc_profile=profile(swapped=True))
    assert near(open_image(grey), np.repeat(picture[..., :1], 3, 2), 0)


def test_a_profile_holds_beneath_transparency(picture: np.ndarray) -> None:
    clear = np.dstack([picture, np.full((48, 64), 255, np.uint8)])
    clear[:, :8, 3] = 0
    found = open_image(saved(clear, "PNG", icc_profile=profile(swapped=True)))
    assert (found[:, :8] == 255).all() and near(found[:, 8:], picture[:, 8:, [1, 0, 2]], 3)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def test_wide_tiffs_are_read_as_they_are_meant(picture: np.ndarray) -> None:
    wide = picture.astype(np.uint16) * 257
    grey = wide[..., 0]
    rgb: dict[str, Any] = {"photometric": "rgb"}
    read = {
        "planar": tiff(np.moveaxis(wide, 2, 0), planarconfig="separate", **rgb),
        "together": tiff(wide, **rgb),
        "floats": tiff(picture.astype(np.float32) / 255, **rgb),
        "bytes in planes": tiff(np.moveaxis(picture, 2, 0), planarconfig="separate", **rgb),
        "twelve bits in sixteen": tiff(picture.astype(np.uint16) * 16, **rgb),
        "with alpha": tiff(
            np.dstack([wide, np.full((48, 64), 65535, np.uint16)]),
            extrasamples=["unassalpha"],
            **rgb,
        ),
        "with something else": tiff(
            np.dstack([wide, np.zeros((48, 64), np.uint16)]), extrasamples=["unspecified"], **rgb
        ),
    }
    for name, content in read.items():
        assert near(open_image(content), picture, 1), name
    one = np.repeat(picture[..., :1], 3, 2)
    packed = io.BytesIO()
    Image.fromarray(grey).save(packed, "TIFF", compression="tiff_lzw")
    assert near(open_image(packed.getvalue()), one, 1)
    assert near(open_image(tiff(grey // 16, photometric="minisblack")), one, 1)
    assert near(open_image(tiff(grey, photometric="minisblack")), one, 1)
    assert near(open_image(tiff(65535 - grey, photometric="miniswhite")), one, 1)
    assert near(
        open_image(tiff(grey.astype(np.uint32) * 60_000)), (one / one.max() * 255).round(), 1
    )
    clear = np.dstack([wide, np.zeros((48, 64), np.uint16)])
    assert (open_image(tiff(clear, extrasamples=["unassalpha"], **rgb)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_wide_tiff_stands_upright(orientation: int, picture: np.ndarray) -> None:
    wide = picture.astype(np.uint16) * 257
    content = tiff(wide, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    usual = saved(picture, "TIFF", tiffinfo={274: orientation})
    assert near(open_image(content), open_image(usual), 1)


def test_a_tiff_that_cannot_be_read_says_so(picture: np.ndarray) -> None:
    ink = np.dstack([picture, picture[..., 0]]).astype(np.uint16) * 257
    for content in (tiff(ink, photometric="separated"), tiff(ink, photometric="rgb")[:-5000]):
        with pytest.raises(MediaError, match="TIFF of a kind that is not read"):
            open_image(content)


def test_a_jpeg_of_endless_passes_is_refused_where_they_cost_much() -> None:
    for side, opens in ((64, True), (2000, False)):
        content = saved(np.zeros((side, side, 3), np.uint8), "JPEG", progressive=True)
        scan = content[content.rindex(b"\xff\xda") : -2]
        many = content[:-2] + 500 * scan + content[-2:]
        if opens:
            assert open_image(many).shape == (side, side, 3)
            continue
        with pytest.raises(MediaError, match="too often"):
            open_image(many)


# Clips.

MATRICES = {
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "counter-clockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "along the diagonal": ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
    "along the other": ((0, -1, -1, 0), lambda p: np.rot90(p, 2).swapaxes(0, 1)),
    "nowhere": ((0, 0, 0, 0), lambda p: p),
}


@pytest.mark.parametrize("name", MATRICES)
def test_every_way_in_which_a_clip_may_lie(name: str) -> None:
    (a, b, c, d), upright = MATRICES[name]
    one = 1 << 16
    # A picture's matrix stands in its track's header, before its width and height.
    content = bytearray(video("mp4"))
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    plain = open_video(video("mp4"), 2).frames
    found = open_video(bytes(content), 2).frames
    assert np.array_equal(found[0], upright(plain[0]))


def test_clips_that_people_have(tmp_path: Path) -> None:
    packets = video("mpegts")
    camcorder = b"".join(
        b"\x00\x00\x00\x00" + packets[i : i + 188] for i in range(0, len(packets), 188)
    )
    for name, content in {"a.m2ts": camcorder, "b.wmv": video("asf")}.items():
        (tmp_path / name).write_bytes(content)
        assert is_video(tmp_path / name) and is_video(content), name
        assert indices(open_video(tmp_path / name, 4).frames)[0] < 10


def test_one_key_frame_costs_one_pass() -> None:
    content = video("mp4", count=200, gop=1000)
    clip = open_video(content, 24, limits=Limits(decoded_frames=230))
    shown = indices(clip.frames)
    assert len(shown) == 24 and shown == sorted(shown)


class Frame:
    """A decoded frame that says of itself what a test wants."""

    def __init__(self, frame: Any, **told: Any) -> None:
        self._frame, self._told = frame, told

    def __getattr__(self, name: str) -> Any:
        return self._told[name] if name in self._told else getattr(self._frame, name)


def test_two_fields_at_once_are_no_comb() -> None:
    comb = np.zeros((48, 64, 3), np.uint8)
    comb[1::2] = 255
    frame = av.VideoFrame.from_ndarray(comb, "rgb24")
    assert frames_module.rgb(Frame(frame, interlaced_frame=True)).max() == 0
    assert frames_module.rgb(Frame(frame, interlaced_frame=False)).max() == 255
    ramp = np.repeat(np.arange(0, 96, 2, dtype=np.uint8)[:, None, None], 64, 1).repeat(3, 2)
    smooth = frames_module.rgb(
        Frame(av.VideoFrame.from_ndarray(ramp, "rgb24"), interlaced_frame=True)
    )
    assert np.abs(smooth[:-1].astype(int) - ramp[:-1]).max() <= 1


@pytest.mark.parametrize("transfer", ["hlg", "pq"])
def test_high_dynamic_range_is_shown_as_on_a_usual_screen(transfer: str) -> None:
    """Greys of known brightness: below white, which is at 203 nits, and what is five times brighter."""
    nits = np.array([0.0, 2, 20, 100, 1000])
    if transfer == "hlg":
        scene = (nits / 1000) ** (1 / 1.2)
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        bright = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
        signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
        kind = ColorTrc.ARIB_STD_B67
    else:
        power = (nits / 10_000) ** 0.1593017578125
        signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
        kind = ColorTrc.SMPTE2084
    wide = np.repeat(np.rint(signal * 65535).astype(np.uint16)[None, :, None], 3, 2).repeat(2, 0)
    converted = SimpleNamespace(to_ndarray=lambda: wide)
    plain = SimpleNamespace(reformat=lambda **_: converted)
    frame = Frame(plain, color_trc=kind, interlaced_frame=False)
    found = frames_module.rgb(frame)[0, :, 0]
    wanted = 255 * (nits[:4] / 203) ** (1 / 2.4)
    np.testing.assert_allclose(found[:4], wanted, atol=2)
    greys = frames_module.rgb(frame)[0]
    assert found[4] >= 253 and (greys[:, 0] == greys[:, 2]).all()


def test_transparency_of_a_clip_lies_over_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, 4:] = (200, 0, 0, 255)
    frame = av.VideoFrame.from_ndarray(clear, "rgba")
    found = frames_module.rgb(frame)
    assert (found[:, :4] == 255).all() and (found[:, 4:] == (200, 0, 0)).all()


@pytest.mark.parametrize(("lines", "space"), [(480, None), (720, frames_module.Colorspace.ITU709)])
def test_what_says_nothing_of_its_colours_is_hd_from_720_lines(lines: int, space: Any) -> None:
    asked: list[Any] = []

    def converted(format: str, src_colorspace: Any) -> np.ndarray:
        asked.append((format, src_colorspace))
        return np.zeros((2, 2, 3), np.uint8)

    told = {"colorspace": 2, "height": lines, "color_trc": 2, "interlaced_frame": False}
    frame = SimpleNamespace(to_ndarray=converted, format=SimpleNamespace(name="yuv420p"), **told)
    frames_module.rgb(frame)
    frame.colorspace = 5  # it says BT.601
    frames_module.rgb(frame)
    assert asked == [("rgb24", space), ("rgb24", None)]


def test_a_matrix_that_is_cut_short_is_none() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    frame = SimpleNamespace(side_data={Type.DISPLAYMATRIX: b"\x00" * 8})
    assert frames_module.turned(pixels, frame) is pixels


def moving(kind: str, count: int = 5, **options: Any) -> bytes:
    pictures = [Image.fromarray(numbered(i)) for i in range(count)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:], **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF", "GIF"])
def test_a_picture_that_moves_is_a_clip(kind: str, tmp_path: Path, tiny_model: Any) -> None:
    options: dict[str, Any] = {"duration": [100, 100, 100, 100, 600]}
    if kind == "WEBP":
        options |= {"lossless": True}
    content = moving(kind, **options)
    assert moves(content) and not is_video(content)
    clip = open_video(content, 4)
    # Asked at .125, .375, .625 and .875 s of one second: the last frame is shown from .4 s on.
    assert indices(clip.frames) == [1, 3, 4]
    np.testing.assert_allclose(clip.times, [0.1, 0.3, 0.4], atol=0.02)
    assert clip.duration == pytest.approx(1.0, abs=0.05)
    path = tmp_path / "moving"
    path.write_bytes(content)
    assert moves(path) and len(Lens(tiny_model, 32).open(path, frames=4).frames) == 3
    assert indices(open_image(content)[None]) == [0]


def test_a_picture_that_does_not_move_is_none(picture: np.ndarray, tmp_path: Path) -> None:
    for kind in ("WEBP", "PNG", "AVIF", "GIF", "JPEG"):
        assert not moves(saved(picture, kind)), kind
    assert not moves(tmp_path / "missing") and not moves(None)


def test_canvases_of_an_animation_are_bounded() -> None:
    content = moving("WEBP", lossless=True, duration=100)
    for limits, words in (
        (Limits(animation_pixels=64 * 48 * 4), "has 5 frames of 64 x 48"),
        (Limits(clip_bytes=64 * 48 * 3 * 2), "ask for fewer"),
        (Limits(file_bytes=100), "larger than"),
    ):
        with pytest.raises(MediaError, match=words):
            open_video(content, 5, limits=limits)
    with pytest.raises(MediaError, match="start earlier"):
        open_video(content, 2, start=9)
