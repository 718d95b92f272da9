"""golden.json: what the Python side answers, for the tests of the page's JavaScript to agree with.

``python -m tests.web.golden FILE`` writes it; it is made afresh whenever those tests run.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.diagnostics import entropy
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.render.scales import normalise, ticks
from nonlocal_viz.web.payload import factor_bytes


def blocks() -> list[dict[str, Any]]:
    """Every pairwise function, pooled or not, per frame or not, with a scale that is not 1."""
    draw = torch.Generator().manual_seed(1)
    found = []
    for name in INSTANTIATIONS:
        for key_grid in ((1, 3, 4), (1, 2, 2)):
            for frames in (1, 3):
                width, keys = 1 if name == "concatenation" else 5, key_grid[1] * key_grid[2]
                query = (torch.randn(frames, 12, width, generator=draw) * 0.7).half().float()
                key = (torch.randn(frames, keys, width, generator=draw) * 0.7).half().float()
                scale = 1.0 if name == "concatenation" else 0.5
                affinity = Affinity(name, query, key, (1, 3, 4), key_grid, scale)
                found.append(block(affinity, frames))
    return found


def block(affinity: Affinity, frames: int) -> dict[str, Any]:
    def grid(cells: tuple[int, int, int]) -> dict[str, Any]:
        x, y = list(range(cells[2] + 1)), list(range(cells[1] + 1))
        return {"cells": [frames, *cells[1:]], "x": x, "y": y}

    _, n, m = affinity.shape
    dense = np.zeros((frames * n, frames * m), np.float32)
    for t, one in enumerate(affinity.dense().numpy()):
        dense[t * n : (t + 1) * n, t * m : (t + 1) * m] = one
    meta = {
        "block": "b",
        "instantiation": affinity.instantiation,
        "scale": affinity.scale,
        "signed": affinity.signed,
        "softmax": affinity.is_distribution,
        "channels": affinity.query.shape[2],
        "pooled": affinity.query_grid != affinity.key_grid,
        "spacetime": frames == 1,
        "queries": grid(affinity.query_grid),
        "keys": grid(affinity.key_grid),
    }
    spread = entropy(torch.from_numpy(dense).double()).tolist()
    return {
        "meta": meta,
        "bytes": base64.b64encode(factor_bytes(affinity)).decode(),
        "map": dense.tolist(),
        "entropy": spread if affinity.is_distribution else None,
    }


def scales() -> list[dict[str, Any]]:
    """Brightness of weights and the marks of the bar, of every scale."""
    found = []
    for scale in ("linear", "gamma", "log"):
        for signed in (False, True):
            x = np.linspace(-1 if signed else 0, 1, 41)
            y = normalise(x, scale, signed, 1.0)
            marks = ticks(0.02, scale, signed)
            found.append(
                {"scale": scale, "signed": signed, "x": x.tolist(), "y": y.tolist(), "ticks": marks}
            )
    return found


def main(path: Path) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    golden = {
        "blocks": blocks(),
        "scales": scales(),
        "halves": base64.b64encode(halves.astype("<f4").tobytes()).decode(),
    }
    path.write_text(json.dumps(golden), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
