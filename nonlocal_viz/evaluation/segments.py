"""COCO instances as labels of cells: what the rows are measured against. Never trained on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nonlocal_viz.errors import MediaError
from nonlocal_viz.media import open_image


@dataclass(frozen=True)
class Segmented:
    """A photo with its instances: image (H, W, 3) uint8; masks (K, H, W) bool, largest first, each over
    ``least_area`` of the photo and none a crowd."""

    name: str
    image: np.ndarray
    masks: np.ndarray

    @property
    def areas(self) -> np.ndarray:
        """(K,) float: the share of the photo that each instance covers."""
        return np.asarray(self.masks.reshape(len(self.masks), -1).mean(1))

    def cells(self, grid: tuple[int, int]) -> np.ndarray:
        """(h, w) int: the instance over at least half of a cell (of two, the smaller), or -1."""
        labels = np.full(grid, -1)
        for k, mask in enumerate(self.masks):
            share = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
            labels[share >= 0.5] = k
        return labels


def open_segments(directory: Path | str, least_area: float = 0.03) -> Iterator[Segmented]:
    """The photos of ``directory`` (``images/*.jpg`` and ``instances.json``, COCO's layout) that have at
    least one instance.

    Raises:
        MediaError: the folder is not of that layout.
    """
    directory = Path(directory)
    try:
        document = json.loads((directory / "instances.json").read_text())
        photos = {p["id"]: p for p in document["images"]}
        annotations = document["annotations"]
    except (OSError, ValueError, KeyError, TypeError):
        raise MediaError(
            f"{directory} is not a folder with images/ and a COCO instances.json."
        ) from None
    for key, photo in photos.items():
        image = open_image(directory / "images" / photo["file_name"])
        masks = [
            _mask(a["segmentation"], image.shape[:2])
            for a in annotations
            if a["image_id"] == key and not a.get("iscrowd") and isinstance(a["segmentation"], list)
        ]
        kept = sorted((m for m in masks if m.mean() > least_area), key=lambda m: -m.sum())
        if kept:
            yield Segmented(photo["file_name"], image, np.stack(kept))


def _mask(polygons: list[list[float]], shape: tuple[int, ...]) -> np.ndarray:
    drawn = np.zeros(shape, np.uint8)
    outlines = [np.rint(np.reshape(p, (-1, 2))).astype(np.int32) for p in polygons]
    cv2.fillPoly(drawn, outlines, 1)
    return drawn.astype(bool)
