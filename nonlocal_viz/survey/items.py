"""What a survey is of: a folder, a list of files, or a data set whose rows hold pictures.

Invariant: an item is a name that is the only one of its kind, and where its bytes are; whoever reads it
does so where the work is done, so that the driver holds names alone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as pd
from pyarrow import fs

from nonlocal_viz.errors import MediaError

_LISTS = (".txt", ".lst")
_TABLES = (".parquet", ".arrow", ".feather")
#: Columns of data sets that hold a picture: its bytes, or where they lie.
_BYTES, _PATHS = ("bytes", "image", "picture", "video", "content"), ("path", "file", "uri", "url")
#: Columns that name one.
_NAMES = ("name", "id", "key")


class Item(NamedTuple):
    """A picture or clip by name; ``place`` is a path or an address such as ``s3://bucket/a.jpg``, and
    ``row`` which row of a data set there, -1 for a file."""

    name: str
    place: str
    row: int = -1


def find_items(source: str) -> list[Item]:
    """All pictures of a source, in the order of their names.

    Args:
        source: a folder, with all below it (hidden files are left out); a file that lists one a line,
            relative to itself (.txt); a data set with a column of pictures (.parquet, .arrow, or a
            folder of such), or an address of one of these (``s3://``, ``gs://``).

    Raises:
        MediaError: there is none, or nothing in it.
    """
    try:
        found = _found(source)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MediaError(f"{source} cannot be looked into ({_short(error)}).") from None
    if not found:
        raise MediaError(f"There is no picture in {source}.")
    return sorted(found)


def _found(source: str) -> list[Item]:
    system, path = _located(source)
    about = system.get_file_info(path)
    if about.type == fs.FileType.NotFound:
        raise MediaError(f"There is no {source}.")
    prefix = source.partition("://")[0] + "://" if "://" in source else ""
    if about.type == fs.FileType.Directory:
        return _below(system, path, prefix)
    if path.lower().endswith(_LISTS):
        return list(_listed(source, system, path))
    if path.lower().endswith(_TABLES):
        return list(_rows(source, prefix + path))
    return [Item(Path(path).name, prefix + path)]


def read_item(item: Item) -> bytes:
    """The bytes of an item.

    Raises:
        MediaError: they are not there any more, or cannot be read.
    """
    try:
        if item.row >= 0:
            return _cell(item)
        system, path = _located(item.place)
        with system.open_input_stream(path) as file:
            return bytes(file.read())
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MediaError(f"{item.name} cannot be read ({_short(error)}).") from None


def _located(place: str) -> tuple[fs.FileSystem, str]:
    if "://" in place:
        return fs.FileSystem.from_uri(place)  # type: ignore[no-any-return]
    return fs.LocalFileSystem(), str(Path(place).absolute())


def _below(system: fs.FileSystem, folder: str, prefix: str) -> list[Item]:
    listed = system.get_file_info(fs.FileSelector(folder, recursive=True))
    files = {
        Path(one.path).relative_to(folder).as_posix(): one.path
        for one in listed
        if one.type == fs.FileType.File
    }
    seen = {n: p for n, p in files.items() if not any(w.startswith(".") for w in n.split("/"))}
    tables = [n for n in seen if n.lower().endswith(_TABLES)]
    if tables and len(tables) == len(seen):
        return [
            Item(f"{name}:{item.name}", *item[1:])
            for name in tables
            for item in _rows(name, prefix + seen[name])
        ]
    return [Item(name, prefix + path) for name, path in seen.items()]


def _listed(source: str, system: fs.FileSystem, path: str) -> Iterator[Item]:
    with system.open_input_stream(path) as file:
        try:
            lines = file.read().decode("utf-8").splitlines()
        except UnicodeDecodeError:
            raise MediaError(f"{source} is no list of files: it is no text.") from None
    for line in dict.fromkeys(word.strip() for word in lines):
        if line and not line.startswith("#"):
            there = line if "://" in line else str(Path(path).parent / line)
            yield Item(line, there)


def _rows(source: str, place: str) -> Iterator[Item]:
    table = _table(place)
    names = table.schema.names
    named = next((name for name in _NAMES if name in names), None)
    column = next((name for name in _PATHS + _BYTES if name in names), None)
    if column is None:
        known = ", ".join(_BYTES + _PATHS)
        raise MediaError(f"{source} has no column of pictures: one of {known}.")
    count = table.count_rows()
    wanted = [name for name in (named, column if column in _PATHS else None) if name]
    told = table.to_table(columns=wanted).to_pydict() if wanted else {}
    seen: dict[str, int] = {}
    for row in range(count):
        where = str(told[column][row]) if column in told else ""
        name = str(told[named][row]) if named else where or f"row {row}"
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        if where and not any(one in names for one in _BYTES):
            system = (
                where
                if "://" in where
                else str(Path(place.partition("://")[2] or place).parent / where)
            )
            yield Item(name, system)
        else:
            yield Item(name, place, row)


def _table(place: str) -> Any:
    system, path = _located(place)
    form = "parquet" if path.lower().endswith(".parquet") else "feather"
    return pd.dataset(path, format=form, filesystem=system)


def _cell(item: Item) -> bytes:
    table = _table(item.place)
    column = next(name for name in _BYTES if name in table.schema.names)
    cell = table.take([item.row], columns=[column]).to_pydict()[column][0]
    # As the data sets of Hugging Face have it: {"bytes": ..., "path": ...}.
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise MediaError(f"{item.name} holds no bytes.")
    return content


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error).partition("\n")[0] or "unreadable")[:200]
