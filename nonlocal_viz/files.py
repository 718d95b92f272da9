"""The only place that writes files.

Invariant: a reader of a file sees what was there before or all of what was written, never a part;
and nothing is left behind where writing failed.
"""

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
