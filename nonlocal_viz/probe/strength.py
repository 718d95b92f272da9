"""Where slots lie that mix positions (pooled, strided, convolved before their projection): by how far each
moves.

Two ways, and each is held against single cells afterwards: a slot that is made of one block of cells moves
more with the half of the cells that the block is in (a search, any order); and a slot made of a cell
and its neighbours has the cell in the middle of what moves with it (layouts that are known).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.pooled import coarser
from nonlocal_viz.probe.positions import Positions, each_once, heads_of
from nonlocal_viz.probe.slots import Slots
from nonlocal_viz.probe.windows import tables

#: Cells whose change is looked at, how many of them must be found, how near, in cells of the slots' grid.
_CELLS, _ENOUGH, _NEAR = 6, 5, 0.8
#: Moves of less than this share of the farthest are none.
_STILL = 1e-4
#: How much farther than the middlemost cell the right one moves; and of all that moves more than that one
#: the share that lies around the right one, within this many cells.
_FARTHER, _AROUND, _REACH = 4.0, 0.6, 2
#: From this likeness on what two cells move is the same.
_ALIKE = 0.98
#: Cells whose heads are compared, positions within one, and how alike these have to move the heads.
_PLACES, _INSIDE, _SAME_PLACE = 2, 16, 0.3
#: Sides of a grid on which the middle of what moves can be told.
_TELLING = 4


@dataclass(frozen=True)
class _Side:
    """One factor's slots, and how far these move: where single cells change, and where halves do."""

    number: int
    groups: int
    slots: int


def placed(
    placing: Placing, axes: Axes, positions: Positions, heads: Callable[[int], bool]
) -> Slots | None:
    """The slots of queries and keys over what ``positions`` says; None where they lie on no grid of it.
    ``heads``: whether there may be so many of them."""
    images, count = axes.count(placing.x)
    if placing.still is None or count != len(positions.names):
        return None
    search = _Search(placing, axes, positions, images)
    query_of, key_of = placing.still.query, placing.still.key
    asking = search.side(_Side(0, query_of.shape[0], query_of.shape[1]), heads)
    if asking is None:
        return None
    query_side, query = asking
    each = heads_of(query, images, query_side)
    # Every head has all keys of its queries.
    looked_at = search.side(
        _Side(1, key_of.shape[0], key_of.shape[1]), lambda found: found % each == 0
    )
    if looked_at is None:
        return None
    key_side, key = looked_at
    if bool((key < 0).all()) or bool((query < 0).all()):
        return None
    tokens = len(key_side.names)
    return Slots(axes, query, key, images, count, tokens, query_side, key_side)


class _Search:
    """Looks for grids on which slots lie, coarser than that of the positions or the same."""

    def __init__(self, placing: Placing, axes: Axes, positions: Positions, images: int) -> None:
        self._placing, self._axes, self._positions = placing, axes, positions
        self._images = images
        draw = torch.Generator().manual_seed(4)
        self._cells = torch.randperm(positions.cells, generator=draw).tolist()
        #: {(grid, cell): how far queries and keys move with the block of the cell}
        self._moves: dict[tuple[GridShape, int], tuple[Tensor, Tensor]] = {}

    def side(self, side: _Side, heads: Callable[[int], bool]) -> tuple[Positions, Tensor] | None:
        special = len(self._positions.before)
        total = side.groups * side.slots
        if self._alike(side):
            return None
        for grid in coarser(self._positions.grid):
            # Frames that are looked at one by one would pass for heads of pooled ones.
            if grid[0] != self._positions.grid[0]:
                continue
            cells = math.prod(grid)
            for extra in dict.fromkeys((special, 0)):
                # Every token of the side has a slot in each head; padding has some besides.
                if total % self._images or (total // self._images) < cells + extra:
                    continue
                exact = total % (self._images * (cells + extra)) == 0
                if not exact and grid != self._positions.grid:
                    continue
                names = Positions(grid, self._positions.before[:extra])
                found = self._on(side, names)
                if found is None or not each_once(found):
                    continue
                if not heads(heads_of(found, self._images, names)):
                    continue
                return names, found
        return None

    def _alike(self, side: _Side) -> bool:
        """Whether cells at the ends of the grid and in its middle move the same slots: then these are
        channels or summaries, and no grid has to be tried."""
        cells = self._positions.cells
        if cells < 3:
            return False
        moves = [
            self._moved(self._positions, cell, side).square().flatten()
            for cell in (0, cells - 1, cells // 2)
        ]
        first, *others = (m - m.mean() for m in moves)
        likeness = [float(torch.cosine_similarity(first, other, dim=0)) for other in others]
        return min(likeness) > _ALIKE

    def _on(self, side: _Side, names: Positions) -> Tensor | None:
        tokens = len(names.names)
        # Where one block moves every slot alike there is nothing to be found.
        one = self._moved(names, self._cells[0], side).square()
        if float(one.max()) < _FARTHER * float(one.median()):
            return None
        codes = self._searched(side, names)
        if codes is not None and self._holds(side, names, codes, blocks=True):
            return codes if self._heads_agree(side, names, codes) else None
        if min(names.grid[1:]) < _TELLING:
            return None
        if names.before or names.grid != self._positions.grid:
            plain = torch.arange(tokens)[None]
            layouts: Iterator[Tensor] = iter(_spread(plain, side, self._images, tokens))
        else:
            layouts = tables(side.groups, side.slots, self._images, names.grid[1:])
        for table in layouts:
            if self._holds(side, names, table, blocks=False):
                return table if self._heads_agree(side, names, table) else None
        return None

    def _heads_agree(self, side: _Side, names: Positions, table: Tensor) -> bool:
        """Whether the slots that stand for one cell are its heads: these follow the same positions of the
        input within it; slots that lie next to each other within a coarser cell follow each their own."""
        flat = table.reshape(-1)
        if names.grid == self._positions.grid:
            return True
        code = self._code_of(names)
        for cell in self._cells[:_PLACES]:
            t, h, w = self._block(names, cell)
            wanted = (t * names.grid[1] + h) * names.grid[2] + w + len(names.before)
            own = (flat == wanted).nonzero()[:, 0]
            inside = (code == wanted).nonzero()[:_INSIDE, 0]
            if len(own) < 2 or len(inside) < 2:
                continue
            profiles = torch.stack([self._single(int(p), side).reshape(-1)[own] for p in inside])
            profiles = profiles / profiles.norm(dim=0).clamp_min(1e-30)
            alike, heads = profiles.T @ profiles, len(own)
            others = (float(alike.sum()) - heads) / (heads * (heads - 1))
            if others < _SAME_PLACE:
                return False
        return True

    def _single(self, position: int, side: _Side) -> Tensor:
        where = torch.zeros(self._images, len(self._positions.names), dtype=torch.bool)
        where[0, position] = True
        moved = self._placing.strength(self._axes, where, alike=True)[side.number]
        return moved.square()

    def _code_of(self, names: Positions) -> Tensor:
        """(positions,) the token of a side that each position of the input belongs to; -1: none."""
        whole, grid = self._positions, names.grid
        t, h, w = torch.unravel_index(torch.arange(whole.cells), whole.grid)
        block = [
            place * to // of for place, to, of in zip((t, h, w), grid, whole.grid, strict=True)
        ]
        cell = (block[0] * grid[1] + block[1]) * grid[2] + block[2] + len(names.before)
        special = torch.full((len(whole.before),), NOWHERE)
        special[: len(names.before)] = torch.arange(len(names.before))
        raster = torch.cat([special, cell, torch.full((len(whole.after),), NOWHERE)])
        if whole.order is None:
            return raster
        return raster[whole.order]

    def _searched(self, side: _Side, names: Positions) -> Tensor | None:
        code = self._code_of(names)
        tokens = len(names.names)
        every = code[None] + tokens * torch.arange(self._images)[:, None]
        every = torch.where(code[None] >= 0, every, torch.full_like(every, NOWHERE))
        found = torch.zeros(side.groups, side.slots, dtype=torch.long)
        still = torch.ones(side.groups, side.slots, dtype=torch.bool)
        for bit in range(max(1, int(self._images * tokens - 1).bit_length())):
            one = (every >> bit & 1).bool() & (every >= 0)
            on = self._placing.strength(self._axes, one)[side.number]
            off = self._placing.strength(self._axes, ~one & (every >= 0))[side.number]
            found += (on > off).long() << bit
            least = _STILL * torch.maximum(on.max(), off.max())
            still &= (on <= least) & (off <= least)
            # Where every slot moves each token has as many, and so has each half of the tokens.
            if not bool(still.any()):
                low = torch.arange(self._images * tokens) % (2 << bit)
                wanted = low.bincount(minlength=2 << bit) * found.numel()
                counts = found.reshape(-1).bincount(minlength=2 << bit)
                if not torch.equal(counts * len(low), wanted):
                    return None
        found[still] = NOWHERE
        placed = found[found >= 0]
        counts = torch.bincount(placed, minlength=self._images * tokens)
        whole = len(counts) == self._images * tokens and bool((counts == counts[0]).all())
        return found if whole else None

    def _holds(self, side: _Side, names: Positions, table: Tensor, blocks: bool) -> bool:
        """Whether single cells move the slots that a table has for them (``blocks``), or their middle."""
        tokens = len(names.names)
        flat = table.reshape(-1)
        numbers = torch.arange(len(flat))[flat >= 0]
        order = torch.argsort(flat[numbers], stable=True)
        heads, rest = divmod(len(order), self._images * tokens)
        if rest or not heads:
            return False
        slot = numbers[order].view(self._images, tokens, heads)[0]
        hits, tried = 0, 0
        for cell in self._cells[: 8 * _CELLS]:
            moved = self._moved(names, cell, side).reshape(-1)[slot].square()
            moved = moved[len(names.before) :]
            # Every head counts alike.
            energy = (moved / moved.sum(0, keepdim=True).clamp_min(1e-30)).mean(1)
            place = self._block(names, cell)
            hit = _hit(energy, names.grid, place, blocks)
            if hit is None:
                continue
            hits, tried = hits + hit, tried + 1
            if tried == _CELLS or tried - hits > _CELLS - _ENOUGH:
                break
        return tried == min(_CELLS, math.prod(names.grid)) and hits >= _ENOUGH * tried / _CELLS

    def _block(self, names: Positions, cell: int) -> tuple[int, ...]:
        place = torch.unravel_index(torch.tensor(cell), self._positions.grid)
        sides = zip(place, names.grid, self._positions.grid, strict=True)
        return tuple(int(p) * to // of for p, to, of in sides)

    def _moved(self, names: Positions, cell: int, side: _Side) -> Tensor:
        code = self._code_of(names)
        t, h, w = self._block(names, cell)
        wanted = (t * names.grid[1] + h) * names.grid[2] + w + len(names.before)
        key = names.grid, wanted
        if key not in self._moves:
            where = torch.zeros(self._images, len(code), dtype=torch.bool)
            where[0] = code == wanted
            self._moves[key] = self._placing.strength(self._axes, where, alike=True)
        return self._moves[key][side.number]


def _hit(energy: Tensor, grid: GridShape, place: tuple[int, ...], blocks: bool) -> bool | None:
    """Whether the cell at ``place`` is the one that moves most, or the middle of those that move; None
    where the edge is too near to tell a middle."""
    field = (energy - energy.median()).clamp_min(0).view(grid)
    total = field.sum()
    at = float(energy.view(grid)[place])
    if float(total) <= 0 or at < _FARTHER * float(energy.median()):
        return False
    if blocks:
        best = torch.unravel_index(energy.argmax(), grid)
        return tuple(map(int, best)) == place
    window = [slice(max(p - _REACH, 0), p + _REACH + 1) for p in place]
    if float(field[window[0], window[1], window[2]].sum() / total) < _AROUND:
        return False
    for axis, (side, wanted) in enumerate(zip(grid, place, strict=True)):
        if side > 2 and wanted in (0, side - 1):
            return None
        along = field.sum([a for a in range(3) if a != axis])
        middle = float((along * torch.arange(side)).sum() / total)
        if side > 2 and abs(middle - wanted) > _NEAR:
            return False
    return True


def _spread(table: Tensor, side: _Side, images: int, tokens: int) -> Iterator[Tensor]:
    """One plain table (1, tokens) of an image for all images and heads, images first."""
    if side.slots == tokens and side.groups % images == 0:
        heads = side.groups // images
        each = table + tokens * torch.arange(images)[:, None]
        yield each.repeat_interleave(heads, 0)
