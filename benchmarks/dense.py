"""The peer: a non-local block as it is usually written, with the whole N x M map in memory.

It borrows the weights of one of our blocks, so that the two compute the same and only the way differs.
"""

import torch
from torch import Tensor, nn

from nonlocal_viz.core.block import NonLocalBlock


class DenseBlock(nn.Module):
    """The textbook form of :class:`NonLocalBlock` (2D, no pooling): (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, block: NonLocalBlock) -> None:
        super().__init__()
        self.block = block

    def weights(self, x: Tensor) -> Tensor:
        """The map (B, N, N)."""
        own, kind = self.block, self.block.pairwise
        if own.theta is None or own.phi is None:
            theta = phi = x.flatten(2)
        else:
            theta, phi = own.theta(x).flatten(2), own.phi(x).flatten(2)
        if kind.score == "sum":
            n = theta.shape[2]
            pairs = torch.cat(
                [theta.unsqueeze(3).expand(-1, -1, -1, n), phi.unsqueeze(2).expand(-1, -1, n, -1)],
                dim=1,
            )
            return own.concat_project(pairs).squeeze(1) / n
        scores = theta.transpose(1, 2) @ phi
        return kind.weights(scores)

    def forward(self, x: Tensor) -> Tensor:
        """z, the same shape as x."""
        values = self.block.g(x).flatten(2).transpose(1, 2)
        y = (self.weights(x) @ values).transpose(1, 2)
        return self.block.W(y.reshape(*y.shape[:2], *x.shape[2:])) + x
