"""What is measured. Each function returns a title, a table's header and its rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import attached, clips, encode, heads, load, page
from benchmarks.dense import DenseBlock
from benchmarks.timing import MiB, Ratio, in_turns, peak_growth
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.zoo import load_model

Result = tuple[str, list[str], list[list[object]]]
CHANNELS = 128


def make_block(kind: str) -> NonLocalBlock:
    """A seeded block whose affinity differs from cell to cell and reaches the output.

    At the start of training neither holds: the output projection is zero and the rows are nearly
    uniform, and then a comparison with another implementation would see hardly more than x.
    """
    torch.manual_seed(0)
    block = (
        NonLocalBlock(CHANNELS, instantiation=kind, sub_sample=False).eval().requires_grad_(False)
    )
    for name, weight in block.named_parameters():
        if name.startswith(("g", "theta", "phi", "W.0")) and weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    torch.nn.init.ones_(block.get_parameter("W.1.weight"))
    return block


def picture(side: int) -> torch.Tensor:
    """A seeded (1, C, side, side)."""
    return torch.randn(1, CHANNELS, side, side, generator=torch.Generator().manual_seed(1)) / 2


def _run(dense: bool, kind: str, side: int) -> Callable[[], Any]:
    block: torch.nn.Module = DenseBlock(make_block(kind)) if dense else make_block(kind)
    block(picture(4))  # what torch sets up once is not the block's own memory
    x = picture(side)
    return torch.inference_mode()(lambda: block(x))


def block(quick: bool) -> Result:
    """The forward pass: ours, which builds no map, beside the dense one with the same weights."""
    rows: list[list[object]] = []
    for side in (28,) if quick else (28, 56):
        for kind in INSTANTIATIONS:
            ours, dense = _run(False, kind, side), _run(True, kind, side)
            torch.testing.assert_close(ours(), dense(), atol=1e-4, rtol=1e-4)
            big = kind == "concatenation" and side > 28
            times = in_turns({"ours": ours, "dense": dense}, 3 if quick or big else 15)
            own, other = peak_growth(_run, False, kind, side), peak_growth(_run, True, kind, side)
            rows.append(
                [
                    kind,
                    f"{side} x {side}",
                    times["ours"],
                    times["dense"],
                    Ratio(times["dense"].median / times["ours"].median),
                    _mib(own),
                    _mib(other),
                ]
            )
    header = [
        "instantiation",
        "cells",
        "ours",
        "dense",
        "dense / ours",
        "memory, ours",
        "memory, dense",
    ]
    return "Forward pass of a block, C = 128", header, rows


def row(quick: bool) -> Result:
    """One row of a query, beside building the map to take the row from."""
    rows: list[list[object]] = []
    for frames in (1, 8) if quick else (1, 8, 32):
        cells = (frames, 28, 28)
        n = frames * 28 * 28
        torch.manual_seed(0)
        query, key = torch.randn(2, 1, 1, n, 64) / 3
        affinity = Factored(INSTANTIATIONS["embedded_gaussian"], query, key, cells, cells)
        runs: dict[str, Callable[[], Any]] = {"row": lambda a=affinity: a.row(5)}  # type: ignore[misc]
        fits = 4 * n * n <= LIMITS.dense_map_bytes
        if fits:
            runs["dense"] = lambda a=affinity: a.dense()[:, 5]  # type: ignore[misc]
        times = in_turns(runs, 3 if quick else 9)
        rows.append(
            [
                " x ".join(map(str, cells)),
                times["row"],
                times["dense"] if fits else "refused: beyond the bound of limits.py",
                Ratio(times["dense"].median / times["row"].median) if fits else "",
                MiB(4 * n / 2**20),
                MiB(4 * n * n / 2**20),
            ]
        )
    header = ["cells", "row", "dense map", "dense / row", "size of the row", "of the map"]
    return "One row, D = 64", header, rows


def view(quick: bool) -> Result:
    """Encode once, ask many: what opening a photo costs beside a question about it."""
    return "A photo with the default model", *_photos(Lens(load_model("default")), quick)


def open_(quick: bool) -> Result:
    """As :func:`view`, with a ResNet-18 of random weights: needs no weights file."""
    torch.manual_seed(0)
    lens = Lens(NonLocalResNet(18).requires_grad_(False))
    return "A photo with a ResNet-18, five blocks, random weights", *_photos(lens, quick)


def _photos(lens: Lens, quick: bool) -> tuple[list[str], list[list[object]]]:
    folder = Path(__file__).parent.parent / "assets" / "photos"
    rows: list[list[object]] = []
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
        rows.append(
            [
                f"{path.name} {width} x {height}",
                *times.values(),
                Ratio(times["open"].median / times["query"].median),
                f"{100 * times['query'].median / times['open'].median:.2g} %",
            ]
        )
    return ["photo", "open (encode)", "query", "overlay", "open / query", "query of open"], rows


def _mib(value: float | None) -> MiB | None:
    return None if value is None else MiB(value)


CASES: dict[str, Callable[[bool], Result]] = {
    "block": block,
    "row": row,
    "view": view,
    "open": open_,
    **encode.CASES,
    **clips.CASES,
    "attached": attached.cases,
    "load": load.load,
    "page": page.page,
    "heads": heads.heads,
}
