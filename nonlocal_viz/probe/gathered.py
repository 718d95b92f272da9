"""What was captured, gathered by the calls that it belongs to."""

from nonlocal_viz.probe.nested import own_call
from nonlocal_viz.probe.records import Call, Capture
from nonlocal_viz.probe.together import alike, joined


def with_softmax(
    found: list[tuple[Capture, tuple[Call, ...]]],
) -> list[tuple[Capture, tuple[Call, ...]]]:
    """Where a call has a softmax of a product, products without one are its projections."""
    soft = {id(calls[own_call(c, calls)]) for c, calls in found if c.softmax}
    return [
        (c, calls) for c, calls in found if c.softmax or id(calls[own_call(c, calls)]) not in soft
    ]


def side_by_side(
    found: list[tuple[Capture, tuple[Call, ...]]], together: list[list[Capture]]
) -> list[tuple[Capture, tuple[Call, ...]]]:
    """Of captures that one call puts side by side, all as one where the first of them stood."""
    owner = {id(c): calls[own_call(c, calls)] for c, calls in found}
    part_of: dict[int, Capture] = {}
    for captures in together:
        whose = {id(owner.get(id(c))) for c in captures}
        in_call = [c for c, _ in found if id(owner[id(c)]) in whose]
        if len(whose) == 1 and {*map(id, in_call)} == {*map(id, captures)} and alike(in_call):
            whole: Capture = joined(in_call)
            part_of.update(dict.fromkeys(map(id, in_call), whole))
    made: list[tuple[Capture, tuple[Call, ...]]] = []
    for capture, calls in found:
        whole = part_of.get(id(capture), capture)
        if not made or made[-1][0] is not whole:
            made.append((whole, calls))
    return made
