"""Factored: the affinity that is made of data alone, which a browser can hold as well.

Invariant: a :class:`Factored` holds O((N + M) D) numbers, never the map (N x M) and never a function; a
row is O(M D), a column O(N D) after one pass that finds the normalisers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.attention import log_normalisers
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.precision import full_precision, wide
from nonlocal_viz.core.tokens import NONE_ASIDE, GridShape, OffGrid
from nonlocal_viz.errors import QueryError, ShapeError

#: The label of keys that lie in every query's reach.
EVERYBODY = -1
_Tokens = Tensor | slice


@dataclass(frozen=True, eq=False)
class Reach:
    """Who may look at whom: a query at the keys of its own label (a frame, a window, a shifted region)
    and at those labelled :data:`EVERYBODY`. query (N',) and key (K,), whole numbers, one a token."""

    query: Tensor
    key: Tensor


@dataclass(frozen=True, eq=False)
class PlaceBias:
    """What is added to scores by where query and key lie: ``table[h, place of query, place of key]``.

    table (H, P, P'), or (1, P, P') for all heads alike; query (N',) and key (K,), the places of the tokens.
    """

    table: Tensor
    query: Tensor
    key: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Factored(Affinity):
    """An affinity made of data alone; what a browser can hold.

    Args:
        pairwise: how queries and keys become weights.
        query: (B, H, N', D), all query tokens; in the Gaussian form the raw x; where the pairwise score
            is a sum, D = 1: the number a_i = w_theta . theta_i.
        key: (B, H, K, D), all key tokens; b_j = w_phi . phi_j where the score is a sum.
        query_grid, key_grid: (T, H, W) of the tokens that are cells.
        query_aside, key_aside: names of those that are not.
        reach: which keys a query may look at; None: at all.
        bias: added to the scores.
        unary: (B, H, K), a row that every query gets besides.
        value: (B, H, K, E), what the weights mix; kept only where the output is to be rebuilt.
        output: (weight (C, H * E), bias (C,) or None): the projection behind the heads' values.

    Raises:
        ShapeError: the factors do not fit the grids or each other.
    """

    pairwise: Pairwise
    query: Tensor
    key: Tensor
    query_grid: GridShape
    key_grid: GridShape
    query_aside: OffGrid = NONE_ASIDE
    key_aside: OffGrid = NONE_ASIDE
    reach: Reach | None = None
    bias: PlaceBias | None = None
    unary: Tensor | None = None
    value: Tensor | None = None
    output: tuple[Tensor, Tensor | None] | None = None
    instantiation: str = ""
    notes: tuple[str, ...] = ()
    proof: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side, factor in ((self.queries, self.query), (self.keys, self.key)):
            if factor.ndim != 4 or factor.shape[2] != side.tokens:
                aside = f" and {len(side.aside)} tokens beside it" if len(side.aside) else ""
                raise ShapeError(
                    f"The {side.role} factor has shape {tuple(factor.shape)}, which is not (B, H, T*H*W, "
                    f"D) for the grid {side.grid}{aside}."
                )
        if self.query.shape[:2] != self.key.shape[:2] or self.query.shape[3] != self.key.shape[3]:
            raise ShapeError(
                f"Query factor {tuple(self.query.shape)} and key factor {tuple(self.key.shape)} "
                "differ in batch, heads or channels."
            )
        if self.pairwise.score == "sum" and self.query.shape[3] != 1:
            raise ShapeError(
                f"A score that is a sum has one number a token, not {self.query.shape[3]}."
            )
        _check_extras(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.query.shape[0], self.queries.cells, self.keys.cells

    @property
    def heads(self) -> int:
        return self.query.shape[1]

    @property
    def is_distribution(self) -> bool:
        return self.pairwise.is_distribution and self.unary is None

    @property
    def signed(self) -> bool:
        return self.pairwise.signed

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.query.dtype == torch.float64 else torch.float32

    @property
    def device(self) -> torch.device:
        return self.query.device

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._tensors())

    def __getitem__(self, image: int) -> "Factored":
        if not -len(self) <= image < len(self):
            raise IndexError(f"image {image} of a batch of {len(self)}")
        one = slice(image, image + 1) if image != -1 else slice(-1, None)
        return replace(
            self,
            query=self.query[one],
            key=self.key[one],
            unary=None if self.unary is None else self.unary[one],
            value=None if self.value is None else self.value[one],
        )

    def head(self, head: int) -> "Factored":
        if not 0 <= head < self.heads:
            raise QueryError(f"There is no head {head}: heads go from 0 to {self.heads - 1}.")
        one = slice(head, head + 1)
        scale, bias = self.pairwise.scale, self.bias
        return replace(
            self,
            pairwise=replace(self.pairwise, scale=scale[one])
            if isinstance(scale, Tensor)
            else self.pairwise,
            query=self.query[:, one],
            key=self.key[:, one],
            bias=replace(bias, table=bias.table[one]) if bias and len(bias.table) > 1 else bias,
            unary=None if self.unary is None else self.unary[:, one],
            value=None if self.value is None else self.value[:, one],
            output=None,  # of all heads together
        )

    def framed(self) -> "Factored":
        """B images of one frame each as one clip of B frames (B = 1), whose reach is the frame.

        Raises:
            ShapeError: there are tokens on no cell, or frames, reach, bias or unary row already.
        """
        frames, heads = len(self), self.heads
        extras = (self.reach, self.bias, self.unary, self.value)
        several = self.query_grid[0] != 1 or self.key_grid[0] != 1
        if (
            several
            or len(self.query_aside)
            or len(self.key_aside)
            or any(extra is not None for extra in extras)
        ):
            raise ShapeError("Only images of one frame without anything besides make a clip.")

        def along(factor: Tensor) -> Tensor:
            return factor.transpose(0, 1).reshape(1, heads, -1, factor.shape[-1])

        def labels(factor: Tensor) -> Tensor:
            return torch.arange(frames, device=factor.device).repeat_interleave(factor.shape[2])

        return replace(
            self,
            query=along(self.query),
            key=along(self.key),
            query_grid=(frames, *self.query_grid[1:]),
            key_grid=(frames, *self.key_grid[1:]),
            reach=Reach(labels(self.query), labels(self.key)),
        )

    def normalisers(self) -> Tensor:
        """What turns the score of a query and a key into their weight: (B, H, N').

        log C(x) where the weights are a softmax; else C(x), the number of keys in reach or the sum of
        their scores. One pass over all scores in chunks, kept for later columns.
        """
        return self._normalisers

    @cached_property
    def _normalisers(self) -> Tensor:
        fused = self._fused_normalisers()
        if fused is not None:
            return fused
        parts = [
            self.pairwise.normaliser(self._scores(chunk), self._may(chunk))
            for chunk in self._chunks(0, self.queries.tokens)
        ]
        return torch.cat(parts, dim=2)

    def _fused_normalisers(self) -> Tensor | None:
        pairwise, scale = self.pairwise, self.pairwise.scale
        plain = (pairwise.score, pairwise.rectify, pairwise.normalise) == (
            "product",
            False,
            "softmax",
        )
        if not plain or self.reach or self.bias or isinstance(scale, Tensor):
            return None
        with full_precision(self.query.device):
            return log_normalisers(wide(self.query), wide(self.key), scale)

    def rebuilt(self) -> Tensor:
        """The output of the block's attention from our own rows: sum_j A_ij v_j of every query token,
        (B, N', H * E), or behind its projection (B, N', C).

        Raises:
            ShapeError: the values are not kept.
        """
        if self.value is None:
            raise ShapeError(
                "The values of this map are not kept, so its output cannot be rebuilt."
            )
        value = wide(self.value)
        chunks = self._chunks(0, self.queries.tokens)
        mixed = torch.cat([self._weights(chunk) @ value for chunk in chunks], dim=2)
        mixed = mixed.transpose(1, 2).flatten(2)
        if self.output is None:
            return mixed
        weight, bias = self.output
        return torch.nn.functional.linear(mixed, wide(weight), None if bias is None else wide(bias))

    def to(self, *args: Any, **kwargs: Any) -> "Factored":
        """The same map moved or cast, as ``Tensor.to``; labels and places are moved alone."""
        factors = self._floats(lambda t: t.to(*args, **kwargs))
        return factors._labels(lambda t: t.to(factors.query.device))

    def detach(self) -> "Factored":
        """The same map without its autograd history."""
        return self._floats(Tensor.detach)

    def _scores(self, queries: _Tokens, keys: slice = slice(None)) -> Tensor:
        with full_precision(self.query.device):
            query, key = wide(_picked(self.query, queries)), wide(_picked(self.key, keys))
            bias = None
            if self.bias is not None:
                table, places = wide(self.bias.table), self.bias.key[keys]
                bias = table[:, self.bias.query[queries]][:, :, places]
            return self.pairwise.scores(query, key, bias)

    def _may(self, queries: _Tokens, keys: slice = slice(None)) -> Tensor | None:
        if self.reach is None:
            return None
        label = self.reach.key[keys]
        return (self.reach.query[queries][:, None] == label) | (label == EVERYBODY)

    def _weights(self, queries: _Tokens) -> Tensor:
        found = self.pairwise.weights(self._scores(queries), self._may(queries))
        return found if self.unary is None else found + wide(self.unary)[:, :, None]

    def _received(self, key: int) -> Tensor:
        everybody, one = slice(None), slice(key, key + 1)
        score = self._scores(everybody, one)[..., 0]
        may = self._may(everybody, one)
        if may is None and self.pairwise.normalise == "count":
            found = score / self.key.shape[2]
        else:
            found = self.pairwise.apart(score, self._normalisers)
        if may is not None:
            found = found.masked_fill(~may[:, 0], 0.0)
        return found if self.unary is None else found + wide(self.unary)[:, :, one]

    def _tensors(self) -> Iterator[Tensor]:
        parts = (self, self.pairwise, self.reach, self.bias)
        held = [getattr(part, f.name) for part in parts if part is not None for f in fields(part)]
        yield from (item for item in (*held, *(self.output or ())) if isinstance(item, Tensor))

    def _floats(self, change: Callable[[Tensor], Tensor]) -> "Factored":
        scale, bias = self.pairwise.scale, self.bias
        weight = self.output and (
            change(self.output[0]),
            None if self.output[1] is None else change(self.output[1]),
        )
        return replace(
            self,
            pairwise=replace(self.pairwise, scale=change(scale))
            if isinstance(scale, Tensor)
            else self.pairwise,
            query=change(self.query),
            key=change(self.key),
            bias=bias and replace(bias, table=change(bias.table)),
            unary=None if self.unary is None else change(self.unary),
            value=None if self.value is None else change(self.value),
            output=weight,
        )

    def _labels(self, change: Callable[[Tensor], Tensor]) -> "Factored":
        reach, bias = self.reach, self.bias
        return replace(
            self,
            reach=reach and Reach(change(reach.query), change(reach.key)),
            bias=bias and replace(bias, query=change(bias.query), key=change(bias.key)),
        )


def _picked(factor: Tensor, tokens: _Tokens) -> Tensor:
    if isinstance(tokens, Tensor):
        return factor.index_select(2, tokens)
    # All of them is the commonest, and a view of all is no cheaper than one of some.
    return factor if tokens == slice(None) else factor[:, :, tokens]


def _check_extras(map_: Factored) -> None:
    """Raise ShapeError where labels, places, the unary row, values or scales do not fit the factors."""
    batch, heads, n, _ = map_.query.shape
    k = map_.key.shape[2]
    wanted: list[tuple[str, Tensor | None, tuple[int, ...]]] = [
        ("unary row", map_.unary, (batch, heads, k)),
        ("value factor", None if map_.value is None else map_.value[..., 0], (batch, heads, k)),
    ]
    scale = map_.pairwise.scale
    if isinstance(scale, Tensor):
        wanted.append(("scale", scale, (heads,)))
    if map_.reach is not None:
        wanted += [
            ("labels of the queries", map_.reach.query, (n,)),
            ("labels of the keys", map_.reach.key, (k,)),
        ]
    if map_.bias is not None:
        wanted += [
            ("places of the queries", map_.bias.query, (n,)),
            ("places of the keys", map_.bias.key, (k,)),
        ]
        if map_.bias.table.ndim != 3 or map_.bias.table.shape[0] not in (1, heads):
            raise ShapeError(
                f"The table of the bias has shape {tuple(map_.bias.table.shape)}, which is not "
                f"({heads}, places, places)."
            )
    for name, tensor, shape in wanted:
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ShapeError(f"The {name} should have shape {shape}, not {tuple(tensor.shape)}.")
