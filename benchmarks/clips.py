"""Clips: what a row over space and time costs, and whether it stays on a thing that moves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.timing import MiB, in_turns, peak_growth
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.lens import Lens, View
from nonlocal_viz.media import open_video
from nonlocal_viz.zoo import load_model

CLIP = Path(__file__).parent.parent / "assets" / "clips" / "bunny.webm"

#: The rabbit's body in the eight evenly spaced frames of the example clip, drawn by hand:
#: left, top, right, bottom in pixels of the clip (640 x 360).
RABBIT = (
    (154, 148, 237, 265),
    (161, 142, 278, 278),
    (151, 96, 290, 288),
    (169, 78, 299, 294),
    (169, 95, 305, 305),
    (172, 95, 305, 305),
    (169, 80, 303, 300),
    (161, 80, 295, 300),
)


def _prepare(frames: int, side: int) -> Callable[[], View]:
    torch.manual_seed(0)
    model = NonLocalResNet(18, ["layer2.1", "layer3.1"]).eval().requires_grad_(False)
    lens = Lens(model, short_side=side)
    lens.open(np.zeros((2, 32, 32, 3), np.uint8), frames=2)
    clip = np.random.default_rng(0).integers(0, 255, (frames, side, side, 3), np.uint8)
    return lambda: lens.open(clip, frames=frames)


def size(quick: bool) -> tuple[str, list[str], list[list[object]]]:
    """Encoding a clip and one row of it, with the memory, beside the size of the dense map."""
    rows: list[list[object]] = []
    for frames, side in ((8, 224),) if quick else ((8, 224), (32, 224), (64, 320)):
        open_clip = _prepare(frames, side)
        view = open_clip()
        n = view.affinity("layer2.1").shape[1]
        turns = 3 if quick or frames > 32 else 5
        times = in_turns({"row": lambda v=view: v.query(9, 9, frame=1)}, 9)  # type: ignore[misc]
        encode = in_turns({"open": open_clip}, 2 if frames > 32 else turns)["open"]
        growth = peak_growth(_prepare, frames, side)
        rows.append(
            [
                f"{frames} x {side // 8} x {side // 8}",
                f"{n:,}",
                encode,
                None if growth is None else MiB(growth),
                times["row"],
                MiB(4 * n * n / 2**20),
            ]
        )
    header = ["cells", "N", "open (encode)", "memory of that", "one row", "the dense map's size"]
    return "A clip, ResNet-18 of random weights, D = 64", header, rows


def track(_quick: bool) -> tuple[str, list[str], list[list[object]]]:
    """How often the strongest key in the next frame lies on the rabbit, asked from the rabbit."""
    model = load_model("default")
    lens = Lens(model)
    clip = open_video(CLIP, len(RABBIT))
    rows: list[list[object]] = []
    for block in model.block_names:
        features: list[torch.Tensor] = []
        hook = model.get_submodule(block).register_forward_hook(
            lambda _m, _i, output, kept=features: kept.append(output)
        )
        try:
            view = lens.open(clip.frames, frames=len(clip.frames))
        finally:
            hook.remove()
        tokens = F.normalize(features[0].flatten(2).transpose(1, 2), dim=-1).cpu()
        hits, asked, chance = _follow(view, block, tokens)
        rows.append(
            [
                block,
                str(asked),
                _percent(hits["row"] / asked),
                _percent(hits["features"] / asked),
                _percent(chance),
            ]
        )
    header = ["block", "queries", "row", "feature cosine", "chance"]
    return "Strongest key of the next frame on the same rabbit", header, rows


def _follow(view: View, block: str, tokens: torch.Tensor) -> tuple[dict[str, int], int, float]:
    grid, affinity = view.query_grid(block), view.affinity(block)
    _, height, width = grid.cells
    centres = [grid.rect(i).centre for i in range(height * width)]
    hits, asked, shares = {"row": 0, "features": 0}, 0, []
    for t in range(len(RABBIT) - 1):
        following = [_inside(c, RABBIT[t + 1], 0.0) for c in centres]
        shares.append(float(np.mean(following)))
        for i in (i for i, c in enumerate(centres) if _inside(c, RABBIT[t], 0.2)):
            row = affinity.row(t * height * width + i)[0].view(grid.cells)[t + 1].flatten().cpu()
            cosine = tokens[t + 1] @ tokens[t, i]
            asked += 1
            hits["row"] += following[int(row.argmax())]
            hits["features"] += following[int(cosine.argmax())]
    return hits, asked, float(np.mean(shares))


def _inside(point: tuple[float, float], box: tuple[int, ...], margin: float) -> bool:
    left, top, right, bottom = box
    dx, dy = margin * (right - left), margin * (bottom - top)
    return left + dx <= point[0] < right - dx and top + dy <= point[1] < bottom - dy


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


CASES: dict[str, Callable[[bool], Any]] = {"clip": size, "track": track}
