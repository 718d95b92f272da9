"""A pickle -> plain values and descriptions of tensors, without running anything that stands in it.

Invariants: no name in a pickle is ever looked up, imported or called: what a checkpoint needs is known
by its spelling, and everything else becomes an :class:`Opaque` that does nothing. Work and memory are
bounded by the number of bytes and of operations that are read: nothing is allocated by a number that a
pickle states, what is copied because the pickle names it again is counted (:meth:`Machine.spend`), and
nothing is hashed or printed but flat, short keys.
"""

import io
import pickletools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

#: ``torch.save`` begins the format before PyTorch 1.6 with this number.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class DamagedError(ValueError):
    """The pickle is cut short, contradicts itself, or is beyond the bounds."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers elsewhere in the file: PyTorch's name of their type, the key of the run, and which
    of its numbers from ``start`` on."""

    kind: str
    key: str
    count: int
    start: int = 0


@dataclass(frozen=True)
class Stored:
    """A tensor: where its numbers lie in a :class:`Storage`, in numbers, not in bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def numel(self) -> int:
        """How many numbers the tensor has, which a stride of 0 may make more than the file has."""
        product = 1
        for side in self.size:
            product *= side
        return product

    @property
    def end(self) -> int:
        """One more than the last number of the storage that the tensor reads."""
        if self.numel == 0:
            return self.offset
        reach = sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        return self.offset + reach + 1


@dataclass(frozen=True)
class Opaque:
    """Something that is no plain value: an object of the named class, which is not made."""

    name: str


@dataclass(frozen=True)
class Named:
    """A class or function by its dotted name, which is not looked up."""

    name: str


_MARK = object()


class Reader:
    """Reads pickles that follow each other in ``content``.

    Args:
        content: bytes; what lies behind the pickles is not touched.
        operations: how many operations are read at most, over all the pickles.
    """

    #: What the pickle is a programme for.
    machine: "type[Machine]"

    def __init__(self, content: bytes, operations: int) -> None:
        self._file = io.BytesIO(content)
        self._left = operations
        self._copied = operations + len(content)

    @property
    def position(self) -> int:
        """The first byte behind what was read."""
        return self._file.tell()

    def read(self) -> Any:
        """The value of the next pickle: numbers, strings, lists, tuples, dicts, and the types above.

        Raises:
            DamagedError: see there.
        """
        machine = self.machine(self._copied)
        try:
            for operation, argument, _ in pickletools.genops(self._file):
                self._left -= 1
                if self._left < 0:
                    raise DamagedError("too many operations")
                machine.step(operation.name, argument)
            return machine.result()
        except DamagedError:
            raise
        except Exception as error:  # hostile bytes make the parser raise whatever it likes
            raise DamagedError(str(error)[:200]) from None


class Machine:
    """The stack machine that a pickle is a programme for, with descriptions in place of objects."""

    def __init__(self, copied: int) -> None:
        """``copied``: items, letters and bytes that may be copied in all."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._copied = copied

    @property
    def top(self) -> Any:
        """What lies on the stack, uppermost."""
        return self._stack[-1]

    def pop(self) -> Any:
        """Take it off."""
        return self._stack.pop()

    def push(self, value: Any) -> None:
        """Lay a value on it."""
        self._stack.append(value)

    def spend(self, count: int) -> None:
        """Say how much is about to be copied: a value that is remembered costs its file nothing again.

        Raises:
            DamagedError: more than all that stands in the pickle.
        """
        self._copied -= count
        if self._copied < 0:
            raise DamagedError("the same values copied again and again")

    def result(self) -> Any:
        """The one value that is left."""
        (value,) = self._stack
        return value

    def step(self, name: str, argument: Any) -> None:
        """One operation of the pickle."""
        # The commonest first: there may be half a million.
        if name in _LITERALS:
            self._stack.append(argument)
        elif (step := _STEPS.get(name)) is not None:
            step(self, argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name not in _IGNORED:
            raise DamagedError(f"unknown operation {name}")

    def _mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _above_mark(self) -> list[Any]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._above_mark()))

    def _tuple_of(self, count: int) -> None:
        items = [self._stack.pop() for _ in range(count)]
        self._stack.append(tuple(items[::-1]))

    def _list(self, _: Any) -> None:
        self._stack.append(self._above_mark())

    def _dict(self, _: Any) -> None:
        items = self._above_mark()
        self._stack.append({})
        self._set(items)

    def _set_items(self, _: Any) -> None:
        self._set(self._above_mark())

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        found = _pairs(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, dict):
            target.update(found)

    def _append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, _: Any) -> None:
        self._extend(self._above_mark())

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(items)

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._above_mark()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _put(self, index: int) -> None:
        self._memo[int(index)] = self._stack[-1]

    def _memoise(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[int(index)])

    def _global(self, name: str) -> None:
        # genops joins module and name with a space.
        self._stack.append(_named(name.replace(" ", ".")))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise DamagedError("a name that is none")
        self._stack.append(_named(f"{module}.{name}"))

    def _reduce(self, _: Any) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        if isinstance(arguments, tuple) and arguments and isinstance(arguments[0], list | tuple):
            # Sizes and dictionaries are made of such, the latter slowly.
            self.spend(4 * len(arguments[0]))
        self._stack.append(_described(made, arguments))

    def _new_with(self, _: Any) -> None:
        self._stack.pop()  # keyword arguments
        self._reduce(_)

    def _object(self, _: Any) -> None:
        self._stack.append(_described(self._above_mark()[0], ()))

    def _build(self, _: Any) -> None:
        # The state of an object, such as an OrderedDict's _metadata: nothing that we want to know.
        self._stack.pop()

    def _persistent(self, _: Any) -> None:
        self._stack.append(_storage(self._stack.pop()))


Reader.machine = Machine


def _named(name: str) -> Named:
    if len(name) > _LONGEST:
        raise DamagedError("a name that is none")
    return Named(name)


def _described(made: Any, arguments: Any) -> Any:
    name = made.name if isinstance(made, Named) else type(made).__name__
    if not isinstance(arguments, tuple):
        return Opaque(name)
    if name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
        storage, offset, size, stride = arguments[:4]
        return _stored(storage, offset, size, stride)
    if name in _PARAMETERS:
        return arguments[0]
    if name == "torch.Size" and arguments:
        return tuple(arguments[0])
    if name in ("collections.OrderedDict", "collections.defaultdict", "builtins.dict"):
        # Python 2 gives the items here, Python 3 sets them afterwards.
        items = arguments[0] if arguments and isinstance(arguments[0], list) else []
        return _pairs((key, value) for key, value in items)
    return Opaque(name)


def _pairs(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found = {}
    for key, value in items:
        # A tuple of tuples that share their halves takes exponentially long to hash.
        # A number of a million digits takes long to print, and Python refuses to.
        flat = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(part, _HASHED) for part in flat) or not all(
            part.bit_length() <= 64 for part in flat if isinstance(part, int)
        ):
            raise DamagedError("a key that is neither a name nor a number")
        found[key] = value
    return found


def _storage(identity: Any) -> Storage | Opaque:
    """PyTorch's ("storage", type, key, where it was, how many[, the view of it]) as a Storage."""
    if not isinstance(identity, tuple) or identity[:1] != ("storage",):
        return Opaque("a persistent object")
    kind, key, _, count, *view = identity[1:]
    if not isinstance(kind, Named) or not isinstance(key, str) or not _is_count(count):
        raise DamagedError("a storage without type, key and size")
    plain = kind.name.rpartition(".")[2]
    if view and view[0] is not None:
        _, start, part = view[0]
        if not (_is_count(start) and _is_count(part) and start + part <= count):
            raise DamagedError("a view beyond its storage")
        return Storage(plain, key, count, start)
    return Storage(plain, key, count)


def _stored(storage: Any, offset: Any, size: Any, stride: Any) -> Stored | Opaque:
    if not isinstance(storage, Storage):
        return Opaque("a tensor of no storage")
    whole = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
    if not whole or len(size) > 16 or not all(map(_is_count, (offset, *size, *stride))):
        raise DamagedError("a tensor whose shape is none")
    found = Stored(storage, offset + storage.start, size, stride)
    if found.end > storage.count:
        raise DamagedError("a tensor beyond its storage")
    return found


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**48


#: Letters of a class's dotted name.
_LONGEST = 500
_HASHED = (str, int, float, bool, bytes, type(None))
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    # Sets are of no use to us, and a list takes what is added without hashing it.
    "EMPTY_SET": list,
}
#: Operations that put their own argument on the stack.
_LITERALS = frozenset(
    code.name
    for code in pickletools.opcodes
    if re.fullmatch(r"(SHORT_)?(BIN)?(INT|LONG|FLOAT|STRING|UNICODE|BYTES|BYTEARRAY)\d?", code.name)
)
_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": Machine._mark,
    "TUPLE": Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "LIST": Machine._list,
    "DICT": Machine._dict,
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items,
    "APPEND": Machine._append,
    "APPENDS": Machine._appends,
    "ADDITEMS": Machine._appends,
    "FROZENSET": Machine._list,
    "POP": Machine._pop,
    "POP_MARK": Machine._pop_mark,
    "DUP": Machine._duplicate,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._memoise,
    "GET": Machine._get,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._reduce,
    "NEWOBJ_EX": Machine._new_with,
    "OBJ": Machine._object,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
}
