"""The four pairwise functions f(x_i, x_j) of Wang et al. (CVPR 2018, section 3.2), without a map.

Shapes, throughout: theta (B, N, D) queries, phi (B, M, D) keys, g (B, M, E) values; the result is
y (B, N, E) with y_i = 1/C(x) * sum_j f(x_i, x_j) g_j.

=================  ==============================  ==============  ==========================
instantiation      f(x_i, x_j)                     C(x)            how it is aggregated here
=================  ==============================  ==============  ==========================
gaussian           exp(s * x_i . x_j)              sum_j f         fused attention
embedded_gaussian  exp(s * theta_i . phi_j)        sum_j f         fused attention
dot_product        theta_i . phi_j                 M               theta (phi^T g) / M
concatenation      ReLU(w_f . [theta_i, phi_j])    M               sorted suffix sums
=================  ==============================  ==============  ==========================

Every form is exact (the same sums in another order), and none allocates N x M numbers.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Instantiation = Literal["gaussian", "embedded_gaussian", "dot_product", "concatenation"]
INSTANTIATIONS: tuple[str, ...] = get_args(Instantiation)
#: The instantiations whose rows are a softmax: non-negative, summing to one.
SOFTMAX: frozenset[str] = frozenset({"gaussian", "embedded_gaussian"})

# Fused kernels want the head dimension in multiples of 8; zero channels change neither scores nor sums.
_LANES = 8


def softmax_aggregate(theta: Tensor, phi: Tensor, g: Tensor, scale: float = 1.0) -> Tensor:
    """softmax_j(scale * theta_i . phi_j) g_j through PyTorch's fused attention.

    The fused CPU kernel needs q, k and v contiguous and of one width, or PyTorch falls back silently
    to the dense form; so all three are padded with zero channels to the widest of them. (In the
    Gaussian instantiation theta and phi have C channels and g has C/2.)
    """
    channels = g.shape[-1]
    width = max(theta.shape[-1], channels)
    width += -width % _LANES
    q, k, v = (
        F.pad(t, (0, width - t.shape[-1])).contiguous().unsqueeze(1) for t in (theta, phi, g)
    )
    return F.scaled_dot_product_attention(q, k, v, scale=scale)[:, 0, :, :channels]


def dot_product_aggregate(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """(theta_i . phi_j / M) summed over j, as linear attention: theta (phi^T g / M)."""
    with torch.autocast(theta.device.type, enabled=False):
        # phi^T g sums over all positions: half precision would overflow or lose the small terms.
        theta_, phi_, g_ = (t.to(_accumulator(t.dtype)) for t in (theta, phi, g))
        return (theta_ @ (phi_.transpose(1, 2) @ (g_ / phi.shape[1]))).to(theta.dtype)


def concatenation_aggregate(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """sum_j ReLU(a_i + b_j) g_j / M in O((N + M) (log M + E)) time and O((N + M) E) memory.

    w_f . [theta_i, phi_j] = w_theta . theta_i + w_phi . phi_j = a_i + b_j: two numbers a position,
    a (B, N) and b (B, M). With the keys sorted by b, the active ones of query i (b_j > -a_i) are a
    suffix, and the sum over them is a_i * sum g_j + sum b_j g_j, both read from suffix sums. The sums
    run in float64, since a suffix that is small is a difference of two that are large.
    """
    _, keys, channels = g.shape
    with torch.autocast(g.device.type, enabled=False):
        exact = torch.float32 if g.device.type == "mps" else torch.float64
        order = b.argsort(dim=1)
        b_sorted = b.gather(1, order).to(exact)
        g_sorted = g.gather(1, order.unsqueeze(-1).expand(-1, -1, channels)).to(exact)
        terms = torch.cat((g_sorted, b_sorted.unsqueeze(-1) * g_sorted), dim=-1)
        suffix = F.pad(terms.flip(1).cumsum(1).flip(1), (0, 0, 0, 1))  # (B, M + 1, 2E)
        a_ = a.to(exact)
        first = torch.searchsorted(b_sorted.detach(), -a_.detach().contiguous(), right=True)
        active = suffix.gather(1, first.unsqueeze(-1).expand(-1, -1, 2 * channels))
        total = a_.unsqueeze(-1) * active[..., :channels] + active[..., channels:]
        return (total / keys).to(g.dtype)


def scores(instantiation: str, query: Tensor, key: Tensor, scale: float) -> Tensor:
    """The dense pairwise scores before normalisation: (..., Q, D) x (..., M, D) -> (..., Q, M).

    For concatenation query and key hold the one number a_i or b_j in their last dimension.
    """
    if instantiation == "concatenation":
        return F.relu(query + key.transpose(-1, -2))
    return scale * (query @ key.transpose(-1, -2))


def weights(instantiation: str, score: Tensor, keys: int) -> Tensor:
    """Scores (..., M) -> affinities f / C(x): a softmax over the keys, or a division by their number."""
    return score.softmax(dim=-1) if instantiation in SOFTMAX else score / keys


def _accumulator(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32
