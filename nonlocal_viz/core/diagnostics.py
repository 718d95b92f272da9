"""Numbers that tell a healthy affinity map from a broken one, without building the map.

Sources: query dependence after GCNet (Cao et al. 2019, section 3.2 and Table 1); entropy and
effective support as usual in information theory; border share is our own.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.errors import ShapeError


def entropy(rows: Tensor) -> Tensor:
    """-sum p log p over the last dimension, in nats; rows (..., M) that sum to 1 -> (...)."""
    return torch.special.entr(rows).sum(-1)


def mean_cosine_distance(vectors: Tensor) -> Tensor:
    """Mean over all pairs, i = j included, of 1 - cos(v_i, v_j): vectors (B, N, D) -> (B,).

    GCNet's dist is half of this. The mean cosine is the squared norm of the mean unit vector, so
    no N x N anything is needed.
    """
    return 1 - F.normalize(vectors.float(), dim=-1).mean(-2).square().sum(-1)


@dataclass(frozen=True)
class MapStats:
    """Statistics of one image's map.

    Attributes:
        query_dependence: mean cosine distance between rows, 0 (every query sees the same) to 1.
        entropy_share: mean row entropy / log M, 0 (one key) to 1 (uniform); NaN unless softmax.
        largest_column: largest mean weight that a key receives, as a multiple of 1/M (a sink).
        border_share: mean weight of the keys at the picture's border as a multiple of that of all
            keys; far below 1 is the dark frame that zero padding leaves. NaN if all are border.
    """

    query_dependence: float
    entropy_share: float
    largest_column: float
    border_share: float


def map_stats(affinity: Affinity) -> MapStats:
    """One pass over the rows in chunks of bounded size.

    Raises:
        ShapeError: the affinity is of more than one image; take ``affinity[b]``.
    """
    batch, n, m = affinity.shape
    if batch != 1:
        raise ShapeError(
            f"Statistics are of one image, not of a batch of {batch}; use affinity[b]."
        )
    mean_unit = torch.zeros(m, device=affinity.key.device)
    column = torch.zeros(m, device=affinity.key.device)
    total_entropy = 0.0
    for rows in affinity.row_chunks():
        mean_unit += F.normalize(rows[0].float(), dim=-1).sum(0)
        column += rows[0].float().sum(0)
        if affinity.is_distribution:
            total_entropy += float(entropy(rows[0]).sum())
    column /= n
    log_m = torch.log(torch.tensor(float(max(m, 2))))
    border = _border(affinity.key_grid).to(column.device)
    share = column[border].mean() / column.mean() if not bool(border.all()) else torch.nan
    return MapStats(
        query_dependence=float(1 - (mean_unit / n).square().sum()),
        entropy_share=total_entropy / n / float(log_m)
        if affinity.is_distribution
        else float("nan"),
        largest_column=float(column.max() * m),
        border_share=float(share),
    )


def _border(grid: tuple[int, int, int]) -> Tensor:
    inside = torch.zeros(grid, dtype=torch.bool)
    inside[:, 1:-1, 1:-1] = True
    return ~inside.flatten()
