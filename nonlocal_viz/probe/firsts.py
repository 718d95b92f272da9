"""The first module that is given so many tokens, and what these are by the picture: it is changed where the
cells of a grid would lie, and the tokens have to move that are those cells."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor, shape_of, tensors
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import elsewhere, follow_picture, three
from nonlocal_viz.probe.patches import cubes, special_fits, square_patches, with_many_behind
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.proving import held_to
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.stream import within
from nonlocal_viz.probe.watch import Watch

#: Modules that are given so many tokens, of which one is looked for that the picture moves.
_FIRST = 4


class Firsts:
    """Of one call of a network."""

    def __init__(self, watch: Watch, again_of: Callable[[Call], Again]) -> None:
        self._watch, self._again_of = watch, again_of
        self._searched: dict[tuple[int, int, int, Axes], Positions | None] = {}
        self._first: dict[tuple[int, int, int, Axes], Call | None] = {}

    def seen(self, count: int, root: Call, axes: Axes, images: int) -> Positions | None:
        """The grid of the tokens of the first module that is given so many."""
        key = id(root), count, images, axes
        if key not in self._searched:
            self._searched[key] = self.search(count, root, axes, images)
        return self._searched[key]

    def search(
        self,
        count: int,
        root: Call,
        axes: Axes,
        images: int,
        at: tuple[Call, int] | None = None,
    ) -> Positions | None:
        """The grid of so many tokens by the sides of feature maps and patches, where the picture moves them
        so: those of the first module that is given them, or at (a call, which of its tensors)."""
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
            call, nth = at or (self.earliest(count, axes, images, root), 0)
            if picture is None or call is None:
                return None
            if self.follows(positions, call, root, picture[1], axes, images, nth):
                return positions
        return None

    def follows(
        self,
        positions: Positions,
        call: Call,
        root: Call,
        picture: Tensor,
        axes: Axes,
        images: int,
        nth: int = 0,
    ) -> bool:
        """Whether the tokens that a call is given as its nth tensor move where the picture is changed at
        their cells."""
        if picture.ndim not in (4, 5):
            return False
        # Windows in the place of images would move as parts of the picture do.
        if picture.ndim == 4 and picture.shape[0] != images:
            return False
        shape = tuple(tensors(call.args, call.kwargs)[nth][1].shape)
        given = call.path[len(root.path) :].lstrip("."), shape
        # Lattices count in pixels of the whole network's picture.
        lattice = None if root.path else self._watch.lattices[positions.grid[1:]]
        return follow_picture(self._again_of(root), given, axes, positions, lattice, nth)

    def elsewhere(self, positions: Positions, call: Call, root: Call, axes: Axes) -> bool:
        """Whether the picture clearly moves tokens that a call is given at other cells than theirs."""
        picture = first_tensor(root.args, root.kwargs)
        if picture is None or picture[1].ndim != 4 or root.path:
            return False
        given = call.path, shape_of(call)
        lattice = self._watch.lattices[positions.grid[1:]]
        return elsewhere(self._again_of(root), given, axes, positions, lattice)

    def given_to(self, count: int, axes: Axes, images: int, root: Call) -> list[Call]:
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

    def earliest(self, count: int, axes: Axes, images: int, root: Call) -> Call | None:
        """The first of them whose tokens the picture moves: embeddings of places are tokens, too."""
        key = id(root), count, images, axes
        if key not in self._first:
            self._first[key] = None
            if first_tensor(root.args, root.kwargs) is None:
                return None  # words: nothing of them can be changed a little
            again, earliest = self._again_of(root), None
            for call in self.given_to(count, axes, images, root)[:_FIRST]:
                path, shape = call.path[len(root.path) :].lstrip("."), shape_of(call)
                still = again.input(lambda x: x, path, shape=shape)
                held_to(again.drew, still, tensors(call.args, call.kwargs)[0][1])
                if not torch.equal(still, again.input(lambda x: x + 1, path, shape=shape)):
                    earliest = call
                    break
            self._first[key] = earliest
        return self._first[key]
