"""Which token each slot of an attention is made of: the module, among those that it lies in, whose input
tells it, and how that input is read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again, AgainInside, Allowance
from nonlocal_viz.probe.arguments import first_tensor, shape_of, tensors
from nonlocal_viz.probe.axes import Axes, readings
from nonlocal_viz.probe.blocks import in_blocks
from nonlocal_viz.probe.grids import Grids
from nonlocal_viz.probe.inner import outputs
from nonlocal_viz.probe.known import MIXED, NOWHERE, Layouts
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.nested import given_tokens, is_split, may_be_heads, own_call, up_to
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.records import Call, Capture, UnprovenError
from nonlocal_viz.probe.refusals import ACROSS_IMAGES, LINEAR, OVER_CHANNELS, over_channels
from nonlocal_viz.probe.replay import Place
from nonlocal_viz.probe.slots import Slots
from nonlocal_viz.probe.stream import Stream, outermost, table
from nonlocal_viz.probe.strength import placed
from nonlocal_viz.probe.summaries import summed_up
from nonlocal_viz.probe.together import Joined, kind
from nonlocal_viz.probe.watch import Watch

#: Ways of reading inputs in which slots that mix positions are looked for.
_LOST = 4


@dataclass
class _Search:
    """The search for the slots of one capture: what was tried, what of that told nothing, and what was
    found: where keys follow nothing, a parent may have made queries and keys of one thing, and given them
    apart."""

    capture: Capture
    calls: tuple[Call, ...]
    number: int
    tried: set[tuple[int, int, Axes]] = field(default_factory=set)
    lost: list[tuple[Placing, Axes, Call]] = field(default_factory=list)
    found: tuple[Slots, Placing, Call] | None = None


class Origins:
    """Finds what the slots of every attention of one network are made of."""

    def __init__(
        self,
        watch: Watch,
        grids: Grids,
        again_of: Callable[..., Again],
        allowance: Allowance,
    ) -> None:
        self._watch, self._grids, self._again_of = watch, grids, again_of
        self._allowance = allowance
        self._layouts = Layouts()
        #: {number of axes: how inputs with so many were read last}
        self._read_as: dict[int, Axes] = {}
        #: Modules and shapes whose slots were not found: others of their kind are not searched again.
        self._unplaced: set[tuple[object, ...]] = set()

    def found(
        self, capture: Capture, calls: tuple[Call, ...], number: int
    ) -> tuple[Slots, Placing, Call]:
        root = first_tensor(calls[0].args, calls[0].kwargs)
        batches: list[int | None] = [1]
        if root is not None:
            # Of tokens the images may stand behind the positions.
            batches = list(root[1].shape[: 2 if root[1].ndim == 3 else 1])
        own = own_call(capture, calls)
        search = _Search(capture, calls, number)
        alike = type(calls[own].module), kind(capture), capture.groups
        # At last, whatever stands in front counts: frames and windows that a module is given as images.
        for batch in dict.fromkeys([*batches, None]):
            if alike in self._unplaced:
                break
            found = self._elsewise(capture, calls, number, search.lost) if batch is None else None
            if found is not None:
                return found
            for call in reversed(calls[: own + 1]):
                if len(calls) > 1 and is_split(call, capture):
                    continue
                if self._in_call(search, call, batch):
                    break
            if search.found is not None:
                return search.found
        self._unplaced.add(alike)
        if any(placing.across for placing, _, _ in search.lost):
            raise UnprovenError(ACROSS_IMAGES)
        raise UnprovenError(_why_not(capture, calls[: own + 1]))

    def _in_call(self, search: "_Search", call: Call, batch: int | None) -> bool:
        """Looks for the slots by what one call was given; whether no other has to be asked."""
        capture, calls, lost = search.capture, search.calls, search.lost
        first = first_tensor(call.args, call.kwargs)
        if first is None or not capture.path.startswith(call.path):
            return False
        x = first[1]
        ways = list(self._readings(x, x.shape[0] if batch is None else batch))
        if search.found is not None and not _as_many(x, ways, search.found[0]):
            return False
        path = capture.path[len(call.path) :].lstrip(".")
        again = self._again_of(call)
        mixing, innermost = False, not lost
        for nth in dict.fromkeys((search.number, 0)):
            placing = Placing(again, path, nth, x, capture, self._layouts)
            for axes in ways:
                if (id(call), nth, axes) in search.tried:
                    continue
                search.tried.add((id(call), nth, axes))
                slots = placing.slots(axes)
                if slots is not None and self._sensible(slots, x, up_to(calls, call)):
                    self._read_as[x.ndim] = axes
                    whole = bool((slots.key != NOWHERE).any())
                    if whole or search.found is None:
                        search.found = slots, placing, call
                    if whole:
                        return True
                if slots is None:
                    slots = summed_up(placing, axes)
                    if slots is not None and self._sensible(slots, x, up_to(calls, call)):
                        search.found = slots, placing, call
                        return True
                if batch is not None:
                    lost.append((placing, axes, call))
            pooled = self._in_blocks(lost, calls, capture) if innermost else None
            if pooled is not None:
                search.found = pooled
                return True
            mixing |= bool(ways) and placing.tried and placing.hopeless
        return mixing  # what mixes positions inside of a module mixes those outside, too

    def _elsewise(
        self, capture: Capture, calls: tuple[Call, ...], number: int,
        lost: list[tuple[Placing, Axes, Call]],
    ) -> tuple[Slots, Placing, Call] | None:  # fmt: skip
        """Slots where no input of a module with its images in front tells them."""
        up_to = calls[: own_call(capture, calls) + 1]
        return (
            self._as_before(capture, up_to, number)
            or self._from_inside(capture, up_to, number)
            or self._by_strength(lost, calls, capture)
        )

    def _from_inside(
        self, capture: Capture, calls: tuple[Call, ...], number: int
    ) -> tuple[Slots, Placing, Call] | None:
        """Slots by what a module inside of one of the calls gave out before it attended."""
        root = first_tensor(calls[0].args, calls[0].kwargs)
        parts = capture.parts if isinstance(capture, Joined) else (capture,)
        before = self._watch.before
        given = self._watch.given[: before.get(id(parts[0]), 0)]
        # What other attention mixed since is not read from a map that lies outside of all of it.
        earlier = takewhile(lambda found: found[0] is not parts[0], self._watch.found)
        mixed = max((before[id(c)] for c, _ in earlier if c.path != capture.path), default=0)
        images = 1 if root is None else root[1].shape[0]
        for at, call, inner, shape in outputs(given, calls, images):
            if first_tensor(call.args, call.kwargs) is None or (call is calls[0] and at < mixed):
                continue
            x = torch.empty(shape, device="meta")
            again = AgainInside(call, Place(inner, shape), self._allowance)
            path = capture.path[len(call.path) :].lstrip(".")
            placing = Placing(again, path, number, x, capture, self._layouts)
            for axes in self._readings(x, images):
                if axes.positions[-1] != x.ndim - 1:
                    continue
                slots = _tried(placing, axes)
                # Queries that stand still may be made of another output than this one.
                if slots is not None and all(
                    bool((side != NOWHERE).any()) for side in (slots.query, slots.key)
                ):
                    self._learn_windows(capture, calls, number, slots, x, axes)
                    return slots, placing, call
        return None

    def _learn_windows(
        self,
        capture: Capture,
        calls: tuple[Call, ...],
        number: int,
        slots: Slots,
        x: Tensor,
        axes: Axes,
    ) -> None:
        """Where the tokens lie that the module was given, windows in the place of images."""
        calls = self._grids.streams.outer(given_tokens(calls, capture))
        for placing, own in self._own_readings(capture, calls[-1], number):
            found = placing.slots(own)
            places = None if found is None else table(found, slots)
            if places is not None:
                positions = self._grids.positions(x, axes, slots.positions, calls, [])
                self._grids.streams.learn(Stream(calls, own, positions, slots.images, places))
                return

    def _own_readings(
        self, capture: Capture, call: Call, number: int
    ) -> Iterator[tuple[Placing, Axes]]:
        first = first_tensor(call.args, call.kwargs)
        if first is None:
            return
        path = capture.path[len(call.path) :].lstrip(".")
        placing = Placing(self._again_of(call), path, number, first[1], capture, self._layouts)
        for axes in readings(first[1], first[1].shape[0]):
            yield placing, axes

    def _as_before(
        self, capture: Capture, calls: tuple[Call, ...], number: int
    ) -> tuple[Slots, Placing, Call] | None:
        """Slots by the windows that an earlier module was given, where it is given the same ones."""
        calls = given_tokens(calls, capture)
        for at in reversed(range(outermost(calls), len(calls))):
            upto = calls[: at + 1]
            for stream in reversed(self._grids.streams.by_shape.get(shape_of(upto[-1]), [])):
                if stream.table is None:
                    continue
                for placing, axes in self._own_readings(capture, upto[-1], number):
                    slots = placing.slots(axes) if axes == stream.axes else None
                    if slots is None or bool((slots.key == MIXED).any()):
                        continue
                    if self._grids.streams.kept(stream, upto, axes):
                        self._grids.streams.learn(
                            replace(stream, calls=self._grids.streams.outer(upto))
                        )
                        sides = stream.positions.grid[1:]
                        placing.x = torch.empty((stream.images, 1, *sides), device="meta")
                        return stream.moved_to(slots), placing, upto[-1]
        return None

    def _in_blocks(
        self, lost: list[tuple[Placing, Axes, Call]], calls: tuple[Call, ...], capture: Capture
    ) -> tuple[Slots, Placing, Call] | None:
        """Slots that are made of a block of cells each."""
        may_be = partial(may_be_heads, capture, calls[own_call(capture, calls)])
        # A picture's blocks are patches, and in these a convolution is nearer.
        inside = [one for one in lost if one[2].path]
        for placing, axes, call, positions in self._placeable(inside, calls):
            try:
                slots = in_blocks(placing, axes, positions, self._layouts, may_be)
            except UnprovenError:
                continue
            if slots is not None and not slots.of_one_image:
                placing.across = True
            elif slots is not None:
                return slots, placing, call
        return None

    def _by_strength(
        self, lost: list[tuple[Placing, Axes, Call]], calls: tuple[Call, ...], capture: Capture
    ) -> tuple[Slots, Placing, Call] | None:
        """Slots that mix positions, by how far they move; of the innermost call where that makes sense."""
        may_be = partial(may_be_heads, capture, calls[own_call(capture, calls)])
        for placing, axes, call, positions in self._placeable(lost, calls):
            slots = placed(placing, axes, positions, may_be)
            if slots is not None and not slots.of_one_image:
                placing.across = True
            elif slots is not None:
                return slots, placing, call
        return None

    def _placeable(
        self, lost: list[tuple[Placing, Axes, Call]], calls: tuple[Call, ...]
    ) -> Iterator[tuple[Placing, Axes, Call, Positions]]:
        """What was looked at in vain, with what the positions are, where that is known."""
        for placing, axes, call in lost[:_LOST]:
            count = axes.count(placing.x)[1]
            with suppress(UnprovenError):
                found = self._grids.positions(placing.x, axes, count, up_to(calls, call), [])
                yield placing, axes, call, found

    def _readings(self, x: Tensor, batch: int) -> Iterator[Axes]:
        """The ways of reading x that its convolutions leave open: their channels are no positions."""
        convolved = tuple(x.shape) in self._watch.convolved
        ways = sorted(readings(x, batch), key=lambda axes: axes != self._read_as.get(x.ndim))
        for axes in ways:
            features_first = axes.positions[-1] == x.ndim - 1
            sequence = axes.positions == (2,)
            # Of as many features as columns the shape says nothing.
            said = convolved and x.shape[1] != x.shape[-1]
            if (said and not features_first) or (sequence and not convolved):
                continue
            if features_first or x.shape[-1] > 1:
                yield axes

    def _sensible(self, slots: Slots, x: Tensor, calls: Sequence[Call]) -> bool:
        """Whether slots may be believed: keys that follow nothing are made of another input, or they are no
        positions at all; and several axes that count positions are those of a picture."""
        several = len(tensors(calls[-1].args, calls[-1].kwargs)) > 1
        if not several and not bool((slots.key != NOWHERE).any()):
            return False
        axes = slots.axes
        return len(axes.positions) < 2 or self._grids.rasters.positions(x, axes, calls) is not None

    def other_keys(
        self, capture: Capture, slots: Slots, call: Call, number: int, placing: Placing
    ) -> tuple[Slots, Tensor, Axes]:
        path = capture.path[len(call.path) :].lstrip(".")
        for nth, (_, x) in enumerate(tensors(call.args, call.kwargs)):
            if nth == 0:
                continue
            again = self._again_of(call, nth)
            for axes in readings(x, slots.images):
                found = Placing(again, path, number, x, capture).keys(axes)
                if found is not None:
                    key, count = found
                    return replace(slots, key=key, key_positions=count), x, axes
        raise UnprovenError(
            "Its keys follow no position of any input: they are no places in a picture."
        )


def _as_many(x: Tensor, ways: Sequence[Axes], slots: Slots) -> bool:
    """Whether x, read in one of these ways, has as many positions as the slots."""
    return any(axes.count(x) == (slots.images, slots.positions) for axes in ways)


def _tried(placing: Placing, axes: Axes) -> Slots | None:
    try:
        return placing.slots(axes)
    except UnprovenError:
        return None


def _why_not(capture: Capture, calls: Sequence[Call]) -> str:
    """Why slots are not found, as a sentence."""
    given = [first_tensor(call.args, call.kwargs) for call in calls]
    if any(first is not None and over_channels(capture, first[1]) for first in given):
        return OVER_CHANNELS if capture.softmax else LINEAR
    return (
        "No query of it follows one position of the input: it is not over positions, or mixes them."
    )
