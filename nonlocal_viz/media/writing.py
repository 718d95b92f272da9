"""Frames -> a video that every browser plays: VP9 in WebM, which is free of patents and licences."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from nonlocal_viz.errors import MediaError


def encode_webm(
    frames: Sequence[np.ndarray],
    fps: float = 4.0,
    long_side: int = 1280,
    on_frame: Callable[[], None] = lambda: None,
) -> bytes:
    """The bytes of a WebM.

    Args:
        frames: T of (H, W, 3) uint8 RGB, all of one size; shrunk to ``long_side`` and to even sides.
        fps: frames a second.
        on_frame: called after each frame; what it raises stops the work.

    Raises:
        MediaError: there are no frames.
    """
    if not len(frames):
        raise MediaError("There are no frames to write.")
    height, width = frames[0].shape[:2]
    scale = min(1.0, long_side / max(width, height))
    size = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as out:
        # Key frames often: a film strip is scrubbed, not only played.
        options = {"deadline": "good", "cpu-used": "6", "crf": "24", "b": "0", "row-mt": "1"}
        stream = out.add_stream(
            "libvpx-vp9", rate=Fraction(fps).limit_denominator(1000), options=options
        )
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 8
        for i, frame in enumerate(frames):
            small = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA)
            picture = av.VideoFrame.from_ndarray(small.astype(np.uint8, copy=False), "rgb24")
            picture.pts, picture.time_base = round(1000 * i / fps), Fraction(1, 1000)
            out.mux(stream.encode(picture))
            on_frame()
        out.mux(stream.encode(None))
    return buffer.getvalue()
