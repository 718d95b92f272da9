"""What tokens are that a module is given beside its first input: the keys of a decoder, a context.

That as many tokens lie on a grid elsewhere says nothing of these: they are seen to move with the same
cells, as those of an earlier module or where the picture is changed.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain

from torch import Tensor

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import follow_picture
from nonlocal_viz.probe.grids import Grids, is_picture
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.relay import same_cells
from nonlocal_viz.probe.stream import common
from nonlocal_viz.probe.watch import Watch

_ELSEWHERE = (
    "Its keys are {} tokens besides what it is given first, as many as others that lie on a grid; they "
    "were not seen to move as those do where the picture is changed."
)


class Contexts:
    """Of one call of a network."""

    def __init__(self, watch: Watch, grids: Grids, again_of: Callable[[Call], Again]) -> None:
        self._watch, self._grids, self._again_of = watch, grids, again_of

    def positions(
        self, x: Tensor, axes: Axes, calls: Sequence[Call], nth: int, notes: list[str]
    ) -> Positions:
        """What the tokens x are that the last of ``calls`` is given as its nth tensor, read in this way.

        Raises:
            UnprovenError: they lie on no grid that is known, or not where others do that are as many.
        """
        root, call, count = calls[0], calls[-1], axes.count(x)[1]
        if not is_picture(root) or len(axes.positions) > 1:
            return self._grids.positions(x, axes, count, calls[:1], notes)
        try:
            found = self._grids.positions(x, axes, count, calls[:1], notes)
        except UnprovenError:
            images = x.shape[axes.batch]
            searched = self._grids.searched(count, axes, images, root, (call, nth))
            if searched is None:
                raise
            return searched
        picture = first_tensor(root.args, root.kwargs)
        if picture is None or self._are(found, (call, nth, x, axes), calls):
            return found
        given = call.path[len(root.path) :].lstrip("."), tuple(x.shape)
        lattice = self._watch.lattices[found.grid[1], found.grid[2]]
        again = self._again_of(root)
        if found.order is None and follow_picture(again, given, axes, found, lattice, nth):
            return found
        raise UnprovenError(_ELSEWHERE.format(count))

    def _are(
        self, positions: Positions, given: tuple[Call, int, Tensor, Axes], calls: Sequence[Call]
    ) -> bool:
        """Whether cells that a call is given were seen to be those of an earlier module."""
        for stream in chain.from_iterable(self._grids.streams.by_shape.values()):
            ancestor = common(stream.calls, calls)
            with suppress(UnprovenError):
                again = None if ancestor is None else self._again_of(ancestor)
                if again and ancestor and same_cells(stream, positions, given, again, ancestor):
                    return True
        return False
