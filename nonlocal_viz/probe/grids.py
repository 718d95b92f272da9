"""What the tokens are on the picture: their grid, their order, and the special ones beside it.

Invariant: where the network is given a picture, tokens were seen to move with their cells, or to be those
of a module of which that was seen.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nonlocal_viz.probe import order
from nonlocal_viz.probe.again import Again, first_tensor, shape_of
from nonlocal_viz.probe.along import Along
from nonlocal_viz.probe.cells import follow_map, follow_picture, three
from nonlocal_viz.probe.layout import Axes, readings
from nonlocal_viz.probe.patches import (
    SPECIAL,
    cubes,
    in_parts,
    special_fits,
    square_patches,
    with_many_behind,
)
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.rasters import Rasters
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.refusals import OBJECTS, TEXT, is_text
from nonlocal_viz.probe.stream import Stream, as_part, common, keeps, within
from nonlocal_viz.probe.watch import Watch

#: Earlier modules of which it is asked whether their tokens are those of a later one.
_STREAMS = 2
#: Modules that are given so many tokens, of which one is looked for that the picture moves.
_FIRST = 4
_NO_RASTER = (
    "Its {} positions are windows, or in another order than the picture's, and the network does not show "
    "in which."
)


class Grids:
    """The grids of all tokens of one network, each looked for once.

    Attributes:
        rasters: of feature maps.
        streams: {shape: where tokens of such inputs lie}.
        asked: {number of tokens: what those are that an attention gave out}.
    """

    def __init__(
        self, watch: Watch, grid: tuple[int, int, int] | None, again_of: Callable[[Call], Again]
    ) -> None:
        self._watch, self._given, self._again_of = watch, grid, again_of
        self.rasters = Rasters(watch, again_of)
        self.streams: dict[tuple[int, ...], list[Stream]] = {}
        self.asked: dict[int, Positions] = {}
        self._positions: dict[tuple[int, int], Positions | None] = {}
        self._orders: dict[tuple[int, int, Axes], Positions | None] = {}
        self._along = Along(watch, again_of)
        self._first: dict[tuple[int, int, Axes], Call | None] = {}

    def learn(self, stream: Stream) -> None:
        """Remember where tokens lie that a module was given."""
        known = self.streams.setdefault(stream.shape, [])
        known.append(stream)
        del known[:-_STREAMS]

    def positions(
        self, x: Tensor, axes: Axes, count: int, calls: Sequence[Call], notes: list[str]
    ) -> Positions:
        """What ``count`` tokens are that the last of ``calls`` was given, as x read in this way; what is
        assumed goes into ``notes``.

        Raises:
            UnprovenError: they lie on no grid that is known.
        """
        root = calls[0]
        if axes.positions == (2,) and x.ndim == 3 and not _is_picture(root):
            notes.append(
                f"Its {count} positions are a sequence, features first, as convolutions have it."
            )
            return Positions((1, 1, count))
        if len(axes.positions) > 1 and x.is_meta:
            # In place of the module's input stands a feature map of a convolution.
            return Positions(three([x.shape[a] for a in axes.positions]))
        if len(axes.positions) > 1:
            found = self.rasters.positions(x, axes, calls)
            if found is None:
                raise UnprovenError(
                    _NO_RASTER.format(" x ".join(str(x.shape[a]) for a in axes.positions))
                )
            return found
        images = x.shape[axes.batch]
        if (count, images) not in self._positions:
            self._positions[count, images] = self._search(count, root, axes, images)
        found = self._positions[count, images]
        if found is not None and self._given is None:
            self._along.check(calls, self._earliest(count, axes, images, root), axes, count)
        if found is None and len(calls) > 1:
            found = self._of_feature_map(calls, axes, count, images)
        if found is None:
            found = self._ordered(root, axes, count, images)
        if found is None:
            found = self._by_stream(calls, axes)
        if found is None and axes.positions == (1,):
            # What an attention gave out has a token for each of its queries.
            found = self.asked.get(count)
        found = found or self._unseen(axes, count, calls, images, notes)
        if found.assumed:
            notes.append(found.assumed)
        return found

    def _unseen(
        self, axes: Axes, count: int, calls: Sequence[Call], images: int, notes: list[str]
    ) -> Positions:
        """What is assumed of tokens that lie on no grid that was seen, or why nothing is."""
        root = calls[0]
        if is_text(calls, count):
            raise UnprovenError(TEXT.format(count))
        if not _is_picture(root):
            if root.path and self._given is None and self._watch.grids:
                return in_parts(count, [*self._watch.grids])
            if self._are_objects(axes, count, images, root):
                raise UnprovenError(OBJECTS.format(count))
            rows = max(r for r in range(1, math.isqrt(count) + 1) if count % r == 0)
            said = (
                f"That its {count} tokens are a grid of {rows} x {count // rows} is assumed: the network "
                "was given no picture; give grid=(H, W)."
            )
            return Positions((1, rows, count // rows), assumed=said)
        if axes.positions == (2,):
            notes.append(
                f"Its {count} positions are a sequence that lies on no grid of the picture."
            )
            return Positions((1, 1, count))
        if self._are_objects(axes, count, images, root):
            raise UnprovenError(OBJECTS.format(count))
        raise UnprovenError(
            f"Its {count} tokens lie on no grid that the network shows; give grid=(H, W)."
        )

    def _are_objects(self, axes: Axes, count: int, images: int, root: Call) -> bool:
        """Whether the first module that is given so many tokens gets the network's own."""
        if axes.positions != (1,) or first_tensor(root.args, root.kwargs) is None:
            return False
        given = self._given_to(count, axes, images, root)
        return bool(given) and self._earliest(count, axes, images, root) is not given[0]

    def _by_stream(self, calls: Sequence[Call], axes: Axes) -> Positions | None:
        """What the tokens of an earlier module were, where these are the same ones."""
        for stream in reversed(self.streams.get(shape_of(calls[-1]), [])):
            ancestor = common(stream.calls, calls)
            known = stream.table is None and stream.axes == axes
            if known and ancestor is not None and self.kept(stream, calls, ancestor):
                return stream.positions
        return None

    def kept(self, stream: Stream, calls: Sequence[Call], ancestor: Call) -> bool:
        """Whether the last of ``calls`` is given the tokens of a stream; both lie in the ancestor."""
        try:
            return keeps(stream, calls, self._again_of(ancestor), ancestor)
        except UnprovenError:
            return False

    def _of_feature_map(
        self, calls: Sequence[Call], axes: Axes, count: int, images: int
    ) -> Positions | None:
        """The grid of the feature map that the tokens of the last call are made of, where one of the calls
        that it lies in is given it: deep in a network the picture moves all tokens, such a map each one."""
        for outer in reversed(calls[1:-1]):
            first = first_tensor(outer.args, outer.kwargs)
            if first is None or first[1].ndim != 4:
                continue
            for of_map in readings(first[1], images):
                if of_map.count(first[1]) != (images, count):
                    continue
                positions = Positions(three([first[1].shape[a] for a in of_map.positions]))
                if self._follows(outer, calls[-1], axes, of_map, positions):
                    return positions
        return None

    def _ordered(self, root: Call, axes: Axes, count: int, images: int) -> Positions | None:
        """The grid and order of tokens by the feature maps before the first call that is given them."""
        key = count, images, axes
        if key not in self._orders:
            self._orders[key] = None
            call = self._earliest(count, axes, images, root)
            if call is not None and axes.positions != (2,):
                number = next(i for i, c in enumerate(self._watch.calls) if c is call)
                convolved = {id(c) for c, _, _ in self._watch.convolutions}
                before = [
                    order.Convolved(as_part(g.call, root), g.number, g.shape)
                    for g in self._watch.given
                    if g.number <= number
                    and (g.shape[0] == images or id(g.call) in convolved)
                    and within(g.call, root)
                ]
                again, path = self._again_of(root), as_part(call, root).path
                self._orders[key] = order.found(
                    again, before, (path, shape_of(call)), axes, images, count, SPECIAL
                )
        return self._orders[key]

    def _follows(
        self, outer: Call, call: Call, axes: Axes, of_map: Axes, positions: Positions
    ) -> bool:
        path = call.path[len(outer.path) :].lstrip(".")
        return follow_map(self._again_of(outer), path, axes, of_map, positions)

    def _search(self, count: int, root: Call, axes: Axes, images: int) -> Positions | None:
        if self._given is not None:
            cells = math.prod(self._given)
            if 0 <= count - cells <= SPECIAL:
                return Positions(self._given, special_names(count - cells))
        given = [g.shape for g in self._watch.given if g.shape[0] == images]
        pooled = [tuple(shape[2:]) for shape in given]
        grids: list[tuple[int, ...]] = list(dict.fromkeys([*self._watch.grids, *pooled]))
        for grid in list(grids):
            while min(grid) > 1:
                grid = tuple(-(-side // 2) for side in grid)
                grids.append(grid)
        picture = first_tensor(root.args, root.kwargs)
        if picture is not None and picture[1].ndim == 4:
            grids += square_patches(count, picture[1].shape[-2:])
        if picture is not None and picture[1].ndim == 5:
            grids += cubes(count, picture[1].shape[-3:])
        fitting = [g for g in dict.fromkeys(grids) if special_fits(count - math.prod(g), g)]
        fitting.sort(key=lambda g: count - math.prod(g))
        asked = [Positions(three(g), special_names(count - math.prod(g))) for g in fitting]
        # Detection tokens stand behind the cells, and are many.
        convolved = [
            tuple(shape[-2:]) for _, _, shape in self._watch.convolutions if len(shape) == 4
        ]
        for grid in dict.fromkeys([*grids, *convolved]):
            asked += with_many_behind(grid, count)
        for positions in asked:
            if picture is not None and self._seen(positions, count, root, picture[1], axes, images):
                return positions
        return None

    def _seen(
        self, positions: Positions, count: int, root: Call, picture: Tensor, axes: Axes, images: int
    ) -> bool:
        """Whether tokens move where the picture is changed at their cells."""
        call = self._earliest(count, axes, images, root)
        if call is None or picture.ndim not in (4, 5):
            return False
        given = call.path[len(root.path) :].lstrip("."), shape_of(call)
        # Lattices count in pixels of the whole network's picture.
        lattice = None if root.path else self._watch.lattices[positions.grid[1:]]
        return follow_picture(self._again_of(root), given, axes, positions, lattice)

    def _given_to(self, count: int, axes: Axes, images: int, root: Call) -> list[Call]:
        """The calls of modules within ``root`` that are given so many tokens, the earliest first."""
        found = []
        for call in self._watch.calls:
            first = first_tensor(call.args, call.kwargs)
            if first is None or first[1].ndim != 3 or not within(call, root):
                continue
            # Windows of as many positions are more than there are images.
            if (first[1].shape[axes.positions[0]], first[1].shape[axes.batch]) == (count, images):
                found.append(call)
        return found

    def _earliest(self, count: int, axes: Axes, images: int, root: Call) -> Call | None:
        """The first of them whose tokens the picture moves: embeddings of places are tokens, too."""
        key = count, images, axes
        if key not in self._first:
            self._first[key] = None
            if first_tensor(root.args, root.kwargs) is None:
                return None  # words: nothing of them can be changed a little
            again = self._again_of(root)
            for call in self._given_to(count, axes, images, root)[:_FIRST]:
                path, shape = call.path[len(root.path) :].lstrip("."), shape_of(call)
                still = again.input(lambda x: x, path, shape=shape)
                if not torch.equal(still, again.input(lambda x: x + 1, path, shape=shape)):
                    self._first[key] = call
                    break
        return self._first[key]


def _is_picture(root: Call) -> bool:
    """Whether a network is given a picture, or a list of them."""
    first = first_tensor(root.args, root.kwargs)
    if first is None:
        return any(map(_holds_pictures, (*root.args, *root.kwargs.values())))
    return first[1].ndim > 3


def _holds_pictures(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_pictures, value))
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 3
