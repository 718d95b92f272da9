"""A view as the browser needs it: its frames, and per block the factors and where the cells lie.

The words are those of protocol.py; the file of a block is described in factors.py.
"""

from pathlib import Path
from typing import Any

import numpy as np

from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.geometry import Axis, Grid
from nonlocal_viz.core.source import BlockAbout
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import encode_jpeg, thumbnail
from nonlocal_viz.view import View
from nonlocal_viz.web import protocol
from nonlocal_viz.web.factors import (
    aside_of,
    factor_file,
    pairwise_of,
    span_of,
    wire_of,
)


def picture_payload(view: View, folder: Path, limits: Limits) -> dict[str, Any]:
    """The frames (JPEGs within the display bound; one for a picture) and what is known of them."""
    side = limits.display_side if len(view.frames) == 1 else limits.display_frame_side
    width, height = view.size
    return {
        "width": width,
        "height": height,
        "frames": [
            _file(folder / f"frame{t}.jpg", encode_jpeg(thumbnail(frame, side), 90))
            for t, frame in enumerate(view.frames)
        ],
        "times": list(view.times),
        "spacetime": view.spacetime,
        "blocks": list(view.blocks),
        "fineness": [view.fineness(block) for block in view.blocks],
    }


def block_payload(view: View, block: str, folder: Path, limits: Limits) -> dict[str, Any]:
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
        "queries": _grid(view.query_grid(block), frames),
        "keys": _grid(view.key_grid(block), frames),
        "aside": aside_of(affinity),
        "sections": file.sections if file else [],
        "factors": _file(folder / f"{block}.bin", file.content) if file else None,
    }


def row_payload(
    view: View, block: str, x: float, y: float, frame: int, direction: str, folder: Path
) -> dict[str, Any]:
    """One row or column of all frames, float32 little-endian, for a block without factors."""
    row = (view.column if direction == "column" else view.query)(x, y, frame, block=block)
    weights = np.zeros((len(view.frames), *row.map.shape[1:]), "<f4")
    weights[row.first_frame : row.first_frame + len(row.map)] = row.map
    return {
        "block": block,
        "direction": row.direction,
        "cell": list(row.query_cell),
        "weights": _file(folder / "row.bin", weights.tobytes()),
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


def _grid(grid: Grid, frames: int) -> protocol.Grid:
    steps, rows, columns = grid.cells
    cells = (steps * frames, rows, columns)
    return {"cells": cells, "x": _axis(grid.x), "y": _axis(grid.y)}


def _file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
