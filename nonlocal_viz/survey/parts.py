"""What a survey has found so far, on disk: parts that are whole or not there, and at the end one file.

Invariant: a part is written when its pictures are done, and says what survey it is of; so a survey that was
cut off goes on where it was, and never with the numbers of another.
"""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nonlocal_viz.errors import WritingError
from nonlocal_viz.files import opened_atomically, write_atomically
from nonlocal_viz.survey.numbers import COLUMNS

SCHEMA = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
_KEY = b"nonlocal_viz"


def begin_anew(out: Path) -> None:
    """Throw away a survey, whole or in parts."""
    out.unlink(missing_ok=True)
    shutil.rmtree(_folder(out), ignore_errors=True)


def _folder(out: Path) -> Path:
    return out.with_name(f"{out.name}.parts")


class Parts:
    """The folder beside ``out`` in which a survey grows.

    Args:
        about: what was asked; parts of another answer are refused.

    Raises:
        WritingError: the parts that are there, or the file, are of another survey.
    """

    def __init__(self, out: Path, about: dict[str, Any]) -> None:
        self.out, self.about = out, about
        self.folder = _folder(out)
        self._mark = {_KEY: json.dumps(about, sort_keys=True).encode()}
        self._count = 0
        for path in self._paths():
            if pq.read_schema(path).metadata != self._mark:
                raise WritingError(
                    f"{path.parent if path != out else out} holds another survey: of another model, or in "
                    "another way. Give --force to begin anew, or another name with --out."
                )
            if path != out:
                self._count = max(self._count, int(path.stem.rpartition("-")[2]) + 1)

    def done(self) -> set[str]:
        """Names of the pictures that were surveyed, those that failed included."""
        found: set[str] = set()
        for path in self._paths():
            found |= set(pq.read_table(path, columns=["name"]).column("name").to_pylist())
        return found

    def add(self, table: pa.Table) -> None:
        """Keep rows.

        Raises:
            WritingError: they cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise WritingError(f"Cannot write {self.folder} ({error.strerror}).") from None
        content = io.BytesIO()
        named = table.select(SCHEMA.names).cast(SCHEMA).replace_schema_metadata(self._mark)
        pq.write_table(named, content)
        write_atomically(self.folder / f"part-{self._count:06}.parquet", content.getvalue())
        self._count += 1

    def finish(self) -> pa.Table:
        """Put all rows into one file, in the order of names, and drop the parts.

        Raises:
            WritingError: it cannot be written.
        """
        tables = [pq.read_table(path) for path in self._paths()]
        whole = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        whole = whole.sort_by([("name", "ascending"), ("block", "ascending")])
        whole = whole.replace_schema_metadata(self._mark)
        with opened_atomically(self.out) as file:
            pq.write_table(whole, file)
        shutil.rmtree(self.folder, ignore_errors=True)
        return whole

    def _paths(self) -> Iterator[Path]:
        if self.out.exists():
            yield self.out
        yield from sorted(self.folder.glob("part-*.parquet"))
