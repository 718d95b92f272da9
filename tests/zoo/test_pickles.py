"""The pickle reader: what it understands, what it leaves alone, and what it costs at most."""

import collections
import io
import pickle
from typing import Any

import pytest
import torch

from nonlocal_viz.zoo.pickles import DamagedError, Opaque, Reader, Storage, Stored

PROTOCOLS = range(6)


def read(content: bytes, operations: int = 100_000) -> Any:
    return Reader(content, operations).read()


class Anything:
    def __init__(self) -> None:
        self.inner = 3

    def __reduce__(self) -> Any:
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_are_what_they_were(protocol: int) -> None:
    shared = [1, 2]
    value = {
        "a": [1, -2, 300, 70_000, 2**40, 2**70, True, False, None],
        "b": (0.5, "text", "µ", ()),
        3: {"x": (1,), "y": (1, 2), "z": (1, 2, 3), "w": (1, 2, 3, 4)},
        ("k", 1): [],
        "shared": [shared, shared],
        "ordered": collections.OrderedDict(p=1, q=2),
    }
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_are_never_made(protocol: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(pickle.dumps({"evil": Anything(), "kept": 1, "set": {1, 2}}, protocol))
    assert isinstance(found["evil"], Opaque) and found["evil"].name.endswith("print")
    assert found["kept"] == 1
    assert capsys.readouterr().out == ""


def test_pickles_that_follow_each_other() -> None:
    content = pickle.dumps(1) + pickle.dumps("two")
    reader = Reader(content + b"rest", 100)
    assert (reader.read(), reader.read(), reader.position) == (1, "two", len(content))


class _Saved(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, _Persistent) else None


class _Persistent:
    def __init__(self, *identity: Any) -> None:
        self.identity = identity


class _Tensor:
    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_tensor_v2, self.arguments


def tensor(identity: tuple[Any, ...], *arguments: Any) -> Any:
    buffer = io.BytesIO()
    _Saved(buffer, 2).dump(_Tensor(_Persistent(*identity), *arguments, False, None))
    return read(buffer.getvalue())


STORAGE = ("storage", torch.FloatStorage, "7", "cuda:0", 12)


def test_a_tensor_is_a_description() -> None:
    found = tensor(STORAGE, 2, (2, 3), (3, 1))
    assert found == Stored(Storage("FloatStorage", "7", 12), 2, (2, 3), (3, 1))
    assert (found.numel, found.end) == (6, 8)
    empty = tensor(STORAGE, 0, (0, 5), (5, 1))
    assert (empty.numel, empty.end) == (0, 0)
    # A view of a storage, as the format before 1.6 may have it, begins where the view does.
    assert tensor((*STORAGE, ("v", 4, 6)), 2, (2,), (1,)).offset == 6


@pytest.mark.parametrize(
    ("identity", "arguments"),
    [
        (STORAGE, (0, (13,), (1,))),
        (STORAGE, (11, (2,), (1,))),
        (STORAGE, (0, (3, 3), (6, 1))),
        (STORAGE, (-1, (2,), (1,))),
        (STORAGE, (0, (2,), (-1,))),
        (STORAGE, (0, (2, 2), (1,))),
        (STORAGE, (0, [2], [1])),
        (STORAGE, (0, (2**60, 0), (1, 1))),
        (STORAGE, (0, (True,), (1,))),
        (STORAGE, (0, (1,) * 17, (1,) * 17)),
        ((*STORAGE, ("v", 8, 6)), (0, (1,), (1,))),
        (("storage", torch.FloatStorage, "7", "cpu", -12), (0, (0,), (1,))),
        (("storage", "float", "7", "cpu", 12), (0, (1,), (1,))),
        (("storage", torch.FloatStorage, 7, "cpu", 12), (0, (1,), (1,))),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(identity: Any, arguments: Any) -> None:
    with pytest.raises(DamagedError):
        tensor(identity, *arguments)


def test_the_number_of_operations_is_bounded_over_all_pickles() -> None:
    content = pickle.dumps([1] * 100) * 2
    reader = Reader(content, 150)
    assert reader.read() == [1] * 100
    with pytest.raises(DamagedError, match="too many"):
        reader.read()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02K\x01K\x02.",  # two values
        b"\x80\x02t.",  # a tuple without a mark
        b"\x80\x02h\x05.",  # from an empty memory
        b"\x80\x05\x96" + (8 << 30).to_bytes(8, "little") + b".",  # bytearray(8 GiB)
        b"\x80\x04\x8e" + (8 << 30).to_bytes(8, "little") + b".",  # bytes of 8 GiB
        b"\x80\x02}K\x01}s.",  # fine as a value ...
        b"\x80\x02}}K\x01s.",  # ... and no key
        b"\x80\x02}" + b"((K\x01tt" + b"K\x01s.",  # nor is a tuple of tuples
    ],
)
def test_damage_is_one_kind_of_error(content: bytes) -> None:
    if content == b"\x80\x02}K\x01}s.":
        assert read(content) == {1: {}}
    else:
        with pytest.raises(DamagedError):
            read(content)


def test_what_would_take_for_ever_is_refused_at_once() -> None:
    # 60 tuples, each twice the one before: 2^60 steps to hash, 2^60 places to print.
    doubled = b"\x80\x02})" + b"2\x86" * 60
    with pytest.raises(DamagedError, match="key"):
        read(doubled + b"K\x01s.")
    # A memory of four thousand million places, of which one is used.
    assert read(b"\x80\x02K\x01r\xff\xff\xff\xff.") == 1
