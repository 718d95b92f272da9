"""Top-1 accuracy on Imagenette: what the blocks cost or give the classifier that carries them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import MediaError, ShapeError
from nonlocal_viz.training.images import find_images, load_squares

#: Imagenette's folders and the index of each among ImageNet's 1000 classes.
WNIDS = {
    "n01440764": 0,  # tench
    "n02102040": 217,  # English springer
    "n02979186": 482,  # cassette player
    "n03000684": 491,  # chain saw
    "n03028079": 497,  # church
    "n03394916": 566,  # French horn
    "n03417042": 569,  # garbage truck
    "n03425413": 571,  # gas pump
    "n03445777": 574,  # golf ball
    "n03888257": 701,  # parachute
}
_CLASSES = 1000


@dataclass(frozen=True)
class Accuracy:
    """Shares of ``images`` photos whose most probable class is theirs: ``top1`` among all 1000
    classes, ``top1_of_ten`` among Imagenette's ten."""

    images: int
    top1: float
    top1_of_ten: float


def find_imagenette(directory: Path | str) -> list[tuple[Path, int]]:
    """The photos of ``val/<wnid>/`` (torchvision's layout) with their class's index, in order of wnids.

    Raises:
        MediaError: there is no ``val`` with folders of Imagenette's ten wnids in it, or no photo.
    """
    val = Path(directory) / "val"
    if missing := [wnid for wnid in WNIDS if not (val / wnid).is_dir()]:
        raise MediaError(
            f"{directory} is not Imagenette as torchvision unpacks it: there is no folder "
            f"val/{missing[0]}."
        )
    return [(path, index) for wnid, index in WNIDS.items() for path in find_images([val / wnid])]


@torch.inference_mode()
def classify(
    model: NonLocalResNet,
    photos: Sequence[tuple[Path, int]],
    side: int = 224,
    batch: int = 32,
    on_batch: Callable[[int], object] = lambda count: None,
) -> Accuracy:
    """Accuracy on photos with their classes, each cut to its central square of ``side`` pixels.

    Args:
        model: of ImageNet's 1000 classes, in eval mode, on its device.
        photos: (file, index of the class), see :func:`find_imagenette`.
        side: pixels of the square that the model sees.
        batch: photos at a time.
        on_batch: called with the number of photos of each batch.

    Raises:
        ShapeError: the model has not 1000 classes.
        MediaError: no photos, or one that cannot be decoded.
    """
    if model.fc.out_features != _CLASSES:
        raise ShapeError(
            f"Imagenette is measured among ImageNet's {_CLASSES} classes; this model has "
            f"{model.fc.out_features}."
        )
    if not photos:
        raise MediaError("There are no photos to classify.")
    colours = model.prepare.normalisation
    mean, std = (
        torch.tensor(values, device=model.device).view(3, 1, 1)
        for values in (colours.mean, colours.std)
    )
    ten = torch.tensor(list(WNIDS.values()))
    right = right_of_ten = 0
    for start in range(0, len(photos), batch):
        part = photos[start : start + batch]
        squares = load_squares([path for path, _ in part], side)
        if len(squares) != len(part):
            # A share of other photos would be no number to compare with.
            raise MediaError("A photo could not be decoded; the line above names it.")
        pixels = torch.from_numpy(np.moveaxis(squares, 3, 1)).to(model.device).float() / 255
        logits = model((pixels - mean) / std).float().cpu()
        truth = torch.tensor([index for _, index in part])
        right += int((logits.argmax(1) == truth).sum())
        right_of_ten += int((ten[logits[:, ten].argmax(1)] == truth).sum())
        on_batch(len(part))
    return Accuracy(len(photos), right / len(photos), right_of_ten / len(photos))
