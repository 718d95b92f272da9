"""Where slots lie that are each made of one block of cells alone (queries pooled within their windows).

Such a slot moves with its block and with nothing else, so that whole blocks are changed, half of them at a
time, and each slot says clearly which half it is in: the layouts that windows have are tried by a few
halves, any other order is read bit by bit. Slots that stand for one block have to be its heads: each
follows the same cells within it. Anything less clear is left to strength.py.
"""

import math
from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import MIXED, NOWHERE, Layouts, agrees
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.positions import Positions, each_once, heads_of
from nonlocal_viz.probe.relay import units
from nonlocal_viz.probe.slots import Slots
from nonlocal_viz.probe.windows import tables

#: Halves that layouts are told by; more where there are few blocks.
_MASKS, _MASKS_OF_FEW, _FEW = 3, 10, 100
#: How many cells a block has, down and across.
_STEPS = 1, 2, 3, 4, 8
#: Cells within the blocks that are changed one after the other, and how alike the slots of one block move
#: with these: all of them on average, and every two.
_INSIDE, _ALIKE, _PAIR = 4, 0.6, 0.3


def in_blocks(
    placing: Placing,
    axes: Axes,
    positions: Positions,
    layouts: Layouts,
    heads: Callable[[int], bool],
) -> Slots | None:
    """The slots of queries and keys over blocks of the cells of ``positions``; None where they are made of
    anything else. ``heads``: whether there may be so many of them."""
    images, count = axes.count(placing.x)
    if placing.still is None or count != len(positions.names):
        return None
    search = _Search(placing, axes, positions, images, layouts)
    groups = placing.still.query.shape[0], placing.still.key.shape[0]
    slots = placing.still.query.shape[1], placing.still.key.shape[1]
    asking = search.side(0, groups[0], slots[0], heads)
    if asking is None:
        return None
    query_side, query = asking
    each = heads_of(query, images, query_side)
    # Every head has all keys of its queries.
    looked_at = search.side(1, groups[1], slots[1], lambda found: found % each == 0)
    if looked_at is None:
        return None
    key_side, key = looked_at
    tokens = len(key_side.names)
    return Slots(axes, query, key, images, count, tokens, query_side, key_side)


class _Search:
    def __init__(
        self, placing: Placing, axes: Axes, positions: Positions, images: int, layouts: Layouts
    ) -> None:
        self._placing, self._axes, self._positions = placing, axes, positions
        self._images, self._layouts = images, layouts
        #: {grid: (what was changed, how each side follows it)}
        self._seen: dict[tuple[GridShape, int], list[tuple[Tensor, tuple[Tensor, Tensor]]]] = {}

    def side(
        self, number: int, groups: int, slots: int, heads: Callable[[int], bool]
    ) -> tuple[Positions, Tensor] | None:
        for names in self._grids(groups * slots, heads):
            table = self._table(names, number, groups, slots)
            if table is None or not each_once(table):
                continue
            each = torch.bincount(table[table >= 0], minlength=self._images * len(names.names))
            if not bool((each == each[0]).all()) or not int(each[0]):
                continue
            if not heads(int(each[0])):
                continue
            if self._are_heads(names, number, table, int(each[0])):
                return names, table
        return None

    def _grids(self, slots: int, heads: Callable[[int], bool]) -> Iterator[Positions]:
        """Grids that are coarser than the cells, of which each block has a slot in every head; then those
        that leave slots over, where padding was seen."""
        depth, height, width = self._positions.grid
        grids: list[GridShape] = []
        for step in _STEPS:
            for rows in dict.fromkeys((-(-height // step), height // step)):
                for columns in dict.fromkeys((-(-width // step), width // step)):
                    grids.append((depth, rows, columns))
        padded = []
        for grid in dict.fromkeys(grids):
            for front in dict.fromkeys((self._positions.before, ())):
                names = Positions(grid, front)
                if self._positions.after or len(names.names) < 2 or not math.prod(grid):
                    continue
                each, rest = divmod(slots, self._images * len(names.names))
                if not each:
                    continue
                if rest or not heads(each):
                    padded.append(names)
                else:
                    yield names
        if self._placing.padded:
            yield from padded

    def _code(self, names: Positions) -> Tensor:
        """(images, positions) the number image * tokens + token of the block of each; -1: none."""
        each = units(self._positions, names)
        images = torch.arange(self._images)[:, None] * len(names.names)
        return torch.where(each >= 0, each + images, NOWHERE)

    def _bits(self, code: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        on = chosen[code.clamp_min(0)] & (code >= 0)
        return self._placing.bits(self._axes, on, (code >= 0) & ~on)

    def _table(self, names: Positions, number: int, groups: int, slots: int) -> Tensor | None:
        code, tokens = self._code(names), self._images * len(names.names)
        draw = torch.Generator().manual_seed(13)
        seen = self._seen.setdefault((names.grid, len(names.before)), [])
        for at in range(_MASKS if tokens >= _FEW else _MASKS_OF_FEW):
            chosen = torch.rand(tokens, generator=draw) < 0.5
            if at == len(seen):
                seen.append((chosen, self._bits(code, chosen)))
            if bool((seen[at][1][number] == MIXED).any()):
                return None
        told = [(chosen, bits[number]) for chosen, bits in seen]
        known: Iterator[Tensor] = iter(self._layouts.like(groups, slots, tokens))
        if not names.before:
            known = chain(known, tables(groups, slots, self._images, names.grid[1:]))
        found = next((t for t in known if agrees(t, told)), None)
        return self._by_bits(code, tokens, number) if found is None else found

    def _by_bits(self, code: Tensor, tokens: int, number: int) -> Tensor | None:
        found: Tensor | None = None
        for bit in range(max(1, (tokens - 1).bit_length())):
            bits = self._bits(code, (torch.arange(tokens) >> bit & 1).bool())[number]
            if bool((bits == MIXED).any()):
                return None
            before = torch.zeros_like(bits) if found is None else found
            found = torch.where(bits >= 0, before + (bits << bit), NOWHERE)
        assert found is not None
        self._layouts.keep(found, tokens)
        return found

    def _are_heads(self, names: Positions, number: int, table: Tensor, heads: int) -> bool:
        """Whether the slots of one block follow the same cells within it: slots that lie next to each other
        there follow each their own."""
        if heads == 1 or names.grid == self._positions.grid:
            return True
        code = self._code(names)
        flat = table.reshape(-1)
        placed = (flat >= 0).nonzero()[:, 0]
        slot = placed[torch.argsort(flat[placed], stable=True)].view(-1, heads)
        nth = _within(code.reshape(-1)).view(code.shape)
        moves = []
        for place in range(min(_INSIDE, int(nth.max()) + 1)):
            moved = self._placing.strength(self._axes, nth == place, alike=True)[number]
            moves.append(moved.reshape(-1)[slot])
        profiles = torch.stack(moves, -1)  # (tokens, heads, places)
        profiles = profiles / profiles.norm(dim=-1, keepdim=True).clamp_min(1e-30)
        alike = (profiles @ profiles.mT).mean(0)
        others = (float(alike.sum()) - float(alike.trace())) / (heads * (heads - 1))
        return others > _ALIKE and float(alike.min()) > _PAIR


def _within(code: Tensor) -> Tensor:
    """(positions,) the how manieth of its block each position is; -1 where it is in none."""
    order = torch.argsort(code, stable=True)
    ordered = code[order]
    first = torch.searchsorted(ordered, ordered)
    found = torch.empty_like(code)
    found[order] = torch.arange(len(code)) - first
    return torch.where(code >= 0, found, -1)
