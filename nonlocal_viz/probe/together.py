"""Maps that a module computes one after the other and puts side by side: its heads, images or chunks.

Side by side means that what they make of the values goes into one concatenation; they are groups of one
map, and where their slots lie says which image and head each is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nonlocal_viz.probe.records import Capture


@dataclass
class Joined(Capture):
    """Several captures as one: their groups one after the other."""

    parts: tuple[Capture, ...] = ()

    def weights(self, groups: Tensor, slots: Tensor) -> Tensor:
        """See :meth:`Capture.weights`."""
        found: Tensor | None = None
        first = 0
        for part in self.parts:
            mine = (groups >= first) & (groups < first + part.groups)
            if bool(mine.any()):
                rows = part.weights(groups[mine] - first, slots[mine])
                if found is None:
                    found = rows.new_zeros(len(groups), rows.shape[1])
                found[mine] = rows
            first += part.groups
        return self.query.new_zeros(0, self.key.shape[1]) if found is None else found


def alike(captures: Sequence[Capture]) -> bool:
    """Whether captures have the same shapes and the same kind of steps."""
    return len({kind(capture) for capture in captures}) == 1


def kind(capture: Capture) -> tuple[object, ...]:
    """What captures of one kind share: shapes of the factors in a group, and their steps."""
    sides = (capture.query.shape[1:], capture.key.shape[1:])
    return *map(tuple, sides), tuple(step.kind for step in capture.steps)


def joined(captures: Sequence[Capture]) -> Joined:
    """Captures that are alike as one, in order; its errors are the worst of theirs."""
    first = captures[0]
    error = {name: max(c.error[name] for c in captures) for name in first.error}
    return Joined(
        first.path,
        torch.cat([c.query for c in captures]),
        torch.cat([c.key for c in captures]),
        first.steps,
        first.softmax,
        torch.cat([c.value for c in captures]),
        any(c.dropped for c in captures),
        all(c.distribution for c in captures),
        any(c.negative for c in captures),
        tuple(dict.fromkeys(note for c in captures for note in c.notes)),
        error,
        tuple(captures),
    )
