"""Numbers that tell a healthy affinity map from a broken one, without building the map or a graph.

Sources: query dependence after GCNet (Cao et al. 2019, section 3.2 and Table 1); entropy and
effective support as usual in information theory; attention distance after the Vision Transformer
(Dosovitskiy et al. 2021, Figure 7); border share and residual share are our own.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.geometry import Axis, Grid
from nonlocal_viz.errors import ShapeError


def entropy(rows: Tensor) -> Tensor:
    """-sum p log p over the last dimension, in nats; rows (..., M) that sum to 1 -> (...)."""
    each: Tensor = torch.special.entr(rows)
    return each.sum(-1)


def mean_cosine_distance(vectors: Tensor) -> Tensor:
    """Mean over all pairs, i = j included, of 1 - cos(v_i, v_j): vectors (B, N, D) -> (B,).

    GCNet's dist is half of this. The mean cosine is the squared norm of the mean unit vector, so
    no N x N anything is needed. Vectors of nothing but zeros have no direction and are left out; NaN
    where there is no other.
    """
    vectors = vectors.float()
    total, counted = F.normalize(vectors, dim=-1).sum(-2), vectors.any(-1).sum(-1)
    return 1 - (total / counted.unsqueeze(-1)).square().sum(-1)


@dataclass(frozen=True)
class MapStats:
    """Statistics of one image's map.

    Attributes:
        query_dependence: mean cosine distance between rows, 0 (every query sees the same) to 1. Rows
            without any weight are left out; NaN where there is no other (a dead map).
        entropy_share: mean row entropy / log M, 0 (one key) to 1 (uniform); NaN unless softmax.
        largest_column: largest mean weight that a key receives, as a multiple of 1/M (a sink).
        border_share: mean weight of the keys at the picture's border as a multiple of that of all
            keys; far below 1 is the dark frame that zero padding leaves. NaN if all are border.
    """

    query_dependence: float
    entropy_share: float
    largest_column: float
    border_share: float


@torch.no_grad()
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
    mean_unit = torch.zeros(m, device=affinity.device)
    column = torch.zeros(m, device=affinity.device)
    total_entropy, looking = 0.0, 0
    for rows in affinity.row_chunks():
        looking += int(rows[0].any(-1).sum())
        mean_unit += F.normalize(rows[0].float(), dim=-1).sum(0)
        column += rows[0].float().sum(0)
        if affinity.is_distribution:
            total_entropy += float(entropy(rows[0]).sum())
    column /= n
    log_m = torch.log(torch.tensor(float(max(m, 2))))
    border = _border(affinity.key_grid).to(column.device)
    share = column[border].mean() / column.mean() if not bool(border.all()) else torch.nan
    return MapStats(
        query_dependence=float(1 - (mean_unit / looking).square().sum()) if looking else math.nan,
        entropy_share=total_entropy / n / float(log_m)
        if affinity.is_distribution
        else float("nan"),
        largest_column=float(column.max() * m),
        border_share=float(share),
    )


def cell_centres(grid: Grid) -> Tensor:
    """(T*H*W, 2) float32: x and y of every cell's centre in pixels, in the order of flat indices."""
    x, y = _middles(grid.x), _middles(grid.y)
    plane = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)
    return plane.flatten(0, 1).repeat(grid.t.cells, 1)


@torch.no_grad()
def attention_distance(affinity: Affinity, queries: Tensor, keys: Tensor) -> float:
    """How far a query looks: sum_j A_ij |p_i - p_j| with rows brought to sum 1, mean over the queries.

    Args:
        affinity: of one image or clip; between frames the distance within the picture counts.
        queries, keys: centres (N, 2) and (M, 2), see :func:`cell_centres`; the result is in their unit.

    Returns:
        NaN for signed rows (dot product), which are no weights. Rows without any weight
        (concatenation can have such) are left out.

    Raises:
        ShapeError: the affinity is of more than one image, or the centres are not its cells.
    """
    batch, n, m = affinity.shape
    if batch != 1 or queries.shape != (n, 2) or keys.shape != (m, 2):
        raise ShapeError(
            f"The attention distance is of one image, with centres ({n}, 2) and ({m}, 2); got a batch "
            f"of {batch} with {tuple(queries.shape)} and {tuple(keys.shape)}."
        )
    if affinity.signed:
        return float("nan")
    queries, keys = (p.to(affinity.device, torch.float32) for p in (queries, keys))
    total, counted, start = 0.0, 0, 0
    for (rows,) in affinity.row_chunks():
        away = torch.cdist(queries[start : start + len(rows)], keys)
        start += len(rows)
        mass = rows.float().sum(-1)
        looking = mass > 0
        total += float(((rows * away).sum(-1)[looking] / mass[looking]).sum())
        counted += int(looking.sum())
    return total / counted if counted else float("nan")


@dataclass(frozen=True)
class BlockStats:
    """What a block does to one input.

    Attributes:
        input_distance: GCNet's mean (1 - cos) / 2 over all pairs of positions of the input x, 0 to 1.
        output_distance: the same of what the block adds, z - x; near 0 every position is given the
            same. NaN where it adds nothing at all.
        residual_share: |z - x| / |x|; 0 is a dead block, whose map changes nothing.
    """

    input_distance: float
    output_distance: float
    residual_share: float


@torch.no_grad()
def block_stats(x: Tensor, z: Tensor) -> BlockStats:
    """Statistics of a block's input and output, both (1, C, *spatial).

    Raises:
        ShapeError: the two differ in shape, or are of more than one image.
    """
    if x.shape != z.shape or x.ndim < 3 or len(x) != 1:
        raise ShapeError(
            f"Statistics are of one image's input and output of a block, both (1, C, ...); "
            f"got {tuple(x.shape)} and {tuple(z.shape)}."
        )
    given = x.flatten(2).transpose(1, 2).float()
    added = z.flatten(2).transpose(1, 2).float() - given
    dead = not bool(added.any())
    return BlockStats(
        input_distance=float(mean_cosine_distance(given)) / 2,
        output_distance=torch.nan if dead else float(mean_cosine_distance(added)) / 2,
        residual_share=float(added.norm() / given.norm().clamp_min(1e-12)),
    )


def _middles(axis: Axis) -> Tensor:
    edges = torch.tensor(axis.edges())
    return (edges[1:] + edges[:-1]) / 2


def _border(grid: tuple[int, int, int]) -> Tensor:
    inside = torch.zeros(grid, dtype=torch.bool)
    inside[:, 1:-1, 1:-1] = True
    return ~inside.flatten()
