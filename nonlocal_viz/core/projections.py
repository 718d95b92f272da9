"""What a non-local block makes of x before it relates positions: pooled keys, and the concatenation
form's score in two halves (Wang et al., CVPR 2018, sections 3.2 and 3.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
#: The window of key pooling, by dimension; time is never pooled (paper, section 3.3).
POOL_WINDOW: dict[int, tuple[int, ...]] = {1: (2,), 2: (2, 2), 3: (1, 2, 2)}


class KeyPool(nn.Module):
    """Max pooling of the keys; a side shorter than its window is left as it is instead of vanishing."""

    def __init__(self, window: Sequence[int]) -> None:
        super().__init__()
        self.window = tuple(window)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *spatial) -> (B, C, *floor(spatial / window))."""
        sides = x.shape[2:]
        window = tuple(min(w, max(1, side)) for w, side in zip(self.window, sides, strict=True))
        return _MAX_POOL[len(window)](x, window)

    def extra_repr(self) -> str:
        return f"window={self.window}"


class PairScore(nn.Conv2d):
    """w_f of the concatenation form, w_f . [theta_i, phi_j], applied to its two halves apart.

    A 1x1 convolution as in the public code, so that its keys, and whatever people hang on a convolution
    (hooks, weight_norm, spectral_norm, pruning, parametrizations), are those of one.
    """

    def __init__(self, inter_channels: int) -> None:
        super().__init__(2 * inter_channels, 1, 1, bias=False)

    def forward(self, theta: Tensor, phi: Tensor | None = None) -> "Tensor | PairScores":  # type: ignore[override]
        """theta (B, N, D) and phi (B, M, D) -> a (B, N, 1) and b (B, M, 1), where
        w_f . [theta_i, phi_j] = a_i + b_j. Of one tensor (B, 2D, N, M), as the public code has it, the
        convolution."""
        if phi is None:
            return super().forward(theta)
        w_theta, w_phi = self.weight.reshape(2, -1)
        return PairScores(
            (theta @ w_theta.to(theta.dtype)).unsqueeze(-1),
            (phi @ w_phi.to(phi.dtype)).unsqueeze(-1),
        )


class PairScores(NamedTuple):
    """The two numbers a position that the concatenation form's score is the sum of."""

    a: Tensor
    b: Tensor


class ConcatProjection(nn.Sequential):
    """The public code's ``concat_project``: w_f and the ReLU behind it.

    Given theta and phi it gives the halves of the score, whose sum the ReLU would then see: the
    pairwise value rectifies it (``Pairwise.rectify``), key by key, where a row is asked for.
    """

    def forward(self, theta: Tensor, phi: Tensor | None = None) -> "Tensor | PairScores":
        """As :class:`PairScore`; of one tensor (B, 2D, N, M) the rectified scores (B, 1, N, M)."""
        score, rectify = self
        found: Tensor | PairScores = rectify(score(theta)) if phi is None else score(theta, phi)
        return found


class Projections(NamedTuple):
    """What a block computes from x before it relates positions; spatial shapes (B, ., *spatial)."""

    theta: Tensor
    phi: Tensor
    g: Tensor
