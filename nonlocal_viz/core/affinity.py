"""Affinity: the map of one block for one input, computed only where it is looked at.

Invariant: no map (N x M) is kept. A row costs O(M D), whatever it is made of; only
:meth:`Affinity.dense` builds the map, and it refuses one beyond the bound in limits.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from nonlocal_viz.core.aggregate import CHUNK_SCORES
from nonlocal_viz.core.tokens import GridShape, OffGrid, Place, Side
from nonlocal_viz.errors import MapTooLargeError
from nonlocal_viz.limits import LIMITS


class Affinity(ABC):
    """What every map answers: rows, columns, and the whole of it if it is small enough.

    N queries and M keys are the cells of two grids; B images, H heads. Tokens that lie on no cell are
    named in ``query_aside`` and ``key_aside``: they are asked for by name, and what a row gives to such
    keys is left out of it (never shared out among the cells) unless ``off_grid`` asks for all K keys, in
    the order of :mod:`~nonlocal_viz.core.tokens`. Without ``heads`` weights are the mean over the heads.

    All results are float32 (float64 when the factors are), on the device of the factors.

    Attributes:
        query_grid, key_grid: (T, H, W) of the cells; the key grid is coarser when keys are pooled.
        query_aside, key_aside: names of the tokens that lie on no cell.
        instantiation: what the block calls its pairwise function; a label for people.
        notes: sentences about this map that whoever looks at it should know.
        proof: how far it is from what the network computed, relative, by what was compared; empty for
            maps that the network itself answers with.
    """

    query_grid: GridShape
    key_grid: GridShape
    query_aside: OffGrid
    key_aside: OffGrid
    instantiation: str
    notes: tuple[str, ...]
    proof: Mapping[str, float]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(B, N, M): images, query cells, key cells."""

    @property
    @abstractmethod
    def heads(self) -> int:
        """H."""

    @property
    @abstractmethod
    def is_distribution(self) -> bool:
        """True when every row is non-negative and sums to 1, keys off the grid included."""

    @property
    @abstractmethod
    def signed(self) -> bool:
        """True when weights can be negative."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """float32 or float64: that of every result."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the results are."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes that this map keeps alive."""

    @abstractmethod
    def __getitem__(self, image: int) -> "Affinity":
        """The map of one image of the batch, as an Affinity with B = 1."""

    @abstractmethod
    def head(self, head: int) -> "Affinity":
        """The map of one head alone. Raises QueryError where there is no such head."""

    @abstractmethod
    def _weights(self, queries: Tensor | slice) -> Tensor:
        """All weights of some query tokens: (B, H, Q, K)."""

    @abstractmethod
    def _received(self, key: int) -> Tensor:
        """What every query token gives to one key token: (B, H, N')."""

    @cached_property
    def queries(self) -> Side:
        """The tokens that look."""
        return Side("query", self.query_grid, self.query_aside)

    @cached_property
    def keys(self) -> Side:
        """The tokens that are looked at."""
        return Side("key", self.key_grid, self.key_aside)

    def __len__(self) -> int:
        return self.shape[0]

    def row(self, query: Place, *, heads: bool = False, off_grid: bool = False) -> Tensor:
        """All weights of one query: (B, M); with ``heads`` (B, H, M); with ``off_grid`` of all K keys.

        Raises:
            QueryError: there is no such cell, or no token of that name.
        """
        return self.rows([query], heads=heads, off_grid=off_grid).select(-2, 0)

    def rows(
        self, queries: Sequence[Place] | Tensor, *, heads: bool = False, off_grid: bool = False
    ) -> Tensor:
        """All weights of several queries: (B, Q, M), or (B, H, Q, M); time and memory O(Q M D H).

        Raises as :meth:`row`.
        """
        picked = torch.tensor(self.queries.several(queries), dtype=torch.long, device=self.device)
        return _mean(_cells(self._weights(picked), self.keys, off_grid), heads)

    def column(self, key: Place, *, heads: bool = False, off_grid: bool = False) -> Tensor:
        """How much every query looks at one key: (B, N), or (B, H, N); with ``off_grid`` all queries.

        Raises as :meth:`row`.
        """
        return _mean(_cells(self._received(self.keys.token(key)), self.queries, off_grid), heads)

    def dense(
        self,
        *,
        heads: bool = False,
        off_grid: bool = False,
        max_bytes: int = LIMITS.dense_map_bytes,
    ) -> Tensor:
        """The whole map: (B, N, M), or (B, H, N, M); with ``off_grid`` of all queries and keys.

        Raises:
            MapTooLargeError: the map of all heads would take more than ``max_bytes`` bytes.
        """
        batch, n, m = len(self), self.queries.tokens, self.keys.tokens
        size = batch * self.heads * n * m * (8 if self.dtype == torch.float64 else 4)
        if size > max_bytes:
            of_heads = f" x {self.heads} heads" if self.heads > 1 else ""
            raise MapTooLargeError(
                f"The dense map of {batch}{of_heads} x {n:,} x {m:,} weights would take "
                f"{size / 2**20:,.0f} MiB, more than the bound of {max_bytes / 2**20:,.0f} MiB; ask for "
                "rows, or raise max_bytes."
            )
        found = self._weights(slice(None) if off_grid else self.queries.on_grid)
        return _mean(_cells(found, self.keys, off_grid), heads)

    def together(self, shares: Tensor) -> Tensor:
        """What all query tokens look at together, each as much as its share: ``shares`` (B, N') times the
        map, (B, K), the mean over the heads. Time O(N' K D H); queries without a share cost nothing."""
        out = shares.new_zeros(len(self), self.keys.tokens)
        used = shares.any(0).nonzero()[:, 0]
        for chunk in used.split(self._step):
            out += torch.einsum("bq,bhqk->bk", shares[:, chunk], self._weights(chunk)) / self.heads
        return out

    def row_chunks(self) -> Iterator[Tensor]:
        """Every row once, in order, as chunks (B, n, M) of bounded size: for statistics of the map."""
        cells, keys = self.queries.on_grid, self.keys.on_grid
        for chunk in self._chunks(cells.start, cells.stop):
            yield _mean(self._weights(chunk)[..., keys], heads=False)

    def _chunks(self, start: int, stop: int) -> Iterator[slice]:
        for at in range(start, stop, self._step):
            yield slice(at, min(at + self._step, stop))

    @property
    def _step(self) -> int:
        """Rows that are made at once."""
        return max(1, CHUNK_SCORES // max(1, len(self) * self.heads * self.keys.tokens))

    def __repr__(self) -> str:
        batch, n, m = self.shape
        heads = f", {self.heads} heads" if self.heads > 1 else ""
        aside = len(self.query_aside), len(self.key_aside)
        beside = f", beside them {aside[0]} queries and {aside[1]} keys" if any(aside) else ""
        return (
            f"{type(self).__name__}({self.instantiation or 'attention'}, {batch} x {n} queries "
            f"{self.query_grid} x {m} keys {self.key_grid}{beside}{heads})"
        )


def _cells(weights: Tensor, side: Side, off_grid: bool) -> Tensor:
    """The weights (..., tokens) of the cells of a side, or of all its tokens."""
    return weights if off_grid or not len(side.aside) else weights[..., side.on_grid]


def _mean(weights: Tensor, heads: bool) -> Tensor:
    if heads:
        return weights
    # One head is its own mean, to the bit and without a copy.
    return weights[:, 0] if weights.shape[1] == 1 else weights.mean(1)
