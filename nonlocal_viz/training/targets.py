"""What a row should be: where a random walk ends that starts at the query and steps to similar cells.

S    cosine similarity of the teacher's features (image mean removed), averaged over its levels, minus
     a small colour distance (Lab), between all pairs of cells
W    exp((S - 1) / temperature), the step weights
P    D^-1 W, the walk; the target rows are those of P^16

P^16 = D^-1/2 K D^1/2 with K = (D^-1/2 W D^-1/2)^16. K is positive semidefinite and its eigenvalues,
16th powers, fall off, so it is stored as F F^T with F (N, rank). Factors cost a sixth of the
map on the finer grid, and since they are pictures of ``rank`` channels, a crop or resize of the image
is the same crop or resize of F: the targets of any crop at any scale come from one stored array.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.1
COLOUR_WEIGHT = 0.5
STEPS = 16


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


def walk_factors(
    s: Tensor, rank: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """(F (B, N, rank), d (B, N)) with P^16_ij = (F F^T)_ij d_j / d_i, from similarities S (B, N, N).

    K = A^16 with A = D^-1/2 W D^-1/2. Q spans the range of A^8 applied to a random block, and
    F = A^8 Q: a randomised low-rank form whose error is that of the eigenvalues left out, to the 16th.
    """
    batch, n, _ = s.shape
    rank = min(rank, n)
    w = ((s - 1) / TEMPERATURE).exp()
    degree = w.sum(-1).rsqrt()
    a = degree.unsqueeze(-1) * w * degree.unsqueeze(-2)
    block = torch.randn(batch, n, rank, generator=generator, dtype=s.dtype).to(s.device)
    for _ in range(STEPS // 2):
        block = a @ block
    block, _ = torch.linalg.qr(block)
    for _ in range(STEPS // 2):
        block = a @ block
    return block, degree.reciprocal()


def target_rows(factors: Tensor, d: Tensor, picked: Tensor | None = None) -> Tensor:
    """Rows (B, Q, N) of the walk from its factors (B, N, rank) and d (B, N); each sums to 1. All of
    them (Q = N), or those of the ``picked`` (Q,) flat indices."""
    asking = factors if picked is None else factors[:, picked]
    rows = (asking @ factors.transpose(1, 2)).clamp_min(0) * d.unsqueeze(1)
    return rows / rows.sum(-1, keepdim=True).clamp_min(1e-12)


def lab_cells(images: np.ndarray, cells: tuple[int, int]) -> Tensor:
    """Mean Lab colour (OpenCV's 8-bit scale) of every cell: (n, h, w, 3) uint8 -> (n, 3, H, W) float32."""
    small = [
        cv2.cvtColor(
            cv2.resize(image, cells[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB
        )
        for image in images
    ]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float()
