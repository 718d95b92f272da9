import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import encode_jpeg, encode_png, open_image, thumbnail


def picture() -> np.ndarray:
    y, x = np.mgrid[0:24, 0:32]
    return np.stack([x * 8, y * 10, (x + y) * 4], -1).astype(np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(picture())).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG"])
def test_formats(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    got = open_image(encoded(kind, **options))
    assert got.shape == (24, 32, 3) and got.dtype == np.uint8 and got.flags.owndata
    tolerance = {"GIF": 40, "JPEG": 30}.get(kind, 0)
    assert np.abs(got.astype(int) - picture()).mean() <= tolerance


def test_sources(tmp_path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))
    with path.open("rb") as file, Image.open(path) as opened:
        for source in (path, str(path), path.read_bytes(), opened, picture(), file):
            np.testing.assert_array_equal(open_image(source), picture())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_by_hand(orientation: int) -> None:
    stored = picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = open_image(encoded("PNG", Image.fromarray(stored), exif=exif))
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).transpose(1, 0, 2),
        8: np.rot90(stored),
    }[orientation]
    np.testing.assert_array_equal(got, turned)


def test_transparency_lies_over_white() -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (255, 0, 0, 128)
    got = open_image(encoded("PNG", Image.fromarray(rgba)))
    assert got[0, 0].tolist() == [255, 0, 0] and got[1, 1].tolist() == [255, 255, 255]
    assert got[0, 1].tolist() == pytest.approx([255, 127, 127], abs=1)
    np.testing.assert_array_equal(open_image(rgba), got)
    palette = Image.fromarray(rgba).convert("RGBA").quantize(4)
    assert open_image(encoded("PNG", palette)).shape == (2, 2, 3)


def test_cmyk_and_grey_and_one_bit() -> None:
    cmyk = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    assert open_image(encoded("JPEG", cmyk))[0, 0].tolist() == pytest.approx([255, 0, 0], abs=4)
    grey = Image.fromarray(np.full((3, 3), 77, np.uint8))
    assert open_image(encoded("PNG", grey))[0, 0].tolist() == [77, 77, 77]
    assert open_image(encoded("PNG", Image.new("1", (3, 3), 1)))[0, 0].tolist() == [255] * 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    wide = np.array([[0, 257 * 100], [32768, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        got = open_image(encoded(kind, Image.fromarray(wide)))
        assert got[..., 0].ravel().tolist() == [0, 100, 128, 255]
    assert open_image(wide)[..., 0].ravel().tolist() == [0, 100, 128, 255]
    floats = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert open_image(encoded("TIFF", floats))[0, :, 0].tolist() == [0, 128, 255]
    stretched = Image.fromarray(np.array([[-10.0, 0.0, 10.0]], np.float32))
    assert open_image(encoded("TIFF", stretched))[0, :, 0].tolist() == [0, 128, 255]


def test_of_an_animation_the_first_frame() -> None:
    first, second = Image.new("RGB", (5, 5), "red"), Image.new("RGB", (5, 5), "blue")
    for kind in ("GIF", "WEBP"):
        data = encoded(kind, first, save_all=True, append_images=[second])
        red, _, blue = open_image(data)[2, 2].tolist()
        assert red > 240 and blue < 15


def test_arrays() -> None:
    assert open_image(np.full((2, 3), 0.5))[0, 0].tolist() == [128] * 3
    assert open_image(np.ones((2, 3, 1), bool))[0, 0].tolist() == [255] * 3
    assert open_image(np.ones((1, 1, 3), np.uint8)).shape == (1, 1, 3)
    for bad in (
        np.zeros((2, 2, 5)),
        np.zeros(4),
        np.full((2, 2), 7.0),
        np.zeros((0, 4, 3), np.uint8),
    ):
        with pytest.raises(MediaError):
            open_image(bad)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20_000, 20_000), (100_000, 1), (1, 30_000), (2**31 - 1,) * 2])
def test_too_many_pixels_are_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(MediaError, match=r"pixels|broken"):
        open_image(png_header(*size))


def test_too_many_bytes_are_refused(tmp_path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(encoded("PNG") + bytes(5000))
    with pytest.raises(MediaError, match=r"big\.png is larger"):
        open_image(path, Limits(file_bytes=4000))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"no picture", "not a picture"),
        (b"<svg/>", "not a picture"),
        (b"%PDF-1.4", "not"),
    ],
)
def test_what_is_no_picture(tmp_path, content: bytes, words: str) -> None:
    path = tmp_path / "thing.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words) as caught:
        open_image(path)
    assert "thing.jpg" in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_what_is_no_file(tmp_path) -> None:
    for bad in (
        tmp_path,
        tmp_path / "none.png",
        "http://x/y.png",
        "a\0b",
        7,
        None,
        io.StringIO("x"),
    ):
        with pytest.raises(MediaError, match=r"\.$"):
            open_image(bad)


SEEDS = {kind: encoded(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_broken_files_give_a_picture_or_one_sentence(kind: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    sentence, got = "", np.zeros((1, 1, 3), np.uint8)
    try:
        got = open_image(bytes(content), Limits(image_pixels=4_000_000))
    except MediaError as error:
        sentence = str(error)
    assert sentence == "" or sentence.endswith(".")
    assert got.ndim == 3 and got.shape[2] == 3 and got.dtype == np.uint8


@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_says_what_it_is_in_any_language(channels: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 7, channels), np.uint8)
    told = {"Title": "a cat", "Description": '{"x": 1}', "Näme": "ein Käfer, 猫 \n and more"}
    content = encode_png(image, told)
    with Image.open(io.BytesIO(content)) as made:
        made.load()
        assert made.info == told and made.mode == {3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(made), image)
    # The chunks stand behind the header and before the picture, each with its sum.
    names, at = [], 8
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 8 + size]
        assert zlib.crc32(body) == int.from_bytes(content[at + 8 + size : at + 12 + size], "big")
        names.append(body[:4])
        at += 12 + size
    assert names == [b"IHDR", b"iTXt", b"iTXt", b"iTXt", b"IDAT", b"IEND"]
    assert encode_png(image) == encode_png(image, {}) and encode_png(image, told) == content


def test_encoders_and_thumbnail() -> None:
    np.testing.assert_array_equal(open_image(encode_png(picture())), picture())
    assert np.abs(open_image(encode_jpeg(picture())).astype(int) - picture()).mean() < 12
    assert thumbnail(picture(), 16).shape == (12, 16, 3)
    assert thumbnail(picture(), 99).shape == (24, 32, 3)
