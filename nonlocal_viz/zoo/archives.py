"""Files of ``torch.save``, the zip of today and the format before PyTorch 1.6, read without ``torch.load``.

Invariants: nothing in a file is run (see :mod:`.pickles`); a file is parsed once, by one reader, so that
what was checked is what is used; and numbers are read where a tensor is asked for, as many as the file
really has.
"""

import io
import struct
import sys
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import MIB, Limits
from nonlocal_viz.zoo.pickles import LEGACY_MAGIC, DamagedError, Reader, Storage, Stored

#: The classes of storages whose numbers can be weights.
_KINDS = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
#: Others may ask for much memory before they give a byte.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Operations of a pickle a part of the file: a tensor with its name takes some 30.
OPERATIONS = 50


#: Bytes that any file may unpack to, however small it is.
_SOME = 64 * MIB


class _Frugal(io.FileIO):
    """A file whose reader gets no more than so many bytes at once: zipfile reads a directory whole."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = max(most, 1 << 17)

    def read(self, size: int | None = -1) -> bytes:
        # All that is left is asked for at the file's end alone, where it is little.
        wanted = self._most if size is None or size < 0 else size
        if wanted > self._most:
            raise DamagedError("too large a directory")
        return super().read(wanted) or b""


class Archive(ABC):
    """An opened file of ``torch.save``.

    Attributes:
        unpacked: bytes of its parts.
        content: what was saved, with :class:`~.pickles.Stored` in place of tensors.
    """

    unpacked: int
    content: Any

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unpacked = path.stat().st_size
        self._read: dict[str, Tensor] = {}

    def tensor(self, stored: Stored) -> Tensor:
        """The tensor itself, on the CPU, contiguous.

        Raises:
            CheckpointError: its numbers are none that weights can be.
            DamagedError: they are not in the file.
        """
        storage = stored.storage
        dtype = _KINDS.get(storage.kind)
        if dtype is None:
            raise CheckpointError(
                f"{self.path.name} holds a {storage.kind[:40]}, whose numbers are no plain weights."
            )
        if stored.numel == 0:
            return torch.empty(stored.size, dtype=dtype)
        # Read whole and once: thousands of tensors may lie in one storage.
        flat = self._read.get(storage.key)
        if flat is None:
            raw = self._bytes(storage, dtype.itemsize)
            flat = torch.frombuffer(bytearray(raw), dtype=dtype)
            self._read[storage.key] = flat
        if flat.dtype != dtype or len(flat) != storage.count:
            raise DamagedError("a storage of another type or size")
        return flat.as_strided(stored.size, stored.stride, stored.offset).contiguous()

    @abstractmethod
    def _bytes(self, storage: Storage, width: int) -> bytes:
        """The bytes of a storage, whose numbers have ``width`` bytes each."""


class ZipArchive(Archive):
    """The format since PyTorch 1.6: a zip with one pickle, and one part a storage."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        with (
            _Frugal(path, 200 * limits.checkpoint_entries) as file,
            zipfile.ZipFile(file) as archive,
        ):
            entries = archive.infolist()
            self.unpacked = sum(entry.file_size for entry in entries)
            # Weights hardly shrink when they are packed; zeros do, to a thousandth.
            most = min(limits.checkpoint_bytes, max(_SOME, 20 * path.stat().st_size))
            if len(entries) > limits.checkpoint_entries or self.unpacked > most:
                raise CheckpointError(
                    f"{path.name} would unpack to {self.unpacked >> 20} MiB in {len(entries)} parts, "
                    "more than a checkpoint of these networks can be."
                )
            if not all(entry.compress_type in _METHODS for entry in entries):
                raise DamagedError("a part that is packed in an unusual way")
            self._parts = {entry.filename: entry for entry in entries}
            index = [name for name in self._parts if name.endswith("/data.pkl")]
            if len(index) != 1 or len(self._parts) != len(entries):
                raise CheckpointError(
                    f"{path.name} is a zip, but no checkpoint that torch.save has written."
                )
            self._folder = index[0].removesuffix("data.pkl")
            if f"{self._folder}constants.pkl" in self._parts:
                raise CheckpointError(
                    f"{path.name} is a TorchScript program and no plain weights; save the state dict: "
                    "torch.save(model.state_dict(), path)."
                )
            order = self._parts.get(f"{self._folder}byteorder")
            if order is not None and order.file_size > 16:
                raise DamagedError("no order of bytes")
            if order is not None and archive.read(order) != sys.byteorder.encode():
                raise CheckpointError(
                    f"{path.name} was written on a machine of another byte order; load and save it there "
                    "as safetensors."
                )
            if self._parts[index[0]].file_size > limits.checkpoint_index_bytes:
                raise DamagedError("too large an index")
            pickled = archive.read(self._parts[index[0]])
        self.content = Reader(pickled, OPERATIONS * limits.checkpoint_entries).read()
        # Kept open: the directory of thousands of parts takes long to read. It closes with this object.
        self._zip = zipfile.ZipFile(path)

    def _bytes(self, storage: Storage, width: int) -> bytes:
        part = self._parts.get(f"{self._folder}data/{storage.key}")
        if part is None or part.file_size != storage.count * width:
            raise DamagedError("a storage that is not there, or not as large as it is said to be")
        return self._zip.read(part)


class LegacyArchive(Archive):
    """The format before PyTorch 1.6: five pickles, then the storages one after the other."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        with path.open("rb") as file:
            head = file.read(limits.checkpoint_index_bytes)
        reader = Reader(head, OPERATIONS * limits.checkpoint_entries)
        # A number that says what it is, the version of the format, and words about the machine.
        if reader.read() != LEGACY_MAGIC or reader.read() != 1001:
            raise CheckpointError(
                f"{path.name} is a pickle, but no checkpoint that torch.save has written; save the state "
                "dict with it: torch.save(model.state_dict(), path)."
            )
        reader.read()
        self.content = reader.read()
        keys = reader.read()
        #: {storage's key: (its first byte, how many numbers)}
        self._places: dict[str, tuple[int, int]] = {}
        widths = _widths(self.content)
        position = reader.position
        size = path.stat().st_size
        with path.open("rb") as file:
            for key in keys:
                file.seek(position)
                (count,) = struct.unpack("<q", file.read(8))
                # A storage that no tensor has cannot be stepped over: its numbers' width is unknown.
                width = widths.get(key)
                if width is None:
                    break
                self._places[key] = (position + 8, count)
                position += 8 + count * width
                if count < 0 or position > size:
                    raise DamagedError("a storage beyond the end of the file")

    def _bytes(self, storage: Storage, width: int) -> bytes:
        if storage.key not in self._places:
            raise DamagedError("a storage that is not there")
        place, count = self._places[storage.key]
        with self.path.open("rb") as file:
            file.seek(place)
            return file.read(count * width)


def _widths(content: Any) -> dict[str, int]:
    """{storage's key: bytes a number}, of every tensor in the content."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Stored):
            dtype = _KINDS.get(item.storage.kind)
            if dtype is not None and found.setdefault(item.storage.key, dtype.itemsize) != (
                dtype.itemsize
            ):
                raise DamagedError("a storage of two types")
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def open_archive(path: Path, limits: Limits) -> Archive | None:
    """The file as its content says; None where it is neither a zip nor a pickle.

    Raises:
        CheckpointError: it is one, and broken, too big, or not of ``torch.save``.
    """
    with path.open("rb") as file:
        head = file.read(512)
    broken = CheckpointError(f"{path.name} is broken or cut short; get the file again.")
    try:
        if head.startswith(b"PK"):
            return ZipArchive(path, limits)
        if head.startswith(b"\x80"):
            return LegacyArchive(path, limits)
    except CheckpointError:
        raise
    except (DamagedError, OSError, ValueError, RuntimeError, zipfile.BadZipFile, struct.error):
        raise broken from None
    except Exception:  # zipfile meets hostile bytes with whatever its parts raise
        raise broken from None
    if head[257:262] == b"ustar":
        raise CheckpointError(
            f"{path.name} is a tar, PyTorch's first format, which is not read here; load and save it with "
            "PyTorch 0.4 to 2."
        )
    return None
