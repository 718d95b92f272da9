"""What is measured. Each function returns a title, a table's header and its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.dense import DenseBlock
from benchmarks.timing import in_turns, peak_growth
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.zoo import load_model

Result = tuple[str, list[str], list[list[str]]]
CHANNELS = 128


def make_block(kind: str) -> NonLocalBlock:
    """A seeded block whose output projection is not zero, as it is at the start of training."""
    torch.manual_seed(0)
    block = (
        NonLocalBlock(CHANNELS, instantiation=kind, sub_sample=False).eval().requires_grad_(False)
    )
    torch.nn.init.normal_(block.W[1].weight, std=0.1)
    return block


def picture(side: int) -> torch.Tensor:
    """A seeded (1, C, side, side)."""
    return torch.randn(1, CHANNELS, side, side, generator=torch.Generator().manual_seed(1)) / 4


def _run(dense: bool, kind: str, side: int) -> Callable[[], Any]:
    block: torch.nn.Module = DenseBlock(make_block(kind)) if dense else make_block(kind)
    block(picture(4))  # what torch sets up once is not the block's own memory
    x = picture(side)
    return torch.inference_mode()(lambda: block(x))


def block(quick: bool) -> Result:
    """The forward pass: ours, which builds no map, beside the dense one with the same weights."""
    rows = []
    for side in (28,) if quick else (28, 56):
        for kind in INSTANTIATIONS:
            ours, dense = _run(False, kind, side), _run(True, kind, side)
            torch.testing.assert_close(ours(), dense(), atol=1e-4, rtol=1e-3)
            big = kind == "concatenation" and side > 28
            times = in_turns({"ours": ours, "dense": dense}, 3 if quick or big else 15)
            own, other = peak_growth(_run, False, kind, side), peak_growth(_run, True, kind, side)
            rows.append(
                [
                    kind,
                    f"{side} x {side}",
                    str(times["ours"]),
                    str(times["dense"]),
                    f"{times['dense'].median / times['ours'].median:.2g} x",
                    _mib(own),
                    _mib(other),
                ]
            )
    header = ["instantiation", "cells", "ours", "dense", "dense / ours", "memory, ours", "dense"]
    return "Forward pass of a block, C = 128", header, rows


def row(quick: bool) -> Result:
    """One row of a query, beside building the map to take the row from."""
    rows = []
    for frames in (1, 8) if quick else (1, 8, 32):
        cells = (frames, 28, 28)
        n = frames * 28 * 28
        torch.manual_seed(0)
        affinity = Affinity(
            "embedded_gaussian", torch.randn(1, n, 64) / 3, torch.randn(1, n, 64) / 3, cells, cells
        )
        runs: dict[str, Callable[[], Any]] = {"row": lambda a=affinity: a.row(5)}  # type: ignore[misc]
        fits = 4 * n * n <= LIMITS.dense_map_bytes
        if fits:
            runs["dense"] = lambda a=affinity: a.dense()[:, 5]  # type: ignore[misc]
        times = in_turns(runs, 3 if quick else 9)
        rows.append(
            [
                " x ".join(map(str, cells)),
                str(times["row"]),
                str(times["dense"]) if fits else "refused: beyond the bound of limits.py",
                f"{times['dense'].median / times['row'].median:.3g} x" if fits else "",
                f"{4 * n / 2**20:.2g} MiB",
                f"{4 * n * n / 2**20:.4g} MiB",
            ]
        )
    header = ["cells", "row", "dense map", "dense / row", "size of the row", "of the map"]
    return "One row, D = 64", header, rows


def view(quick: bool) -> Result:
    """Encode once, ask many: what opening a photo costs beside a question about it."""
    folder = Path(__file__).parent.parent / "assets" / "photos"
    lens, rows = Lens(load_model("default")), []
    for path in sorted(folder.glob("*.jpg"))[: 1 if quick else None]:
        seen = lens.open(path)
        width, height = seen.size
        answer = seen.query(width / 3, height / 3)
        times = in_turns(
            {
                "open": lambda p=path: lens.open(p),  # type: ignore[misc]
                "query": lambda v=seen, x=width / 3, y=height / 3: v.query(x, y),  # type: ignore[misc]
                "overlay": lambda q=answer: q.overlay(),  # type: ignore[misc]
            },
            3 if quick else 9,
        )
        share = times["open"].median / times["query"].median
        rows.append([f"{path.name} {width} x {height}", *map(str, times.values()), f"{share:.3g}"])
    header = ["photo", "open (encode)", "query", "overlay", "queries for the price of one open"]
    return "A photo with the default model", header, rows


def _mib(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} MiB"


CASES = {"block": block, "row": row, "view": view}
