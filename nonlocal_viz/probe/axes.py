"""How the input of a module is read: which of its axes count images, positions, features."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

#: Of the input's own spread: small, so that a normalisation over all positions hardly feels it.
_NOISE = 0.05


@dataclass(frozen=True)
class Axes:
    """How a module's input is read: which axis counts images, which positions, which features."""

    batch: int
    positions: tuple[int, ...]

    def count(self, x: Tensor) -> tuple[int, int]:
        """(images, positions of one)."""
        positions = 1
        for axis in self.positions:
            positions *= x.shape[axis]
        return x.shape[self.batch], positions

    def shifted(self, x: Tensor, where: Tensor, seed: int = 5, alike: bool = False) -> Tensor:
        """x with noise at the positions (images, positions) where ``where`` holds; ``alike``: the same at
        all of them, which no mean of positions takes away."""
        axes = (self.batch, *self.positions)
        mask = where.view([x.shape[a] for a in axes])
        shape = [x.shape[a] if a in axes else 1 for a in range(x.ndim)]
        order = sorted(range(len(axes)), key=lambda i: axes[i])
        mask = mask.permute(order).reshape(shape)
        sides = [1 if alike and a in self.positions else s for a, s in enumerate(x.shape)]
        noise = torch.randn(sides, generator=torch.Generator().manual_seed(seed)).to(x)
        size = _NOISE * x.float().std().clamp_min(1e-3).to(x.dtype)
        return torch.where(mask.to(x.device), x + noise * size, x)


def readings(x: Tensor, batch: int) -> Iterator[Axes]:
    """Every way of reading x that has ``batch`` images, the usual ones first."""
    ways = {
        3: (Axes(0, (1,)), Axes(0, (2,)), Axes(1, (0,))),
        4: (Axes(0, (2, 3)), Axes(0, (1, 2))),
        5: (Axes(0, (2, 3, 4)), Axes(0, (1, 2, 3))),
        6: (Axes(0, (1, 2, 3, 4)),),
    }
    yield from (way for way in ways.get(x.ndim, ()) if x.shape[way.batch] == batch)
