"""Everything that is computed once an image: pixels, teacher features, walk factors, as arrays on disk.

The cache is a folder of .npy files that are memory-mapped for training, and a JSON file that says
from what it was made; a cache of other images or settings is made anew, never mixed in.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from nonlocal_viz.training.images import find_images, load_squares
from nonlocal_viz.training.targets import lab_cells, similarity, walk_factors
from nonlocal_viz.training.teacher import Teacher, TeacherFeatures

#: The walk is kept on the grids of the two blocks, by stride, with this rank. Of 576 cells at stride
#: 8 (192 px), 96 dimensions leave 3 % of a row's mass in the wrong place (48 would leave 13 %); the 144
#: cells at stride 16 are kept exactly (32 dimensions would misplace 41 %).
RANKS = {8: 96, 16: 144}
HEAD_KEPT = 96
_ARRAYS = ("images", "mid", "deep", "head", "logits", "walk8", "walk16")


@dataclass(frozen=True)
class Cache:
    """n images of ``side`` pixels. images (n, side, side, 3) uint8, the rest float16: mid (n, 112, ., .),
    deep (n, 192, ., .), head (n, 96, ., .), logits (n, 1000), and for stride s walk (n, rank, side/s,
    side/s). ``made_from`` is a digest of the images and settings behind it."""

    images: np.ndarray
    mid: np.ndarray
    deep: np.ndarray
    head: np.ndarray
    logits: np.ndarray
    walk8: np.ndarray
    walk16: np.ndarray
    made_from: str = ""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def side(self) -> int:
        return int(self.images.shape[1])


def open_cache(
    folders: Sequence[Path | str],
    directory: Path | str,
    side: int = 192,
    enlarge: float = 4 / 3,
    limit: int | None = None,
    device: str | torch.device = "cpu",
) -> Cache:
    """The cache of these folders, made if it is not there yet (about 15 minutes for 12,000 images on
    two CPU cores).

    Raises:
        MediaError: no images.
        CheckpointError: the teacher is not installed.
    """
    directory = Path(directory)
    paths = find_images(folders)
    if limit is not None and limit < len(paths):
        paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:limit]]
    made_from = {
        "side": side,
        "enlarge": enlarge,
        "ranks": list(RANKS.items()),
        "files": hashlib.sha256(
            "\n".join(f"{p.parent.name}/{p.name} {p.stat().st_size}" for p in paths).encode()
        ).hexdigest(),
    }
    note = directory / "made_from.json"
    if not note.exists() or json.loads(note.read_text()) != json.loads(json.dumps(made_from)):
        directory.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        _make(load_squares(paths, side), directory, enlarge, torch.device(device))
        note.write_text(json.dumps(made_from))
    arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Cache(**arrays, made_from=hashlib.sha256(note.read_bytes()).hexdigest())


def _make(images: np.ndarray, directory: Path, enlarge: float, device: torch.device) -> None:
    teacher = Teacher(enlarge).to(device).to(memory_format=torch.channels_last)
    np.save(directory / "images.npy", images)
    n, side = images.shape[:2]
    picked = np.random.default_rng(0).permutation(n)[:256]
    parts = np.array_split(picked, max(1, len(picked) // 32))
    mean, basis = _head_basis([teacher(_batch(images[part], device)) for part in parts])
    arrays: dict[str, np.ndarray] = {}
    generator = torch.Generator().manual_seed(0)
    size = 32
    for start in tqdm(range(0, n, size), desc="teacher", unit="batch"):
        part = images[start : start + size]
        seen = teacher(_batch(part, device))
        head = torch.einsum("bchw,ck->bkhw", seen.head - mean[:, None, None], basis)
        row = {"mid": seen.mid, "deep": seen.deep, "head": head, "logits": seen.logits}
        for stride, rank in RANKS.items():
            cells = (side // stride, side // stride)
            lab = lab_cells(part, cells).to(device)
            s = similarity((seen.mid, seen.deep, head), lab, cells)
            factors = walk_factors(s, rank, generator)
            row[f"walk{stride}"] = factors.transpose(1, 2).unflatten(2, cells)
        for name, values in row.items():
            if name not in arrays:
                arrays[name] = np.lib.format.open_memmap(
                    directory / f"{name}.npy", "w+", np.float16, (n, *values.shape[1:])
                )
            arrays[name][start : start + len(part)] = values.half().cpu().numpy()
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]


def _batch(images: np.ndarray, device: torch.device) -> Tensor:
    # Channels last already: the teacher's depthwise convolutions are a third faster that way.
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()


def _head_basis(samples: Sequence[TeacherFeatures]) -> tuple[Tensor, Tensor]:
    """Mean (1280,) and principal axes (1280, kept) of the head's features over a few images."""
    tokens = torch.cat([s.head.permute(0, 2, 3, 1).flatten(0, 2) for s in samples])
    mean = tokens.mean(0)
    centred = tokens - mean
    covariance = centred.T @ centred / len(tokens)
    return mean, torch.linalg.eigh(covariance)[1][:, -HEAD_KEPT:]
