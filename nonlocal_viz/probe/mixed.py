"""Maps whose heads are mixed before or after their softmax, or with weights that depend on places alone.

Talking heads, gated positional and differential attention are one formula, ``after(gate * fixed + (1 -
gate) * softmax(before(scale * q k)))``, where ``before`` and ``after`` mix heads. A row is O(K D H).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.precision import wide
from nonlocal_viz.core.tokens import NONE_ASIDE, GridShape, OffGrid
from nonlocal_viz.errors import QueryError
from nonlocal_viz.probe.again import lowered
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.proving import proven
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.twins import twin_of

#: What the tokens (B, N, C) of a module's input are, with notes about it.
Tokens = Callable[[Tensor], tuple[Positions, tuple[str, ...]]]
#: Rows that are held against the module's own.
_ROWS = 32


@dataclass(frozen=True, eq=False, repr=False)
class Mixed(Affinity):
    """A map of mixed heads.

    Args:
        query, key: (B, h, N', D) and (B, h, K, D), scaled.
        cross: whether a query looks at its own row and column of the grid alone.
        before: (weight (h', h), bias (h',)) on scores; None: as they are.
        after: (weight (H, h'), bias (H,)) on weights; None: as they are.
        gate: (h',), the share of ``fixed`` (h', N', K); both or neither.
    """

    query: Tensor
    key: Tensor
    query_grid: GridShape
    key_grid: GridShape
    cross: bool = False
    before: tuple[Tensor, Tensor] | None = None
    after: tuple[Tensor, Tensor] | None = None
    gate: Tensor | None = None
    fixed: Tensor | None = None
    query_aside: OffGrid = NONE_ASIDE
    key_aside: OffGrid = NONE_ASIDE
    instantiation: str = "mixed heads"
    notes: tuple[str, ...] = ()
    proof: Mapping[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.query), self.queries.cells, self.keys.cells

    @property
    def heads(self) -> int:
        return self.query.shape[1] if self.after is None else len(self.after[0])

    @property
    def is_distribution(self) -> bool:
        return self.after is None

    @property
    def signed(self) -> bool:
        return self.after is not None

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.query.dtype == torch.float64 else torch.float32

    @property
    def device(self) -> torch.device:
        return self.query.device

    @property
    def nbytes(self) -> int:
        fixed = 0 if self.fixed is None else self.fixed.nbytes
        return self.query.nbytes + self.key.nbytes + fixed

    def __getitem__(self, image: int) -> "Mixed":
        if not -len(self) <= image < len(self):
            raise IndexError(f"image {image} of a batch of {len(self)}")
        one = slice(image, image + 1) if image != -1 else slice(-1, None)
        return replace(self, query=self.query[one], key=self.key[one])

    def head(self, head: int) -> "Mixed":
        if not 0 <= head < self.heads:
            raise QueryError(f"There is no head {head}: heads go from 0 to {self.heads - 1}.")
        one = slice(head, head + 1)
        if self.after is not None:
            return replace(self, after=(self.after[0][one], self.after[1][one]))
        if self.before is not None:
            return replace(self, before=(self.before[0][one], self.before[1][one]))
        return replace(
            self,
            query=self.query[:, one],
            key=self.key[:, one],
            gate=None if self.gate is None else self.gate[one],
            fixed=None if self.fixed is None else self.fixed[one],
        )

    def _weights(self, queries: Tensor | slice) -> Tensor:
        query, key = wide(self.query[:, :, queries]), wide(self.key)
        score = _heads_mixed(query @ key.mT, self.before)
        if self.cross:
            score = score.masked_fill(~self._crossing()[queries], -torch.inf)
        found = score.softmax(-1)
        if self.gate is not None and self.fixed is not None:
            gate = wide(self.gate).view(1, -1, 1, 1)
            found = (1 - gate) * found + gate * wide(self.fixed[:, queries])
        return _heads_mixed(found, self.after)

    def _crossing(self) -> Tensor:
        """(N', 1) + (K,) -> which keys share a row or a column with which queries."""
        width = self.key_grid[2]
        cell = torch.arange(self.keys.tokens, device=self.device)
        row, column = cell // width, cell % width
        return (row[:, None] == row) | (column[:, None] == column)

    def _received(self, key: int) -> Tensor:
        parts = [self._weights(chunk)[..., key] for chunk in self._chunks(0, self.queries.tokens)]
        return torch.cat(parts, dim=2)


def _heads_mixed(found: Tensor, mix: tuple[Tensor, Tensor] | None) -> Tensor:
    if mix is None:
        return found
    weight, bias = (wide(part) for part in mix)
    return torch.einsum("gh,bhqk->bgqk", weight, found) + bias.view(1, -1, 1, 1)


def mixing(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """(weight, bias) of a linear layer over heads."""
    weight = layer.weight.detach()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return weight, bias


def placed(made: Mixed, x: Tensor, tokens: Tokens) -> Mixed:
    """A map of a sequence (B, N, C) with its tokens where they lie on the picture."""
    positions, notes = tokens(x)
    return replace(
        made,
        query_grid=positions.grid,
        key_grid=positions.grid,
        query_aside=positions.aside,
        key_aside=positions.aside,
        notes=(*made.notes, *notes),
    )


def held(made: Mixed, call: Call, output: Tensor, value: Tensor, behind: str) -> Mixed:
    """The map with its proof: what it makes of the values (B, H, K, E) is what the module ``behind`` it was
    given, and the module made again gives what it gave.

    Raises:
        UnprovenError: either differs.
    """
    twin = twin_of(call.module, own_buffers=True)
    seen: list[Tensor] = []
    handed = twin.get_submodule(behind)
    handle = handed.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    x = call.args[0]
    assert isinstance(x, Tensor)
    with torch.no_grad(), lowered(call, x):
        again = twin(x)
    handle.remove()
    picked = torch.linspace(0, value.shape[2] - 1, min(_ROWS, value.shape[2])).long()
    mixed = made._weights(picked) @ wide(value)
    given = wide(seen[0])
    if given.ndim == 3:
        given = given.unflatten(2, (value.shape[1], -1)).transpose(1, 2)
    return proven(
        made,
        call.lowered or x.dtype,
        output=(again, output),
        rows=(mixed, given[:, :, picked]),
    )


def tokens_of(call: Call) -> Tensor:
    """The one argument (B, N, C) of a call.

    Raises:
        UnprovenError: it was called otherwise, with a mask for example.
    """
    given = [v for v in (*call.args[1:], *call.kwargs.values()) if v is not None and v is not False]
    x = call.args[0] if call.args else None
    if not isinstance(x, Tensor) or x.ndim != 3 or given:
        raise UnprovenError("It is only known as called with tokens (B, N, C) and nothing else.")
    return x.detach()


def split(x: Tensor, heads: int) -> Tensor:
    """(B, N, H * D) -> (B, H, N, D)."""
    apart: Tensor = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return apart
