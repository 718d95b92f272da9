"""Opening a named file, for pictures and videos alike: whatever the system says becomes one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nonlocal_viz.errors import MediaError


@contextmanager
def open_file(path: str | os.PathLike[str], wanted: str) -> Iterator[tuple[BinaryIO, str]]:
    """(file, the name that messages call it by). ``wanted``: what to give instead of a folder.

    Raises:
        MediaError: it is missing, a folder, or cannot be read, also while it is being read.
    """
    # The name alone: a path tells a web user about the server.
    name = Path(os.fspath(path)).name or "The file"
    try:
        with Path(os.fspath(path)).open("rb") as file:
            yield file, name
    except FileNotFoundError:
        raise MediaError(f"There is no file {name}.") from None
    except IsADirectoryError:
        raise MediaError(f"{name} is a folder; give {wanted}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise MediaError(f"{name} cannot be read ({reason}).") from None
