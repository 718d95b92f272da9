"""The only place that writes files.

Invariant: a reader of a file sees what was there before or all of what was written, never a part;
and nothing is left behind where writing failed.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nonlocal_viz.errors import WritingError


@contextmanager
def opened_atomically(path: Path | str) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of ``path`` when the block ends without an exception.

    Readable by everyone and writable by its owner, as far as the umask allows.

    Raises:
        WritingError: it cannot be written (no such folder, no permission, a full disk).
    """
    path = Path(path)
    created = False
    try:
        temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        created = True
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        created = False
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, ValueError) and created:
            raise
        reason = getattr(error, "strerror", None) or error
        raise WritingError(f"Cannot write {path} ({reason}); choose another place.") from None
    finally:
        if created:
            temporary.unlink(missing_ok=True)


def try_writing(path: Path | str) -> None:
    """Raise now what :func:`write_atomically` would raise after the work; nothing is left behind.

    Raises:
        WritingError: there is no such folder, it may not be written to, or a folder has this name.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise WritingError(f"There is no folder {path.parent} to write to.")
    if path.is_dir():
        raise WritingError(f"{path} is a folder; give the name of a file.")
    trial = path.with_name(f".{secrets.token_hex(8)}.trial")
    try:
        write_atomically(trial, b"")
    finally:
        trial.unlink(missing_ok=True)


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write ``content`` as the whole of ``path``; as :func:`opened_atomically`, errors included."""
    with opened_atomically(path) as file:
        file.write(content)


class Partial:
    """A file that arrives in parts, over several runs: ``NAME.part`` beside its place until it is whole.

    Attributes:
        path: its place.
        size: bytes that are here.
        mark: what its source calls the version that these bytes are of; empty where it says nothing.

    Raises:
        WritingError: by every method: it cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._marked = self.path.with_name(f"{self.path.name}.part.of")
        self._file: BinaryIO | None = None
        self.size, self.mark = 0, ""

    def __enter__(self) -> "Partial":
        with self._writing():
            self._file = self._part.open("ab")
            self.size = self._file.tell()
            if self._marked.exists():
                self.mark = self._marked.read_text(encoding="utf-8", errors="replace")
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if self.size == 0:
            self.discard()

    def restart(self, mark: str) -> None:
        """Begin anew, with the bytes of the version ``mark``."""
        with self._writing():
            self._opened().truncate(0)
            self._marked.write_text(mark, encoding="utf-8")
        self.size, self.mark = 0, mark

    def add(self, block: bytes) -> None:
        """Put bytes behind those that are here."""
        with self._writing():
            self._opened().write(block)
        self.size += len(block)

    def sum(self) -> str:
        """The sha256 of what is here."""
        with self._writing():
            self._opened().flush()
            with self._part.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self) -> None:
        """It is whole: put it in its place."""
        with self._writing():
            os.fsync(self._opened().fileno())
            self._close()
            self._part.replace(self.path)
            self._marked.unlink(missing_ok=True)

    def discard(self) -> None:
        """Throw away what is here."""
        with self._writing():
            self._close()
            self._part.unlink(missing_ok=True)
            self._marked.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        assert self._file is not None, "used outside its block"
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WritingError(
                f"Cannot write {self.path} ({error.strerror or error}); choose another place."
            ) from None
