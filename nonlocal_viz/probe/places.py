"""From slots to the tokens of a map: heads, special tokens, cells in raster order, padding behind them."""

from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.core.tokens import NONE_ASIDE, GridShape, OffGrid
from nonlocal_viz.probe.extra import picked, spread_evenly
from nonlocal_viz.probe.known import MIXED, NOWHERE
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.pooled import mixed_keys
from nonlocal_viz.probe.positions import Positions, outside_names
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.probe.records import Capture, UnprovenError
from nonlocal_viz.probe.refusals import NESTED
from nonlocal_viz.probe.slots import Slots

_LEARNT = "Its queries do not follow what the module is given: they are learnt, or made of something else."


def laid_out(
    capture: Capture,
    slots: Slots,
    positions: Positions,
    placing: Placing,
    keys: Positions | None = None,
) -> Recorded:
    """The map of a capture over the tokens of its module's input; ``keys`` are the positions of another
    input that the keys are made of.

    Raises:
        UnprovenError: queries or keys cannot be placed.
    """
    slots, notes = _asking_once(_in_raster_order(slots, positions), positions)
    learnt = bool((slots.query == NOWHERE).all())
    slot, image, head = _learnt_queries(slots) if learnt else _queries(slots)
    if learnt:
        query_grid: GridShape = (0, 0, 0)
        query_aside = OffGrid(tuple(f"query {i + 1}" for i in range(slot.shape[2])))
        notes = (_LEARNT,)
    else:
        query_grid, query_aside = _side(slots, slot, slots.query_side or positions)
    if slots.key_side is not None:
        key_grid = slots.key_side.grid
        token, outside = _keys(slots, image, head, key_grid)
        named = outside_names(capture.key, slots.key == NOWHERE, head, outside, slots.key_side)
        key_aside = OffGrid(slots.key_side.before, named)
    elif keys is not None:
        token = slots.key % slots.key_positions
        token = token if keys.order is None else keys.order[token]
        key_grid, key_aside = keys.grid, keys.aside
    elif bool((slots.key == MIXED).any()):
        if len(slots.key) != slot.shape[0] * slot.shape[1]:
            raise UnprovenError("Its keys mix positions, and differ from window to window.")
        key_grid, key_aside, token = mixed_keys(capture, slots, positions, placing, image)
    else:
        token, outside = _keys(slots, image, head, positions.grid)
        named = outside_names(capture.key, slots.key == NOWHERE, head, outside, positions)
        key_grid, token = picked(token, positions)
        key_aside = OffGrid(positions.before, positions.after + named)
    return Recorded(capture, slot, token, query_grid, key_grid, query_aside, key_aside, notes=notes)


def _in_raster_order(slots: Slots, positions: Positions) -> Slots:
    """The slots numbered in raster order, where the network has an order of its own."""
    if positions.order is None or slots.query_side is not None:
        return slots

    def ordered(code: Tensor) -> Tensor:
        assert positions.order is not None
        image, token = code // slots.positions, code % slots.positions
        placed = image * slots.positions + positions.order[token]
        return torch.where(code >= 0, placed, code)

    return replace(slots, query=ordered(slots.query), key=ordered(slots.key))


def _asking_once(slots: Slots, positions: Positions) -> tuple[Slots, tuple[str, ...]]:
    """The slots without the special tokens that ask in several groups where cells ask in one (a class token
    in every frame): which of its rows would be the one?"""
    flat = slots.query.reshape(-1)
    nothing = not len(positions.aside) or not positions.cells or slots.query_side is not None
    if nothing or not bool((flat >= 0).any()):
        return slots, ()
    counts = torch.bincount(flat[flat >= 0] % slots.positions, minlength=slots.positions)
    first = len(positions.before)
    usual = counts[first : first + positions.cells]
    several = (counts > usual.max()).nonzero()[:, 0]
    if not len(several) or bool((usual == 0).any()):
        return slots, ()
    asks = torch.isin(slots.query % slots.positions, several) & (slots.query >= 0)
    names = ", ".join(positions.names[int(i)] for i in several)
    note = f"Asks in several groups of keys, and then is averaged; such rows are left out: {names}."
    return replace(slots, query=slots.query.masked_fill(asks, NOWHERE)), (note,)


def _learnt_queries(slots: Slots) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`_queries`, of queries that no input moves: they are the network's own, each group of one
    image and head by the keys that it looks at."""
    groups, n = slots.query.shape
    image = slots.key.max(1).values // slots.key_positions
    heads, rest = divmod(groups, slots.images)
    counts = torch.bincount(image.clamp_min(0), minlength=slots.images)
    whole = slots.key.shape[1] == slots.key_positions and bool((slots.key >= 0).all())
    if rest or not whole or not bool((counts == heads).all()):
        raise UnprovenError("No query of it follows one position of the module's input.")
    group = torch.argsort(image, stable=True).view(slots.images, heads)
    head = torch.empty_like(image)
    head[group] = torch.arange(heads).expand(slots.images, -1)
    slot = group[..., None] * n + torch.arange(n)
    return slot, image, head


def _queries(slots: Slots) -> tuple[Tensor, Tensor, Tensor]:
    """(slot (B, H, N') of every position that asks, image (L,) and head (L,) of every group)."""
    groups, n = slots.query.shape
    flat = slots.query.reshape(-1)
    numbers = torch.arange(groups * n)
    placed = flat >= 0
    if not bool(placed.any()):
        raise UnprovenError("No query of it follows one position of the module's input.")
    order = torch.argsort(flat[placed], stable=True)
    codes, at = flat[placed][order], numbers[placed][order]
    unique, counts = codes.unique(return_counts=True)
    each_image = torch.bincount(unique // slots.query_positions, minlength=slots.images)
    if each_image.min() != each_image.max():
        raise UnprovenError(NESTED)
    if counts.min() != counts.max():
        raise UnprovenError("Its queries stand for positions in different numbers of heads.")
    heads = int(counts[0])
    each = len(unique) // slots.images
    slot = at.view(slots.images, each, heads).transpose(1, 2)
    image = torch.full((groups,), -1)
    head = torch.full((groups,), -1)
    for b in range(slots.images):
        for h in range(heads):
            image[slot[b, h] // n], head[slot[b, h] // n] = b, h
    return slot, image, head


def _side(slots: Slots, slot: Tensor, positions: Positions) -> tuple[GridShape, OffGrid]:
    """The grid and the names of the tokens that ask: all positions, or the special ones alone."""
    if slot.shape[2] == len(positions.names):
        return positions.grid, positions.aside
    n = slots.query.shape[1]
    asking = slots.query.reshape(-1)[slot[0, 0]] % slots.query_positions
    names = positions.before + ("",) * positions.cells + positions.after
    special = tuple(names[int(p)] for p in asking)
    first = len(positions.before)
    if asking.tolist() == list(range(first, first + positions.cells)):
        return positions.grid, NONE_ASIDE
    grid = spread_evenly(asking.tolist(), positions)
    if grid is not None:
        return grid, NONE_ASIDE
    if not all(special) or n < 1:
        raise UnprovenError("Only some of the positions ask, and they are no whole grid.")
    return (0, 0, 0), OffGrid(special)


def _keys(slots: Slots, image: Tensor, head: Tensor, grid: GridShape) -> tuple[Tensor, int]:
    """(token (L, m) of every key slot, how many lie outside the picture)."""
    count = slots.key_positions
    token = torch.where(slots.key >= 0, slots.key % count, torch.full_like(slots.key, -1))
    outside = 0
    pairs = {(int(b), int(h)) for b, h in zip(image, head, strict=True) if b >= 0}
    for b, h in pairs:
        groups = torch.nonzero((image == b) & (head == h))[:, 0]
        part = token[groups]
        if bool((part == NOWHERE).any()):
            places = _planes(part, grid, count)
            nowhere = part == NOWHERE
            numbers = places[nowhere].unique()
            part[nowhere] = count + torch.searchsorted(numbers, places[nowhere])
            token[groups] = part
            outside = max(outside, len(numbers))
    return token, outside


def _planes(token: Tensor, grid: GridShape, positions: int) -> Tensor:
    """A number for every slot (G, m) of the windows of one image and head, those off the picture
    included: equal where two windows share a place, and in raster order of the padded picture.

    Windows that tile a plane have their places by their order. Where the plane is the padded picture,
    rolled round its edge, the roll is taken back. Windows that overlap are laid out from the cells
    that they hold. Else every slot is a place of its own.
    """
    count, m = token.shape
    _, height, width = grid
    slot = torch.arange(count)[:, None] * m + torch.arange(m)
    specials = positions - height * width * grid[0]
    if grid[0] != 1 or specials:
        return slot
    cell = torch.where(token >= 0, token, torch.zeros_like(token))
    row, column, on = cell // width, cell % width, token >= 0
    for wh, ww in sorted(_windows(m), key=lambda w: abs(w[0] - w[1])):
        across, down = -(-width // ww), -(-height // wh)
        a, b = torch.arange(m) // ww, torch.arange(m) % ww
        if across * down == count and len(token[on].unique()) == int(on.sum()):
            group = torch.arange(count)[:, None]
            plane_row = group // across * wh + a
            plane_column = group % across * ww + b
            return _unrolled(row, column, on, plane_row, plane_column, down * wh, across * ww)
        # Overlapping windows: one cell that a window holds says where all of it lies.
        first = on.int().argmax(1, keepdim=True)
        top = row.gather(1, first) - a[first]
        left = column.gather(1, first) - b[first]
        r, c = top + a, left + b
        if bool(((r == row) & (c == column))[on].all()):
            return (r - r.min()) * (int(c.max() - c.min()) + 1) + c - c.min()
    return slot


def _unrolled(
    row: Tensor, column: Tensor, on: Tensor, plane_row: Tensor, plane_column: Tensor,
    height: int, width: int,
) -> Tensor:  # fmt: skip
    down = ((row - plane_row) % height)[on]
    right = ((column - plane_column) % width)[on]
    if bool((down == down[0]).all()) and bool((right == right[0]).all()):
        plane_row = (plane_row + down[0]) % height
        plane_column = (plane_column + right[0]) % width
    return plane_row * width + plane_column


def _windows(slots: int) -> list[tuple[int, int]]:
    return [(h, slots // h) for h in range(1, slots + 1) if slots % h == 0]
