"""Random views of the cached images, and the targets of exactly those views.

Everything in the cache is a picture (the walk factors too), so one affine sampling grid cuts the
same region out of all of it, at any scale, and flips it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.training.cache import RANKS, Cache
from nonlocal_viz.training.targets import target_rows
from nonlocal_viz.zoo import Normalisation

#: At most so many rows of a view are compared, drawn anew for each batch: on large views the N x N
#: maps would cost more than the network, and neighbouring rows say nearly the same.
QUERIES = 256


@dataclass(frozen=True)
class Batch:
    """pixels (B, 3, s, s) normalised; queries {stride: (Q,) flat indices of cells}; rows {stride:
    (B, Q, N)} of these queries; features {stride: (B, 400, s/stride, s/stride)} standardised; logits
    (B, 1000) of the teacher on the whole image."""

    pixels: Tensor
    queries: dict[int, Tensor]
    rows: dict[int, Tensor]
    features: dict[int, Tensor]
    logits: Tensor


class Batches:
    """An endless, seeded stream of batches.

    Args:
        cache: what :func:`open_cache` returns.
        size: images a batch.
        seed: of the order, the regions and the flips.
        device: where batches are put.
        normalisation: of the pixels, as the network's weights expect it.
        strides: of the grids that batches have targets for, among those of the cache; default all.
    """

    def __init__(
        self,
        cache: Cache,
        size: int,
        seed: int,
        device: torch.device,
        normalisation: Normalisation | None = None,
        strides: Collection[int] = tuple(RANKS),
    ) -> None:
        self.strides = [stride for stride in RANKS if stride in strides]
        self.normalisation = normalisation or Normalisation()
        self.cache, self.size, self.device = cache, min(size, len(cache)), device
        self.random = np.random.default_rng(seed)
        #: Images yet to come, in order; with ``random`` all that the next batch depends on.
        self.order = np.empty(0, np.int64)
        some = self.random.permutation(len(cache))[:512]
        self._statistics = {
            name: (sample.mean((0, 2, 3)), sample.std((0, 2, 3)) + 1e-3)
            for name in ("mid", "deep", "head")
            for sample in [getattr(cache, name)[np.sort(some)].astype(np.float32)]
        }

    def draw(self, side: int, smallest_region: float = 0.5, count: int | None = None) -> Batch:
        """A batch of views of ``side`` pixels of square regions, each between ``smallest_region``
        and all of the image's side; ``count`` of them, or as many as a batch has."""
        picked = np.sort(self._next(self.size if count is None else min(count, self.size)))
        theta = self._regions(len(picked), smallest_region)
        # Read from the disk whole, before the first upload: that waits for a GPU that is still at the
        # last step, reading does not.
        names = ["mid", "deep", "head", "logits"]
        names += [f"walk{stride}" for stride in self.strides]
        read = {name: np.ascontiguousarray(getattr(self.cache, name)[picked]) for name in names}
        images = torch.from_numpy(self.cache.images[picked]).to(self.device)
        seen = {
            name: torch.from_numpy(array).to(self.device).float() for name, array in read.items()
        }
        pixels = _sample(images.permute(0, 3, 1, 2).float(), theta, side)
        gain = torch.from_numpy(self.random.uniform(0.75, 1.2, (len(picked), 1, 1, 1))).float()
        pixels = (pixels * gain.to(self.device) / 255).clamp(0, 1)
        mean, std = (
            torch.tensor(v, device=self.device).view(3, 1, 1)
            for v in (self.normalisation.mean, self.normalisation.std)
        )
        standard = [self._standard(name, seen[name]) for name in ("mid", "deep", "head")]
        queries, rows, features = {}, {}, {}
        for stride in self.strides:
            cells = side // stride
            factors = _sample(seen[f"walk{stride}"], theta, cells)
            queries[stride] = self._queries(cells * cells)
            rows[stride] = target_rows(factors.flatten(2).transpose(1, 2), queries[stride])
            features[stride] = torch.cat([_sample(level, theta, cells) for level in standard], 1)
        return Batch((pixels - mean) / std, queries, rows, features, seen["logits"])

    def _next(self, count: int) -> np.ndarray:
        while len(self.order) < count:
            self.order = np.concatenate([self.order, self.random.permutation(len(self.cache))])
        picked, self.order = self.order[:count], self.order[count:]
        return picked

    def _queries(self, cells: int) -> Tensor:
        picked = self.random.permutation(cells)[:QUERIES]
        return torch.from_numpy(np.sort(picked)).to(self.device)

    def _regions(self, count: int, smallest: float) -> Tensor:
        scale = self.random.uniform(smallest, 1, count)
        flip = self.random.choice([-1.0, 1.0], count)
        theta = np.zeros((count, 2, 3))
        theta[:, 0, 0], theta[:, 1, 1] = scale * flip, scale
        theta[:, :, 2] = self.random.uniform(-1, 1, (count, 2)) * (1 - scale[:, None])
        return torch.from_numpy(theta).float().to(self.device)

    def _standard(self, name: str, values: Tensor) -> Tensor:
        mean, std = (
            torch.from_numpy(v).to(self.device).view(-1, 1, 1) for v in self._statistics[name]
        )
        return (values - mean) / std


def _sample(pictures: Tensor, theta: Tensor, side: int) -> Tensor:
    grid = F.affine_grid(theta, [len(pictures), 1, side, side], align_corners=False)
    return F.grid_sample(pictures, grid, "bilinear", padding_mode="border", align_corners=False)
