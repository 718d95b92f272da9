"""Pictures of more than 8 bits, and TIFFs that Pillow does not read as they are meant.

Invariant: a TIFF whose samples are not plain bytes is read by tifffile, which knows how they lie; what it
cannot read is refused, never guessed at.
"""

import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import tifffile

from nonlocal_viz.errors import MediaError

#: What is white in a picture of so many bits, kept in a wider number.
WHITES = (1023, 4095, 16_383, 65_535)
#: Of TIFFs and large TIFFs, in both orders of bytes.
_MARKS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
#: Numbers that are changed at once.
_STRIP = 1 << 21
_CANNOT = "{} is a TIFF of a kind that is not read here; save it as PNG, or with 8 bits."


def wide_size(content: bytes) -> tuple[int, int] | None:
    """(width, height) of a TIFF whose samples Pillow takes for others, or refuses: wider than a byte, in
    planes of their own, or floats. None for every other file."""
    if not content.startswith(_MARKS):
        return None
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page: Any = file.pages[0]
            planes = (
                page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1
            )
            # Grey of 16 bits, black at 0, Pillow reads as it is meant, and knows more compressions.
            grey = page.samplesperpixel == 1 and page.bitspersample == 16
            usual = grey and int(page.photometric) == 1 and int(page.sampleformat) == 1
            wide = (page.bitspersample > 8 or planes) and not usual
            return (int(page.imagewidth), int(page.imagelength)) if wide else None
    except Exception:
        # Whatever is wrong with it, Pillow says it in its own way.
        return None


def tiff_pixels(content: bytes, name: str) -> np.ndarray:
    """The first page of a TIFF as (H, W, 3) uint8; raises MediaError where tifffile cannot read it."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page: Any = file.pages[0]
            photometric, values = int(page.photometric), page.asarray()
            planes = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
            alpha = any(int(extra) in (1, 2) for extra in page.extrasamples)
            turned = int(page.tags[274].value) if 274 in page.tags else 1
    except MemoryError:
        raise
    except Exception:
        # Among them a compression whose decoder is not here.
        raise MediaError(_CANNOT.format(name)) from None
    if photometric not in (0, 1, 2):
        raise MediaError(_CANNOT.format(name))
    if planes and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 2:
        values = values[..., None]
    colours = 3 if photometric == 2 else 1
    if values.ndim != 3 or values.shape[2] < colours:
        raise MediaError(f"{name} is a TIFF of {values.ndim} dimensions, not one picture.")
    pixels = as_bytes(values[..., : colours + alpha], name, WHITES)
    if photometric == 0:
        pixels = 255 - pixels
    return upright(over_white(pixels), turned)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it stands, from one that lies in one of the eight ways that EXIF and TIFF number; any
    other number is none."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    turned = np.rot90(pixels, turns)
    return pixels if orientation not in range(2, 9) else np.array(turned, order="C")


def as_bytes(values: np.ndarray, name: str, whites: Sequence[int] = WHITES[-1:]) -> np.ndarray:
    """Wide values as uint8 of the same shape.

    Whole numbers keep their scale: white is the first of ``whites`` that holds them all. 32-bit ones,
    and floats beyond 0 and 1, are stretched from their least to their greatest, what is no number aside.
    """
    if values.dtype == np.uint8:
        return values
    if np.issubdtype(values.dtype, np.integer):
        least, most = int(values.min()), int(values.max())
        if least >= 0 and most <= whites[-1]:
            white = next(white for white in whites if most <= white)
            native = values.astype(np.uint16, copy=False)
            return np.asarray(cv2.convertScaleAbs(native, alpha=255 / white)).reshape(values.shape)
        return _stretched(values, float(least), float(most))
    low, high = math.inf, -math.inf
    for part in _parts(values):
        known = part[np.isfinite(part)]
        if len(known):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if low > high:
        raise MediaError(f"{name} holds no finite values.")
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return _stretched(values, low, high)


def _parts(values: np.ndarray) -> Iterator[np.ndarray]:
    """The same in strips of rows, so that what is made of one takes little memory."""
    rows = max(1, _STRIP * len(values) // max(1, values.size))
    return (values[top : top + rows] for top in range(0, len(values), rows))


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    found = np.empty(values.shape, np.uint8)
    for part, into in zip(_parts(values), _parts(found), strict=True):
        # In double precision: the middle of what is far from 0, or wide, is lost in single.
        scaled = (part.astype(np.float64) - low) / max(high - low, 1e-12)
        into[...] = np.rint(np.nan_to_num(scaled, nan=0, posinf=1, neginf=0).clip(0, 1) * 255)
    return found


def over_white(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 1 to 4) uint8 -> (H, W, 3): grey or colours, the second or fourth channel being opacity."""
    channels = pixels.shape[2]
    colours = pixels[..., : 1 if channels < 3 else 3]
    if channels in (2, 4):
        alpha = pixels[..., -1:].astype(np.float32) / 255
        colours = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
    whole = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
    return np.asarray(np.ascontiguousarray(whole))
