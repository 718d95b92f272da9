"""Where a running server keeps what people send and what it writes for them: one folder of its own, bounded
in bytes, and gone with the process.

Invariant: nothing outside a folder of ours is ever deleted. A folder is named after its process; what a
process that is no more has left is swept away by the next to start.
"""

import atexit
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from nonlocal_viz.errors import WritingError
from nonlocal_viz.limits import Limits

_PREFIX = "nonlocal_viz-"
#: Seconds between two looks at how much lies there, and seconds that a file is left alone: it may be on
#: its way in, or about to be fetched.
_LOOK, _YOUNG = 20.0, 120.0
_LOCK = threading.Lock()
_FOLDERS: dict[int, Path] = {}


def own_folder(limits: Limits) -> Path:
    """This process's folder, made when it is first asked for; gradio is told of it.

    Raises:
        WritingError: nothing can be written where the system keeps what is temporary.
    """
    with _LOCK:
        if os.getpid() not in _FOLDERS:
            sweep_dead(Path(tempfile.gettempdir()))
            try:
                folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
            except OSError as error:
                where = tempfile.gettempdir()
                raise WritingError(
                    f"Nothing can be written in {where} ({error.strerror}); free some space there, "
                    "or name another folder in TMPDIR."
                ) from None
            _FOLDERS[os.getpid()] = folder
            os.environ["GRADIO_TEMP_DIR"] = str(folder)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            threading.Thread(target=_watch, args=(folder, limits), daemon=True).start()
        return _FOLDERS[os.getpid()]


def sweep_dead(where: Path) -> None:
    """Delete folders of ours whose process is no more."""
    for folder in where.glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).split("-")[0]
        if (
            number.isdigit()
            and folder.is_dir()
            and not folder.is_symlink()
            and not _lives(int(number))
        ):
            shutil.rmtree(folder, ignore_errors=True)


def make_room(folder: Path, most: int, young: float = _YOUNG) -> None:
    """Delete the files that were left alone longest until no more than ``most`` bytes are there.

    Args:
        young: seconds; files touched since stay, however much there is.
    """
    files = []
    for path in folder.rglob("*"):
        try:
            told = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if path.is_file() and not path.is_symlink():
            files.append((max(told.st_atime, told.st_mtime), told.st_size, path))
    total, now = sum(size for _, size, _ in files), time.time()
    for touched, size, path in sorted(files):
        if total <= most or now - touched < young:
            return
        path.unlink(missing_ok=True)
        total -= size


def _watch(folder: Path, limits: Limits) -> None:
    while folder.is_dir():
        time.sleep(_LOOK)
        make_room(folder, limits.temporary_bytes)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
