"""What the tokens are on the picture: their grid, their order, and the special ones beside it.

Invariant: where the network is given a picture, tokens were seen to move with their cells, or to be those
of a module of which that was seen.
"""

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from nonlocal_viz.probe import order
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.arguments import first_tensor, shape_of
from nonlocal_viz.probe.axes import Axes, readings
from nonlocal_viz.probe.cells import follow_map, three
from nonlocal_viz.probe.dropped import refuse_some
from nonlocal_viz.probe.firsts import Firsts
from nonlocal_viz.probe.inner import pictures
from nonlocal_viz.probe.patches import SPECIAL, in_parts
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.rasters import Rasters
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.refusals import OBJECTS, TEXT, is_text
from nonlocal_viz.probe.sides import refuse_rows, told
from nonlocal_viz.probe.stream import Stream, as_part
from nonlocal_viz.probe.streams import Streams
from nonlocal_viz.probe.watch import Watch

_NO_RASTER = (
    "Its {} positions are windows, or in another order than the picture's, and the network does not show "
    "in which."
)
_TURNED = (
    "Its {} tokens move where other parts of the picture are changed than theirs: it is turned, or put "
    "together anew, before it becomes tokens."
)


class Grids:
    """The grids of all tokens of one network, each looked for once.

    Attributes:
        rasters: of feature maps.
        streams: where tokens lie that modules inside of it were given.
        asked: {number of tokens: what those are that an attention gave out}.
    """

    def __init__(
        self, watch: Watch, grid: tuple[int, int, int] | None, again_of: Callable[[Call], Again]
    ) -> None:
        self._watch, self._given, self._again_of = watch, grid, again_of
        self.streams = Streams(again_of)
        self.rasters = Rasters(watch, again_of, self.streams)
        self.asked: dict[int, Positions] = {}
        self._positions: dict[tuple[int, Axes], Positions | None] = {}
        self._orders: dict[tuple[int, int, int, Axes], Positions | None] = {}
        self._firsts = Firsts(watch, again_of)

    def positions(
        self, x: Tensor, axes: Axes, count: int, calls: Sequence[Call], notes: list[str]
    ) -> Positions:
        """What ``count`` tokens are that the last of ``calls`` was given, as x read in this way; what is
        assumed goes into ``notes``.

        Raises:
            UnprovenError: they lie on no grid that is known.
        """
        root = calls[0]
        if axes.positions == (2,) and x.ndim == 3 and not is_picture(root):
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
        if not is_picture(root):
            said = told(calls[:1], count, images)
            if said is not None and self._given in (None, said.grid):
                return said
            if self._given is None or math.prod(self._given) != count:
                refuse_rows(calls, count)
        given = self._as_given(count)
        if given is not None:
            return given
        own = shape_of(calls[-1]) == tuple(x.shape)
        known = self._of_call(axes, count, calls, images) if own else None
        if known is None and not (own and len(calls) > 1):
            known = self._firsts.seen(count, root, axes, images)
            known = known or self._ordered(root, axes, count, images)
        if known is None and axes.positions == (1,):
            # What an attention gave out has a token for each of its queries.
            known = self.asked.get(count)
            if known is not None and own:
                self.streams.learn(Stream(self.streams.outer(calls), axes, known))
        known = known or self._unseen(axes, count, calls, images, notes)
        if known.assumed:
            notes.append(known.assumed)
        return known

    def searched(
        self, count: int, axes: Axes, images: int, root: Call, at: tuple[Call, int]
    ) -> Positions | None:
        """The grid of so many tokens that a call is given as its nth tensor, ``at``, by the picture."""
        return self._as_given(count) or self._firsts.search(count, root, axes, images, at)

    def _as_given(self, count: int) -> Positions | None:
        """What so many tokens are by the grid that the person gave."""
        if self._given is None or not 0 <= count - math.prod(self._given) <= SPECIAL:
            return None
        return Positions(self._given, special_names(count - math.prod(self._given)))

    def _of_call(
        self, axes: Axes, count: int, calls: Sequence[Call], images: int
    ) -> Positions | None:
        """The grid of the tokens that the last of the calls is given."""
        # Of modules in each other that are given the same, the outermost is asked.
        outer = self.streams.outer(calls)
        key = id(outer[-1]), axes
        if key not in self._positions:
            self._positions[key] = self._found(axes, count, outer, images)
        found = self._positions[key]
        if found is None:
            return None
        self.streams.learn(Stream(outer, axes, found))
        if self.streams.kept(Stream(outer, axes, found), calls, axes):
            return found
        # It changes their order before that.
        key = id(calls[-1]), axes
        if key not in self._positions:
            self._positions[key] = self._found(axes, count, calls, images)
        return self._positions[key]

    def _found(
        self, axes: Axes, count: int, calls: Sequence[Call], images: int
    ) -> Positions | None:
        root = calls[0]
        if len(calls) == 1:
            found = self._firsts.seen(count, root, axes, images)
            return found or self._ordered(root, axes, count, images)
        found = self.streams.known(calls, axes, count)
        if found is None:
            seen = self._firsts.seen(count, root, axes, images)
            found = self._as_first(seen, calls, axes, count, images)
        if found is None:
            found = self._of_feature_map(calls, axes, count, images)
        if found is None:
            found = self.streams.relayed(calls, axes)
        if found is None:
            ordered = self._ordered(root, axes, count, images)
            found = self._as_first(ordered, calls, axes, count, images)
        return found

    def _as_first(
        self, found: Positions | None, calls: Sequence[Call], axes: Axes, count: int, images: int
    ) -> Positions | None:
        """What was found of the first module that is given so many tokens, where these are the same ones,
        or in another order."""
        root = calls[0]
        first = self._firsts.earliest(count, axes, images, root)
        if found is None or first is None:
            return None
        stream = Stream((root, first), axes, found)
        if first is calls[-1] or self.streams.kept(stream, calls, axes):
            return found
        picture = first_tensor(root.args, root.kwargs)
        # Cells that a later module is given may not come by way of the first.
        if (
            picture is not None
            and found.order is None
            and not self.streams.reached(stream, calls, axes)
        ):
            follow = self._firsts.follows(found, calls[-1], root, picture[1], axes, images)
            return found if follow else None
        return self.streams.relayed_by(stream, calls, axes)

    def _unseen(
        self, axes: Axes, count: int, calls: Sequence[Call], images: int, notes: list[str]
    ) -> Positions:
        """What is assumed of tokens that lie on no grid that was seen, or why nothing is."""
        root = calls[0]
        if is_text(calls, count):
            raise UnprovenError(TEXT.format(count))
        if not is_picture(root):
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
        earliest = self._firsts.earliest(count, axes, images, root)
        picture = first_tensor(root.args, root.kwargs)
        whole = picture is not None and picture[1].shape[0] == images
        if earliest is not None and axes.positions == (1,) and whole:
            at = as_part(earliest, root).path, shape_of(earliest)
            before = pictures(self._watch, earliest, images, root)
            refuse_some(self._again_of(root), before, at, axes, count)
        raise UnprovenError(
            f"Its {count} tokens lie on no grid that the network shows; give grid=(H, W)."
        )

    def _are_objects(self, axes: Axes, count: int, images: int, root: Call) -> bool:
        """Whether the first module that is given so many tokens gets the network's own."""
        if axes.positions != (1,) or first_tensor(root.args, root.kwargs) is None:
            return False
        given = self._firsts.given_to(count, axes, images, root)
        return bool(given) and self._firsts.earliest(count, axes, images, root) is not given[0]

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
        key = id(root), count, images, axes
        if key not in self._orders:
            self._orders[key] = None
            call = self._firsts.earliest(count, axes, images, root)
            if call is not None and axes.positions != (2,):
                again, path = self._again_of(root), as_part(call, root).path
                before = pictures(self._watch, call, images, root)
                found = order.found(
                    again, before, (path, shape_of(call)), axes, images, count, SPECIAL
                )
                if found is not None and self._firsts.elsewhere(found, call, root, axes):
                    raise UnprovenError(_TURNED.format(count))
                self._orders[key] = found
        return self._orders[key]

    def _follows(
        self, outer: Call, call: Call, axes: Axes, of_map: Axes, positions: Positions
    ) -> bool:
        path = call.path[len(outer.path) :].lstrip(".")
        return follow_map(self._again_of(outer), path, axes, of_map, positions)


def is_picture(root: Call) -> bool:
    """Whether a network is given a picture, or a list of them."""
    first = first_tensor(root.args, root.kwargs)
    if first is None:
        return any(map(_holds_pictures, (*root.args, *root.kwargs.values())))
    return first[1].ndim > 3


def _holds_pictures(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_pictures, value))
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 3
