"""The plain residual network (He, Zhang, Ren, Sun, CVPR 2016) that the non-local blocks stand in.

Keys, shapes, order of random numbers and arithmetic are torchvision's ResNet, so that its checkpoints
load unchanged (tests hold it to the bit); it is written out here because importing torchvision takes
longer than encoding a photo.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input goes unchanged; of ResNet-18 and 34."""

    expansion = 1

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        if dilation != 1:
            raise ValueError("a BasicBlock has no dilation of its own")
        self.conv1 = _conv3x3(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1; of ResNet-50 and 101. It is the 3x3 that strides."""

    expansion = 4

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        wide = width * self.expansion
        self.conv1 = _conv1x1(channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv1x1(width, wide)
        self.bn3 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 4 width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y)
        return out


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over positions, and a classifier.

    Args:
        residual: the kind of its residual blocks.
        stages: how many there are in each of the four stages.
        num_classes: width of the last layer.
        dilated: which of the last three stages are dilated instead of strided.
    """

    def __init__(
        self,
        residual: type[BasicBlock] | type[Bottleneck],
        stages: Sequence[int],
        num_classes: int = 1000,
        dilated: Sequence[bool] = (False, False, False),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, dilation = 64, 1
        for s, (count, widened) in enumerate(zip(stages, (False, *dilated), strict=True)):
            width, before = 64 << s, dilation
            stride = 1 if s == 0 or widened else 2
            dilation *= 2 if widened else 1
            stage = _stage(residual, channels, width, count, stride, (before, dilation))
            setattr(self, f"layer{s + 1}", stage)
            channels = width * residual.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            # On the meta device there is nothing to draw, and asking for it imports a compiler.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> logits (B, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for s in range(1, 5):
            x = getattr(self, f"layer{s}")(x)
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def _stage(
    residual: type[BasicBlock] | type[Bottleneck],
    channels: int,
    width: int,
    count: int,
    stride: int,
    dilations: tuple[int, int],
) -> nn.Sequential:
    """Residual blocks one after the other; the first one strides, and is dilated as the stage before."""
    wide, downsample = width * residual.expansion, None
    if stride != 1 or channels != wide:
        downsample = nn.Sequential(_conv1x1(channels, wide, stride), nn.BatchNorm2d(wide))
    first, rest = dilations
    blocks = [residual(channels, width, stride, downsample, first)]
    blocks += [residual(wide, width, dilation=rest) for _ in range(1, count)]
    return nn.Sequential(*blocks)


def _conv3x3(channels: int, width: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, dilation, dilation, bias=False)


def _conv1x1(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 1, stride, bias=False)
