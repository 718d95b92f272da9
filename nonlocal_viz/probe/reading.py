"""From captures to maps: where their slots lie, and what the tokens are on the picture.

Invariant: what is returned was held against the network's own weights and output, and every token of it
was seen to move with its place; anything else is an :class:`UnprovenError` that says at which step.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.probe import order
from nonlocal_viz.probe.again import Again, AgainInside, Allowance, first_tensor, tensors
from nonlocal_viz.probe.cells import follow_map, follow_picture, three
from nonlocal_viz.probe.inner import outputs
from nonlocal_viz.probe.layout import MIXED, NOWHERE, Axes, Layouts, Placing, Slots, readings
from nonlocal_viz.probe.places import laid_out
from nonlocal_viz.probe.positions import Positions, special_names
from nonlocal_viz.probe.rasters import Rasters
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.probe.records import HEADED, Call, Capture, UnprovenError, tolerance
from nonlocal_viz.probe.refusals import LINEAR, OBJECTS, OVER_CHANNELS, TEXT, is_text, over_channels
from nonlocal_viz.probe.stream import Stream, common, keeps, outermost, shape_of, table
from nonlocal_viz.probe.strength import placed
from nonlocal_viz.probe.together import Joined, kind
from nonlocal_viz.probe.watch import Watch

#: More tokens in front of the cells than this are no special tokens that anybody has.
_SPECIAL = 8
#: And more behind them, no detector.
_BEHIND = 300
#: Ways of reading inputs in which slots that mix positions are looked for.
_LOST = 4
#: Earlier modules of which it is asked whether their tokens are those of a later one.
_STREAMS = 2
#: Modules that are given so many tokens, of which one is looked for that the picture moves.
_FIRST = 4
_NO_RASTER = (
    "Its {} positions are windows, or in another order than the picture's, and the network does not show "
    "in which."
)
#: Sides of a grid from which on patches that overlap may make it.
_SIDE = 5
#: How many times as many features all heads together have at most as what a module is given.
_WIDER = 4
#: Rows that the mass beside the cells is an average of.
_MASS_ROWS = 64


class Reader:
    """Turns captures into maps: where slots lie, and what the tokens are on the picture."""

    def __init__(self, watch: Watch, grid: tuple[int, int, int] | None) -> None:
        self._watch, self._given = watch, grid
        self._positions: dict[tuple[int, int], Positions | None] = {}
        #: Modules and shapes whose slots were not found: others of their kind are not searched again.
        self._unplaced: set[tuple[object, ...]] = set()
        self._orders: dict[tuple[int, int, Axes], Positions | None] = {}
        #: {shape: where tokens of such inputs lie}
        self._streams: dict[tuple[int, ...], list[Stream]] = {}
        #: {number of tokens: what those are that an attention gave out}
        self._asked: dict[int, Positions] = {}
        self._again: dict[tuple[int, int], Again] = {}
        self._allowance = Allowance(LIMITS.placing_seconds)
        self._first: dict[tuple[int, int, Axes], Call | None] = {}
        self._layouts = Layouts()
        self._rasters = Rasters(watch, self._again_of)

    def _again_of(self, call: Call, nth: int = 0) -> Again:
        if (id(call), nth) not in self._again:
            self._again[id(call), nth] = Again(call, nth, self._allowance)
        return self._again[id(call), nth]

    def read(self, capture: Capture, calls: tuple[Call, ...], number: int) -> Recorded:
        self._allowance.begin()
        allowed = tolerance(capture.query.dtype)
        for name, error in capture.error.items():
            if not error <= allowed:
                raise UnprovenError(
                    f"Rows made of its queries and keys differ from the network's own {name} by "
                    f"{error:.1e} of the greatest."
                )
        slots, placing, call = self._placed(capture, calls, number)
        notes: list[str] = []
        other = bool((slots.key == NOWHERE).all())
        keys = None
        if other:
            slots, x, axes = self._other_keys(capture, slots, call, number, placing)
            keys = self._read_positions(x, axes, slots.key_positions, calls[:1], notes)
            names = tuple(f"query {i + 1}" for i in range(slots.positions))
            positions = Positions((0, 0, 0), names)
        else:
            positions = self._read_positions(
                placing.x, slots.axes, slots.positions, _up_to(calls, call), notes
            )
            first = first_tensor(call.args, call.kwargs)
            if call.path and first is not None and placing.x is first[1]:
                self._learn(Stream(_up_to(calls, call), slots.axes, positions))
        found = laid_out(capture, slots, positions, placing, keys)
        first_cell, cells = len(found.key_aside.before), found.keys.cells
        on = (found.token >= first_cell) & (found.token < first_cell + cells)
        if cells and not bool(on.any()):
            # A class token that looks at the tokens of another stream: those would pass for padding.
            raise UnprovenError(
                "None of its keys lies on a cell of what its module is given: they are made of other tokens."
            )
        if found.query_grid != (0, 0, 0) and _in_order(found):
            asked = Positions(found.query_grid, found.query_aside.before, found.query_aside.after)
            self._asked.setdefault(len(asked.names), asked)
        notes += [*capture.notes, *_beside(found)]
        if capture.dropped:
            notes.append("Dropout changed the weights that were used; these are those before it.")
        return Recorded(
            **{
                **{f: getattr(found, f) for f in found.__dataclass_fields__},
                "notes": (*found.notes, *notes),
                "proof": dict(capture.error),
            }
        )

    def _learn(self, stream: Stream) -> None:
        known = self._streams.setdefault(stream.shape, [])
        known.append(stream)
        del known[:-_STREAMS]

    def tokens(self, x: Tensor) -> tuple[Positions, tuple[str, ...]]:
        """What the tokens (B, N, C) that a module is given are, and notes about it.

        Raises:
            UnprovenError: they lie on no grid that is known.
        """
        notes: list[str] = []
        found = self._read_positions(x, Axes(0, (1,)), x.shape[1], self._watch.calls[:1], notes)
        return found, tuple(notes)

    def _placed(
        self, capture: Capture, calls: tuple[Call, ...], number: int
    ) -> tuple[Slots, Placing, Call]:
        root = first_tensor(calls[0].args, calls[0].kwargs)
        batches: list[int | None] = [1]
        if root is not None:
            # Of tokens the images may stand behind the positions.
            batches = list(root[1].shape[: 2 if root[1].ndim == 3 else 1])
        own = own_call(capture, calls)
        tried: set[tuple[int, int, Axes]] = set()
        alike = type(calls[own].module), kind(capture), capture.groups
        lost: list[tuple[Placing, Axes, Call]] = []
        # At last, whatever stands in front counts: frames and windows that a module is given as images.
        for batch in dict.fromkeys([*batches, None]):
            if alike in self._unplaced:
                break
            found = self._elsewise(capture, calls, number, lost) if batch is None else None
            if found is not None:
                return found
            for call in reversed(calls[: own + 1]):
                first = first_tensor(call.args, call.kwargs)
                if first is None or not capture.path.startswith(call.path):
                    continue
                x = first[1]
                if len(calls) > 1 and _is_split(x, capture):
                    continue
                path = capture.path[len(call.path) :].lstrip(".")
                again = self._again_of(call)
                mixing = False
                for nth in dict.fromkeys((number, 0)):
                    placing = Placing(again, path, nth, x, capture, self._layouts)
                    ways = list(self._readings(x, x.shape[0] if batch is None else batch))
                    for axes in ways:
                        if (id(call), nth, axes) in tried:
                            continue
                        tried.add((id(call), nth, axes))
                        slots = placing.slots(axes)
                        if slots is not None and self._sensible(slots, x, _up_to(calls, call)):
                            return slots, placing, call
                        if batch is not None:
                            lost.append((placing, axes, call))
                    mixing |= bool(ways) and placing.tried and placing.hopeless
                if mixing:
                    break  # what mixes positions inside of a module mixes those outside, too
        self._unplaced.add(alike)
        given = [first_tensor(c.args, c.kwargs) for c in calls[: own + 1]]
        if any(first is not None and over_channels(capture, first[1]) for first in given):
            raise UnprovenError(OVER_CHANNELS if capture.softmax else LINEAR)
        raise UnprovenError(
            "No query of it follows one position of the input: it is not over positions, or mixes them."
        )

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
        given = self._watch.given[: self._watch.before.get(id(parts[0]), 0)]
        images = 1 if root is None else root[1].shape[0]
        for call, inner, shape in outputs(given, calls, images):
            if first_tensor(call.args, call.kwargs) is None:
                continue
            x = torch.empty(shape, device="meta")
            again = AgainInside(call, (inner, shape), self._allowance)
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
        calls = _given_tokens(calls, capture)
        calls = calls[: outermost(calls) + 1]
        for placing, own in self._own_readings(capture, calls[-1], number):
            found = placing.slots(own)
            places = None if found is None else table(found, slots)
            if places is not None:
                positions = self._read_positions(x, axes, slots.positions, calls, [])
                self._learn(Stream(calls, own, positions, slots.images, places))
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
        calls = _given_tokens(calls, capture)
        for at in reversed(range(outermost(calls), len(calls))):
            upto = calls[: at + 1]
            for stream in reversed(self._streams.get(shape_of(upto[-1]), [])):
                if stream.table is None:
                    continue
                for placing, axes in self._own_readings(capture, upto[-1], number):
                    slots = placing.slots(axes) if axes == stream.axes else None
                    if slots is None or bool((slots.key == MIXED).any()):
                        continue
                    ancestor = common(stream.calls, upto)
                    if ancestor is not None and self._kept(stream, upto, ancestor):
                        sides = stream.positions.grid[1:]
                        placing.x = torch.empty((stream.images, 1, *sides), device="meta")
                        return stream.moved_to(slots), placing, upto[-1]
        return None

    def _by_strength(
        self, lost: list[tuple[Placing, Axes, Call]], calls: tuple[Call, ...], capture: Capture
    ) -> tuple[Slots, Placing, Call] | None:
        """Slots that mix positions, by how far they move; of the innermost call where that makes sense."""
        own = calls[own_call(capture, calls)]
        for placing, axes, call in lost[:_LOST]:
            count = axes.count(placing.x)[1]
            try:
                positions = self._read_positions(placing.x, axes, count, _up_to(calls, call), [])
            except UnprovenError:
                continue
            slots = placed(placing, axes, positions)
            if slots is not None and _plausible(slots, capture, own):
                return slots, placing, call
        return None

    def _readings(self, x: Tensor, batch: int) -> Iterator[Axes]:
        """The ways of reading x that its convolutions leave open: their channels are no positions."""
        convolved = tuple(x.shape) in self._watch.convolved
        for axes in readings(x, batch):
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
        return len(axes.positions) < 2 or self._rasters.positions(x, axes, calls) is not None

    def _other_keys(
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

    def _read_positions(
        self, x: Tensor, axes: Axes, count: int, calls: Sequence[Call], notes: list[str]
    ) -> Positions:
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
            found = self._rasters.positions(x, axes, calls)
            if found is None:
                raise UnprovenError(
                    _NO_RASTER.format(" x ".join(str(x.shape[a]) for a in axes.positions))
                )
            return found
        images = x.shape[axes.batch]
        if (count, images) not in self._positions:
            self._positions[count, images] = self._search(count, root, axes, images)
        found = self._positions[count, images]
        if found is None and len(calls) > 1:
            found = self._of_feature_map(calls, axes, count, images)
        if found is None:
            found = self._ordered(root, axes, count, images)
        if found is None:
            found = self._by_stream(calls, axes)
        if found is None and axes.positions == (1,):
            # What an attention gave out has a token for each of its queries.
            found = self._asked.get(count)
        if found is None and is_text(calls, count):
            raise UnprovenError(TEXT.format(count))
        if found is None and not _is_picture(root):
            rows = max(r for r in range(1, math.isqrt(count) + 1) if count % r == 0)
            notes.append(
                f"That its {count} tokens are a grid of {rows} x {count // rows} is assumed: the network "
                "was given no picture; give grid=(H, W)."
            )
            return Positions((1, rows, count // rows))
        if found is None and axes.positions == (2,):
            notes.append(
                f"Its {count} positions are a sequence that lies on no grid of the picture."
            )
            return Positions((1, 1, count))
        if found is None:
            given = self._given_to(count, axes, images)
            if given and self._earliest(count, axes, images, root) is not given[0]:
                raise UnprovenError(OBJECTS.format(count))
            raise UnprovenError(
                f"Its {count} tokens lie on no grid that the network shows; give grid=(H, W)."
            )
        return found

    def _by_stream(self, calls: Sequence[Call], axes: Axes) -> Positions | None:
        """What the tokens of an earlier module were, where these are the same ones."""
        for stream in reversed(self._streams.get(shape_of(calls[-1]), [])):
            ancestor = common(stream.calls, calls)
            known = stream.table is None and stream.axes == axes
            if known and ancestor is not None and self._kept(stream, calls, ancestor):
                return stream.positions
        return None

    def _kept(self, stream: Stream, calls: Sequence[Call], ancestor: Call) -> bool:
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
            if call is not None and not root.path and axes.positions != (2,):
                number = next(i for i, c in enumerate(self._watch.calls) if c is call)
                convolved = {id(c) for c, _, _ in self._watch.convolutions}
                before = [
                    order.Convolved(g.call, g.number, g.shape)
                    for g in self._watch.given
                    if g.number <= number and (g.shape[0] == images or id(g.call) in convolved)
                ]
                again = self._again_of(root)
                self._orders[key] = order.found(
                    again, before, (call.path, shape_of(call)), axes, images, count, _SPECIAL
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
            if 0 <= count - cells <= _SPECIAL:
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
            grids += _square_patches(count, picture[1].shape[-2:])
        if picture is not None and picture[1].ndim == 5:
            grids += _cubes(count, picture[1].shape[-3:])
        fitting = [g for g in dict.fromkeys(grids) if _special_fits(count - math.prod(g), g)]
        fitting.sort(key=lambda g: count - math.prod(g))
        asked = [Positions(three(g), special_names(count - math.prod(g))) for g in fitting]
        # Detection tokens stand behind the cells, and are many.
        convolved = [
            tuple(shape[-2:]) for _, _, shape in self._watch.convolutions if len(shape) == 4
        ]
        for grid in dict.fromkeys([*grids, *convolved]):
            asked += _with_many_behind(grid, count)
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
        lattice = self._watch.lattices[positions.grid[1], positions.grid[2]]
        return follow_picture(self._again_of(root), given, axes, positions, lattice)

    def _given_to(self, count: int, axes: Axes, images: int) -> list[Call]:
        """The calls of modules that are given so many tokens, the earliest first."""
        found = []
        for call in self._watch.calls:
            first = first_tensor(call.args, call.kwargs)
            if first is None or first[1].ndim != 3 or not call.path:
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
            again = self._again_of(root)
            for call in self._given_to(count, axes, images)[:_FIRST]:
                path, shape = call.path[len(root.path) :].lstrip("."), shape_of(call)
                still = again.input(lambda x: x, path, shape=shape)
                if not torch.equal(still, again.input(lambda x: x + 1, path, shape=shape)):
                    self._first[key] = call
                    break
        return self._first[key]


def _is_split(x: Tensor, capture: Capture) -> bool:
    """Whether a module is given the queries themselves, (B, heads, n, D): its heads are no positions."""
    n, features = capture.query.shape[1:]
    return x.ndim == 4 and x.shape[2:] == (n, features) and x.shape[:2].numel() == capture.groups


def _given_tokens(calls: tuple[Call, ...], capture: Capture) -> tuple[Call, ...]:
    """The calls up to the innermost that is not given queries of all heads apart."""
    while len(calls) > 1:
        first = first_tensor(calls[-1].args, calls[-1].kwargs)
        if first is None or not _is_split(first[1], capture):
            break
        calls = calls[:-1]
    return calls


def _tried(placing: Placing, axes: Axes) -> Slots | None:
    try:
        return placing.slots(axes)
    except UnprovenError:
        return None


def _plausible(slots: Slots, capture: Capture, own: Call) -> bool:
    """Whether so many slots stand for each token as the module has heads: parts of a grid that is finer
    would pass for heads."""
    side = slots.query_side
    tokens = slots.images * (slots.positions if side is None else len(side.names))
    heads = int((slots.query >= 0).sum()) // max(tokens, 1)
    said = [getattr(own.module, name, None) for name in HEADED]
    first = first_tensor(own.args, own.kwargs)
    known = [number for number in said if isinstance(number, int)]
    features = None if first is None else max(first[1].shape[1], first[1].shape[-1])
    wide = features is not None and heads * capture.value.shape[-1] > _WIDER * features
    return heads in known if known else not wide


def _special_fits(special: int, grid: Sequence[int]) -> bool:
    """Whether so many tokens may stand in front of the cells: few, and fewer than cells, or the tokens of
    a small grid would pass for them."""
    return 0 <= special <= _SPECIAL and (not special or special < math.prod(grid))


def _with_many_behind(grid: tuple[int, ...], count: int) -> Iterator[Positions]:
    cells = math.prod(grid)
    for front in (1, 0):
        behind = count - cells - front
        if 0 < behind <= _BEHIND and cells > behind:
            names = tuple(f"token {i + 1}" for i in range(behind))
            yield Positions(three(grid), special_names(front), names)


def _in_order(found: Recorded) -> bool:
    """Whether the queries of a map stand in raster order in one group of every head."""
    n = found.capture.query.shape[1]
    tokens = found.slot.shape[2]
    return n == tokens and bool((found.slot % n == torch.arange(tokens)).all())


def _up_to(calls: tuple[Call, ...], call: Call) -> tuple[Call, ...]:
    """The calls that a call lies in, the outermost first, and itself."""
    return calls[: next(i for i, c in enumerate(calls) if c is call) + 1]


def _beside(found: Recorded) -> Iterator[str]:
    """How much of its rows lies on no cell, in words: it is left where it is, never shared out."""
    if not found.is_distribution or not len(found.key_aside) or not found.queries.cells:
        return
    some = torch.linspace(0, found.queries.cells - 1, min(_MASS_ROWS, found.queries.cells)).long()
    rows = found.rows(some, heads=True, off_grid=True)
    aside, cells = found.key_aside, found.keys.on_grid
    special = len([name for name in aside.after if not name.startswith("padding")])
    behind = cells.stop + special
    parts = {
        "tokens that are no cells ("
        + ", ".join(aside.names[: len(aside.before) + special])
        + ")": (rows[..., : cells.start].sum(-1) + rows[..., cells.stop : behind].sum(-1)),
        "padding outside the picture": rows[..., behind:].sum(-1),
    }
    for what, share in parts.items():
        if bool((share > 0).any()):
            percent = 100 * float(share.mean())
            said = f"{percent:.0f}" if percent >= 1 else "less than 1"
            yield f"On average {said} % of a row lies on {what}."


def own_call(capture: Capture, calls: tuple[Call, ...]) -> int:
    """Which of the calls that a capture lay in is its module's; of a fast path the last, its parent's."""
    for at, call in enumerate(calls):
        if call.path == capture.path:
            return at
    return len(calls) - 1


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


def _square_patches(count: int, picture: Sequence[int]) -> list[tuple[int, ...]]:
    """Grids (H, W) of square patches of a picture that leave few of ``count`` tokens over; the patches may
    overlap, but for a rounding they divide both sides alike."""
    height, width = picture
    found: list[tuple[int, ...]] = []
    about: list[tuple[int, ...]] = []
    for special in range(_SPECIAL + 1):
        for rows in range(1, count - special + 1):
            columns = (count - special) // rows
            exact = rows * columns == count - special
            if (
                exact
                and height % rows == width % columns == 0
                and height // rows == width // columns
            ):
                found.append((rows, columns))
            elif (
                exact
                and min(rows, columns) >= _SIDE
                and abs(columns - rows * width / height) < 1 > abs(rows - columns * height / width)
            ):
                about.append((rows, columns))
    return found + about


def _cubes(count: int, clip: Sequence[int]) -> list[tuple[int, ...]]:
    """Grids (T, H, W) of a clip, of square patches and equal numbers of frames, that leave few tokens."""
    frames, height, width = clip
    found: list[tuple[int, ...]] = []
    for special in range(_SPECIAL + 1):
        for depth in (d for d in range(1, frames + 1) if frames % d == 0):
            if (count - special) % depth == 0:
                plane = _square_patches((count - special) // depth, (height, width))
                found += [(depth, *g) for g in plane if depth * math.prod(g) == count - special]
    return found
