"""Whether the axes that count a module's positions are rows and columns of the picture.

A module that is given (B, a, b, C) may be given a map of a x b cells, or a windows of b tokens: the shape
does not say. So a module is believed only as far as what moves says it: the module that it lies in, the
picture, or the feature maps before it.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from nonlocal_viz.probe import order
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor, shape_of
from nonlocal_viz.probe.axes import Axes, readings
from nonlocal_viz.probe.cells import follow_map, follow_picture, three
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.stream import Stream
from nonlocal_viz.probe.streams import Streams
from nonlocal_viz.probe.watch import Watch


class Rasters:
    """Of one call of a network: what the positions of inputs with several axes of them are."""

    def __init__(self, watch: Watch, again_of: Callable[[Call], Again], streams: Streams) -> None:
        self._watch, self._again_of, self._streams = watch, again_of, streams
        self._known: dict[tuple[int, Axes], Positions | None] = {}

    def positions(self, x: Tensor, axes: Axes, calls: Sequence[Call]) -> Positions | None:
        """What the positions of x are, which the last of the nested ``calls`` is given; None where they are
        no raster of the picture, and in no order that is known."""
        # Of modules in each other that are given the same, the outermost is asked.
        outer = self._streams.outer(calls)
        found = self._once(x, axes, outer)
        if found is None:
            return None
        self._streams.learn(Stream(outer, axes, found))
        if self._streams.kept(Stream(outer, axes, found), calls, axes):
            return found
        # It changes their order before that.
        return self._once(x, axes, calls)

    def _once(self, x: Tensor, axes: Axes, calls: Sequence[Call]) -> Positions | None:
        key = id(calls[-1]), axes
        if key not in self._known:
            self._known[key] = self._read(x, axes, calls)
        return self._known[key]

    def _read(self, x: Tensor, axes: Axes, calls: Sequence[Call]) -> Positions | None:
        if len(axes.positions) > 3:
            # Rows and columns of windows, and within them.
            return self._in_order(axes, calls, axes.count(x)[1], x.shape[axes.batch])
        plain = Positions(three([x.shape[a] for a in axes.positions]))
        if len(calls) == 1 or self.is_map(x, axes):
            return plain
        within = self._within(x, axes, calls, plain)
        if within is not None:
            outer, of_map, follows = within
            first = first_tensor(outer[-1].args, outer[-1].kwargs)
            assert first is not None
            return self.positions(first[1], of_map, outer) if follows else None
        relayed = self._streams.relayed(calls, axes, plain.grid)
        return relayed or self._of_picture(axes, calls, plain, x.shape[axes.batch])

    def is_map(self, x: Tensor, axes: Axes) -> bool:
        """Whether it has the shape of a convolution's map, features first."""
        features_first = axes.positions[-1] == x.ndim - 1
        return features_first and tuple(x.shape) in self._watch.convolved

    def _within(
        self, x: Tensor, axes: Axes, calls: Sequence[Call], plain: Positions
    ) -> tuple[Sequence[Call], Axes, bool] | None:
        """(calls up to the next outer module that is given as many positions in another shape, how it reads
        them, whether they are in the same order)."""
        images, count = axes.count(x)
        for at in range(len(calls) - 2, -1, -1):
            first = first_tensor(calls[at].args, calls[at].kwargs)
            if first is None or first[1].ndim != x.ndim:
                continue
            path = calls[-1].path[len(calls[at].path) :].lstrip(".")
            for of_map in readings(first[1], images):
                if of_map.count(first[1]) != (images, count):
                    continue
                same = follow_map(self._again_of(calls[at]), path, axes, of_map, plain)
                # As many positions may be chance, where the shape does not say what they are.
                if same or self.is_map(first[1], of_map):
                    return calls[: at + 1], of_map, same
        return None

    def _of_picture(
        self, axes: Axes, calls: Sequence[Call], plain: Positions, images: int
    ) -> Positions | None:
        root, call = calls[0], calls[-1]
        picture = first_tensor(root.args, root.kwargs)
        if picture is None or picture[1].ndim < 4 or root.path:
            return plain
        again, given = self._again_of(root), (call.path, shape_of(call))
        lattice = self._watch.lattices[plain.grid[1], plain.grid[2]]
        if follow_picture(again, given, axes, plain, lattice):
            return plain
        return self._in_order(axes, calls, plain.cells, images)

    def _in_order(
        self, axes: Axes, calls: Sequence[Call], count: int, images: int
    ) -> Positions | None:
        """Positions in the order that the maps of convolutions before the last call show."""
        root, call = calls[0], calls[-1]
        if root.path or call is root:
            return None
        number = next(i for i, c in enumerate(self._watch.calls) if c is call)
        before = [order.Convolved(*c) for c in self._watch.convolutions if c[1] <= number]
        given = call.path, shape_of(call)
        return order.found(self._again_of(root), before, given, axes, images, count, 0)
