"""Affinity: the map of one block for one input, computed only where it is looked at.

Invariant: an Affinity holds the factors (O((N + M) D) numbers), never the map (N x M). A row is
O(M D), a column O(N D) after one pass that finds the normalisers; only :meth:`Affinity.dense`
builds the map, and it refuses one beyond the bound in limits.py.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.pairwise import INSTANTIATIONS, SOFTMAX, scores, weights
from nonlocal_viz.errors import MapTooLargeError, QueryError, ShapeError
from nonlocal_viz.limits import LIMITS

GridShape = tuple[int, int, int]
#: A cell: its flat index, or its place (h, w) or (t, h, w) on the grid.
CellIndex = int | tuple[int, int] | tuple[int, int, int]

# Queries are taken in chunks of about this many scores when every row is needed once (64 MB).
_CHUNK_SCORES = 1 << 24


@dataclass(frozen=True, eq=False)
class Affinity:
    """The affinity map f(x_i, x_j) / C(x) of one non-local block, in factored form.

    Args:
        instantiation: one of ``gaussian``, ``embedded_gaussian``, ``dot_product``, ``concatenation``.
        query: (B, N, D) the queries theta (the raw x for ``gaussian``); for ``concatenation``
            (B, N, 1), the number a_i = w_theta . theta_i.
        key: (B, M, D) the keys phi; for ``concatenation`` (B, M, 1), b_j = w_phi . phi_j.
        query_grid: (T, H, W) with T*H*W = N.
        key_grid: (T, H, W) with T*H*W = M; coarser than the query grid when the keys are pooled.
        scale: multiplies the scores before the softmax (1, or 1/sqrt(D) with ``use_scale``).

    Rows of the softmax instantiations sum to 1; rows of ``dot_product`` are signed; rows of
    ``concatenation`` are non-negative and do not sum to 1. All results are float32 (float64 when the
    factors are), on the device of the factors. The batch dimension stays in front of every result;
    ``affinity[b]`` is the map of one image alone.

    Raises:
        ShapeError: the factors do not fit the grids, or the instantiation is unknown.
    """

    instantiation: str
    query: Tensor
    key: Tensor
    query_grid: GridShape
    key_grid: GridShape
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.instantiation not in INSTANTIATIONS:
            raise ShapeError(
                f"Unknown instantiation {self.instantiation!r}; choose one of "
                f"{', '.join(INSTANTIATIONS)}."
            )
        for name, factor, grid in (
            ("query", self.query, self.query_grid),
            ("key", self.key, self.key_grid),
        ):
            if factor.ndim != 3 or factor.shape[1] != grid[0] * grid[1] * grid[2]:
                raise ShapeError(
                    f"The {name} factor has shape {tuple(factor.shape)}, which is not (B, T*H*W, D) "
                    f"for the grid {grid}."
                )
        if self.query.shape[0] != self.key.shape[0] or self.query.shape[2] != self.key.shape[2]:
            raise ShapeError(
                f"Query factor {tuple(self.query.shape)} and key factor {tuple(self.key.shape)} "
                "differ in batch or channels."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, N, M): images, queries, keys."""
        return self.query.shape[0], self.query.shape[1], self.key.shape[1]

    @property
    def is_distribution(self) -> bool:
        """True when every row is a softmax: non-negative, sum 1."""
        return self.instantiation in SOFTMAX

    @property
    def signed(self) -> bool:
        """True when weights can be negative (dot product)."""
        return self.instantiation == "dot_product"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, image: int) -> "Affinity":
        """The map of one image of the batch, as an Affinity with B = 1."""
        if not -len(self) <= image < len(self):
            raise IndexError(f"image {image} of a batch of {len(self)}")
        one = slice(image, image + 1) if image != -1 else slice(-1, None)
        return replace(self, query=self.query[one], key=self.key[one])

    def row(self, query: CellIndex) -> Tensor:
        """All weights of one query: (B, M)."""
        return self.rows([query])[:, 0]

    def rows(self, queries: Sequence[CellIndex] | Tensor) -> Tensor:
        """All weights of several queries: (B, Q, M). Time and memory O(Q M D)."""
        picked = [_flat_index(q, self.query_grid, "query") for q in _items(queries)]
        index = torch.tensor(picked, dtype=torch.long, device=self.query.device)
        return self._weights(self.query.index_select(1, index))

    def column(self, key: CellIndex) -> Tensor:
        """How much every query looks at one key: (B, N)."""
        k = _flat_index(key, self.key_grid, "key")
        with torch.autocast(self.query.device.type, enabled=False):
            score = scores(
                self.instantiation, _wide(self.query), _wide(self.key[:, k : k + 1]), self.scale
            )[..., 0]
            if self.is_distribution:
                return (score - self.log_normaliser()).exp()
            return score / self.shape[2]

    def dense(self, max_bytes: int = LIMITS.dense_map_bytes) -> Tensor:
        """The whole map: (B, N, M).

        Raises:
            MapTooLargeError: the map would take more than ``max_bytes`` bytes.
        """
        batch, n, m = self.shape
        size = batch * n * m * (8 if self.query.dtype == torch.float64 else 4)
        if size > max_bytes:
            raise MapTooLargeError(
                f"The dense map of {batch} x {n:,} x {m:,} weights would take {size / 2**20:,.0f} MiB, "
                f"more than the bound of {max_bytes / 2**20:,.0f} MiB; ask for rows, or raise max_bytes."
            )
        return self._weights(self.query)

    def log_normaliser(self) -> Tensor:
        """log C_i = logsumexp_j of the scores: (B, N); what turns a score into a weight on its own.

        One pass over all scores in chunks, kept for later columns.

        Raises:
            ShapeError: the instantiation divides by the number of keys instead.
        """
        if not self.is_distribution:
            raise ShapeError(
                f"{self.instantiation} divides by the number of keys; it has no softmax."
            )
        return self._log_normaliser

    @cached_property
    def _log_normaliser(self) -> Tensor:
        return torch.cat([s.logsumexp(dim=-1) for s in self._score_chunks()], dim=1)

    def row_chunks(self) -> Iterator[Tensor]:
        """Every row once, in order, as chunks (B, n, M) of bounded size: for statistics of the map."""
        for score in self._score_chunks():
            yield weights(self.instantiation, score, self.shape[2])

    def _score_chunks(self) -> Iterator[Tensor]:
        batch, n, m = self.shape
        step = max(1, _CHUNK_SCORES // max(1, batch * m))
        with torch.autocast(self.query.device.type, enabled=False):
            key = _wide(self.key)
            for start in range(0, n, step):
                part = _wide(self.query[:, start : start + step])
                yield scores(self.instantiation, part, key, self.scale)

    def _weights(self, query: Tensor) -> Tensor:
        with torch.autocast(self.query.device.type, enabled=False):
            score = scores(self.instantiation, _wide(query), _wide(self.key), self.scale)
            return weights(self.instantiation, score, self.shape[2])

    def to(self, *args: object, **kwargs: object) -> "Affinity":
        """The same map with its factors moved or cast, as ``Tensor.to``."""
        return replace(
            self,
            query=self.query.to(*args, **kwargs),  # type: ignore[call-overload]
            key=self.key.to(*args, **kwargs),  # type: ignore[call-overload]
        )

    def detach(self) -> "Affinity":
        """The same map without its autograd history."""
        return replace(self, query=self.query.detach(), key=self.key.detach())

    def __repr__(self) -> str:
        batch, n, m = self.shape
        return (
            f"Affinity({self.instantiation}, {batch} x {n} queries {self.query_grid} "
            f"x {m} keys {self.key_grid}, D={self.query.shape[2]}, scale={self.scale:.4g})"
        )


def _items(queries: Sequence[CellIndex] | Tensor) -> Sequence[CellIndex]:
    # Tensors and arrays alike; core imports no numpy.
    listed = queries.tolist() if hasattr(queries, "tolist") else queries
    if not isinstance(listed, Sequence):
        listed = [listed]
    return [tuple(q) if isinstance(q, list) else q for q in listed]


def _wide(factor: Tensor) -> Tensor:
    # Half-precision factors are scored in float32: exp() magnifies their rounding.
    return factor if factor.dtype == torch.float64 else factor.float()


def _flat_index(cell: CellIndex, grid: GridShape, role: str) -> int:
    place: tuple[int, ...]
    asked: Any = cell
    if hasattr(asked, "tolist"):
        asked = asked.tolist()
    try:
        if isinstance(asked, tuple | list):
            asked = tuple(operator.index(p) for p in asked)
        else:
            asked = operator.index(asked)
    except TypeError:
        raise QueryError(
            f"A {role} cell is a whole number, or a place (t, h, w) of them, not {cell!r}."
        ) from None
    if isinstance(asked, tuple):
        place = (0, *asked) if len(asked) == 2 else asked
        if len(place) != 3 or not all(0 <= p < size for p, size in zip(place, grid, strict=True)):
            raise QueryError(f"There is no {role} cell {asked} on the grid {grid}.")
        return (place[0] * grid[1] + place[1]) * grid[2] + place[2]
    count = grid[0] * grid[1] * grid[2]
    index = asked
    if not 0 <= index < count:
        raise QueryError(
            f"There is no {role} cell {index}: the grid {grid} has cells 0 to {count - 1}."
        )
    return index
