"""What a block's rows are held against: distance, colour, features, a random block, the teacher.

Every function gives rows (Q, N): for Q queries, how near each of the N cells of the grid is. Only
their order counts.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.training.cache import RANK
from nonlocal_viz.training.targets import (
    exact_rows,
    lab_cells,
    similarity,
    target_rows,
    walk_factors,
)
from nonlocal_viz.training.teacher import TeacherFeatures

TeacherLike = Callable[[Tensor], TeacherFeatures]
#: How much a step across the picture weighs against Lab colour, in "colour and distance".
_DISTANCE_WEIGHT = 60.0


def rows_on_queries(affinity: Affinity, picked: Tensor) -> Tensor:
    """Rows (Q, N) of an affinity of one image, over its query cells.

    Where the keys are pooled, each cell gets the weight of the key that stands for it; cells that the
    pooling dropped (an odd last row or column) come last.
    """
    rows = affinity.rows(picked)[0].float()
    if affinity.key_grid == affinity.query_grid:
        return rows
    planes = rows.unflatten(1, affinity.key_grid)
    for axis, (queries, keys) in enumerate(
        zip(affinity.query_grid, affinity.key_grid, strict=True), start=1
    ):
        planes = planes.repeat_interleave(queries // keys, dim=axis)
        missing = queries - planes.shape[axis]
        # F.pad counts its pairs from the last dimension.
        planes = F.pad(planes, [0, 0] * (3 - axis) + [0, missing], value=-torch.inf)
    spread: Tensor = planes.flatten(1)
    return spread


def distance_rows(grid: tuple[int, int], picked: Tensor) -> Tensor:
    """Minus the distance in cells, as a share of the grid's longer side."""
    place = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1])).float()
    return -torch.cdist(place[picked], place) / max(grid)


def colour_rows(image: np.ndarray, grid: tuple[int, int], picked: Tensor) -> Tensor:
    """Minus the difference in Lab, with the distance weighed in; image (H, W, 3) uint8."""
    lab = lab_cells(image[None], grid)[0].flatten(1).T
    return _DISTANCE_WEIGHT * distance_rows(grid, picked) - torch.cdist(lab[picked], lab)


def feature_rows(features: Tensor, picked: Tensor) -> Tensor:
    """The cosine of features (1, C, h, w), those that the block reads."""
    tokens = F.normalize(features[0].flatten(1).T.float(), dim=-1)
    return tokens[picked.to(tokens.device)] @ tokens.T


def random_rows(block: NonLocalBlock, features: Tensor, picked: Tensor, seed: int) -> Tensor:
    """Rows of a new block of the same kind at its random initialisation, on features (1, C, h, w).

    ``gaussian`` has no weights that a row depends on: its random block is the block.
    """
    # PyTorch's initialisers draw from the global generator; it is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = NonLocalBlock(block.in_channels, **block.options)
    fresh = fresh.to(features.device).eval()
    return rows_on_queries(fresh.attend(features)[1], picked)


class TeacherRows(NamedTuple):
    """The teacher's rows, each (Q, N): ``similarity``, the walk along it on the block's grid
    (``target``), and the walk from low-rank factors on the teacher's grid, resampled to the block's, as
    training has it (``stored``)."""

    similarity: Tensor
    target: Tensor
    stored: Tensor


def teacher_rows(
    seen: TeacherFeatures, image: np.ndarray, grid: tuple[int, int], picked: Tensor, seed: int
) -> TeacherRows:
    """What the teacher would have a block answer.

    Args:
        seen: the teacher's features of ``image``, as the model sees it: (H, W, 3) uint8.
        grid: (h, w) of the block.
        picked: the queries.
        seed: of the walk's low-rank form.

    The head's features are taken whole; training reduces them to 96 channels to store them.
    """
    device = seen.mid.device
    levels = (seen.mid, seen.deep, seen.head)
    s = similarity(levels, lab_cells(image[None], grid).to(device), grid)
    own = (seen.mid.shape[2], seen.mid.shape[3])
    on_own = similarity(levels, lab_cells(image[None], own).to(device), own)
    factors = walk_factors(on_own, RANK, torch.Generator().manual_seed(seed))
    pictures = factors.transpose(1, 2).unflatten(2, own)
    factors = F.interpolate(pictures, grid, mode="bilinear", align_corners=False)
    picked = picked.to(device)
    stored = target_rows(factors.flatten(2).transpose(1, 2), picked)[0]
    return TeacherRows(s[0, picked], exact_rows(s)[0, picked], stored)
