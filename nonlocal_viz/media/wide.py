"""Pictures of more than 8 bits, and TIFFs that Pillow does not read as they are meant.

Invariant: a TIFF whose samples are not plain bytes is read by tifffile, which knows how they lie; what it
cannot read is refused, never guessed at.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile

from nonlocal_viz.errors import MediaError

#: What is white in a picture of so many bits, kept in a wider number.
WHITES = (1023, 4095, 16_383, 65_535)
#: Of TIFFs and large TIFFs, in both orders of bytes.
_MARKS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
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
            photometric, values = page.photometric, page.asarray()
            planes = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
            alpha = any(int(extra) in (1, 2) for extra in page.extrasamples)
            turned = int(page.tags[274].value) if 274 in page.tags else 1
    except Exception:
        # Among them a compression whose decoder is not here.
        raise MediaError(_CANNOT.format(name)) from None
    if int(photometric) not in (0, 1, 2):
        raise MediaError(_CANNOT.format(name))
    if planes and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == 2:
        values = values[..., None]
    colours = 3 if int(photometric) == 2 else 1
    if values.ndim != 3 or values.shape[2] < colours:
        raise MediaError(f"{name} is a TIFF of {values.ndim} dimensions, not one picture.")
    pixels = as_bytes(values[..., : colours + alpha], name, WHITES)
    if int(photometric) == 0:
        pixels = 255 - pixels
    return _upright(_over_white(pixels), turned)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """As EXIF and TIFF number the eight ways in which a picture may lie."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(pixels, turns))


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
            # A table of all values: no copy of the picture in wider numbers.
            table = np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8)
            return np.asarray(table[values])
        return _stretched(values, float(least), float(most))
    finite = np.isfinite(values)
    if not finite.any():
        raise MediaError(f"{name} holds no finite values.")
    low, high = float(values[finite].min()), float(values[finite].max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return _stretched(values, low, high)


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (values.astype(np.float32) - np.float32(low)) / np.float32(max(high - low, 1e-12))
    known = np.nan_to_num(scaled, nan=0, posinf=1, neginf=0).clip(0, 1)
    return np.asarray(np.rint(known * 255), np.uint8)


def _over_white(pixels: np.ndarray) -> np.ndarray:
    channels = pixels.shape[2]
    colours = pixels[..., : 1 if channels < 3 else 3]
    if channels in (2, 4):
        alpha = pixels[..., -1:].astype(np.float32) / 255
        colours = np.rint(colours * alpha + 255 * (1 - alpha)).astype(np.uint8)
    whole = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
    return np.asarray(np.ascontiguousarray(whole))
