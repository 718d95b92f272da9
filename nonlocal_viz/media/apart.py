"""Pictures and clips of strangers, decoded in a process of their own: :func:`open_image` and
:func:`open_video` as in :mod:`nonlocal_viz.media`, with bounds on time and memory besides.

Invariant: whatever a file does to its decoder (spin, take all memory, crash), it does to that one child
alone; the caller gets a MediaError, and the next file is opened as if nothing had been. The child inherits
all that it needs from a process that waits for it (nursery.py), so that it begins at once.

It keeps a decoder from using a machine up. It does not keep a decoder that was taken over from doing what
this user may do.
"""

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import image, video
from nonlocal_viz.media.video import Clip

#: Seconds that a child may take to answer at all, above what it is given by its own clock.
_GRACE = 30.0
#: What a child dies of that took too long: SIGKILL, SIGALRM, SIGXCPU, SIGPROF.
_SPINS = (-9, -14, -24, -27)
_Reply = dict[str, Any]


def open_image(source: Any, limits: Limits = LIMITS) -> np.ndarray:
    """As :func:`nonlocal_viz.media.open_image`; what is decoded already is taken here.

    Raises:
        MediaError: as there, and where decoding takes too long, too much memory, or breaks the decoder.
    """
    if not _is_file(source):
        return image.open_image(source, limits)
    pixels, _ = _asked(source, {"kind": "picture"}, limits, 3 * limits.image_pixels)
    return pixels


def open_video(
    source: Any,
    frames: int | None = None,
    *,
    start: float = 0.0,
    stride: float | None = None,
    limits: Limits = LIMITS,
) -> Clip:
    """As :func:`nonlocal_viz.media.open_video`; frames in an array are taken here.

    Raises:
        MediaError: as :func:`open_image`.
    """
    if not _is_file(source):
        return video.open_video(source, frames, start=start, stride=stride, limits=limits)
    options = {"frames": frames, "start": start, "stride": stride}
    try:
        json.dumps(options)
    except (TypeError, ValueError):
        return video.open_video(source, frames, start=start, stride=stride, limits=limits)
    request = {"kind": "clip", "options": options}
    shown, told = _asked(source, request, limits, limits.clip_bytes)
    return Clip(shown, tuple(map(float, told["times"])), float(told["duration"]))


def _is_file(source: Any) -> bool:
    """Whether something has to be decoded, and can be elsewhere."""
    return hasattr(os, "fork") and isinstance(source, str | os.PathLike | bytes)


def _asked(
    source: Any, request: dict[str, Any], limits: Limits, most: int
) -> tuple[np.ndarray, _Reply]:
    """(pixels, the whole answer); ``most``: bytes of the pixels."""
    request["limits"] = asdict(limits)
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(_nameless())]
        if isinstance(source, bytes):
            files.append(opened.enter_context(_nameless()))
            files[1].write(source)
            files[1].seek(0)
            name = "The file"
        else:
            path = os.fsdecode(source)
            request["path"], name = _whole(path), Path(path).name or "The file"
        with _PLACES:
            reply = _NURSERY.ask(request, files, limits)
        if "refused" in reply:
            raise MediaError(str(reply["refused"]))
        if "died" in reply:
            raise MediaError(_why(name, reply["died"], limits))
        dimensions = 3 if request["kind"] == "picture" else 4
        return _array(files[0], tuple(map(int, reply["shape"])), dimensions, most), reply


def _whole(path: str) -> str:
    """The path as the other process, which may stand elsewhere, finds it; one that is none as it is."""
    is_address = path.lower().startswith(("http://", "https://", "ftp://"))
    return path if is_address or not path else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118


def _why(name: str, died: object, limits: Limits) -> str:
    if died == "memory":
        return f"{name} needs more memory than there is for one file; make it smaller."
    if died in _SPINS:
        return (
            f"{name} takes longer than {limits.decode_seconds:g} seconds to decode; make it smaller, "
            "or save it again."
        )
    return f"{name} is broken: what reads such files gave up on it. Save it again."


def _array(pixels: BinaryIO, shape: tuple[int, ...], dimensions: int, most: int) -> np.ndarray:
    """What a child has written, as an array of our own: the child may be anything by now."""
    sound = len(shape) == dimensions and shape[-1] == 3 and min(shape) > 0
    if sound and np.prod(shape, dtype=float) <= most:
        array = np.empty(shape, np.uint8)
        pixels.seek(0)
        if pixels.readinto(array.reshape(-1)) == array.size:  # type: ignore[attr-defined]
            return array
    raise MediaError("The file is broken: what reads such files gave up on it. Save it again.")


def _nameless() -> BinaryIO:
    """A file in memory that has no name, where the system has such, else one that is deleted already."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("nonlocal_viz"), "r+b")
    return tempfile.TemporaryFile("r+b")


class _Nursery:
    """The other process, started when it is first needed, and again should it be gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._owner = 0

    def ask(self, request: dict[str, Any], files: list[BinaryIO], limits: Limits) -> _Reply:
        """What a child answers, or ``{"died": why}``."""
        content = json.dumps(request).encode() + b"\n"
        for _ in range(3):
            reply = self._ask(content, files, 6 * limits.decode_seconds + _GRACE)
            if reply is not None:
                return reply
        raise RuntimeError("the process that decodes files cannot be reached")

    def _ask(self, content: bytes, files: list[BinaryIO], seconds: float) -> _Reply | None:
        """None: the other process is gone."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(seconds)
            process = self._hand_over(theirs)
            try:
                theirs.close()
                socket.send_fds(ours, [content], [file.fileno() for file in files])
                with ours.makefile("rb") as lines:
                    line = lines.readline(1 << 20)
            except TimeoutError:
                return {"died": _SPINS[0]}
            except OSError:
                line = b""
            if not line:
                self._end(process)
                return None
        reply = json.loads(line)
        if "failed" in reply:
            raise RuntimeError(f"a child that decoded a file has failed:\n{reply['failed']}")
        return dict(reply)

    def _hand_over(self, question: socket.socket) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._start()
            assert self._line is not None
            with contextlib.suppress(OSError):
                socket.send_fds(self._line, [b"?"], [question.fileno()])
            return self._process

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        places = [place or os.getcwd() for place in sys.path]  # noqa: PTH109
        # One thread: a process that has more of them must not be forked.
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        environment = {**os.environ, **alone, "PYTHONPATH": os.pathsep.join(places)}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nonlocal_viz.media.nursery"],
                stdin=theirs.fileno(),
                env=environment,
            )
        self._line, self._owner = ours, os.getpid()

    def close(self) -> None:
        """End the other process; the next question starts one."""
        self._end(self._process)

    def _end(self, process: "subprocess.Popen[bytes] | None") -> None:
        with self._lock:
            if process is None or process is not self._process:
                return  # somebody else has seen to it
            if self._line is not None:
                self._line.close()
            self._process = self._line = None
            if self._owner == os.getpid():
                process.kill()
                process.wait()


_NURSERY = _Nursery()
#: Files that are decoded at once.
_PLACES = threading.BoundedSemaphore(LIMITS.decoded_at_once)
close = _NURSERY.close
atexit.register(close)
