"""Clips from anywhere as a few RGB frames with their true times; or one MediaError.

Invariants: whatever the bytes are, :func:`open_video` returns such a clip or raises MediaError, within
the bounds of limits.py; memory grows with the frames asked for, never with the length of the file.

A file's container is taken from a fixed list and nothing but the bytes given is ever read: FFmpeg's
playlist formats, through which a "video" can name other files of the machine, are not on the list.
"""

import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av
import av.error
import cv2
import numpy as np

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import LIMITS, MIB, Limits
from nonlocal_viz.media.animation import animation, is_animated
from nonlocal_viz.media.arrays import channels_last
from nonlocal_viz.media.files import open_file
from nonlocal_viz.media.frames import rgb, turned
from nonlocal_viz.media.image import open_image, picture_pixels

#: FFmpeg's names of the containers that are read.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,ogg,mpegts,mpeg,mpegvideo,flv,asf"
_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none", "enable_drefs": "0"}
_READABLE = "MP4, MOV, WebM, MKV, AVI, WMV, M2TS or GIF"
#: The identifier that Windows Media files begin with.
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MARKS = (b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", _ASF)
#: FFmpeg's own decoders of these leave transparency out.
_CLEAR = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
#: Bytes in which a picture has said that it moves: a GIF says so with its second frame.
_HEAD = 1 << 20
#: A shape and a type -> an array of it.
Place = Callable[..., np.ndarray]
# Nearer than this it is quicker to decode on than to seek to a key frame and decode up to the place.
_DECODE_ON = 1.0
_THREADS = 4


@dataclass(frozen=True, eq=False)
class Clip:
    """Sampled frames of a video.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, upright, with square pixels.
        times: T seconds from the beginning of the video, ascending: when each frame is shown.
        duration: seconds of the whole video.
    """

    frames: np.ndarray
    times: tuple[float, ...]
    duration: float

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        count, height, width = self.frames.shape[:3]
        return f"Clip({count} frames of {width} x {height} pixels, of {self.duration:.4g} seconds)"


def open_video(
    source: Any,
    frames: int | None = None,
    *,
    start: float = 0.0,
    stride: float | None = None,
    limits: Limits = LIMITS,
    place: Place = np.empty,
) -> Clip:
    """Sample frames of a video.

    Args:
        source: a path, bytes, or a binary file; or an array or tensor of frames, (T, H, W, C),
            (T, C, H, W) or (C, T, H, W), each as a picture of :func:`open_image` can be.
        frames: how many; default 8, of an array all that there are. A video that shows fewer
            different pictures at the times asked for gives fewer: no frame is returned twice.
        start: seconds from the beginning of the video where sampling begins.
        stride: seconds from one sampled time to the next; None spreads the samples evenly from
            ``start`` to the end, each in the middle of its share.
        limits: bounds on bytes, seconds, frames and pixels.
        place: where frames of a file are put: a shape -> an array of uint8; more than is used in the end.

    Returns:
        The frames that are shown at those times (a frame is shown until the next one begins, also
        where the frame rate varies). Rotation and pixel shape of the file are applied.

    Raises:
        MediaError: it is no video, has no picture, is broken, or is beyond a bound.
    """
    source = channels_last(source, clip=True)
    if isinstance(source, np.ndarray):
        if start != 0 or stride is not None:
            raise MediaError("Frames in an array have no times: leave start and stride out.")
        return _from_array(source, frames, limits)
    frames = 8 if frames is None else frames
    if not (isinstance(frames, int | np.integer) and 1 <= frames <= limits.clip_frames):
        raise MediaError(f"Ask for 1 to {limits.clip_frames} frames, not {frames}.")
    if not (isinstance(start, int | float) and math.isfinite(start) and start >= 0):
        raise MediaError(f"A clip cannot start at {start} seconds; give 0 or more.")
    if stride is not None and not (math.isfinite(stride) and stride > 0):
        raise MediaError(f"A stride of {stride} seconds is not possible; give more than 0.")
    asked = _Asked(int(frames), start, stride, place)
    if isinstance(source, bytes | bytearray | memoryview):
        return _sample(io.BytesIO(source), "The file", asked, limits)
    if isinstance(source, str | os.PathLike):
        with open_file(source, "a video") as (file, name):
            return _sample(file, name, asked, limits)
    if hasattr(source, "read") and hasattr(source, "seek"):
        try:
            return _sample(source, "The file", asked, limits)
        except (OSError, ValueError):
            raise MediaError("The file is closed, or cannot be read from any place.") from None
    raise MediaError(
        f"Cannot read a video from {type(source).__name__}; give a path, bytes or an array."
    )


class _Asked(NamedTuple):
    """What is wanted of a clip."""

    frames: int
    start: float
    stride: float | None
    place: Place

    def times(self, duration: float) -> list[float]:
        return sample_times(self.frames, duration, self.start, self.stride)


class _Roll:
    """Frames as they come, put into one array at once: a clip is never there twice."""

    def __init__(self, most: int, place: Place, limits: Limits) -> None:
        self._most, self._place, self._limits = most, place, limits
        self._frames: np.ndarray | None = None
        self.times: list[float] = []

    def add(self, time: float, frame: np.ndarray) -> None:
        """Another frame, of the size of the first."""
        if self._frames is None:
            most = min(self._most, max(1, self._limits.clip_bytes // frame.nbytes))
            self._frames = self._place((most, *frame.shape), np.uint8)
        self._frames[len(self.times)] = frame
        self.times.append(time)

    def frames(self) -> np.ndarray:
        """(T, H, W, 3) uint8; there is one at least."""
        assert self._frames is not None
        return self._frames[: len(self.times)]


def is_video(source: Any) -> bool:
    """Whether a path or bytes begin as one of the video containers (GIF counts as a picture)."""
    if isinstance(source, np.ndarray):
        return source.ndim == 4
    if isinstance(source, bytes | bytearray | memoryview):
        head = bytes(source[:197])
    elif isinstance(source, str | os.PathLike):
        try:
            with Path(os.fspath(source)).open("rb") as file:
                head = file.read(197)
        except (OSError, ValueError):
            return False
    else:
        return False
    stills = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"jxl ")
    return (
        (head[4:8] == b"ftyp" and head[8:12] not in stills)
        or head[4:8] in (b"moov", b"mdat", b"wide")
        or head.startswith(_MARKS)
        # MPEG-TS: a packet of 188 bytes begins with 0x47, on camcorders' discs behind four more.
        or (len(head) > 188 and head[0] == head[188] == 0x47)
        or (len(head) > 196 and head[4] == head[196] == 0x47)
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
    )


def moves(source: Any) -> bool:
    """Whether a path or bytes are a video, or a picture that moves (a GIF, WebP, APNG or AVIF)."""
    if is_video(source):
        return True
    if isinstance(source, bytes | bytearray | memoryview):
        return is_animated(bytes(source[:_HEAD]))
    if isinstance(source, str | os.PathLike):
        try:
            with Path(os.fspath(source)).open("rb") as file:
                return is_animated(file.read(_HEAD))
        except (OSError, ValueError):
            return False
    return False


def sample_times(
    frames: int, duration: float, start: float = 0.0, stride: float | None = None
) -> list[float]:
    """The seconds that :func:`open_video` asks about; none of them at or beyond ``duration``."""
    if stride is not None:
        return [t for i in range(frames) if (t := start + i * stride) < duration]
    share = max(0.0, duration - start) / frames
    return [start + (i + 0.5) * share for i in range(frames)] if share else []


def _sample(file: BinaryIO, name: str, asked: _Asked, limits: Limits) -> Clip:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size == 0:
        raise MediaError(f"{name} is empty (0 bytes).")
    if size > limits.video_bytes:
        raise MediaError(
            f"{name} is larger than {limits.video_bytes // MIB} MB; cut or compress the video."
        )
    moving = _animation(file, name, asked, limits)
    if moving is not None:
        return moving
    with _one_sentence(name), av.open(file, options=_OPTIONS) as container:
        if not container.streams.video:
            raise MediaError(f"{name} has sound but no picture.")
        reader = _Reader(container, name, limits)
        if reader.duration > limits.video_seconds:
            raise MediaError(
                f"{name} is longer than {limits.video_seconds / 3600:g} hours; cut it."
            )
        times = asked.times(reader.duration)
        if not times:
            raise _too_late(name, reader.duration, asked.start)
        roll = _Roll(len(times), asked.place, limits)
        for t in times:
            shown = reader.at(t)
            if shown is not None and shown[0] not in roll.times:
                roll.add(*shown)
        if not roll.times:
            raise MediaError(f"{name} is broken or cut short: no frame of it can be decoded.")
        return Clip(roll.frames(), tuple(roll.times), reader.duration)


def _too_late(name: str, duration: float, start: float) -> MediaError:
    return MediaError(f"{name} ends after {duration:.2f} seconds, before {start:g}; start earlier.")


def _animation(file: BinaryIO, name: str, asked: _Asked, limits: Limits) -> Clip | None:
    """The clip that an animated picture is; None where it is none."""
    head = file.read(_HEAD)
    file.seek(0)
    if not is_animated(head) or head.startswith(b"GIF8"):
        return None
    if file.seek(0, io.SEEK_END) > limits.file_bytes:
        raise MediaError(f"{name} is larger than {limits.file_bytes // MIB} MB; save it smaller.")
    file.seek(0)
    roll = _Roll(asked.frames, asked.place, limits)
    with _one_sentence(name):
        duration = animation(file.read(), name, asked.times, picture_pixels, roll.add, limits)
    file.seek(0)
    if duration is None:
        return None
    if not roll.times:
        raise _too_late(name, duration, asked.start)
    return Clip(roll.frames(), tuple(roll.times), duration)


class _Reader:
    """Frames by time. Seconds are counted from the first frame that is shown."""

    def __init__(self, container: Any, name: str, limits: Limits) -> None:
        self.container, self.name, self.limits = container, name, limits
        self.stream = container.streams.video[0]
        self.stream.thread_type = "AUTO"
        # Each holds frames of its own.
        self.stream.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        if width < 1 or height < 1:
            raise MediaError(f"{name} has no pixels.")
        if width * height > limits.image_pixels or max(width, height) > limits.image_side:
            raise MediaError(
                f"{name} has frames of {width:,} x {height:,} pixels; make it smaller."
            )
        self.budget, self.kept = limits.decoded_frames, 0
        #: Whether seeking gets anywhere.
        self.jumps = True
        self.origin = 0.0
        self._last: tuple[float, Any] | None = None
        self._next: tuple[float, Any] | None = None
        self._frames = self._decode()
        first = self._step()
        if first is None:
            raise MediaError(f"{name} is broken or cut short: no frame of it can be decoded.")
        self.origin = first[0]
        self._next = (0.0, first[1])
        self.duration: float = self._duration()

    def at(self, seconds: float) -> tuple[float, np.ndarray] | None:
        """(time, pixels) of the frame that is shown at this time; None where nothing can be decoded."""
        behind = self._next is None or (self._last is not None and seconds < self._last[0])
        ahead = self._next is not None and seconds > self._next[0] + _DECODE_ON
        if behind or (ahead and self.jumps):
            reached = self._next[0] if self._next is not None else -1.0
            self._seek(seconds)
            if ahead and self._next is not None and self._next[0] <= reached:
                # No key frame lies between: every further jump would begin at this one again.
                self.jumps = False
        while self._next is not None and self._next[0] <= seconds:
            self._step()
        if self._last is None:
            return None
        time, frame = self._last
        self.kept += 1
        return time, self._pixels(frame)

    def _seek(self, seconds: float) -> None:
        place, before = seconds + self.origin, self._last
        for target in (place, 0.0):
            try:
                self.container.seek(int(target / self.stream.time_base), stream=self.stream)
            except av.error.FFmpegError:
                continue  # a container without an index can still go back to its beginning
            self._last = self._next = None
            self._frames = self._decode()
            landed = self._step()
            if landed is not None and landed[0] <= seconds:
                return
        if self._next is None:
            # Broken from here on: what was seen before the gap is what stays on the screen.
            self._last = before

    def _step(self) -> tuple[float, Any] | None:
        """Decode one frame ahead; None at the end, or where the rest of the file is damaged."""
        if self._next is not None:
            self._last = self._next
        self._next = None
        try:
            frame = next(self._frames, None)
        except av.error.FFmpegError:
            frame = None  # what came before the damage counts
        if frame is not None:
            self._next = (float(frame.time) - self.origin, frame)
        return self._next

    def _decode(self) -> Iterator[Any]:
        for frame in self._decoded():
            self.budget -= 1
            if self.budget < 0:
                raise MediaError(
                    f"{self.name} has too few key frames to jump in; encode it again, or cut it."
                )
            if frame.time is not None:
                yield frame

    def _decoded(self) -> Iterator[Any]:
        """Frames as they come; of a WebM with transparency by the decoder that knows it."""
        told = {key.lower(): value for key, value in self.stream.metadata.items()}
        name = _CLEAR.get(self.stream.codec_context.name)
        if told.get("alpha_mode") != "1" or name not in av.codecs_available:
            yield from self.container.decode(self.stream)
            return
        context: Any = av.CodecContext.create(name, "r")
        for packet in self.container.demux(self.stream):
            yield from context.decode(packet)

    def _duration(self) -> float:
        stream, container = self.stream, self.container
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        if container.duration:
            return float(container.duration / av.time_base - max(0.0, self.origin))
        # A browser's recorder writes no duration: look through the packets, which decodes nothing.
        last = 0.0
        for packet in container.demux(stream):
            if packet.pts is not None:
                length = packet.duration or 0
                last = max(last, float((packet.pts + length) * packet.time_base) - self.origin)
        self._last = self._next = None  # reading has moved on
        return max(last, 1e-3)

    def _pixels(self, frame: Any) -> np.ndarray:
        shape, width = self.stream.sample_aspect_ratio, frame.width
        if shape and shape > 0 and shape != 1:
            width = min(max(1, round(width * float(shape))), self.limits.image_side)
        pixels = max(width, frame.width) * frame.height
        if pixels > self.limits.image_pixels or self.kept * 3 * pixels > self.limits.clip_bytes:
            raise MediaError(
                f"{self.name} has frames of {width:,} x {frame.height:,} pixels; ask for fewer "
                "of them, or make the video smaller."
            )
        image = rgb(frame)
        if width != frame.width:
            image = cv2.resize(image, (width, frame.height), interpolation=cv2.INTER_AREA)
        return turned(image, frame)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever FFmpeg raises becomes one MediaError."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError:
        raise MediaError(f"{name} needs more memory than there is; ask for less of it.") from None
    except (av.error.InvalidDataError, av.error.EOFError):
        raise MediaError(
            f"{name} is not a video that can be read, or is broken or cut short; use {_READABLE}."
        ) from None
    except av.error.FFmpegError:
        raise MediaError(f"{name} is not a video that can be read; use {_READABLE}.") from None
    except Exception:
        raise MediaError(f"{name} is broken or cut short; save the video again.") from None


def _from_array(array: np.ndarray, frames: int | None, limits: Limits) -> Clip:
    if array.ndim != 4 or 0 in array.shape:
        raise MediaError(
            f"An array of shape {array.shape} and type {array.dtype} is no clip; "
            "give (T, H, W, 3) or (T, 3, H, W)."
        )
    if frames is not None and not (isinstance(frames, int | np.integer) and frames >= 1):
        raise MediaError(f"Ask for 1 to {limits.clip_frames} frames, not {frames}.")
    total, count = len(array), len(array) if frames is None else min(frames, len(array))
    # Each from the middle of its share, as in a file.
    picked = [(2 * i + 1) * total // (2 * count) for i in range(count)]
    array = array[picked] if count < total else array
    if len(array) > limits.clip_frames or array.nbytes > limits.clip_bytes:
        raise MediaError(
            f"A clip of {len(array)} frames of {array.shape[2]} x {array.shape[1]} pixels is too "
            f"big; give at most {limits.clip_frames} frames and {limits.clip_bytes // MIB} MB."
        )
    pictures = np.stack([open_image(frame, limits) for frame in array])
    return Clip(pictures, tuple(float(i) for i in picked), float(total))
