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

from nonlocal_viz.core.source import Normalisation
from nonlocal_viz.training.cache import STRIDES, Cache
from nonlocal_viz.training.targets import POWERS, target_rows

#: At most so many rows of a view are compared, drawn anew for each batch: on large views the N x N
#: maps would cost more than the network, and neighbouring rows say nearly the same.
QUERIES = 256
#: Side of a part of the views that is also seen alone, in pixels, and what it begins at a multiple of:
#: the coarsest stride.
PART, _PART_STEP = 144, 16
#: The greatest share of the finest detail that is added to enlarged views, and of grain.
SHARPEN, GRAIN = 2.0, 0.04


@dataclass(frozen=True)
class Batch:
    """pixels (B, 3, s, s) normalised; queries {stride: (Q,) flat indices of cells}; rows {stride:
    (B, Q, N)} of these queries; features {stride: (B, 400, s/stride, s/stride)} standardised; logits
    (B, 1000) of the teacher on the whole image. ``part`` (top, left, side) in pixels is a square of the
    views, the same in all."""

    pixels: Tensor
    queries: dict[int, Tensor]
    rows: dict[int, Tensor]
    features: dict[int, Tensor]
    logits: Tensor
    part: tuple[int, int, int]


class Batches:
    """An endless, seeded stream of batches.

    Args:
        cache: what :func:`open_cache` returns.
        size: images a batch.
        seed: of the order, the regions and the flips.
        device: where batches are put.
        normalisation: of the pixels, as the network's weights expect it.
        strides: of the grids that batches have targets for, among those of the cache; default all.
        sharpened: raise the target rows to :data:`.targets.POWERS`, for rows that a softmax can sharpen.
    """

    def __init__(
        self,
        cache: Cache,
        size: int,
        seed: int,
        device: torch.device,
        normalisation: Normalisation | None = None,
        strides: Collection[int] = STRIDES,
        sharpened: bool = True,
    ) -> None:
        self.strides = [stride for stride in STRIDES if stride in strides]
        self.powers = {stride: POWERS[stride] if sharpened else 1.0 for stride in self.strides}
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
        names = ("mid", "deep", "head", "logits", "walk")
        read = {name: np.ascontiguousarray(getattr(self.cache, name)[picked]) for name in names}
        images = torch.from_numpy(self.cache.images[picked]).to(self.device)
        seen = {
            name: torch.from_numpy(array).to(self.device).float() for name, array in read.items()
        }
        pixels = _sample(images.permute(0, 3, 1, 2).float(), theta, side)
        gain = torch.from_numpy(self.random.uniform(0.75, 1.2, (len(picked), 1, 1, 1))).float()
        pixels = pixels * gain.to(self.device) / 255
        if side > self.cache.side:
            pixels = self._detailed(pixels)
        pixels = pixels.clamp(0, 1)
        mean, std = (
            torch.tensor(v, device=self.device).view(3, 1, 1)
            for v in (self.normalisation.mean, self.normalisation.std)
        )
        standard = [self._standard(name, seen[name]) for name in ("mid", "deep", "head")]
        queries, rows, features = {}, {}, {}
        for stride in self.strides:
            cells = side // stride
            factors = _sample(seen["walk"], theta, cells)
            queries[stride] = self._queries(cells * cells)
            rows[stride] = target_rows(
                factors.flatten(2).transpose(1, 2), queries[stride], self.powers[stride]
            )
            features[stride] = torch.cat([_sample(level, theta, cells) for level in standard], 1)
        part = self._part(side)
        return Batch((pixels - mean) / std, queries, rows, features, seen["logits"], part)

    def _next(self, count: int) -> np.ndarray:
        while len(self.order) < count:
            self.order = np.concatenate([self.order, self.random.permutation(len(self.cache))])
        picked, self.order = self.order[:count], self.order[count:]
        return picked

    def _queries(self, cells: int) -> Tensor:
        picked = self.random.permutation(cells)[:QUERIES]
        return torch.from_numpy(np.sort(picked)).to(self.device)

    def _part(self, side: int) -> tuple[int, int, int]:
        size = min(PART, max(side - _PART_STEP, _PART_STEP) // _PART_STEP * _PART_STEP)
        top, left = self.random.integers(0, (side - size) // _PART_STEP + 1, 2) * _PART_STEP
        return int(top), int(left), size

    def _detailed(self, pixels: Tensor) -> Tensor:
        """Enlarged views (B, 3, s, s) with edges sharpened and grain on them, by a random amount each.

        A photo of that size has detail that enlarging cannot make, and a network that has never seen any
        there takes it for something else: at 448 px, rows of coco128 were as good as at 256 px where
        the photos were blurred first, and two points worse where they were not.
        """
        amount = self.random.uniform(0, 1, (2, len(pixels), 1, 1, 1))
        sharpen, grain = torch.from_numpy(amount).float().to(self.device)
        soft = F.avg_pool2d(pixels, 5, 1, 2, count_include_pad=False)
        noise = torch.randn(len(pixels), 1, *pixels.shape[2:]).to(self.device)
        detailed: Tensor = pixels + SHARPEN * sharpen * (pixels - soft) + GRAIN * grain * noise
        return detailed

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
