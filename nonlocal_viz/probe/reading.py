"""From captures to maps: where their slots lie, and what the tokens are on the picture.

Invariant: what is returned was held against the network's own weights and output, and every token of it
was seen to move with its place; anything else is an :class:`UnprovenError` that says at which step.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.probe.again import Again, Allowance
from nonlocal_viz.probe.arguments import tensors
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.contexts import Contexts
from nonlocal_viz.probe.grids import Grids
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.nested import own_call, up_to
from nonlocal_viz.probe.origins import Origins
from nonlocal_viz.probe.pairs import Pair, pair, placed
from nonlocal_viz.probe.places import laid_out
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.probe.records import Call, Capture, UnprovenError, tolerance
from nonlocal_viz.probe.sides import Sides, told
from nonlocal_viz.probe.summaries import with_summaries
from nonlocal_viz.probe.watch import Watch

#: Rows that the mass beside the cells is an average of.
_MASS_ROWS = 64
#: More names than these are not all said.
_MANY = 12


class Reader:
    """Turns captures into maps: where slots lie, and what the tokens are on the picture."""

    def __init__(self, watch: Watch, grid: tuple[int, int, int] | None) -> None:
        self._watch, self._grid = watch, grid
        self._again: dict[tuple[int, int], Again] = {}
        self._allowance = Allowance(LIMITS.placing_seconds)
        self._grids = Grids(watch, grid, self._again_of)
        self._contexts = Contexts(watch, self._grids, self._again_of)
        self._sides = Sides(self._again_of)
        self._origins = Origins(watch, self._grids, self._again_of, self._allowance)

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
        try:
            return self._read(capture, calls, number)
        finally:
            self._grids.streams.left.update(map(id, calls))

    def _read(self, capture: Capture, calls: tuple[Call, ...], number: int) -> Recorded:
        notes: list[str] = []
        two = pair(self._again_of, capture, calls[own_call(capture, calls)], number)
        found, positions = (
            self._of_one(capture, calls, number, notes)
            if two is None
            else self._of_two(capture, calls, two, notes)
        )
        if found.keys.cells and not _on_cells(found):
            # A class token that looks at the tokens of another stream: those would pass for padding.
            raise UnprovenError(
                "None of its keys lies on a cell of what its module is given: they are made of other "
                "tokens."
            )
        order = _order(found)
        if found.query_grid != (0, 0, 0) and order is not None:
            aside, plain = found.query_aside, torch.arange(len(order))
            asked = Positions(
                found.query_grid,
                aside.before,
                aside.after,
                None if torch.equal(order, plain) else order,
                positions.assumed,
            )
            self._grids.asked.setdefault(len(asked.names), asked)
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

    def _of_one(
        self, capture: Capture, calls: tuple[Call, ...], number: int, notes: list[str]
    ) -> tuple[Recorded, Positions]:
        slots, placing, call = self._origins.found(capture, calls, number)
        keys = None
        if bool((slots.key == NOWHERE).all()):
            slots, x, axes = self._origins.other_keys(capture, slots, call, number, placing)
            if len(axes.positions) > 1 and not self._grids.rasters.is_map(x, axes):
                raise UnprovenError(
                    "Its keys are made of another input than its queries, which is no feature map."
                )
            keys = self._seen(x, axes, up_to(calls, call), notes)
            names = tuple(f"query {i + 1}" for i in range(slots.positions))
            positions = Positions((0, 0, 0), names)
        else:
            count = slots.positions - slots.summaries
            positions = self._grids.positions(
                placing.x, slots.axes, count, up_to(calls, call), notes
            )
            in_a_row = len(slots.axes.positions) == 1
            if in_a_row and told(calls[:1], count, slots.images) == positions:
                upto = up_to(calls, call)
                positions = self._sides.ordered(positions, slots, placing, upto, notes)
            positions = with_summaries(positions, slots.summaries)
        return laid_out(capture, slots, positions, placing, keys), positions

    def _of_two(
        self, capture: Capture, calls: tuple[Call, ...], two: Pair, notes: list[str]
    ) -> tuple[Recorded, Positions]:
        own = calls[: own_call(capture, calls) + 1]

        def of(x: Tensor, axes: Axes) -> Positions:
            if two.joint and self._grid is not None and axes.count(x)[1] < math.prod(self._grid):
                raise UnprovenError("These are fewer than the cells of the grid.")
            return self._seen(x, axes, own, notes)

        positions, keys = placed(two, of)
        return laid_out(capture, two.slots, positions, two.placing, keys), positions

    def _seen(self, x: Tensor, axes: Axes, calls: tuple[Call, ...], notes: list[str]) -> Positions:
        """What the tokens of one of the inputs of a call are."""
        given = [t for _, t in tensors(calls[-1].args, calls[-1].kwargs)]
        nth = next(i for i, t in enumerate(given) if t.data_ptr() == x.data_ptr())
        found = self._contexts.positions(x, axes, calls, nth, notes)
        images, count = axes.count(x)
        if len(axes.positions) == 1 and told(calls[:1], count, images) == found:
            return self._sides.known(found, count, images, notes)
        return found

    def tokens(self, x: Tensor) -> tuple[Positions, tuple[str, ...]]:
        """What the tokens (B, N, C) that a module is given are, and notes about it.

        Raises:
            UnprovenError: they lie on no grid that is known.
        """
        notes: list[str] = []
        found = self._grids.positions(x, Axes(0, (1,)), x.shape[1], self._watch.calls[:1], notes)
        return found, tuple(notes)


def _order(found: Recorded) -> Tensor | None:
    """(tokens,) the number in the map of each query of a group, where every head has them in one order."""
    n, tokens = found.capture.query.shape[1], found.slot.shape[2]
    places = found.slot % n
    if n != tokens or not bool((places == places[0, 0]).all()):
        return None
    return places[0, 0].argsort()


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
        "tokens that are no cells (" + _listed(aside.names[: len(aside.before) + special]) + ")": (
            rows[..., : cells.start].sum(-1) + rows[..., cells.stop : behind].sum(-1)
        ),
        "padding outside the picture": rows[..., behind:].sum(-1),
    }
    for what, share in parts.items():
        if bool((share > 0).any()):
            percent = 100 * float(share.mean())
            said = f"{percent:.0f}" if percent >= 1 else "less than 1"
            yield f"On average {said} % of a row lies on {what}."


def _listed(names: Sequence[str]) -> str:
    """Some names, of many the first and the last."""
    return ", ".join(names if len(names) <= _MANY else (*names[:2], "...", names[-1]))


def _on_cells(found: Recorded) -> bool:
    """Whether any key of a map lies on a cell."""
    cells = found.keys.on_grid
    return bool(((found.token >= cells.start) & (found.token < cells.stop)).any())
