"""A network of twelve heads over 1,024 cells in a real Chromium: what a move of the pointer costs.

``python -m benchmarks.heads PORT`` serves its page alone.
"""

import sys
from typing import Any

from benchmarks.browser import TOOL, Tab, shown

#: Heads of each of the twelve layers, and the side of the picture that they see.
HEADS, SIDE = 12, 512
#: Milliseconds of a frame: 60 a second with one head, 30 with their mean.
ONE, MEAN = 1000 / 60, 1000 / 30
#: What the network is given of a wide photo: the middle.
_LEFT, _RIGHT = 0.3, 0.7


def network() -> Any:
    """A small ViT with random weights: 32 x 32 cells, 12 heads of 16 channels in each of 12 layers."""
    from nonlocal_viz.zoo import load_model

    return load_model(
        "timm:vit_tiny_patch16_224", "cpu", pretrained=False, img_size=SIDE, num_heads=HEADS
    )


def heads(quick: bool) -> tuple[str, list[str], list[list[object]]]:
    """Hover with one head and with the mean of all, with and without all layers and heads beside it."""
    moves = 30 if quick else 120
    rows: list[list[object]] = []
    with shown("benchmarks.heads") as tab:
        for all_of_them in (False, True):
            _open(tab, all_of_them)
            beside = "all layers and heads" if all_of_them else "nothing"
            for name, head, bar in (("one head", "3", ONE), ("mean of 12 heads", "", MEAN)):
                _choose(tab, head)
                rows.append(_measured(tab, moves, [name, beside], bar))
    header = [
        "shown",
        "beside it",
        "computing",
        "main thread",
        "from frame to frame",
        "bar",
        "held",
    ]
    return "Hover over 1,024 cells with 12 heads, in Chromium without a GPU", header, rows


def _measured(tab: Tab, moves: int, names: list[object], bar: float) -> list[object]:
    where = (_LEFT, _RIGHT)
    busy, frames = tab.moves(moves, *where), tab.frames(moves, *where)
    computing = tab.computing(moves, "answerTo", *where)
    held = "yes" if busy.median <= bar else "NO"
    return [*names, f"{computing:.2f} ms", busy, frames, f"{bar:.1f} ms", held]


def _open(tab: Tab, all_of_them: bool) -> None:
    opened = "true" if all_of_them else "false"
    tab.page.evaluate(f"document.querySelector('.nlv-heads').open = {opened}")
    if all_of_them:
        tab.wait("document.querySelector('.nlv-fieldname')")


def _choose(tab: Tab, head: str) -> None:
    """A head by its number; "": the mean."""
    tab.page.locator("[data-head]").select_option(head)
    tab.wait(f"{TOOL}.answer?.head === {head or 'null'}")


def _serve(port: int) -> None:
    from nonlocal_viz.web import launch

    launch(network(), port=port, quiet=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
