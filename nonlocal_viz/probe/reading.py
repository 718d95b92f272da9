"""From captures to maps: where their slots lie, and what the tokens are on the picture.

Invariant: what is returned was held against the network's own weights and output, and every token of it
was seen to move with its place; anything else is an :class:`UnprovenError` that says at which step.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.probe.again import Again, Allowance, first_tensor
from nonlocal_viz.probe.grids import Grids
from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.layout import Axes
from nonlocal_viz.probe.origins import Origins, up_to
from nonlocal_viz.probe.places import laid_out
from nonlocal_viz.probe.positions import Positions
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.probe.records import Call, Capture, UnprovenError, tolerance
from nonlocal_viz.probe.stream import Stream
from nonlocal_viz.probe.watch import Watch

#: Rows that the mass beside the cells is an average of.
_MASS_ROWS = 64
#: {first word of the name of a key that follows no position: what it is}
_OUTSIDE = {
    "padding": "padding outside the picture",
    "extra": "keys that are made of something else than its cells (learnt ones, text)",
}


class Reader:
    """Turns captures into maps: where slots lie, and what the tokens are on the picture."""

    def __init__(self, watch: Watch, grid: tuple[int, int, int] | None) -> None:
        self._watch = watch
        self._again: dict[tuple[int, int], Again] = {}
        self._allowance = Allowance(LIMITS.placing_seconds)
        self._grids = Grids(watch, grid, self._again_of)
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
        slots, placing, call = self._origins.found(capture, calls, number)
        notes: list[str] = []
        other = bool((slots.key == NOWHERE).all())
        keys = None
        if other:
            slots, x, axes = self._origins.other_keys(capture, slots, call, number, placing)
            keys = self._grids.positions(x, axes, slots.key_positions, calls[:1], notes)
            names = tuple(f"query {i + 1}" for i in range(slots.positions))
            positions = Positions((0, 0, 0), names)
        else:
            positions = self._grids.positions(
                placing.x, slots.axes, slots.positions, up_to(calls, call), notes
            )
            first = first_tensor(call.args, call.kwargs)
            if call.path and first is not None and placing.x is first[1]:
                self._grids.learn(Stream(up_to(calls, call), slots.axes, positions))
        found = laid_out(capture, slots, positions, placing, keys)
        if found.keys.cells and not _on_cells(found):
            # A class token that looks at the tokens of another stream: those would pass for padding.
            raise UnprovenError(
                "None of its keys lies on a cell of what its module is given: they are made of other "
                "tokens."
            )
        if found.query_grid != (0, 0, 0) and _in_order(found):
            aside = found.query_aside
            asked = Positions(
                found.query_grid, aside.before, aside.after, assumed=positions.assumed
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

    def tokens(self, x: Tensor) -> tuple[Positions, tuple[str, ...]]:
        """What the tokens (B, N, C) that a module is given are, and notes about it.

        Raises:
            UnprovenError: they lie on no grid that is known.
        """
        notes: list[str] = []
        found = self._grids.positions(x, Axes(0, (1,)), x.shape[1], self._watch.calls[:1], notes)
        return found, tuple(notes)


def _in_order(found: Recorded) -> bool:
    """Whether the queries of a map stand in raster order in one group of every head."""
    n = found.capture.query.shape[1]
    tokens = found.slot.shape[2]
    return n == tokens and bool((found.slot % n == torch.arange(tokens)).all())


def _beside(found: Recorded) -> Iterator[str]:
    """How much of its rows lies on no cell, in words: it is left where it is, never shared out."""
    if not found.is_distribution or not len(found.key_aside) or not found.queries.cells:
        return
    some = torch.linspace(0, found.queries.cells - 1, min(_MASS_ROWS, found.queries.cells)).long()
    rows = found.rows(some, heads=True, off_grid=True)
    aside, cells = found.key_aside, found.keys.on_grid
    kinds = [name.partition(" ")[0] for name in aside.after]
    places = torch.arange(cells.stop, cells.stop + len(kinds))
    beside = [
        *range(cells.start),
        *(p for p, k in zip(places.tolist(), kinds, strict=True) if k not in _OUTSIDE),
    ]
    named = [aside.names[p if p < cells.start else p - cells.stop + cells.start] for p in beside]
    parts = {f"tokens that are no cells ({', '.join(named)})": rows[..., beside].sum(-1)}
    for kind, what in _OUTSIDE.items():
        at = places[[k == kind for k in kinds]]
        parts[what] = rows[..., at].sum(-1)
    for what, share in parts.items():
        if bool((share > 0).any()):
            percent = 100 * float(share.mean())
            said = f"{percent:.0f}" if percent >= 1 else "less than 1"
            yield f"On average {said} % of a row lies on {what}."


def _on_cells(found: Recorded) -> bool:
    """Whether any key of a map lies on a cell."""
    cells = found.keys.on_grid
    return bool(((found.token >= cells.start) & (found.token < cells.stop)).any())
