"""The process in which files of strangers are decoded: it forks a child for each of them, which may die.

Invariants: it opens no file itself, so that it stays as it was; what a child can use up is bounded before
it reads a byte: seconds of processor time and of the clock, and memory above what it began with. It has
no torch, and goes when whoever started it goes.

Talk: every question comes as a socket of its own, handed over the one that this process was born with
(its standard input). A child reads from it one line of JSON and the files that travel with it: where the
pixels are put, and the content, where that is not in a named file. It answers with one line of JSON: where
a child dies before, this process answers for it.
"""

import contextlib
import json
import math
import mmap
import os
import resource
import select
import signal
import socket
import traceback
from typing import Any, BinaryIO

import cv2
import numpy as np

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import Limits
from nonlocal_viz.media.image import open_image
from nonlocal_viz.media.video import open_video

#: Times as many seconds by the clock as by the processor: others may be using it.
_PATIENCE = 6
#: What a clip steps back by, so that photos go first.
_NICE = 5


def main() -> None:
    """Wait for questions until nobody can ask any more."""
    line = socket.socket(fileno=0)
    # Ctrl-C is for whoever started this process, and is passed on by its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([line.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _bury(children)
        if line.fileno() in ready:
            given, handles, _, _ = socket.recv_fds(line, 1, 1)
            if not given:
                break
            asked = socket.socket(fileno=handles[0])
            child = os.fork()
            if child == 0:
                for other in (line, *children.values()):
                    other.close()
                _answer(asked)
            children[child] = asked
    for child in children:
        os.kill(child, signal.SIGKILL)


def _bury(children: dict[int, socket.socket]) -> None:
    """Tell whoever still waits for a child that is dead what it died of."""
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        asked = children.pop(child)
        told = {"died": os.waitstatus_to_exitcode(status)}
        # Whoever was answered has gone.
        with asked, contextlib.suppress(OSError):
            asked.sendall(json.dumps(told).encode() + b"\n")


def _answer(asked: socket.socket) -> None:
    """One question, in a child; the child ends with it."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU):
            signal.signal(number, signal.SIG_DFL)
        # What C libraries say of a broken file is for nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        request, handles = _heard(asked)
        limits = Limits(**request["limits"])
        _bound(limits)
        try:
            told = _opened(request, handles, limits)
        except MediaError as refusal:
            told = {"refused": str(refusal)}
        except MemoryError:
            told = {"died": "memory"}
        except Exception:
            told = {"failed": traceback.format_exc()}
        asked.sendall(json.dumps(told).encode() + b"\n")
        os._exit(0)
    finally:
        os._exit(1)


def _heard(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    content, handles, _, _ = socket.recv_fds(asked, 65_536, 2)
    while not content.endswith(b"\n"):
        more = asked.recv(65_536)
        if not more:
            os._exit(0)
        content += more
    return json.loads(content), handles


def _bound(limits: Limits) -> None:
    """Take from this process what it will not need. What only a broken file needs ends it."""
    seconds = limits.decode_seconds
    signal.setitimer(signal.ITIMER_PROF, seconds)
    # Should somebody have taken the timer away; and nobody needs a picture of a process that crashed.
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds) + 1, math.ceil(seconds) + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE * seconds)
    # What is private and can be written to, which is what a decoder asks for, and not its address space.
    most = _held() + limits.decode_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    cv2.setNumThreads(1)


def _held() -> int:
    """Bytes of this process's data; where the system does not say, none."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def _opened(request: dict[str, Any], handles: list[int], limits: Limits) -> dict[str, Any]:
    out, *given = handles
    source: str | BinaryIO = os.fdopen(given[0], "rb") if given else request["path"]

    def place(shape: tuple[int, ...], _kind: object = np.uint8) -> np.ndarray:
        size = int(np.prod(shape))
        os.truncate(out, size)
        return np.frombuffer(mmap.mmap(out, size), np.uint8).reshape(shape)

    if request["kind"] == "picture":
        image = open_image(source, limits)
        place(image.shape)[...] = image
        return {"shape": image.shape}
    os.nice(_NICE)
    clip = open_video(source, limits=limits, place=place, **request["options"])
    return {"shape": clip.frames.shape, "times": clip.times, "duration": clip.duration}


if __name__ == "__main__":
    main()
