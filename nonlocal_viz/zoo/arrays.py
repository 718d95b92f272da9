"""Arrays of NumPy in a plain pickle, as Caffe2 writes its weights, without running anything in it.

Invariant: as in :mod:`.pickles`: what makes an array is known by its spelling, its numbers are the bytes
that stand in the file, and everything else is an :class:`~.pickles.Opaque`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.pickles import DamagedError, Machine, Named, Opaque, Reader

_RECONSTRUCT = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")}
#: Of pickles of protocol 5.
_FROM_BUFFER = {f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")}
#: Where Caffe2's training scripts put the weights.
_BLOBS = "blobs"
#: Kinds of numbers, as NumPy spells them, that weights may be.
_KINDS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1"}


@dataclass
class Array:
    """An array on its way: shape, kind and bytes come after it is named. ``kind`` is empty while it is
    none of numbers; ``columns`` says that the first index runs fastest."""

    shape: tuple[int, ...] = ()
    kind: str = ""
    content: bytes = b""
    columns: bool = False

    def tensor(self) -> Tensor:
        """Its numbers, on the CPU.

        Raises:
            DamagedError: its bytes are not as many as its shape says.
        """
        dtype = np.dtype(self.kind)
        count = 1
        for side in self.shape:
            count *= side
        if count * dtype.itemsize != len(self.content):
            raise DamagedError("an array of another size than its bytes")
        numbers = np.frombuffer(self.content, dtype).reshape(
            self.shape, order="F" if self.columns else "C"
        )
        return torch.from_numpy(np.array(numbers, dtype.newbyteorder("="), order="C"))


@dataclass
class _Kind:
    spelled: str
    order: str = "<"


class _ArrayMachine(Machine):
    def step(self, name: str, argument: Any) -> None:
        if name in ("REDUCE", "NEWOBJ"):
            arguments, made = self.pop(), self.pop()
            self._copy(arguments[:1] if isinstance(arguments, tuple) else ())
            found = _made(made, arguments)
            if found is not None:
                self.push(found)
                return
            self.push(made)
            self.push(arguments)
        elif name == "BUILD":
            state, built = self.pop(), self.top
            self._copy(state[-1:] if isinstance(state, tuple) else ())
            if isinstance(built, Array | _Kind):
                _fill(built, state)
                return
            self.push(state)
        super().step(name, argument)

    def _copy(self, contents: tuple[Any, ...]) -> None:
        """What is named again and again must not be copied as often."""
        self.spend(sum(len(one) for one in contents if isinstance(one, str | bytearray)))


class ArrayReader(Reader):
    """Reads one pickle whose arrays become :class:`Array`."""

    machine = _ArrayMachine


def read_arrays(content: bytes, name: str, operations: int) -> dict[str, Tensor]:
    """The arrays of a pickle of names to arrays, alone or under ``blobs``.

    Raises:
        CheckpointError: it holds something else, or is damaged.
    """
    try:
        value = ArrayReader(content, operations).read()
        blobs = value.get(_BLOBS, value) if isinstance(value, dict) else None
        if isinstance(blobs, dict):
            arrays = [one for one in blobs.values() if isinstance(one, Array)]
            if sum(len(one.content) for one in arrays) > len(content):
                raise DamagedError("the same numbers in several arrays")
            found = {
                key: array.tensor()
                for key, array in blobs.items()
                if isinstance(key, str) and isinstance(array, Array) and array.kind
            }
            if found:
                return found
    except DamagedError:
        raise CheckpointError(f"{name} is broken or cut short; get the file again.") from None
    raise CheckpointError(
        f"{name} is a pickle, but no checkpoint that torch.save has written, and none of Caffe2's arrays; "
        "save the state dict: torch.save(model.state_dict(), path)."
    )


def _made(made: Any, arguments: Any) -> Any:
    if not isinstance(made, Named) or not isinstance(arguments, tuple):
        return None
    if made.name in _RECONSTRUCT:
        return Array()
    if made.name in _FROM_BUFFER and len(arguments) == 4:
        content, kind, shape, order = arguments
        array = Array()
        _fill(array, (1, shape, kind, order == "F", content))
        return array
    if made.name == "numpy.dtype" and arguments and isinstance(arguments[0], str):
        return _Kind(arguments[0])
    if made.name == "_codecs.encode" and arguments[1:] == ("latin1",):
        # Python 3 writes the bytes of an old protocol as text.
        text = arguments[0]
        return text.encode("latin1") if isinstance(text, str) else Opaque(made.name)
    return None


def _fill(built: "Array | _Kind", state: Any) -> None:
    if not isinstance(state, tuple):
        raise DamagedError("an array without shape and bytes")
    if isinstance(built, _Kind):
        if len(state) > 1 and state[1] in ("<", ">", "|", "="):
            built.order = "<" if state[1] in "|=" else state[1]
        return
    if len(state) != 5:
        raise DamagedError("an array without shape and bytes")
    _, shape, kind, columns, content = state
    if not isinstance(kind, _Kind) or kind.spelled not in _KINDS:
        return  # text, or objects: none of the weights
    if not isinstance(shape, tuple) or not all(
        type(side) is int and 0 <= side < 2**31 for side in shape
    ):
        raise DamagedError("an array whose shape is none")
    # A string of Python 2 is bytes.
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(raw, bytes | bytearray):
        raise DamagedError("an array without bytes")
    built.shape, built.kind = shape, f"{kind.order}{kind.spelled}"
    built.content, built.columns = bytes(raw), bool(columns)
