"""An affinity that somebody's network computed: its rows from the factors that were recorded there."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.tokens import NONE_ASIDE, GridShape, OffGrid
from nonlocal_viz.errors import QueryError
from nonlocal_viz.probe.records import Capture

#: Rows are taken in chunks of about this many weights.
_CHUNK = 1 << 22


@dataclass(frozen=True, eq=False, repr=False)
class Recorded(Affinity):
    """A map of recorded factors, laid out over the tokens of the module's input.

    Args:
        capture: what was computed, in groups and slots.
        slot: (B, H, N') the flat number, group * n + slot, of every query token.
        token: (L, m) which key token a key slot is, -1 for none of the map's.
        keys_count: K'.
        query_grid, key_grid, query_aside, key_aside, notes: as of every affinity.
        proof: how far rows are from the network's own, by what was compared; relative.
    """

    capture: Capture
    slot: Tensor
    token: Tensor
    query_grid: GridShape
    key_grid: GridShape
    query_aside: OffGrid = NONE_ASIDE
    key_aside: OffGrid = NONE_ASIDE
    instantiation: str = "attention"
    notes: tuple[str, ...] = ()
    proof: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.slot.shape[0], self.queries.cells, self.keys.cells

    @property
    def heads(self) -> int:
        return self.slot.shape[1]

    @property
    def is_distribution(self) -> bool:
        return self.capture.distribution

    @property
    def signed(self) -> bool:
        return self.capture.negative

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.capture.query.dtype == torch.float64 else torch.float32

    @property
    def device(self) -> torch.device:
        return self.capture.query.device

    @property
    def nbytes(self) -> int:
        capture = self.capture
        held = [capture.query, capture.key, capture.value, self.slot, self.token]
        return sum(t.nbytes for t in (*held, *(step.operand for step in capture.steps)))

    def __getitem__(self, image: int) -> "Recorded":
        if not -len(self) <= image < len(self):
            raise IndexError(f"image {image} of a batch of {len(self)}")
        one = slice(image, image + 1) if image != -1 else slice(-1, None)
        return replace(self, slot=self.slot[one])

    def head(self, head: int) -> "Recorded":
        if not 0 <= head < self.heads:
            raise QueryError(f"There is no head {head}: heads go from 0 to {self.heads - 1}.")
        return replace(self, slot=self.slot[:, head : head + 1])

    def _weights(self, queries: Tensor | slice) -> Tensor:
        picked = self.slot[:, :, queries]
        flat = picked.reshape(-1)
        n, k = self.capture.query.shape[1], self.keys.tokens
        rows = torch.zeros(len(flat), k + 1, dtype=self.dtype, device=self.device)
        step = max(1, _CHUNK // max(self.token.shape[1], 1))
        for start in range(0, len(flat), step):
            part = flat[start : start + step]
            groups, slots = part // n, part % n
            weights = self.capture.weights(groups, slots)
            # What lies on no token of the map goes to one more column, which is left out.
            places = self.token[groups]
            places = torch.where(places < 0, torch.full_like(places, k), places)
            rows[start : start + step].scatter_add_(1, places, weights.to(self.dtype))
        return rows[:, :k].reshape(*picked.shape, k)

    def _received(self, key: int) -> Tensor:
        parts = [self._weights(chunk)[..., key] for chunk in self._chunks(0, self.queries.tokens)]
        return torch.cat(parts, dim=2)
