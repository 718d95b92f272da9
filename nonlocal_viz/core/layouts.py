"""Which ResNets there are, and where the paper puts non-local blocks in them."""

from nonlocal_viz.core.residual import BasicBlock, Bottleneck
from nonlocal_viz.errors import ShapeError

#: depth -> (residual block, blocks a stage), as torchvision's resnet18 ... resnet101.
DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}
#: Names for the paper's layouts, by number of blocks in a ResNet-50 (Table 2c).
LAYOUTS = ("1-block", "5-block", "10-block")


def layout(depth: int, preset: str) -> tuple[str, ...]:
    """The residual blocks that a preset of the paper puts a non-local block behind.

    The paper defines them on ResNet-50: one block before the last residual block of res4; five at
    every other residual block of res3 and res4; ten at every one of them. ResNet-101 takes its five
    from video-nonlocal-net (res4 {6, 13, 20}), and for ten, which the paper does not define there,
    every block of res3 and six evenly spaced ones of res4. Shallower stages get as many as there are.

    Raises:
        ShapeError: an unknown depth or preset.
    """
    if depth not in DEPTHS or preset not in LAYOUTS:
        raise ShapeError(
            f"No layout {preset!r} for ResNet-{depth}; depths are {', '.join(map(str, DEPTHS))} and "
            f"layouts {', '.join(LAYOUTS)}."
        )
    res3, res4 = DEPTHS[depth][1][1:3]
    if preset == "1-block":
        places = {"layer3": [res4 - 2]}
    elif preset == "5-block":
        places = {
            "layer2": list(range(1, res3, 2)),
            "layer3": [6, 13, 20] if depth == 101 else list(range(1, res4, 2)),
        }
    else:
        places = {
            "layer2": list(range(res3)),
            "layer3": [2, 6, 10, 14, 18, 22] if depth == 101 else list(range(res4)),
        }
    return tuple(f"{stage}.{i}" for stage, indices in places.items() for i in indices)
