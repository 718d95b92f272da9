"""What encoding costs: beside a bare ResNet-18 of torchvision, and until somebody sees a first row."""

from pathlib import Path
from typing import Any

import torch
from torchvision.models import resnet18

from benchmarks.timing import Ratio, in_turns
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import open_image, open_video
from nonlocal_viz.zoo import load_model

ASSETS = Path(__file__).parent.parent / "assets"
Result = tuple[str, list[str], list[list[object]]]


def encode(quick: bool) -> Result:
    """A photo through the default model, beside the bare network at the same size, whose layout in
    memory is torch's default one."""
    torch.manual_seed(0)
    bare = resnet18().eval().requires_grad_(False)
    lens = Lens(load_model("default", "cpu"))
    rows: list[list[object]] = []
    for path in sorted((ASSETS / "photos").glob("*.jpg"))[: 1 if quick else None]:
        image = open_image(path)
        one, both = lens.open(image).blocks
        pixels = torch.randn(1, 3, *_encoded(lens, image))
        times = in_turns(
            {
                "bare": torch.inference_mode()(lambda x=pixels: bare(x)),
                "one": lambda i=image, b=one: lens.open(i, lazy=True).affinity(b),  # type: ignore[misc]
                "both": lambda i=image, b=both: lens.open(i, lazy=True).affinity(b),  # type: ignore[misc]
                "whole": lambda i=image: lens.open(i),  # type: ignore[misc]
            },
            5 if quick else 21,
        )
        ratio = Ratio(times["both"].median / times["bare"].median)
        rows.append([path.name, *times.values(), ratio])
    header = ["photo", "bare ResNet-18", "one block", "both blocks", "and classes", "both / bare"]
    return "Encoding a photo with the default model, resizing included", header, rows


def first(quick: bool) -> Result:
    """A clip until its first row, and until all is computed."""
    lens = Lens(load_model("default"))
    path = ASSETS / "clips" / "bunny.webm"
    rows: list[list[object]] = []
    for count in (8,) if quick else (8, 32):
        clip = open_video(path, count)

        def row(lazy: bool, frames: Any = clip.frames) -> None:
            lens.open(frames, frames=len(frames), lazy=lazy).query(200, 200)

        times = in_turns({"lazy": lambda: row(True), "whole": lambda: row(False)}, 3)
        ratio = Ratio(times["whole"].median / times["lazy"].median)
        rows.append([str(count), *times.values(), ratio])
    return "A clip until its first row", ["frames", "lazy", "all first", "all / lazy"], rows


def _encoded(lens: Lens, image: Any) -> tuple[int, int]:
    height, width = image.shape[:2]
    w, h = lens._encoded_size(width, height, False, lens.source.prepare.short_side)
    return h, w


CASES = {"encode": encode, "first": first}
