"""The two of the portable maps that Pillow does not read: PAM (``P7``), and PFM of floats (``PF``, ``Pf``).

Source: the manual pages pam(5) and pfm(5) of Netpbm. Invariant: sizes are known before a pixel is read.
"""

import re
from typing import NamedTuple

import numpy as np

from nonlocal_viz.media.wide import as_bytes, over_white

#: Bytes that a header may have, comments included.
_HEAD = 4096


class Header(NamedTuple):
    """What stands before the pixels; ``most``: the value of white, 0 for floats."""

    width: int
    height: int
    depth: int
    most: int
    order: str
    begin: int


def header(content: bytes) -> Header | None:
    """The header of such a file; None where it is none, or damaged."""
    if content.startswith(b"P7\n"):
        return _pam(content)
    found = re.match(rb"P([Ff])\s+(\d{1,6})\s+(\d{1,6})\s+(-?[\d.]{1,20})\s", content[:_HEAD])
    if found is None:
        return None
    depth = 3 if found[1] == b"F" else 1
    order = "<" if found[4].startswith(b"-") else ">"
    return Header(int(found[2]), int(found[3]), depth, 0, order, found.end())


def _pam(content: bytes) -> Header | None:
    end = content.find(b"ENDHDR\n", 0, _HEAD)
    told = dict(re.findall(rb"^([A-Z]+)[ \t]+(\d{1,6})[ \t]*$", content[: max(end, 0)], re.M))
    names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    if not all(name in told for name in names):
        return None
    width, height, depth, most = (int(told[name]) for name in names)
    if not (1 <= depth <= 4 and 1 <= most <= 65535):
        return None
    return Header(width, height, depth, most, ">", end + len(b"ENDHDR\n"))


def pixels(content: bytes, said: Header, name: str) -> np.ndarray:
    """(H, W, 3) uint8; transparency lies over white.

    Raises:
        ValueError: it ends too soon.
        MediaError: it holds no finite value.
    """
    kind = "f4" if said.most == 0 else "u1" if said.most < 256 else "u2"
    dtype = np.dtype(f"{said.order}{kind}")
    count = said.width * said.height * said.depth
    values = np.frombuffer(content, dtype, count, said.begin)
    values = values.reshape(said.height, said.width, said.depth)
    if said.most == 0:
        # Rows from below, and a white of 1; what is brighter is drawn to it.
        return over_white(as_bytes(values[::-1].astype("=f4").clip(0, 1), name))
    scaled = np.rint(values.astype(np.float32) * (255 / said.most)).clip(0, 255)
    return over_white(scaled.astype(np.uint8))
