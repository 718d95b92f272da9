"""Where the slots of a capture lie: which token of the module's input each query and key is made of.

Found by changing the input at some positions and watching which slots move (a slot that follows exactly
the positions whose number has a bit set has that bit in its own). Never guessed: a slot that moves with
nothing is no position (padding, learnt queries), one that moves with everything mixes them.
"""

from collections.abc import Callable
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import MIXED, NOWHERE, Layouts, agrees
from nonlocal_viz.probe.proving import held_to
from nonlocal_viz.probe.records import Capture, UnprovenError
from nonlocal_viz.probe.slots import Slots, image_of
from nonlocal_viz.probe.together import Joined, parted
from nonlocal_viz.probe.windows import tables

#: How many times as far one half of the positions moves a slot as the other, where it follows that half.
_CLEARLY = 2.5
#: Where fewer slots than this share cannot be told, it may be chance.
_FEW = 0.2
#: Of the farthest move: what rounding does to slots that do not move.
_STILL = 1e-4
#: How often half of the positions, drawn at random, are changed to tell a known layout by; more often where
#: there are few positions, and wrong layouts could agree by chance.
_MASKS, _MASKS_OF_FEW, _POSITIONS = 3, 10, 100


class Placing:
    """Finds the slots of one attention of a module that can run again."""

    def __init__(
        self,
        again: Again,
        path: str,
        number: int,
        x: Tensor,
        like: Capture,
        layouts: "Layouts | None" = None,
    ) -> None:
        self._again, self._path, self._number = again, path, number
        self._layouts = Layouts() if layouts is None else layouts
        #: What the module was given.
        self.x = x
        self._like = like
        #: Whether every query moved with every position in all readings that were tried.
        self.hopeless, self.tried = True, False
        #: Whether slots were seen that move with nothing, and a group that is of several images.
        self.padded, self.across = False, False

    @cached_property
    def still(self) -> Capture | None:
        """The capture of a run on what the module was given, unchanged.

        Raises:
            UnprovenError: it drew random numbers, and made something else of them.
        """
        found, like = self.run(lambda x: x), self._like
        if found is not None:
            held_to(self._again.drew, found.query, like.query)
            held_to(self._again.drew, found.key, like.key)
        return found

    def slots(self, axes: Axes) -> Slots | None:
        """The slots where the input is read in this way; None where that makes no sense of them."""
        images, positions = axes.count(self.x)
        if self.still is None or images * positions < 2:
            return None
        known = self._known(axes, images, positions)
        if known is None:
            return None
        query, key = known
        if query is None or key is None:
            found = self.by_bits(axes, images, positions, lambda q, _: bool((q == MIXED).any()))
            if found is None:
                return None
            query = found[0] if query is None else query
            key = found[1] if key is None else key
            for table in found:
                self._layouts.keep(table, images * positions)
        if bool((query == MIXED).any()):
            return None
        slots = Slots(axes, query, key, images, positions, positions)
        if not slots.of_one_image:
            self.across = True
            return None
        return slots

    def keys(self, axes: Axes) -> tuple[Tensor, int] | None:
        """(positions of the key slots, how many there are in an image) where the keys are made of another
        input than the queries; None where that makes no sense of them."""
        images, positions = axes.count(self.x)
        if self.still is None or images * positions < 2:
            return None
        known = self._known(axes, images, positions, queries=False)
        key = None if known is None else known[1]
        if key is None:
            found = self.by_bits(axes, images, positions, lambda _, k: bool((k < 0).any()))
            if found is None:
                return None
            key = found[1]
        if bool((key < 0).any()) or not bool((image_of(key, positions) != MIXED).all()):
            return None
        return key, positions

    def _known(
        self, axes: Axes, images: int, positions: int, queries: bool = True
    ) -> tuple[Tensor | None, Tensor | None] | None:
        """The layouts of queries and keys that are known and agree with what moves, where one does; None,
        where queries mix positions, which no search will mend."""
        assert self.still is not None
        sides = tuple(self.x.shape[a] for a in axes.positions)
        draw = torch.Generator().manual_seed(11)
        seen: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []
        many = positions >= _POSITIONS
        for _ in range(_MASKS if many else _MASKS_OF_FEW):
            mask = torch.rand(images * positions, generator=draw) < 0.5
            bits = self._halves(axes, mask.view(images, positions))
            self.tried = True
            self.hopeless &= bool((bits[0] == MIXED).all())
            if queries and bool((bits[0] == MIXED).any()):
                return None
            seen.append((mask, bits))
            if many:
                # Half of so many positions tell what was found before from anything else.
                before = [self._like_before(i, images * positions, seen) for i in (0, 1)]
                if all(table is not None for table in before):
                    return before[0], before[1]
        found: list[Any] = []
        for side, factor in enumerate((self.still.query, self.still.key)):
            groups, slots = factor.shape[:2]
            told = [(mask, bits[side]) for mask, bits in seen]
            like = self._layouts.like(groups, slots, images * positions)
            known = chain(like, tables(groups, slots, images, sides))
            found.append(next((t for t in known if agrees(t, told)), None))
            if found[side] is not None:
                self._layouts.keep(found[side], images * positions)
        return found[0], found[1]

    def _like_before(
        self, side: int, positions: int, seen: list[tuple[Tensor, tuple[Tensor, Tensor]]]
    ) -> Tensor | None:
        """The layout of a side that another attention has, and that agrees with what moved."""
        assert self.still is not None
        factor = (self.still.query, self.still.key)[side]
        told = [(mask, bits[side]) for mask, bits in seen]
        known = self._layouts.like(factor.shape[0], factor.shape[1], positions)
        return next((t for t in known if agrees(t, told)), None)

    def by_bits(
        self,
        axes: Axes,
        images: int,
        positions: int,
        vain: Callable[[Tensor, Tensor], bool] = lambda _query, _key: False,
    ) -> tuple[Tensor, Tensor] | None:
        """The positions that slots follow, bit by bit; None as soon as it is in ``vain``, as it then is for
        all bits together."""
        numbers = torch.arange(images * positions)
        place: list[Tensor | None] = [None, None]
        for bit in range(max(1, int(images * positions - 1).bit_length())):
            on = (numbers >> bit & 1).bool().view(images, positions)
            for i, found in enumerate(self._halves(axes, on)):
                before = place[i]
                if before is None:
                    place[i] = found
                    continue
                # One bit that cannot be told makes the slot one that mixes positions.
                said = (before >= 0) & (found >= 0)
                worse = torch.minimum(before, found)
                place[i] = torch.where(said, before + (found << bit), worse)
            query, key = place
            assert query is not None and key is not None
            if vain(query, key):
                return None
        assert query is not None and key is not None
        return query, key

    def _halves(self, axes: Axes, where: Tensor) -> tuple[Tensor, Tensor]:
        return self.bits(axes, where, ~where)

    def bits(self, axes: Axes, where: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Of every slot: 1 where it follows the positions marked in ``where``, 0 where it follows the
        ``other`` ones, :data:`NOWHERE` or :data:`MIXED`. What all positions share (a normalisation over
        them) moves every slot a little: it follows what moves it clearly farther than the rest does."""
        on, off = (self.strength(axes, w) for w in (where, other))
        bits = tuple(map(_followed, on, off))
        unclear = max(float((b == MIXED).float().mean()) for b in bits)
        if 0 < unclear < _FEW:
            # A few that cannot be told may be chance: other noise tells.
            again = [self.strength(axes, w, seed) for w in (where, other) for seed in (6, 7)]
            on = tuple(sum(parts) for parts in zip(on, *again[:2], strict=True))
            off = tuple(sum(parts) for parts in zip(off, *again[2:], strict=True))
            bits = tuple(map(_followed, on, off))
        self.padded |= any(bool((b == NOWHERE).any()) for b in bits)
        return bits[0], bits[1]

    def strength(
        self, axes: Axes, where: Tensor, seed: int = 5, alike: bool = False
    ) -> tuple[Tensor, Tensor]:
        """How far each query slot (L, n) and key slot (L, m) moves where the input does."""
        found = self.run(lambda x: axes.shifted(x, where, seed, alike))
        assert self.still is not None
        if found is None:
            raise UnprovenError("Run on changed input, its module computes something else.")
        pairs = ((found.query, self.still.query), (found.key, self.still.key))
        query, key = ((a - b).float().norm(dim=-1) for a, b in pairs)
        return query, key

    def run(self, change: Callable[[Tensor], Tensor]) -> Capture | None:
        """The attention of the module where its input is changed; None where it computes none like it."""

        def enough(seen: list[Capture]) -> bool:
            return self._number < len(self._alike(seen))

        found = self._alike(self._again.captures(change, self._path, enough))
        return found[self._number] if self._number < len(found) else None

    def _alike(self, seen: list[Capture]) -> list[Capture]:
        """Of a module's captures those that may be the one again."""
        like = self._like
        wanted = like.softmax, like.query.shape[2]
        seen = [capture for capture in seen if (capture.softmax, capture.query.shape[2]) == wanted]
        parts = like.parts if isinstance(like, Joined) else [like]
        found: list[Capture] = [*parted(seen, parts)]
        return [capture for capture in found if capture.groups == like.groups]


def _followed(on: Tensor, off: Tensor) -> Tensor:
    """1, 0, NOWHERE or MIXED by how far slots move with one half of the positions and with the other."""
    found = torch.full(on.shape, MIXED)
    found[on > _CLEARLY * off] = 1
    found[off > _CLEARLY * on] = 0
    still = _STILL * torch.maximum(on.max(), off.max())
    found[(on <= still) & (off <= still)] = NOWHERE
    return found
