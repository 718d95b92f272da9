"""A residual network's convolutions, seen further: dilated stages, and dilated residual blocks.

Source: Yu, Koltun, Funkhouser, "Dilated Residual Networks", CVPR 2017.
"""

from collections.abc import Sequence

from torch import nn

from nonlocal_viz.core.options import OUTPUT_STRIDES
from nonlocal_viz.core.residual import BasicBlock, Bottleneck
from nonlocal_viz.errors import ShapeError

#: output stride -> which of layer2, layer3 and layer4 are dilated instead of strided.
_DILATED: dict[int, list[bool]] = dict(
    zip(
        OUTPUT_STRIDES,
        ([False, True, True], [False, False, True], [False, False, False]),
        strict=True,
    )
)
#: The greatest dilation of a convolution: as many cells are padded around every picture.
_WIDEST = 64


def dilated_stages(residual: type[nn.Module], output_stride: int) -> list[bool]:
    """torchvision's ``replace_stride_with_dilation`` for residual blocks of this type.

    Raises:
        ShapeError: there is no such output stride, or none but 32 for such blocks.
    """
    if output_stride not in _DILATED:
        raise ShapeError(
            f"There is no output stride {output_stride!r} here; choose "
            f"{', '.join(map(str, _DILATED))}."
        )
    # A BasicBlock has no dilation of its own, as in torchvision.
    if output_stride != 32 and residual is BasicBlock:
        raise ShapeError(
            f"A ResNet-18 or 34 has the output stride 32 alone; give {output_stride} to ResNet-50 or 101."
        )
    return _DILATED[output_stride]


def convolutions(residual_block: nn.Module) -> dict[str, nn.Conv2d]:
    """The 3x3 convolutions of a residual block by name, in their order."""
    return {
        key: module
        for key, module in residual_block.named_children()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    }


def dilations_of(residual_block: nn.Module) -> tuple[int, ...]:
    """The dilation of each 3x3 convolution of a residual block, in their order."""
    return tuple(int(module.dilation[0]) for module in convolutions(residual_block).values())


def dilate(name: str, residual_block: nn.Module, steps: Sequence[int]) -> None:
    """Give the 3x3 convolutions of a residual block these dilations; their weights stay.

    Raises:
        ShapeError: not one whole number from 1 to 64 a convolution.
    """
    wide = convolutions(residual_block)
    if len(steps) != len(wide) or not all(type(s) is int and 1 <= s <= _WIDEST for s in steps):
        raise ShapeError(
            f"{name} has {len(wide)} convolutions of 3x3 to dilate; give as many whole numbers from 1 "
            f"to {_WIDEST}, not {list(steps)!r}."
        )
    for (key, old), step in zip(wide.items(), steps, strict=True):
        # A new one: PyTorch works out at the beginning what its modes of padding need.
        new = nn.Conv2d(
            old.in_channels, old.out_channels, 3, old.stride[0], step, step, old.groups, bias=False
        )
        new.weight = old.weight
        setattr(residual_block, key, new)


def width(residual_block: nn.Module) -> int:
    """Channels of what a residual block puts out."""
    last = residual_block.conv3 if isinstance(residual_block, Bottleneck) else residual_block.conv2
    assert isinstance(last, nn.Conv2d)
    return last.out_channels
