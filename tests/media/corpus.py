"""Odd and broken files of every kind, made from a seed: what somebody somewhere will send.

A :class:`Case` with a ``size`` is healthy, however odd, and opens at that size; one without is damaged, and
opens or is refused.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import av
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

WIDTH, HEIGHT = 40, 24
#: The share of a file's bytes that its header takes, at most: half of all damage is done there.
_HEAD = 200


class Case(NamedTuple):
    """One file: what it is called, its bytes, and (width, height) where it is healthy."""

    name: str
    content: bytes
    size: tuple[int, int] | None = None


def corpus(seed: int = 18) -> Iterator[Case]:
    """More than 400 of them, the same for the same seed."""
    chance = random.Random(seed)
    healthy = [*pictures(), *wide(), *told()]
    yield from healthy
    yield from clips()
    bases = [*_bases(healthy), *(case for case in clips() if case.size)]
    for case in bases:
        stem, suffix = case.name.rsplit(".", 1)
        for i in range(9):
            yield Case(f"{stem}-flipped-{i}.{suffix}", flipped(case.content, chance))
        for share in (0.01, 0.1, 0.3, 0.6, 0.9, 0.99):
            cut = case.content[: int(len(case.content) * share)]
            yield Case(f"{stem}-cut-{share}.{suffix}", cut)
        yield Case(f"{stem}-twice.{suffix}", case.content * 2)
        middle = len(case.content) // 2
        hole = case.content[: middle - 30] + bytes(60) + case.content[middle + 30 :]
        yield Case(f"{stem}-hole.{suffix}", hole)
    yield from lying(chance)
    yield from nonsense(chance)


def flipped(content: bytes, chance: random.Random) -> bytes:
    """The same with one to twenty of its bits turned, half of them near the beginning."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        end = min(_HEAD, len(found)) if chance.random() < 0.5 else len(found)
        found[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(found)


def scene(channels: int = 3) -> np.ndarray:
    """(24, 40, channels) uint8: ramps."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramps = np.stack([6 * x, 10 * y, 255 - 6 * x, 128 + 5 * y], -1)
    return ramps[..., :channels].clip(0, 255).astype(np.uint8)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB") -> Image.Image:
    if mode in ("RGBA", "CMYK"):
        return Image.fromarray(scene(4), mode)
    if mode == "I;16":
        return Image.fromarray(scene()[..., 0].astype(np.uint16) * 257)
    if mode == "LA":
        return picture("RGBA").convert("LA")
    return Image.fromarray(scene()).convert(mode)


_WAYS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "JPEG": (
        ("L", {}),
        ("RGB", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"subsampling": 0, "quality": 100}),
        ("RGB", {"quality": 1}),
        ("RGB", {"optimize": True, "restart_marker_rows": 1}),
        ("RGB", {"comment": b"\xff\xd8\xff\xda words"}),
    ),
    "PNG": (
        *((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("P", {"transparency": 0}),
        ("P", {"transparency": bytes(range(200))}),
        ("RGB", {"transparency": (0, 0, 0)}),
        ("L", {"transparency": 3}),
        ("P", {"bits": 2}),
        ("RGB", {"compress_level": 0}),
        ("RGB", {"dpi": (1, 1)}),
    ),
    "WEBP": (("RGB", {}), ("RGBA", {}), ("RGBA", {"lossless": True}), ("RGB", {"quality": 0})),
    "GIF": (("P", {}), ("L", {}), ("P", {"transparency": 0}), ("P", {"interlace": 0})),
    "BMP": tuple((mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
    "TIFF": (
        *((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB")),
        ("YCbCr", {"compression": "jpeg"}),
        ("1", {"compression": "group3"}),
        ("1", {"compression": "group4"}),
        ("RGB", {"compression": "tiff_lzw"}),
        ("RGB", {"compression": "tiff_adobe_deflate"}),
        ("RGB", {"compression": "packbits"}),
        ("RGB", {"compression": "jpeg"}),
        ("L", {"tiffinfo": {274: 6}}),
        ("I;16", {"compression": "tiff_lzw"}),
    ),
    "PPM": tuple((mode, {}) for mode in ("1", "L", "RGB", "I;16")),
    "JPEG2000": (
        *((mode, {}) for mode in ("L", "LA", "RGB", "RGBA")),
        ("RGB", {"irreversible": True, "tile_size": (16, 16)}),
    ),
    "ICO": (
        ("RGBA", {"sizes": [(24, 24), (40, 24)]}),
        ("RGB", {"bitmap_format": "bmp", "sizes": [(40, 24)]}),
    ),
    "HEIF": (("RGB", {}), ("RGBA", {}), ("L", {})),
    "AVIF": (("RGB", {}), ("RGBA", {}), ("RGB", {"subsampling": "4:0:0"})),
    "TGA": (("RGB", {}), ("RGBA", {"compression": "tga_rle"}), ("P", {})),
}
_SUFFIX = {"JPEG2000": "jp2", "TIFF": "tif", "JPEG": "jpg", "HEIF": "heic"}


def pictures() -> Iterator[Case]:
    """Every format in every mode that it has."""
    for kind, ways in _WAYS.items():
        for i, (mode, options) in enumerate(ways):
            content = saved(picture(mode), kind, **options)
            turned = "tiffinfo" in options
            size = (HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT)
            name = f"{kind}-{i}-{mode.replace(';', '')}.{_SUFFIX.get(kind, kind.lower())}"
            yield Case(name, content, size)
    for side in ((1, 1), (1, 300), (300, 1), (7, 5), (16, 16), (17, 33)):
        for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF"):
            content = saved(picture().resize(side), kind)
            yield Case(
                f"{kind}-{side[0]}x{side[1]}.{_SUFFIX.get(kind, kind.lower())}", content, side
            )


def wide() -> Iterator[Case]:
    """TIFFs of more than bytes."""
    size, deep = (WIDTH, HEIGHT), scene().astype(np.uint16) * 257
    rgb: dict[str, Any] = {"photometric": "rgb"}
    for name, values, options in (
        ("u16", deep, rgb),
        ("planar", np.moveaxis(deep, 2, 0), {**rgb, "planarconfig": "separate"}),
        ("big-endian", deep, {**rgb, "byteorder": ">"}),
        ("big", deep, {**rgb, "bigtiff": True}),
        ("deflate", deep, {**rgb, "compression": "zlib"}),
        ("f32", scene().astype(np.float32) / 255, rgb),
        ("f16", (scene() / 255).astype(np.float16), rgb),
        ("f64", scene() / 255.0, rgb),
        ("nan", np.where(scene() > 200, np.nan, scene()).astype(np.float32), rgb),
        ("u32", deep[..., 0].astype(np.uint32) * 60_000, {}),
        ("i16", deep[..., 0].astype(np.int16), {}),
        ("i8", scene()[..., 0].astype(np.int8), {}),
        ("miniswhite", deep[..., 0], {"photometric": "miniswhite"}),
        ("tiled", deep, {**rgb, "tile": (16, 16)}),
        ("pages", np.stack([scene()] * 3), rgb),
        ("predictor", deep, {**rgb, "compression": "zlib", "predictor": True}),
    ):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, **options)
        yield Case(f"tiff-{name}.tif", buffer.getvalue(), size)


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def told() -> Iterator[Case]:
    """Healthy pixels, and beside them what is none: EXIF, profiles, texts."""
    size, own = (WIDTH, HEIGHT), _profile()
    header = b"Exif\x00\x00"
    damaged = {
        "nothing": b"",
        "text": b"this is no EXIF at all, but words " * 20,
        "far": header + b"II*\x00\xff\xff\xff\x7f",
        "order": header + b"XX*\x00\x08\x00\x00\x00" + bytes(80),
        "loop": header + b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00",
        "count": header + b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\x12\x01\x03\x00" * 30,
        "way": header
        + b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x63\x00\x00\x00"
        + bytes(4),
        "kind": header
        + b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x03\x00\x00\x00ab\x00\x00"
        + bytes(4),
        "rational": header
        + b"II*\x00\x08\x00\x00\x00\x01\x00\x1a\x01\x05\x00\x01\x00\x00\x00\xf0\xff\xff\xff"
        + bytes(4),
        "huge": header
        + b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\xff\xff\xff\xff"
        + bytes(8),
    }
    for name, exif in damaged.items():
        for kind in ("JPEG", "PNG", "WEBP"):
            content = saved(picture(), kind, exif=exif)
            yield Case(f"exif-{name}.{_SUFFIX.get(kind, kind.lower())}", content, size)
    for name, profile in {
        "none": b"x",
        "cut": own[:100],
        "zeros": bytes(400),
        "long": own + bytes(300_000),
        "grey": own[:16] + b"GRAY" + own[20:],
        "lab": own[:16] + b"Lab " + own[20:],
        "lut": own[:128] + struct.pack(">I", 2**31) + own[132:],
        "far": own[:136] + b"\xff\xff\xff\xf0" + own[140:],
    }.items():
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            content = saved(picture(), kind, icc_profile=profile)
            yield Case(f"icc-{name}.{_SUFFIX.get(kind, kind.lower())}", content, size)
    for name, words in {"long": "w" * 3_000_000, "odd": "\x00\x1b[31m\u202e", "": "x"}.items():
        info = PngImagePlugin.PngInfo()
        info.add_itxt("Comment", words, zip=len(words) > 1000)
        info.add_text("XML:com.adobe.xmp", words[:1000])
        yield Case(f"text-{name}.png", saved(picture(), "PNG", pnginfo=info), size)


def moving(kind: str, pixels: str = "yuv420p", codec: str = "mpeg4", count: int = 6) -> bytes:
    """A clip of ``count`` frames."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(np.roll(scene(), 4 * i, 1), "rgb24")
            out.mux(stream.encode(frame.reformat(format=pixels)))
        out.mux(stream.encode(None))
    return buffer.getvalue()


@lru_cache(maxsize=1)
def clips() -> tuple[Case, ...]:
    """Every container, and animated pictures."""
    size = (WIDTH, HEIGHT)
    found = [
        Case(f"clip.{suffix}", moving(kind, codec=codec), size)
        for suffix, kind, codec in (
            ("mp4", "mp4", "mpeg4"),
            ("mov", "mov", "h264"),
            ("mkv", "matroska", "mpeg4"),
            ("avi", "avi", "mpeg4"),
            ("ts", "mpegts", "mpeg2video"),
            ("mpg", "mpeg", "mpeg2video"),
            ("wmv", "asf", "wmv2"),
            ("webm", "webm", "libvpx"),
        )
    ]
    frames = [Image.fromarray(np.roll(scene(), 4 * i, 1)) for i in range(4)]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        found.append(Case(f"moving.{kind.lower()}", content, size))
    return tuple(found)


def _bases(healthy: list[Case]) -> Iterator[Case]:
    """One of each format and a few more, to be damaged."""
    for start in (
        *("JPEG-1", "JPEG-3", "PNG-3", "PNG-4", "WEBP-0", "WEBP-2", "GIF-0", "BMP-3", "TIFF-4"),
        *("TIFF-11", "PPM-2", "JPEG2000-2", "ICO-0", "HEIF-0", "AVIF-0", "TGA-1", "tiff-planar"),
        *("exif-far.jpg", "icc-cut.png"),
    ):
        yield next(case for case in healthy if case.name.startswith(start))


def lying(chance: random.Random) -> Iterator[Case]:
    """Headers that say what is not so."""
    sides = [0, 1, 2, 16_385, 65_535, 2**31 - 1, 2**32 - 1]
    png, bmp, gif = (saved(picture(), kind) for kind in ("PNG", "BMP", "GIF"))
    jpg, webp, ppm = (saved(picture(), kind) for kind in ("JPEG", "WEBP", "PPM"))
    for w in sides:
        h = chance.choice(sides)
        head = png[12:16] + struct.pack(">II", w, h) + png[24:29]
        checked = struct.pack(">I", zlib.crc32(head))
        yield Case(f"lying-{w}x{h}.png", png[:12] + head + checked + png[33:])
        yield Case(f"lying-{w}x{h}.bmp", bmp[:18] + struct.pack("<II", w, h) + bmp[26:])
        small = struct.pack("<HH", w & 0xFFFF, h & 0xFFFF)
        yield Case(f"lying-{w}x{h}.gif", gif[:6] + small + gif[10:])
        at = jpg.index(b"\xff\xc0") + 5
        tall = struct.pack(">HH", h & 0xFFFF, w & 0xFFFF)
        yield Case(f"lying-{w}x{h}.jpg", jpg[:at] + tall + jpg[at + 4 :])
        yield Case(f"lying-{w}x{h}.webp", webp[:26] + small + webp[30:])
        yield Case(f"lying-{w}x{h}.ppm", f"P6 {w} {h} 255\n".encode() + ppm[13:])
        yield Case(f"lying-{w}x{h}.tif", _tiff(w, h))


def _tiff(width: int, height: int) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 2**31)]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(tags)) + body + bytes(300)


def nonsense(chance: random.Random) -> Iterator[Case]:
    """What is no picture, by any name."""
    marks = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\x00", b"MM\x00+"]
    marks += [b"RIFF\xff\xff\xff\xffWEBPVP8X", b"RIFF....AVI LIST", b"\x00\x00\x00\x18ftypheic"]
    marks += [b"\x00\x00\x00\x1cftypavis", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"P6", b"P5 1e9 1 1"]
    marks += [b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\x00"]
    for i, mark in enumerate(marks):
        yield Case(f"mark-{i}.png", mark)
        yield Case(f"mark-{i}-noise.jpg", mark + chance.randbytes(400))
        yield Case(f"mark-{i}-zeros.mp4", mark + bytes(400))
    for name, content in _DISGUISED.items():
        for suffix in ("png", "avi", "jpg"):
            yield Case(f"{name}.{suffix}", content)
    for i in range(12):
        suffix = chance.choice(("jpg", "tga", "mp4", "gif", "tif"))
        yield Case(f"noise-{i}.{suffix}", chance.randbytes(chance.randrange(3000)))


_DISGUISED = {
    "playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "page": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "script": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "document": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "empty": b"",
    "spaces": b" " * 500,
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
}
#: Made once: the same files for every test.
cases: Callable[[], tuple[Case, ...]] = lru_cache(maxsize=1)(lambda: tuple(corpus()))
