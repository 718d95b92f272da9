"""Pictures of features inside of a module, from which the slots of its attention can be placed.

A module may convolve what it is given before it attends (so that its own input mixes positions), or fold
windows into the batch: what a module inside of it gave out shortly before, (B, C, H, W), has one vector a
position and its images in front.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from nonlocal_viz.probe.order import Convolved
from nonlocal_viz.probe.records import Call, Given
from nonlocal_viz.probe.stream import as_part, within
from nonlocal_viz.probe.watch import Watch

#: Outputs that are tried for one attention, the last before it first.
_TRIED = 3


def outputs(
    given: Sequence[Given], calls: Sequence[Call], images: int
) -> Iterator[tuple[int, Call, str, tuple[int, ...]]]:
    """(which of ``given``, call, path of a module in it, shape of what that gave out); ``given`` is what
    came before an attention that lay in ``calls``. Each with the innermost of these that it lies in."""
    tried: set[tuple[int, ...]] = set()
    for at, found in reversed(list(enumerate(given))):
        outer = [c for c in calls if any(c is within for within in found.within)]
        if not outer or found.shape[0] != images or found.shape in tried:
            continue
        if 1 in found.shape[-2:]:
            continue  # a sequence
        path = found.call.path
        # Of a module that runs several times it is not known which of its outputs would be changed.
        times = Counter(g.call.path for g in given if any(outer[-1] is w for w in g.within))
        if times[path] > 1:
            continue
        tried.add(found.shape)
        yield at, outer[-1], path[len(outer[-1].path) :].lstrip("."), found.shape
        if len(tried) == _TRIED:
            return


def pictures(watch: Watch, call: Call, images: int, root: Call) -> list[Convolved]:
    """What modules of ``root`` gave out before a call that may be pictures of features of all images, in
    order; by their paths in it."""
    number = next(i for i, c in enumerate(watch.calls) if c is call)
    convolved = {id(c) for c, _, _ in watch.convolutions}
    return [
        Convolved(as_part(g.call, root), g.number, g.shape)
        for g in watch.given
        if g.number <= number
        and (g.shape[0] == images or id(g.call) in convolved)
        and within(g.call, root)
    ]
