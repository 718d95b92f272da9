"""Small files that cost a reader of pickles much: each a way to spend time or memory by numbers and names
that stand in a file, as (content of the pickle, or of the whole file)."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import torch
from safetensors.torch import save

HEAD = b"\x80\x02"


def text(value: str) -> bytes:
    """The operation that pushes a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def tensor(key: str, size: tuple[int, ...] = (1,), count: int = 1, stride: int = 0) -> bytes:
    """A tensor of storage ``key``, pushed."""
    sizes = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in size) + b"t"
    strides = b"(" + b"K%c" % stride * len(size) + b"t"
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    storage += b"J" + struct.pack("<i", count) + b"tQ"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return rebuilt + storage + b"K\x00" + sizes + strides + b"\x89NtR"


def state(*pairs: tuple[bytes, bytes]) -> bytes:
    """A dict of pushed keys and values."""
    return HEAD + b"}(" + b"".join(key + value for key, value in pairs) + b"u."


def zipped(index: bytes, parts: dict[str, bytes] | None = None, packed: bool = True) -> bytes:
    """As torch.save writes it, around a pickle."""
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method) as archive:
        plain = {"data.pkl": index, "version": b"3", "data/0": bytes(4)}
        for name, content in {**plain, **(parts or {})}.items():
            archive.writestr(f"a/{name}", content)
    return file.getvalue()


def doubled(levels: int) -> bytes:
    """A tuple of two tuples of two tuples ..., all the same one: endless to whom it prints."""
    return b")" + b"2\x86" * levels


def directory(entries: int) -> bytes:
    """A zip of nothing but its directory."""
    one = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0
    )
    listed = b"".join(one + b"%08d" % i for i in range(entries))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, len(listed), 0, 0)
    return listed + end


def quoted(copies: int, size: int) -> bytes:
    """Many entries of a zip that share one body."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packed.compress(bytes(size)) + packed.flush()
    crc = zlib.crc32(bytes(size))
    name = b"a/data.pkl"
    local = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(body), size, len(name), 0
    )
    listed = b""
    for i in range(copies):
        other = name if not i else b"a/data/%d" % i
        listed += (
            struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(body), size,
                        len(other), 0, 0, 0, 0, 0, 0) + other
        )  # fmt: skip
    at = len(local + name + body)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, copies, copies, len(listed), at, 0)
    return local + name + body + listed + end


def bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names, and what makes each file."""
    gigabytes = (8 << 30).to_bytes(8, "little")
    whole = {
        "bytearray-of-8-gib": b"\x80\x05}" + text("a") + b"\x96" + gigabytes + b"s.",
        "bytearray-by-name": HEAD + b"c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x02\x85R.",
        "bytes-by-name": state((text("a"), b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R")),
        "array-of-zeros": HEAD + b"cnumpy\nzeros\nJ\xff\xff\xff\x7f\x85R.",
        "long-of-4-mib": HEAD + b"\x8b" + struct.pack("<i", 4_000_000) + b"\x7f" * 4_000_000 + b".",
        "long-as-key": state(
            (b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000, tensor("0"))
        ),
        "long-in-digits": HEAD + b"}L" + b"9" * 3_000_000 + b"L\nK\x01s.",
        "memo-of-four-milliards": HEAD + b"}r\xff\xff\xff\xff" + b"K\x01K\x02s.",
        "doubled-key": HEAD + b"}" + doubled(60) + b"K\x01s.",
        "doubled-value": state((text("a"), doubled(60))),
        "doubled-name": b"\x80\x04" + doubled(60) + b"\x8c\x01a\x93.",
        "doubled-size": state((text("a"), b"ctorch\nSize\n" + doubled(60) + b"\x85R")),
        "a-list-in-itself": HEAD + b"]" + b"q\x072a" * 100_000 + b".",
        "lists-in-lists": HEAD + b"]" * 400_000 + b"a" * 399_999 + b".",
        "dicts-in-dicts": HEAD + b"}" * 300_000 + (b"K\x01" + b"}" + b"s") * 10_000 + b".",
        "marks": HEAD + b"(" * 3_000_000 + b".",
        "long-module": b"\x80\x04" + text("m" * 500_000) + b"q\x07"
        + b"h\x07h\x07\x93" * 100_000 + b".",
        "lists-copied": HEAD + b"](" + b"K\x01" * 200_000 + b"eq\x070"
        + b"ctorch\nSize\nq\x080" + b"h\x08h\x07\x85R" * 50_000 + b".",
        "dicts-copied": HEAD + b"](" + b"(K\x01K\x02lq\x060"
        + b"h\x06" * 200_000 + b"eq\x070" + b"ccollections\nOrderedDict\nq\x080"
        + b"h\x08h\x07\x85R0" * 50_000 + b".",
        "tuples-of-everything": HEAD + b"(" + b"K\x01" * 100_000 + b"tq\x07"
        + b"h\x07h\x07\x86" * 100_000 + b".",
        "latin-again": HEAD + text("x" * 1_000_000) + b"q\x070" + b"c_codecs\nencode\nq\x080"
        + text("latin1") + b"q\x090" + b"h\x08h\x07h\x09\x86R" * 100_000 + b".",
        "built-again": HEAD + text("x" * 1_000_000) + b"q\x070" + b"cnumpy\ndtype\n"
        + text("u1") + b"\x85Rq\x080}(" + b"".join(
            text(str(i)) + b"cnumpy.core.multiarray\n_reconstruct\n)R"
            + b"(K\x01J\x40\x42\x0f\x00\x85h\x08\x89h\x07tb" for i in range(9000)) + b"u.",
        "one-content-for-all": HEAD + b"B" + struct.pack("<i", 1_000_000) + bytes(1_000_000)
        + b"q\x070" + b"cnumpy\ndtype\n" + text("u1") + b"\x85Rq\x080}(" + b"".join(
            text(str(i)) + b"cnumpy.core.multiarray\n_reconstruct\n)R"
            + b"(K\x01J\x40\x42\x0f\x00\x85h\x08\x89h\x07tb" for i in range(9000)) + b"u.",
        "names-of-blocks": state(*((text(f"l{i}.theta.weight"), tensor("0")) for i in range(20_000))),
        "nothing-but-names": HEAD + b"}(" + b"".join(text(f"{i}") + b"N" for i in range(240_000)) + b"u.",
    }  # fmt: skip
    for name, pickled in whole.items():
        yield f"{name}.pkl", lambda pickled=pickled: pickled
        yield f"{name}.pth", lambda pickled=pickled: zipped(pickled)
    one = state((text("a"), tensor("0")))
    yield "zeros-in-a-part.pth", lambda: zipped(one, {"data/0": bytes(120 << 20)})
    yield "some-zeros-in-a-part.pth", lambda: zipped(one, {"data/0": bytes(63 << 20)})
    yield "some-zeros-as-byteorder.pth", lambda: zipped(one, {"byteorder": bytes(63 << 20)})
    yield "zeros-as-the-index.pth", lambda: zipped(b"", {"data.pkl": bytes(120 << 20)})
    yield "zeros-as-byteorder.pth", lambda: zipped(one, {"byteorder": bytes(120 << 20)})
    yield "many-parts.pth", lambda: zipped(
        state(*((text(f"w{i}"), tensor(str(i))) for i in range(19_000))),
        {f"data/{i}": bytes(4) for i in range(19_000)}, packed=False,
    )  # fmt: skip
    yield "a-directory.pth", lambda: directory(300_000)
    yield "one-body-for-all.pth", lambda: quoted(15_000, 60_000)
    yield (
        "a-stretched-number.pth",
        lambda: zipped(state(*((text(f"w{i}"), tensor("0", (16_000, 16_000))) for i in range(4)))),
    )
    yield (
        "block-names.safetensors",
        lambda: save({f"l{i}.theta.weight": torch.zeros(1) for i in range(40_000)}),
    )
    yield (
        "an-index-of-json.safetensors",
        lambda: (
            struct.pack("<Q", 4_000_000)
            + (b'{"__metadata__":{"nonlocal_viz":"' + b"[" * 3_900_000 + b'"}}').ljust(4_000_000)
        ),
    )
    yield (
        "nested-description.safetensors",
        lambda: save(
            {"a": torch.zeros(1)}, {"nonlocal_viz": '{"a":' * 500_000 + "1" + "}" * 500_000}
        ),
    )
    legacy = b"".join(
        pickle.dumps(n, 2) for n in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    yield "old-and-doubled.pt", lambda: legacy + whole["doubled-value"] + pickle.dumps([], 2)
    yield (
        "old-and-longest.pt",
        lambda: legacy + one + pickle.dumps(["0"], 2) + struct.pack("<q", 2**61) + bytes(8),
    )
