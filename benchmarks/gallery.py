"""``python -m benchmarks.gallery``: what one query looks at, by kinds of attention that nobody here wrote.

Draws docs/gallery.jpg. Its first line is one map three times: the shipped block, and its weights copied
into PyTorch's and into mmcv's own module, which ``nv.attach`` finds and proves. The others have random
weights: they show which cells a query of this kind can reach at all, and no more.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmcv.cnn.bricks import NonLocal2d
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz import render
from nonlocal_viz.core.fitting import Prepare
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.resources import examples
from nonlocal_viz.sheet import encode_sheet

PAGE = Path(__file__).parent.parent / "docs" / "gallery.jpg"
PHOTO, QUERY = "bunny", (376.0, 250.0)
BLOCK = "layer2.1"
#: How far copies may be from the shipped map, of its greatest weight: they sum in another order.
_SAME = 1e-4


class Shown(NamedTuple):
    """A network of the gallery. ``block`` None: its default one; ``head`` None: the mean of its heads."""

    title: str
    kind: str
    open: Callable[[], Any]
    block: str | None = None
    head: int | None = None


class Before(nn.Module):
    """The shipped network up to a block, and somebody else's module where the block stood."""

    def __init__(self, network: NonLocalResNet, attention: nn.Module) -> None:
        super().__init__()
        self.network, self.attention = network, attention

    def forward(self, x: Tensor) -> Tensor:
        x = self.network.stem(x)
        for place, residual in self.network.places():
            x = residual(x)
            if place == BLOCK:
                break
        added: Tensor = self.attention(x)
        return added


class OverCells(nn.Module):
    """A module over tokens, given the cells of a map."""

    def __init__(self, heads: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        return (tokens + self.heads(tokens, tokens, tokens)[0]).mT.view_as(x)


def of_mmcv(network: NonLocalResNet) -> nn.Module:
    """mmcv's non-local block with the shipped weights."""
    block = network.block(BLOCK)
    theirs = NonLocal2d(
        block.g.in_channels, reduction=2, use_scale=block.scale != 1.0, mode="embedded_gaussian"
    )
    pairs: tuple[tuple[nn.Module, nn.Module], ...] = (
        (theirs.g.conv, block.g),
        (theirs.theta.conv, block.theta),
        (theirs.phi.conv, block.phi),
    )
    for to, source in pairs:
        to.load_state_dict(source.state_dict())
    return theirs.eval()


def _instead(make: Callable[[NonLocalResNet], nn.Module]) -> Any:
    network = nv.load_model(device="cpu")
    assert isinstance(network, NonLocalResNet)
    return nv.attach(Before(network, make(network)).eval(), prepare=network.prepare)


def _by_name(name: str) -> Any:
    return nv.load_model(name, "cpu", pretrained=False)


def gallery() -> Iterator[Shown]:
    """The shipped map three times, then kinds of attention by what a query reaches."""
    yield Shown("nonlocal_viz", "trained", lambda: nv.load_model(device="cpu"), BLOCK)
    pytorch = partial(_instead, lambda net: OverCells(nv.as_attention(net.block(BLOCK))))
    yield Shown("torch MultiheadAttention", "the same weights", pytorch, "attention.heads")
    yield Shown("mmcv NonLocal2d", "the same weights", partial(_instead, of_mmcv), "attention")
    for name, kind, block in (
        ("timm:vit_tiny_patch16_224", "every cell", "blocks.0.attn"),
        ("timm:swin_tiny_patch4_window7_224", "a shifted window", "layers.1.blocks.1.attn"),
        (
            "torchvision:maxvit_t",
            "a grid with gaps",
            "blocks.1.layers.1.layers.grid_attention.attn_layer.1",
        ),
        ("timm:pvt_v2_b0", "pooled keys", "stages.1.blocks.0.attn"),
        ("timm:levit_128s", "every second cell asks", "stages.1.downsample.attn_downsample"),
        ("timm:botnet26t_256", "every cell, relative places", "stages.2.1.self_attn"),
    ):
        yield Shown(name, kind, partial(_by_name, name), block)


def draw(tile: int) -> np.ndarray:
    """The page, (H, W, 3) uint8 RGB.

    Raises:
        RuntimeError: a copy of the shipped block does not have its map.
    """
    panels, first = [], None
    for shown in gallery():
        torch.manual_seed(0)
        view = nv.Lens(shown.open()).open(examples()[PHOTO])
        row = view.query(*QUERY, block=shown.block or view.default_block, head=shown.head)
        print(f"{shown.title:36} {row.block:44} {shown.kind}", flush=True)
        if shown.kind in ("trained", "the same weights"):
            first = row.map if first is None else first
            apart = float(np.abs(row.map - first).max() / first.max())
            if apart > _SAME:
                raise RuntimeError(
                    f"{shown.title} has another map, by {apart:.1e} of the greatest weight."
                )
        rect, edges = row.query_rect, (row.grid.x.edges(), row.grid.y.edges())
        tiles = (
            render.photo_tile(view.image, tile, rect, QUERY),
            render.row_tile(view.image, tile, row.map[0], *edges, rect, QUERY),
        )
        panels.append(render.Panel(shown.title, [tiles], shown.kind))
    return render.sheet(
        panels,
        [("its row", "")],
        tile=tile,
        columns=3,
        caption="Each tile has colours scaled to its own maximum. Weights of the second and third line are random.",
        legends=[render.Legend.of(False)],
    )


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(prog="benchmarks.gallery", description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--tile", type=int, default=200)
    args = parser.parse_args()
    args.out.write_bytes(encode_sheet(draw(args.tile), args.out.suffix))


if __name__ == "__main__":
    main()
