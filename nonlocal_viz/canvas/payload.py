"""A view as the browser needs it: its frames, and per block the factors and where the cells lie.

The words are those of protocol.py; the file of a block is described in factors.py.
"""

import base64
import json
import mimetypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nonlocal_viz.canvas import alone_js, canvas_markup, protocol
from nonlocal_viz.canvas.factors import (
    aside_of,
    factor_file,
    pairwise_of,
    span_of,
    wire_of,
)
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.geometry import Axis, Grid, Rect
from nonlocal_viz.core.source import About, BlockAbout
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import encode_jpeg, thumbnail
from nonlocal_viz.render import DIVERGING, SCALES, SEQUENTIAL, lookup

#: A file that is about to be gone -> what the browser is told instead of it.
Keep = Callable[[Path], dict[str, Any]]


class Seen(Protocol):
    """An encoded picture or clip, as :class:`nonlocal_viz.View` describes its fields."""

    frames: np.ndarray
    times: tuple[float, ...]
    spacetime: bool
    about: About
    name: str

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def seen(self) -> Rect: ...
    @property
    def blocks(self) -> tuple[str, ...]: ...
    @property
    def default_block(self) -> str: ...
    def fineness(self, block: str) -> tuple[int, int] | None: ...
    def whole(self, block: str | None = None) -> Affinity: ...
    def query_grid(self, block: str | None = None) -> Grid: ...
    def key_grid(self, block: str | None = None) -> Grid: ...


def inline(path: Path) -> dict[str, Any]:
    """A file as a part of the answer itself, for a page without a server."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content = base64.b64encode(path.read_bytes()).decode()
    return {"url": f"data:{kind};base64,{content}", "orig_name": path.name}


def kept(value: Any, keep: Keep) -> Any:
    """The value with its files kept, while their temporary folder exists."""
    if isinstance(value, Path):
        return keep(value)
    if isinstance(value, dict):
        return {key: kept(inner, keep) for key, inner in value.items()}
    return [kept(inner, keep) for inner in value] if isinstance(value, list) else value


def looks() -> dict[str, Any]:
    """Colour tables and scales, which the browser is told once."""
    return {
        "maps": {
            "sequential": {name: lookup(name).tobytes().hex() for name in SEQUENTIAL},
            "diverging": {name: lookup(name).tobytes().hex() for name in DIVERGING},
        },
        "scales": list(SCALES),
    }


def about_payload(about: About) -> dict[str, Any]:
    """What a model says of itself."""
    return {
        "name": about.name,
        "title": about.title or about.name,
        "assumptions": list(about.assumptions),
    }


def frames_payload(
    frames: np.ndarray, times: Sequence[float], folder: Path, limits: Limits
) -> dict[str, Any]:
    """Frames (T, H, W, 3) as JPEGs within the display bound; one for a picture."""
    side = limits.display_side if len(frames) == 1 else limits.display_frame_side
    return {
        "width": frames.shape[2],
        "height": frames.shape[1],
        "frames": [
            _file(folder / f"frame{t}.jpg", encode_jpeg(thumbnail(frame, side), 90))
            for t, frame in enumerate(frames)
        ],
        "times": list(times),
    }


@lru_cache(maxsize=1)
def page_size() -> int:
    """Bytes of a page without a server that shows nothing yet: its script, its style, its colours."""
    return len(alone_js()) + len(canvas_markup()) + len(json.dumps(looks()))


def picture_payload(view: Seen, folder: Path, limits: Limits) -> dict[str, Any]:
    """The frames and what is known of them."""
    frames = frames_payload(view.frames, view.times, folder, limits)
    files = sum(file.stat().st_size for file in frames["frames"])
    return {
        **frames,
        "alone": page_size() + 4 * files // 3,
        "spacetime": view.spacetime,
        "seen": _seen(view),
        "blocks": list(view.blocks),
        "fineness": [view.fineness(block) for block in view.blocks],
    }


def _seen(view: Seen) -> tuple[float, float, float, float] | None:
    """The part that the network was given; None where that is the whole, to a pixel."""
    (width, height), (left, top, right, bottom) = view.size, view.seen
    whole = left < 1 and top < 1 and right > width - 1 and bottom > height - 1
    return None if whole else (left, top, right, bottom)


def block_payload(view: Seen, block: str, folder: Path, limits: Limits) -> dict[str, Any]:
    """Factors, grids and formula of one block. Where no browser can hold them, for their size or because
    the affinity is more than data, there are none; it then asks for the rows that it shows, one by one."""
    affinity, about = view.whole(block), view.about.blocks.get(block)
    frames = len(affinity)  # without spacetime; else 1
    factored = affinity if isinstance(affinity, Factored) else None
    wire = wire_of(factored, limits) if factored is not None else None
    file = factor_file(factored, wire, limits) if factored is not None and wire else None
    return {
        "block": block,
        "instantiation": affinity.instantiation,
        "pairwise": pairwise_of(factored) if factored is not None else None,
        "signed": affinity.signed,
        "distribution": affinity.is_distribution,
        "heads": affinity.heads,
        "channels": factored.query.shape[3] if factored is not None else 0,
        "span": span_of(factored) if factored is not None else affinity.keys.tokens,
        "pooled": affinity.query_grid != affinity.key_grid,
        "about": _about(about) if about else None,
        "queries": grid_payload(view.query_grid(block), frames),
        "keys": grid_payload(view.key_grid(block), frames),
        "aside": aside_of(affinity),
        "sections": file.sections if file else [],
        "factors": _file(folder / f"{block}.bin", file.content) if file else None,
    }


def _about(about: BlockAbout) -> protocol.BlockAbout:
    return {
        "input": about.input_channels,
        "inner": about.inner_channels,
        "embedded": about.embedded,
        "scaled": about.use_scale,
    }


def _axis(axis: Axis) -> protocol.Axis:
    numerators, denominator = axis.borders()
    return {"numerators": list(numerators), "denominator": denominator}


def grid_payload(grid: Grid, frames: int) -> protocol.Grid:
    """The cells of ``frames`` times the frames that the grid has, and where they lie."""
    steps, rows, columns = grid.cells
    cells = (steps * frames, rows, columns)
    return {"cells": cells, "x": _axis(grid.x), "y": _axis(grid.y)}


def _file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def row_payload(row: Any, folder: Path) -> dict[str, Any]:
    """One row or column (a :class:`nonlocal_viz.Row`) of all frames, float32 little-endian, for a block
    without factors."""
    weights = np.zeros((len(row.frames), *row.map.shape[1:]), "<f4")
    weights[row.first_frame : row.first_frame + len(row.map)] = row.map
    return {
        "block": row.block,
        "direction": row.direction,
        "cell": list(row.query_cell),
        "weights": _file(folder / "row.bin", weights.tobytes()),
    }
