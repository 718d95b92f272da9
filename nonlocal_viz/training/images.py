"""The training images: folders that the person names -> one array of squares.

Any folder works; files are found at every depth. Labels are not read: the targets come from the
teacher. The layout of torchvision's Imagenette (``train/<wnid>/*.JPEG``) is one such folder.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from nonlocal_viz.errors import MediaError
from nonlocal_viz.media import open_image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def find_images(folders: Sequence[Path | str]) -> list[Path]:
    """All picture files below the folders, each folder in sorted order.

    Raises:
        MediaError: a folder does not exist, or none of them holds a picture.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise MediaError(f"There is no folder {folder}; name folders that hold the images.")
        found += sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise MediaError(f"No image was found below {', '.join(map(str, folders))}.")
    return found


def square(image: np.ndarray, side: int) -> np.ndarray:
    """The central square of a picture (H, W, 3), resized to (side, side, 3)."""
    height, width = image.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    cut = image[top : top + edge, left : left + edge]
    method = cv2.INTER_AREA if edge > side else cv2.INTER_CUBIC
    return cv2.resize(cut, (side, side), interpolation=method)


def load_squares(paths: Sequence[Path], side: int, workers: int | None = None) -> np.ndarray:
    """(n, side, side, 3) uint8; a file that cannot be decoded is left out, loudly. ``workers`` threads
    decode, by default one a core.

    Raises:
        MediaError: none could be decoded.
    """

    def load(path: Path) -> np.ndarray | None:
        try:
            return square(open_image(path), side)
        except MediaError as error:
            print(f"left out: {error}")
            return None

    squares = np.empty((len(paths), side, side, 3), np.uint8)
    count = 0
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for picture in _windowed(pool, load, paths):
            if picture is not None:
                squares[count] = picture
                count += 1
    if not count:
        raise MediaError("None of the images could be decoded.")
    return squares[:count]


def _windowed(
    pool: ThreadPoolExecutor, load: Callable[[Path], np.ndarray | None], paths: Sequence[Path]
) -> Iterator[np.ndarray | None]:
    # In blocks, so that decoded originals never pile up in the pool's queue.
    for start in range(0, len(paths), 256):
        yield from pool.map(load, paths[start : start + 256])
