"""The streams of tokens of one network: where tokens lie that modules were given, and of which later ones
that can be told.
"""

from collections.abc import Callable, Sequence

from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.relay import keeps, pooled, reaches
from nonlocal_viz.probe.stream import Stream, common, outermost

#: Earlier modules of which it is asked whether their tokens are those of a later one.
_STREAMS = 2


class Streams:
    """What is known of the tokens of one call of a network.

    Attributes:
        left: numbers (``id``) of calls in which an attention lies that was read.
        by_shape: {shape: the newest streams of such inputs}.
    """

    def __init__(self, again_of: Callable[[Call], Again]) -> None:
        self._again_of = again_of
        self.left: set[int] = set()
        self.by_shape: dict[tuple[int, ...], list[Stream]] = {}
        #: Those without tables, in the order in which they were found.
        self._latest: list[Stream] = []

    def outer(self, calls: Sequence[Call]) -> tuple[Call, ...]:
        """The calls up to the outermost that is given what the last is, and left by no attention yet."""
        return tuple(calls[: outermost(calls, self.left) + 1])

    def learn(self, stream: Stream) -> None:
        """Remember where tokens lie that a module inside of the network was given."""
        if not stream.calls[-1].path:
            return
        if any(s.calls[-1] is stream.calls[-1] and s.axes == stream.axes for s in self._latest):
            return
        known = self.by_shape.setdefault(stream.shape, [])
        known.append(stream)
        del known[:-_STREAMS]
        if stream.table is None:
            self._latest.append(stream)

    def known(self, calls: Sequence[Call], axes: Axes, count: int) -> Positions | None:
        """What ``count`` tokens of an earlier module were, where the last of the calls is given these."""
        alike = [s for s in self._latest if len(s.positions.names) == count]
        for stream in reversed(alike[-_STREAMS:]):
            if self.kept(stream, calls, axes):
                return stream.positions
        return None

    def kept(self, stream: Stream, calls: Sequence[Call], axes: Axes) -> bool:
        """Whether the last of ``calls`` is given the tokens of a stream, each in its place."""
        within = common(stream.calls, calls)
        if within is None or within is calls[-1]:
            return stream.calls[-1] is calls[-1]
        try:
            return keeps(stream, calls, axes, self._again_of(within), within)
        except UnprovenError:
            return False

    def reached(self, stream: Stream, calls: Sequence[Call], axes: Axes) -> bool:
        """Whether the cells that the last of ``calls`` is given come by way of a stream; believed, where
        that cannot be seen."""
        within = common(stream.calls, calls)
        if within is None or within is calls[-1]:
            return True
        try:
            return reaches(stream, calls, axes, self._again_of(within), within)
        except UnprovenError:
            return True

    def relayed(
        self, calls: Sequence[Call], axes: Axes, plain: GridShape | None = None
    ) -> Positions | None:
        """What tokens are that the last of the calls is given, by those of a module shortly before it;
        ``plain``: if they are on this grid in raster order."""
        for stream in reversed(self._latest[-_STREAMS:]):
            found = self.relayed_by(stream, calls, axes, plain)
            if found is not None:
                return found
        return None

    def relayed_by(
        self, stream: Stream, calls: Sequence[Call], axes: Axes, plain: GridShape | None = None
    ) -> Positions | None:
        """The same by one stream."""
        within = common(stream.calls, calls)
        if within is None or within is calls[-1]:
            return None
        try:
            return pooled(stream, calls, axes, self._again_of(within), within, plain)
        except UnprovenError:
            return None
