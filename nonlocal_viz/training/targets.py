"""What a row should be: where a random walk ends that starts at the query and steps to similar cells.

S    cosine similarity of the teacher's features (image mean removed), averaged over its levels, minus
     a small colour distance (Lab), between all pairs of cells
W    exp((S - 1) / temperature), the step weights
A    D^-1/2 W D^-1/2, the walk made symmetric; the target rows are those of A^64, raised to a power
     (:data:`POWERS`), each of sum 1

The walk itself is P = D^-1 W, and P^t = D^-1/2 A^t D^1/2: it differs from A^t by a factor sqrt(d_j) of the
key, which favours keys that much of the image resembles, whatever the query. On coco128 the rows without
it separate objects better at every size, and more steps reach across large objects where fewer do not.
The power keeps the order of the keys, and so what the walk says of objects, and takes off the haze that
many steps leave on a fine grid: rows as flat as that teach and show little.

A^32 is positive semidefinite and its eigenvalues, 32nd powers, fall off, so it is stored as F F^T with F
(N, rank), and A^64 = F (F^T F) F^T. Factors cost an eighth of the map, and since they are pictures of
``rank`` channels, a crop or resize of the image is the same crop or resize of F: the targets of any crop
at any scale, on a grid of any stride, come from one stored array.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.1
COLOUR_WEIGHT = 0.3
STEPS = 64
#: How often the walk on a part of an image is balanced. Twice, and a cell at the border of a view gets as
#: much weight as one in the middle, within 3 %; unbalanced it gets two thirds (views of 256 px).
_BALANCING = 2
#: What target rows are raised to, by stride of the grid, so that they are as sharp as rows should be to
#: look at: the entropy of the walk is .90 (stride 8) and .88 (16) of log M on views of 224 px of coco128,
#: with these powers .78 and .66.
POWERS = {8: 2.0, 16: 3.0}


def similarity(features: Sequence[Tensor], lab: Tensor, cells: tuple[int, int]) -> Tensor:
    """S (B, N, N) from feature maps (B, C_i, h_i, w_i) and Lab (B, 3, cells) on a grid of cells (H, W)."""
    total: Tensor | None = None
    for level in features:
        resampled = F.interpolate(level.float(), cells, mode="bilinear", align_corners=False)
        tokens = resampled.flatten(2).transpose(1, 2)
        tokens = F.normalize(tokens - tokens.mean(1, keepdim=True), dim=-1)
        cosine = tokens @ tokens.transpose(1, 2)
        total = cosine if total is None else total + cosine
    if total is None:
        raise ValueError("similarity needs at least one feature map")
    colours = lab.flatten(2).transpose(1, 2)
    return total / len(features) - COLOUR_WEIGHT * torch.cdist(colours, colours) / 100


def walk_factors(s: Tensor, rank: int, generator: torch.Generator | None = None) -> Tensor:
    """F (B, N, rank) with A^32 = F F^T, half of the walk, from similarities S (B, N, N).

    Q spans the range of A^16 applied to a random block, and F = A^16 Q: a randomised low-rank form whose
    error is that of the eigenvalues left out, to the 32nd.
    """
    batch, n, _ = s.shape
    rank = min(rank, n)
    quarter = torch.linalg.matrix_power(symmetric_walk(s), STEPS // 4)
    block = torch.randn(batch, n, rank, generator=generator, dtype=s.dtype).to(s.device)
    block, _ = torch.linalg.qr(quarter @ block)
    smoothed: Tensor = quarter @ block
    return smoothed


def symmetric_walk(s: Tensor) -> Tensor:
    """A (B, N, N) = D^-1/2 W D^-1/2 from similarities S (B, N, N)."""
    w = ((s - 1) / TEMPERATURE).exp()
    scale = w.sum(-1).rsqrt()
    return scale.unsqueeze(-1) * w * scale.unsqueeze(-2)


def target_rows(factors: Tensor, picked: Tensor | None = None, power: float = 1.0) -> Tensor:
    """Rows (B, Q, N) of A^64 from the factors (B, N, rank) of its half, raised to ``power``; each sums
    to 1. All of them (Q = N), or those of the ``picked`` (Q,) flat indices.

    The factors may be of a part of an image. Cells at its border have lost much of what they are alike,
    so their weights are small in all rows, and a network that learnt such rows would learn where its
    input ends; the walk is therefore balanced (Sinkhorn's iteration, symmetric), as that of a whole
    image nearly is by itself.
    """
    gram = factors.transpose(1, 2) @ factors
    for _ in range(_BALANCING):
        total = (factors @ (gram @ factors.sum(1).unsqueeze(-1))).clamp_min(1e-12)
        # The mean is kept, so that the numbers stay where float32 is exact.
        factors = factors * (total.mean(1, keepdim=True) / total).sqrt()
    asking = factors if picked is None else factors[:, picked]
    rows = (asking @ gram @ factors.transpose(1, 2)).clamp_min(0)
    # Divided by the greatest first: a power of numbers this small would vanish.
    rows = (rows / rows.amax(-1, keepdim=True).clamp_min(1e-12)) ** power
    return rows / rows.sum(-1, keepdim=True).clamp_min(1e-12)


def exact_rows(s: Tensor) -> Tensor:
    """All rows (B, N, N) that :func:`target_rows` gives, unsharpened, without low-rank factors in
    between; from similarities S (B, N, N)."""
    walk = torch.linalg.matrix_power(symmetric_walk(s), STEPS)
    for _ in range(_BALANCING):
        scale = walk.sum(-1).clamp_min(1e-12).rsqrt()
        walk = scale.unsqueeze(-1) * walk * scale.unsqueeze(-2)
    rows: Tensor = walk / walk.sum(-1, keepdim=True)
    return rows


def lab_cells(images: np.ndarray, cells: tuple[int, int]) -> Tensor:
    """Mean Lab colour (OpenCV's 8-bit scale) of every cell: (n, h, w, 3) uint8 -> (n, 3, H, W) float32."""
    small = [
        cv2.cvtColor(
            cv2.resize(image, cells[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB
        )
        for image in images
    ]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float()
