"""Average precision of drawn queries, and numbers gathered photo by photo with their intervals."""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.evaluation.numbers import SIZES
from nonlocal_viz.evaluation.segments import Segmented


def average_precision(scores: Tensor, positive: Tensor) -> Tensor:
    """AP of each row's ranking: scores (Q, n) and positives (Q, n) bool -> (Q,); NaN without positives.

    Ties are broken by position, as a stable sort leaves them.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    hit = positive.gather(1, order).float()
    precision = hit.cumsum(1) / torch.arange(1, hit.shape[1] + 1, device=hit.device)
    return (precision * hit).sum(1) / hit.sum(1)


def size_of(area: float) -> str:
    """The name in :data:`SIZES` of an object that covers this share of its photo."""
    return [name for name, least in SIZES.items() if area >= least][-1]


@dataclass(frozen=True)
class Draw:
    """Queries drawn on a photo's grid of N cells, and what their rows are held against.

    Attributes:
        picked: (Q,) flat indices of the queries, all within instances.
        same: (Q, N) bool: the cells of the query's instance, the query itself included.
        sizes: Q names of :data:`SIZES`, of the queries' instances.
        grid: (h, w), N of them.
    """

    picked: Tensor
    same: Tensor
    sizes: tuple[str, ...]
    grid: tuple[int, int]

    @classmethod
    def of(
        cls, photo: Segmented, grid: tuple[int, int], count: int, random: np.random.Generator
    ) -> "Draw | None":
        """At most ``count`` queries on a grid (h, w); None where no instance has two cells."""
        labels = photo.cells(grid).ravel()
        inside = np.flatnonzero(labels >= 0)
        inside = inside[[(labels == labels[i]).sum() > 1 for i in inside]]
        if not len(inside):
            return None
        picked = random.choice(inside, min(count, len(inside)), replace=False)
        same = torch.from_numpy(labels[picked, None] == labels[None])
        areas = photo.areas[labels[picked]]
        return cls(torch.from_numpy(picked), same, tuple(size_of(a) for a in areas), grid)

    @property
    def others(self) -> Tensor:
        """(Q, N) bool: what is ranked. Not the query itself: every map would find it."""
        return torch.ones_like(self.same).scatter_(1, self.picked[:, None], False)

    @property
    def positive(self) -> Tensor:
        """(Q, N - 1) bool: which of the ranked cells belong to the query's instance."""
        return self.same[self.others].view(len(self.picked), -1)

    def precision(self, rows: Tensor) -> Tensor:
        """AP of each query: rows (Q, N), higher is nearer -> (Q,)."""
        ranked = rows.cpu().float()[self.others].view(len(self.picked), -1)
        return average_precision(ranked, self.positive)

    @property
    def at_edge(self) -> Tensor:
        """(Q, N) bool: the cells along the outline of the query's instance, on both sides: those with
        a neighbour (of eight) on the other side. The query itself is left out."""
        inside = self.same.float().view(-1, 1, *self.grid)
        grown = F.max_pool2d(inside, 3, 1, 1)
        shrunk = -F.max_pool2d(-inside, 3, 1, 1)
        return (grown > shrunk).flatten(1) & self.others

    def precision_at_edge(self, rows: Tensor) -> Tensor:
        """AP of each query where the cells of :attr:`at_edge` alone are ranked: whether the row ends
        where the object does; rows (Q, N) -> (Q,), NaN where no other cell of it lies there."""
        edge = self.at_edge
        # Cells that are not ranked come behind all others, where no precision is read.
        ranked = rows.cpu().float().masked_fill(~edge, -torch.inf)
        return average_precision(ranked, self.same & edge)

    def by_size(self, name: str, values: Tensor) -> dict[str, float]:
        """Means of the queries' values (Q,): over all as ``name``, by size as ``name_small`` and so
        on; NaN where no query lies in an object of that size."""
        found = {name: float(values.mean())}
        for size in SIZES:
            among = torch.tensor([own == size for own in self.sizes])
            found[f"{name}_{size}"] = float(values[among].mean())
        return found


@dataclass
class BlockScores:
    """Per-photo values of one block, by name; :meth:`summary` averages them."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **numbers: float) -> None:
        """One photo's numbers; NaN means "does not apply" and is left out of the mean."""
        for name, number in numbers.items():
            self.values.setdefault(name, []).append(number)

    def summary(self) -> dict[str, float]:
        """Mean of every number over the photos; NaN where it applies to none."""
        means = {}
        for name in self.values:
            values = self._applying(name)
            means[name] = round(float(values.mean()), 4) if len(values) else float("nan")
        return means

    def interval(self, name: str, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap interval of the mean over photos; (NaN, NaN) where it applies to none."""
        values = self._applying(name)
        if not len(values):
            return float("nan"), float("nan")
        picks = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
        low, high = np.percentile(values[picks].mean(1), [2.5, 97.5])
        return float(low), float(high)

    def _applying(self, name: str) -> np.ndarray:
        values = np.array(self.values[name])
        return np.asarray(values[~np.isnan(values)])
