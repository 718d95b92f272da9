"""A view as the browser needs it: its frames, and per block the factors and where the cells lie.

The file of a block, little-endian: query factors (N x D float16), key factors (M x D float16), padding
to 4 bytes, and for softmax blocks the log-normaliser of every query (N float32), from which
columns come.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from nonlocal_viz.core.affinity import Factored
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import encode_jpeg, thumbnail
from nonlocal_viz.view import View


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
        "classes": [[name, probability] for name, probability in view.top_classes(3)],
    }


def block_payload(view: View, block: str, folder: Path, limits: Limits) -> dict[str, Any]:
    """Factors, grids and formula of one block."""
    affinity = view.whole(block)
    assert isinstance(affinity, Factored)
    frames = len(affinity) if not view.spacetime else 1
    # Too many for a browser: it then asks for the rows that it shows, one by one.
    held = 2 * (affinity.query.numel() + affinity.key.numel()) <= limits.factor_bytes
    about = view.about.blocks[block]
    return {
        "block": block,
        "instantiation": affinity.instantiation,
        "scale": affinity.pairwise.scale,
        "signed": affinity.signed,
        "softmax": affinity.pairwise.normalise == "softmax",
        "channels": affinity.query.shape[3],
        "inner": about.inner_channels,
        "inputChannels": about.input_channels,
        "pooled": affinity.query_grid != affinity.key_grid,
        "useScale": about.use_scale,
        "spacetime": view.spacetime,
        "queries": _grid(view.query_grid(block), frames),
        "keys": _grid(view.key_grid(block), frames),
        "factors": _file(folder / f"{block}.bin", factor_bytes(affinity)) if held else None,
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


def factor_bytes(affinity: Factored) -> bytes:
    """The file described above. Without spacetime the B images are the frames, one after another."""
    halves = [_half(t.flatten(0, 2)) for t in (affinity.query, affinity.key)]
    body = b"".join(half.tobytes() for half in halves)
    body += bytes(-len(body) % 4)
    if affinity.pairwise.normalise == "softmax":
        body += affinity.normalisers().flatten().float().cpu().numpy().astype("<f4").tobytes()
    return body


def _half(factor: torch.Tensor) -> np.ndarray:
    # Finite in float16, whatever somebody's checkpoint computes; beyond it a softmax is saturated.
    return factor.float().clamp(-65504, 65504).cpu().numpy().astype("<f2")


def _grid(grid: Grid, frames: int) -> dict[str, Any]:
    steps, rows, columns = grid.cells
    return {
        "cells": [steps * frames, rows, columns],
        "x": [round(e, 4) for e in grid.x.edges()],
        "y": [round(e, 4) for e in grid.y.edges()],
    }


def _file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
