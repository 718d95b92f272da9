"""y_i = sum_j w_ij v_j without the map of weights w, exactly (the same sums in another order).

Shapes, throughout: query (B, N, D), key (B, M, D), value (B, M, E); the result is y (B, N, E).

==========================  =====================  ===========================================
score, rectify, normalise   in the paper           how it is aggregated here
==========================  =====================  ===========================================
product, no, softmax        (embedded) Gaussian    fused attention, :mod:`.attention`
product, no, count          dot product            query (key^T value) / M
sum, yes, count             concatenation          sorted suffix sums
anything else               -                      chunks of rows, O(chunk M) at a time
==========================  =====================  ===========================================
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.attention import fused_attention
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.precision import full_precision, wide

#: Queries are taken in chunks of about this many scores where rows are needed one after another (64 MB).
CHUNK_SCORES = 1 << 24
#: Scores of one part of :func:`in_parts`: a fifth of a second of fused attention on two cores.
PART_SCORES = 1 << 27


def aggregate(pairwise: Pairwise, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """sum_j w_ij v_j, (B, N, E), for one head; ``pairwise.scale`` is a number."""
    kind = (pairwise.score, pairwise.rectify, pairwise.normalise)
    scale = float(pairwise.scale)
    if kind == ("product", False, "softmax"):
        return fused_attention(query, key, value, scale)
    if kind == ("product", False, "count"):
        return linear_aggregate(query, key, value, scale)
    if kind == ("sum", True, "count"):
        return suffix_aggregate(query[..., 0], key[..., 0], value)
    return _by_rows(pairwise, query, key, value)


def in_parts(pairwise: Pairwise, query: Tensor, key: Tensor, value: Tensor) -> Iterator[Tensor]:
    """:func:`aggregate` in parts (B, n, E) along the queries, for whoever wants to say how far it is.

    A form whose cost grows with N + M has one part; the others have parts of :data:`PART_SCORES` scores.
    """
    rows = pairwise.normalise == "softmax" or (pairwise.score, pairwise.rectify) not in (
        ("product", False),
        ("sum", True),
    )
    step = max(1, PART_SCORES // max(1, key.shape[0] * key.shape[1])) if rows else query.shape[1]
    for start in range(0, query.shape[1], step):
        yield aggregate(pairwise, query[:, start : start + step], key, value)


def linear_aggregate(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    """(scale q_i . k_j / M) summed over j, as linear attention: q (k^T v / M)."""
    with full_precision(query.device):
        # k^T v sums over all positions: half precision would overflow or lose the small terms.
        q, k, v = (wide(t) for t in (query, key, value))
        y = q @ (k.transpose(1, 2) @ (v / key.shape[1]))
        return (y if scale == 1 else scale * y).to(query.dtype)


def suffix_aggregate(a: Tensor, b: Tensor, value: Tensor) -> Tensor:
    """sum_j ReLU(a_i + b_j) v_j / M in O((N + M) (log M + E)) time and O((N + M) E) memory.

    w_f . [theta_i, phi_j] = w_theta . theta_i + w_phi . phi_j = a_i + b_j: two numbers a position,
    a (B, N) and b (B, M). With the keys sorted by b, the active ones of query i (b_j > -a_i) are a
    suffix, and the sum over them is a_i * sum v_j + sum b_j v_j, both read from suffix sums. The sums
    run in float64, since a suffix that is small is a difference of two that are large.
    """
    _, keys, channels = value.shape
    with full_precision(value.device):
        exact = torch.float32 if value.device.type == "mps" else torch.float64
        order = b.argsort(dim=1)
        b_sorted = b.gather(1, order).to(exact)
        v_sorted = value.gather(1, order.unsqueeze(-1).expand(-1, -1, channels)).to(exact)
        terms = torch.cat((v_sorted, b_sorted.unsqueeze(-1) * v_sorted), dim=-1)
        suffix = F.pad(terms.flip(1).cumsum(1).flip(1), (0, 0, 0, 1))  # (B, M + 1, 2E)
        a_ = a.to(exact)
        first = torch.searchsorted(b_sorted.detach(), -a_.detach().contiguous(), right=True)
        active = suffix.gather(1, first.unsqueeze(-1).expand(-1, -1, 2 * channels))
        total = a_.unsqueeze(-1) * active[..., :channels] + active[..., channels:]
        return (total / keys).to(value.dtype)


def _by_rows(pairwise: Pairwise, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    with full_precision(query.device):
        q, k, v = (wide(t) for t in (query, key, value))
        step = max(1, CHUNK_SCORES // max(1, key.shape[0] * key.shape[1]))
        parts = [
            pairwise.weights(pairwise.scores(q[:, start : start + step], k)) @ v
            for start in range(0, q.shape[1], step)
        ]
        return torch.cat(parts, dim=1).to(value.dtype)
