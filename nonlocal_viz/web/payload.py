"""A view as the browser needs it: the picture, and per block the factors and where the cells lie.

The file of a block, little-endian: query factors (N x D float16), key factors (M x D float16), padding
to 4 bytes, and for softmax blocks the log-normaliser of every query (N float32), from which
columns come.
"""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.lens import View
from nonlocal_viz.media import encode_jpeg, thumbnail


def picture_payload(view: View, folder: Path) -> dict[str, Any]:
    """The picture (a JPEG within the display bound) and what is known of it."""
    small = thumbnail(view.image, view.lens.limits.display_side)
    width, height = view.size
    return {
        "width": width,
        "height": height,
        "photo": _file(folder / "photo.jpg", encode_jpeg(small, 92)),
        "blocks": list(view.blocks),
        "classes": [[name, probability] for name, probability in view.top_classes(3)],
    }


def block_payload(view: View, block: str, folder: Path) -> dict[str, Any]:
    """Factors, grids and formula of one block."""
    affinity = view.affinity(block)
    module = view.lens.model.block(block)
    return {
        "block": block,
        "instantiation": affinity.instantiation,
        "scale": affinity.scale,
        "signed": affinity.signed,
        "softmax": affinity.is_distribution,
        "channels": affinity.query.shape[2],
        "inner": module.inter_channels,
        "inputChannels": module.in_channels,
        "pooled": affinity.query_grid != affinity.key_grid,
        "useScale": module.use_scale,
        "queries": _grid(view.query_grid(block)),
        "keys": _grid(view.key_grid(block)),
        "factors": _file(folder / f"{block}.bin", factor_bytes(affinity)),
    }


def factor_bytes(affinity: Affinity) -> bytes:
    """The file described above, for B = 1."""
    halves = [_half(t) for t in (affinity.query[0], affinity.key[0])]
    body = b"".join(half.tobytes() for half in halves)
    body += bytes(-len(body) % 4)
    if affinity.is_distribution:
        body += affinity.log_normaliser()[0].float().cpu().numpy().astype("<f4").tobytes()
    return body


def _half(factor: torch.Tensor) -> np.ndarray:
    # Finite in float16, whatever somebody's checkpoint computes; beyond it a softmax is saturated.
    return factor.float().clamp(-65504, 65504).cpu().numpy().astype("<f2")


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "cells": list(grid.cells),
        "x": [round(e, 4) for e in grid.x.edges()],
        "y": [round(e, 4) for e in grid.y.edges()],
    }


def _file(path: Path, content: bytes) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return gr.FileData(path=str(path)).model_dump()
