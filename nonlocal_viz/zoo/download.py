"""One file from an address to this disk: it goes on where it broke off, and is whole and right or is not.

What arrives stands beside its place as ``NAME.part``, with the server's mark of the version that it is a
part of, so that two versions are never put together. It takes its place when its length and sum are right.
"""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from nonlocal_viz.errors import CheckpointError, WritingError
from nonlocal_viz.files import Partial
from nonlocal_viz.limits import LIMITS, Limits

#: Called with the bytes that are here, and with those of the whole, None where the server does not say.
Progress = Callable[[int, int | None], None]

#: Seconds without a byte, after which the server is given up.
_PATIENCE = 30.0
_BLOCK = 1 << 18


class _LostError(Exception):
    """The connection ended; the message is for a sentence."""


def download(
    addresses: Sequence[str],
    path: Path,
    *,
    sha256: str = "",
    progress: Progress | None = None,
    limits: Limits = LIMITS,
) -> str:
    """Fetch a file, or what is missing of it.

    Args:
        addresses: of the same file, ``https`` or ``http``; the next is tried where one does not answer.
        path: where it goes; ``path`` with ``.part`` behind it is what has arrived so far.
        sha256: what its sum begins with; empty where nobody knows.
        progress: called at every block.

    Returns:
        The file's sha256.

    Raises:
        CheckpointError: no address answers, the connection broke (what came is kept), the file is larger
            than a checkpoint may be, or its sum is another (what came is thrown away).
        WritingError: there is no room, or no right to write.
    """
    reasons = []
    with Partial(path) as part:
        for address in addresses:
            try:
                _fetch(address, part, limits, progress or (lambda *_: None))
                break
            except _LostError as error:
                reasons.append(f"{urlsplit(address).hostname}: {error}")
        else:
            here = f"{part.size / 1e6:.1f} MB are here; run it again to go on."
            raise CheckpointError(
                f"{path.name} could not be fetched ({'; '.join(reasons)[:300]}). "
                + (here if part.size else "Is this machine connected?")
            )
        found = part.sum()
        if not found.startswith(sha256.lower()):
            part.discard()
            raise CheckpointError(
                f"{path.name} is not the file that was published: its sha256 begins with {found[:8]}, and "
                f"{sha256[:8]} was expected. It has been thrown away; fetch it again."
            )
        part.finish()
    return found


def sum_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Answer(NamedTuple):
    stream: Any
    total: int | None
    mark: str


def _fetch(address: str, part: Partial, limits: Limits, progress: Progress) -> None:
    """Add to ``part`` what it lacks.

    Raises:
        _LostError: no answer, another than the file, or one that ended too soon.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise _LostError("only http and https are spoken here")
    try:
        answer = _ask(address, part)
        if answer is None:
            return
        with answer.stream:
            _refuse_size(answer.total, part, limits)
            progress(part.size, answer.total)
            while block := answer.stream.read(_BLOCK):
                part.add(block)
                progress(part.size, answer.total)
                _refuse_size(part.size, part, limits)
    except (OSError, http.client.HTTPException) as error:
        raise _LostError(_reason(error)) from None
    if answer.total is not None and part.size < answer.total:
        raise _LostError(f"it broke off after {part.size / 1e6:.1f} of {answer.total / 1e6:.1f} MB")


def _ask(address: str, part: Partial) -> _Answer | None:
    """The answer that begins where ``part`` ends; None where nothing is missing."""
    headers = {"User-Agent": "nonlocal-viz", "Accept-Encoding": "identity"}
    if part.size and part.mark:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.mark}
    else:
        part.restart("")
    request = urllib.request.Request(address, headers=headers)
    try:
        stream = urllib.request.urlopen(request, timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        whole = (error.headers.get("Content-Range") or "").rpartition("/")[2]
        if error.code == 416 and whole == str(part.size):
            return None  # all of it is here
        if error.code == 416:
            part.restart("")
        raise
    length = stream.headers.get("Content-Length")
    mark = _mark(stream.headers)
    if stream.status == 206:
        begin = (stream.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
        if begin != str(part.size):
            stream.close()
            part.restart("")
            raise _LostError("it answered with another part than was asked for")
        total = part.size + int(length) if length and length.isdigit() else None
        return _Answer(stream, total, mark)
    part.restart(mark)
    return _Answer(stream, int(length) if length and length.isdigit() else None, mark)


def _mark(headers: Any) -> str:
    """What tells this version of the file from another; a weak tag promises too little."""
    tag = headers.get("ETag") or ""
    return tag if tag.startswith('"') else headers.get("Last-Modified") or ""


def _refuse_size(total: int | None, part: Partial, limits: Limits) -> None:
    if total is None:
        return
    if total > limits.checkpoint_bytes:
        part.discard()
        raise CheckpointError(
            f"{part.path.name} is larger than {limits.checkpoint_bytes >> 20} MiB, more than a checkpoint "
            "of these networks can be."
        )
    room = shutil.disk_usage(part.path.parent).free
    if total - part.size > room:
        raise WritingError(
            f"{part.path.name} takes {total / 1e6:.0f} MB, and {room / 1e6:.0f} MB are free on "
            f"the disk of {part.path.parent}."
        )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it says {error.code}"
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "it does not answer"
    return str(getattr(cause, "strerror", None) or cause or "it ended the connection")[:120]
