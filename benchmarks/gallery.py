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
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.probe import Probe
from nonlocal_viz.probe.families import criss_cross
from nonlocal_viz.resources import examples
from nonlocal_viz.sheet import encode_sheet

PAGE = Path(__file__).parent.parent / "docs" / "gallery.jpg"
PHOTO, QUERY = "bunny", (376.0, 250.0)
BLOCK = "layer2.1"
#: How far copies may be from the shipped map, of its greatest weight: they sum in another order.
_SAME = 1e-4
#: What random weights of an attention are multiplied with.
_SHARPER = 4.0
_CAPTION = (
    "Each row is scaled to its own maximum. Below the first line weights are random: only what can be "
    "reached is theirs."
)
_MAXVIT = "blocks.1.layers.1.layers.grid_attention.attn_layer.1"


class Shown(NamedTuple):
    """A network of the gallery, and the block that is shown, the mean of its heads."""

    title: str
    kind: str
    open: Callable[[], Any]
    block: str


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


def _by_name(name: str, block: str) -> Any:
    probe = nv.load_model(name, "cpu", pretrained=False)
    assert isinstance(probe, Probe)
    with torch.no_grad():
        for weights in probe.model.get_submodule(block).parameters():
            # As they are made, every row is nearly even.
            weights.mul_(_SHARPER)
    return probe


def _criss_cross() -> Any:
    block, tokens = criss_cross.example()
    patches = nn.Conv2d(3, tokens.shape[1], 16, 16)
    return nv.attach(nn.Sequential(patches, block).eval(), prepare=nv.Prepare(multiple=16))


def gallery() -> Iterator[Shown]:
    """The shipped map three times, then kinds of attention by what a query reaches."""
    yield Shown("nonlocal_viz", "trained", lambda: nv.load_model(device="cpu"), BLOCK)
    pytorch = partial(_instead, lambda net: OverCells(nv.as_attention(net.block(BLOCK))))
    yield Shown("torch MultiheadAttention", "the same weights", pytorch, "attention.heads")
    yield Shown("mmcv NonLocal2d", "the same weights", partial(_instead, of_mmcv), "attention")
    for title, name, kind, block in (
        ("ViT", "timm:vit_tiny_patch16_224", "every cell", "blocks.0.attn"),
        ("Swin", "timm:swin_tiny_patch4_window7_224", "a shifted window", "layers.1.blocks.1.attn"),
        ("MaxViT", "torchvision:maxvit_t", "a grid with gaps", _MAXVIT),
        ("PVT", "timm:pvt_v2_b0", "pooled keys", "stages.1.blocks.0.attn"),
        ("BoTNet", "timm:botnet26t_256", "every cell, by relative place", "stages.2.1.self_attn"),
    ):
        yield Shown(title, kind, partial(_by_name, name, block), block)
    yield Shown("CCNet", "its row and its column", _criss_cross, "1")


def draw(tile: int) -> np.ndarray:
    """The page, (H, W, 3) uint8 RGB.

    Raises:
        RuntimeError: a copy of the shipped block does not have its map.
    """
    panels, first = [], None
    for shown in gallery():
        torch.manual_seed(0)
        view = nv.Lens(shown.open()).open(examples()[PHOTO])
        row = view.query(*QUERY, block=shown.block)
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
        caption=_CAPTION,
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
