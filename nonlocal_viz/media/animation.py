"""Animated pictures (WebP, APNG, AVIF, GIF) as clips: the frames that are shown at the times asked for.

Invariant: the pixels of all frames together are bounded, as each takes a whole canvas, however small the
file; two passes are made over them, of which the first asks how long each is shown.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import Limits

_FORMATS = ("WEBP", "PNG", "GIF", "AVIF")
#: Seconds of a frame that says none: a tenth, as browsers have it.
_USUAL = 0.1


def is_animated(head: bytes) -> bool:
    """Whether a picture says in its first bytes that it moves: an animated WebP or PNG, an AVIF sequence,
    or a GIF of more than one frame."""
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X":
        return bool(int.from_bytes(head[20:21], "big") & 2)
    if head.startswith(b"\x89PNG"):
        place = head.find(b"acTL")
        return 0 < place < (head.find(b"IDAT") if b"IDAT" in head else len(head))
    if head[4:12] == b"ftypavis":
        return True
    # The second picture of a GIF begins like the first, behind its own control block.
    return head.startswith(b"GIF8") and head.count(b"\x21\xf9\x04") > 1


def animation(
    content: bytes,
    name: str,
    times_of: Callable[[float], list[float]],
    decode: Callable[[Image.Image, str], np.ndarray],
    give: Callable[[float, np.ndarray], None],
    limits: Limits,
) -> float | None:
    """The duration of an animated picture in seconds; None where it is none.

    Args:
        times_of: the duration -> the times that are asked for, ascending.
        decode: an opened picture and its name -> (H, W, 3) uint8.
        give: takes the frames that are shown then, each with the time at which it begins.
    """
    try:
        picture: Any = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Exception:
        return None
    with picture:
        count = getattr(picture, "n_frames", 1)
        if count < 2:
            return None
        pixels = picture.width * picture.height
        if pixels > limits.image_pixels or pixels * count > limits.animation_pixels:
            raise MediaError(
                f"{name} has {count} frames of {picture.width:,} x {picture.height:,} pixels; make it "
                "smaller, or save it as a video."
            )
        ends = _ends(picture, count)
        shown, given = -1, 0
        for time in times_of(ends[-1]):
            index = next((i for i, end in enumerate(ends) if time < end), count - 1)
            if index == shown:
                continue
            shown, given = index, given + 1
            if given * 3 * pixels > limits.clip_bytes:
                raise MediaError(f"{name} has frames too large for so many; ask for fewer.")
            picture.seek(index)
            give(ends[index - 1] if index else 0.0, decode(picture.copy(), name))
        return ends[-1]


def _ends(picture: Any, count: int) -> list[float]:
    """When each frame ends, seconds."""
    ends, now = [], 0.0
    for index in range(count):
        picture.seek(index)
        # Some decoders know it only once they have made the frame.
        picture.load()
        now += (picture.info.get("duration") or 0) / 1000 or _USUAL
        ends.append(now)
    return ends
