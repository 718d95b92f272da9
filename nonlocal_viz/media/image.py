"""Pictures from anywhere as (H, W, 3) uint8 RGB, upright; or one MediaError that says what is wrong.

Invariant: whatever the bytes are, :func:`open_image` returns such an array or raises MediaError,
within the bounds of limits.py. Sizes are checked from the header, before any pixel is decoded.
"""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError, features

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import LIMITS, MIB, Limits
from nonlocal_viz.media import netpbm
from nonlocal_viz.media.arrays import channels_last
from nonlocal_viz.media.bare import scans, without_metadata
from nonlocal_viz.media.files import open_file
from nonlocal_viz.media.profile import into_srgb
from nonlocal_viz.media.wide import WHITES, as_bytes, tiff_pixels, upright, wide_size

#: What Pillow is allowed to try; anything else is refused before a decoder of it runs. (MPO, the
#: two-picture JPEG of phones, is opened as JPEG.)
SUPPORTED_FORMATS: tuple[str, ...] = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    "PPM",
    "JPEG2000",
    "ICO",
    "HEIF",
    *(("AVIF",) if features.check("avif") else ()),
)
#: A format without a mark by which it is known: it is believed of a file that is named so.
_BY_NAME = {".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA"}
#: Pixels over which a progressive JPEG passes, all its passes together, each of which costs as much as the
#: whole picture: 50 million in the ten of a picture for the web, and as many again; some ten seconds.
_PASSED = 1_000_000_000
#: Pixels that are changed at once, and modes that can be transparent.
_STRIP = 1 << 21
_CLEAR = ("LA", "La", "PA", "RGBA", "RGBa")
# Pillow registers the rarer formats when they are first asked for, and not thread-safely.
Image.init()
pillow_heif.register_heif_opener()
#: Bytes of a PNG's signature and of its first chunk, behind which others may stand.
_PNG_HEADER = 8 + 25
_READABLE = ", ".join(SUPPORTED_FORMATS)


def open_image(source: Any, limits: Limits = LIMITS) -> np.ndarray:
    """A picture as an array that owns its pixels.

    Args:
        source: a path; bytes; a binary file; a PIL image; or an array or tensor: (H, W), (H, W, C)
            or (C, H, W) with 1, 3 or 4 channels, of uint8, uint16, bool, or floats in 0..1.
        limits: bounds on the file's bytes and on the picture's pixels and sides.

    Returns:
        (H, W, 3) uint8 RGB. EXIF rotation is applied; transparency lies over white; of an
        animation the first frame; 16-bit and float pictures are scaled to 8 bits.

    Raises:
        MediaError: it is not such a picture, is broken, or is too big.
    """
    source = channels_last(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    if isinstance(source, Image.Image):
        _check_size(*source.size, limits, "The picture")
        with _one_sentence("The picture"):
            return picture_pixels(source, "The picture")
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), "The file", limits)
    if isinstance(source, str | os.PathLike):
        return _from_path(source, limits)
    if hasattr(source, "read"):
        try:
            content = _read(source, limits, "The file")
        except (OSError, ValueError):
            raise MediaError("The file is closed, or cannot be read.") from None
        return _from_bytes(content, "The file", limits)
    raise MediaError(
        f"Cannot read a picture from {type(source).__name__}; give a path, bytes, a PIL image or an array."
    )


def thumbnail(image: np.ndarray, long_side: int) -> np.ndarray:
    """The picture shrunk (never enlarged) so that its long side has at most ``long_side`` pixels."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def encode_png(image: np.ndarray, metadata: Mapping[str, str] | None = None) -> bytes:
    """(H, W, 3) or (H, W, 4) uint8 -> the bytes of a PNG that says ``metadata`` of itself."""
    swapped = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    # Runs alone are looked for: half of Pillow's time, and no larger.
    options = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, coded = cv2.imencode(
        ".png", cv2.cvtColor(image, swapped), [*options, cv2.IMWRITE_PNG_COMPRESSION, 4]
    )
    assert done, "an array in memory can be written as a PNG"
    content = coded.tobytes()
    told = b"".join(_text_chunk(name, words) for name, words in (metadata or {}).items())
    return content[:_PNG_HEADER] + told + content[_PNG_HEADER:]


def _text_chunk(name: str, words: str) -> bytes:
    """An iTXt chunk of a PNG (W3C, "Portable Network Graphics", 11.3.3.4): UTF-8, not compressed."""
    # After the name: not compressed (two bytes), no language, no translation of the name.
    body = b"iTXt" + name.encode("latin-1") + bytes(5) + words.encode("utf-8", "replace")
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def encode_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """(H, W, 3) uint8 -> the bytes of a JPEG."""
    return _encode(image, "JPEG", quality=quality)


def _encode(image: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def _from_path(source: str | os.PathLike[str], limits: Limits) -> np.ndarray:
    text = os.fspath(source)
    if isinstance(text, str) and text.lower().startswith(("http://", "https://", "ftp://")):
        raise MediaError("Nothing is fetched from the network; save the picture and give its path.")
    with open_file(source, "a picture") as (file, name):
        return _from_bytes(_read(file, limits, name), name, limits)


def _read(file: BinaryIO, limits: Limits, name: str) -> bytes:
    content = file.read(limits.file_bytes + 1)
    if not isinstance(content, bytes):
        raise MediaError(f"{name} is open as text; open it in binary mode.")
    return content


def _from_bytes(content: bytes, name: str, limits: Limits) -> np.ndarray:
    if not content:
        raise MediaError(f"{name} is empty (0 bytes).")
    if len(content) > limits.file_bytes:
        raise MediaError(
            f"{name} is larger than {limits.file_bytes // MIB} MB; save the picture smaller."
        )
    try:
        return _opened(content, name, limits)
    except _UnreadableError as failure:
        bare = without_metadata(content)
        if bare is None:
            raise MediaError(str(failure)) from None
        # Whatever is wrong may be what is said beside the pixels; those are then taken alone.
        try:
            return _opened(bare, name, limits)
        except _UnreadableError:
            raise MediaError(str(failure)) from None


class _UnreadableError(MediaError):
    """A decoder's refusal, as a sentence."""


def _opened(content: bytes, name: str, limits: Limits) -> np.ndarray:
    size = wide_size(content)
    if size is not None:
        _check_size(*size, limits, name)
        with _one_sentence(name):
            return tiff_pixels(content, name)
    portable = netpbm.header(content)
    if portable is not None:
        _check_size(portable.width, portable.height, limits, name)
        with _one_sentence(name):
            return netpbm.pixels(content, portable, name)
    formats = SUPPORTED_FORMATS
    named = _BY_NAME.get(Path(name).suffix.lower())
    if named:
        formats = (*formats, named)
    with _one_sentence(name), Image.open(io.BytesIO(content), formats=formats) as picture:
        _check_size(*picture.size, limits, name)
        if scans(content) * picture.width * picture.height > _PASSED:
            raise MediaError(
                f"{name} passes over its picture too often; save it again, not progressive."
            )
        return picture_pixels(picture, name)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes one MediaError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of corrupt EXIF and of sizes that we bound ourselves, more tightly.
            warnings.simplefilter("ignore")
            yield
    except MediaError:
        raise
    except Image.DecompressionBombError:
        raise MediaError(f"{name} holds more pixels than can be shown; make it smaller.") from None
    except UnidentifiedImageError:
        raise _UnreadableError(
            f"{name} is not a picture that can be read; use one of {_READABLE}."
        ) from None
    except MemoryError:
        raise MediaError(f"{name} needs more memory than there is; make it smaller.") from None
    except Exception:
        # Decoders of broken files raise nearly every built-in type; none of them is for the user.
        raise _UnreadableError(f"{name} is broken or cut short; save the picture again.") from None


def _check_size(width: int, height: int, limits: Limits, name: str) -> None:
    if width < 1 or height < 1:
        raise MediaError(f"{name} has no pixels.")
    if max(width, height) > limits.image_side or width * height > limits.image_pixels:
        raise MediaError(
            f"{name} has {width:,} x {height:,} pixels, more than can be shown "
            f"({limits.image_pixels // 1_000_000} million, {limits.image_side:,} a side); "
            "make it smaller."
        )


def picture_pixels(picture: Image.Image, name: str) -> np.ndarray:
    """Pixels of an opened picture; raises whatever Pillow does for broken data."""
    picture.load()
    mode = picture.mode
    if mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        # A TIFF may keep 12 bits in 16; a PNG spreads them.
        whites = WHITES if picture.format == "TIFF" else WHITES[-1:]
        pixels = cv2.cvtColor(as_bytes(np.asarray(picture), name, whites), cv2.COLOR_GRAY2RGB)
    else:
        pixels = _colours(picture)
    return upright(pixels, _orientation(picture))


def _colours(picture: Image.Image) -> np.ndarray:
    """(H, W, 3) of a picture of bytes, made strip by strip: what lies between takes little memory."""
    width, height = picture.size
    clear = picture.mode in _CLEAR or "transparency" in picture.info
    mode = "LA" if picture.mode == "LA" else "RGBA" if clear else picture.mode
    shown = into_srgb(picture, mode)
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(height, top + rows)))
        strip = shown(strip if strip.mode == mode else strip.convert(mode))
        if clear:
            ground = Image.new("RGBA", strip.size, "white")
            strip = Image.alpha_composite(ground, strip.convert("RGBA"))
        pixels[top : top + rows] = np.asarray(strip.convert("RGB"))
    return pixels


def _orientation(picture: Image.Image) -> int:
    """How the picture lies, of the eight ways that EXIF knows."""
    try:
        told = picture.getexif().get(0x0112)
    except Exception:
        return 1  # what is said of the picture is damaged; the picture is not
    return told if isinstance(told, int) else 1


def _from_array(array: np.ndarray, limits: Limits) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise MediaError(
            f"An array of shape {array.shape} is not a picture; give (H, W), or 1, 3 or 4 channels, "
            "first or last."
        )
    _check_size(array.shape[1], array.shape[0], limits, "The array")
    if array.dtype == np.uint16:
        array = as_bytes(array, "The array")
    elif array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise MediaError(
                "An array of floats has to lie within 0 and 1; scale it, or give uint8."
            )
        array = np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.integer) and array.size:
        # As tensors of labels and lists have them.
        if array.min() < 0 or array.max() > 255:
            raise MediaError("An array of whole numbers has to lie within 0 and 255.")
        array = array.astype(np.uint8)
    elif array.dtype != np.uint8:
        raise MediaError(f"An array of {array.dtype} is not a picture; give uint8.")
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.shape[2] == 4:
        return picture_pixels(Image.fromarray(np.ascontiguousarray(array), "RGBA"), "The array")
    return np.array(array, order="C")
