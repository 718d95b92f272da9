"""Frames -> a video that every browser plays: VP9 in WebM, which is free of patents and licences."""

import io
from collections.abc import Iterable, Mapping
from fractions import Fraction

import av
import cv2
import numpy as np

from nonlocal_viz.errors import MediaError

_MILLISECOND = Fraction(1, 1000)


def encode_webm(
    frames: Iterable[np.ndarray],
    fps: float = 4.0,
    long_side: int = 1280,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a WebM.

    Args:
        frames: (H, W, 3) uint8 RGB each, all of one size; shrunk to ``long_side`` and to even sides.
        fps: frames a second.
        metadata: what the file says of itself.

    Raises:
        MediaError: there are no frames.
    """
    writer = WebmWriter(fps, long_side, metadata)
    for frame in frames:
        writer.write(frame)
    return writer.finish()


class WebmWriter:
    """The same frame by frame, for whoever shows progress or may stop half-way."""

    def __init__(
        self,
        fps: float = 4.0,
        long_side: int = 1280,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.fps, self.long_side = fps, long_side
        self._buffer = io.BytesIO()
        self._out = av.open(self._buffer, "w", format="webm")
        self._out.metadata.update(metadata or {})
        # Key frames often: a film strip is scrubbed, not only played.
        options = {"deadline": "good", "cpu-used": "6", "crf": "24", "b": "0", "row-mt": "1"}
        self._stream = self._out.add_stream(
            "libvpx-vp9", rate=Fraction(fps).limit_denominator(1000), options=options
        )
        self._stream.codec_context.time_base = _MILLISECOND
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = 8
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8 RGB."""
        if not self._count:
            height, width = frame.shape[:2]
            scale = min(1.0, self.long_side / max(width, height))
            self._stream.width = max(2, 2 * round(width * scale / 2))
            self._stream.height = max(2, 2 * round(height * scale / 2))
        size = self._stream.width, self._stream.height
        small = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA)
        picture = av.VideoFrame.from_ndarray(small.astype(np.uint8, copy=False), "rgb24")
        picture.pts, picture.time_base = round(1000 * self._count / self.fps), _MILLISECOND
        self._out.mux(self._stream.encode(picture))
        self._count += 1

    def finish(self) -> bytes:
        """The bytes of the file.

        Raises:
            MediaError: no frame was written.
        """
        if not self._count:
            raise MediaError("There are no frames to write.")
        self._out.mux(self._stream.encode(None))
        self._out.close()
        return self._buffer.getvalue()
