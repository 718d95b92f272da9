"""Everything that is computed once an image: pixels, teacher features, walk factors, as arrays on disk.

The cache is a folder of .npy files that are memory-mapped for training, and a JSON file that says
from what it was made; a cache of other images or settings is made anew, never mixed in.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nonlocal_viz.training.images import find_images, load_squares
from nonlocal_viz.training.precision import half_precision
from nonlocal_viz.training.progress import counted
from nonlocal_viz.training.targets import (
    COLOUR_WEIGHT,
    STEPS,
    TEMPERATURE,
    lab_cells,
    similarity,
    walk_factors,
)
from nonlocal_viz.training.teacher import CLASSES_SIDE, Teacher, TeacherFeatures

#: Strides of the grids that there are targets for.
STRIDES = (8, 16)
#: The walk is kept with this rank on the grid of the teacher's ``mid`` features, for blocks of every
#: stride. Of 784 cells (a teacher that sees 448 px) two draws of 96 dimensions place 2 % of a row's mass
#: differently. On the grid of its ``deep`` features, as coarse as a block of stride 16 has it, the walk was
#: a worse target for that block by .07 AP, and .08 along outlines (36 photos of coco128).
RANK = 96
HEAD_KEPT = 96
#: Pixels a cell of the teacher's ``mid`` features.
_MID_STRIDE = 16
#: Images that the teacher sees at once. Eight stay in a CPU's caches: thirty-two take twice as long each.
_BATCH = 8
_ARRAYS = ("images", "mid", "deep", "head", "logits", "walk")


@dataclass(frozen=True)
class Cache:
    """n images of ``side`` pixels. images (n, side, side, 3) uint8, the rest float16: mid (n, 112, ., .),
    deep (n, 192, ., .), head (n, 96, ., .), logits (n, 1000), and walk (n, 96, ., .), the walk's factors on
    the grid of mid. ``made_from`` is a digest of the images and settings behind it."""

    images: np.ndarray
    mid: np.ndarray
    deep: np.ndarray
    head: np.ndarray
    logits: np.ndarray
    walk: np.ndarray
    made_from: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def side(self) -> int:
        return int(self.images.shape[1])


def open_cache(
    folders: Sequence[Path | str],
    directory: Path | str,
    side: int = 224,
    teacher_side: int | None = None,
    limit: int | None = None,
    device: str | torch.device = "cpu",
) -> Cache:
    """The cache of these folders, made if it is not there yet (about 17 minutes for 12,000 images on
    two CPU cores).

    Args:
        folders: searched at every depth.
        directory: where the cache lies, or will.
        side: of the images as they are kept, in pixels.
        teacher_side: of the images as the teacher sees them, a multiple of 32, which says how fine the
            grids of its features and of the walks are; default twice ``side``, rounded. A student sees
            nothing of it, so it can be fine where the images are small.
        limit: use so many of the images, drawn at random.
        device: where the teacher runs.

    Raises:
        MediaError: no images.
        CheckpointError: the teacher is not installed.
    """
    directory = Path(directory)
    paths = find_images(folders)
    if teacher_side is None:
        teacher_side = max(round(side / 16) * 32, 32)
    if limit is not None and limit < len(paths):
        paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:limit]]
    made_from = {
        "side": side,
        "teacher_side": teacher_side,
        "rank": RANK,
        "walk": [TEMPERATURE, COLOUR_WEIGHT, STEPS],
        "classes_side": CLASSES_SIDE,
        "files": hashlib.sha256(
            "\n".join(f"{p.parent.name}/{p.name} {p.stat().st_size}" for p in paths).encode()
        ).hexdigest(),
    }
    note = directory / "made_from.json"
    if not note.exists() or json.loads(note.read_text()) != json.loads(json.dumps(made_from)):
        directory.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        _make(load_squares(paths, side), directory, teacher_side, torch.device(device))
        note.write_text(json.dumps(made_from))
    arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Cache(**arrays, made_from=hashlib.sha256(note.read_bytes()).hexdigest())


def _make(images: np.ndarray, directory: Path, teacher_side: int, device: torch.device) -> None:
    n, side = images.shape[:2]
    teacher = Teacher(teacher_side / side).to(device).to(memory_format=torch.channels_last)
    np.save(directory / "images.npy", images)
    picked = np.random.default_rng(0).permutation(n)[:256]
    parts = np.array_split(picked, max(1, len(picked) // _BATCH))
    mean, basis = _head_basis([_seen(teacher, images[part], device)[0] for part in parts])
    arrays: dict[str, np.ndarray] = {}
    generator = torch.Generator().manual_seed(0)
    for start in _told(range(0, n, _BATCH)):
        part = images[start : start + _BATCH]
        seen, logits = _seen(teacher, part, device)
        head = torch.einsum("bchw,ck->bkhw", seen.head - mean[:, None, None], basis)
        row = {"mid": seen.mid, "deep": seen.deep, "head": head, "logits": logits}
        cells = (teacher_side // _MID_STRIDE,) * 2
        s = similarity((seen.mid, seen.deep, head), lab_cells(part, cells).to(device), cells)
        row["walk"] = walk_factors(s, RANK, generator).transpose(1, 2).unflatten(2, cells)
        for name, values in row.items():
            if name not in arrays:
                arrays[name] = np.lib.format.open_memmap(
                    directory / f"{name}.npy", "w+", np.float16, (n, *values.shape[1:])
                )
            arrays[name][start : start + len(part)] = values.half().cpu().numpy()
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]


def _told(starts: range) -> Iterator[int]:
    with counted(len(starts), "teacher", "batches") as more:
        for start in starts:
            yield start
            more(1)


def _seen(
    teacher: Teacher, images: np.ndarray, device: torch.device
) -> tuple[TeacherFeatures, Tensor]:
    # Channels last already: the teacher's depthwise convolutions are a third faster that way.
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
        seen, logits = teacher(pixels), teacher.classify(pixels)
    return TeacherFeatures(*(t.float() for t in (seen.mid, seen.deep, seen.head))), logits.float()


def _head_basis(samples: Sequence[TeacherFeatures]) -> tuple[Tensor, Tensor]:
    """Mean (1280,) and principal axes (1280, kept) of the head's features over a few images."""
    tokens = torch.cat([s.head.permute(0, 2, 3, 1).flatten(0, 2) for s in samples])
    mean = tokens.mean(0)
    centred = tokens - mean
    covariance = centred.T @ centred / len(tokens)
    return mean, torch.linalg.eigh(covariance)[1][:, -HEAD_KEPT:]
