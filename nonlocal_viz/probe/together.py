"""Maps that a module computes one after the other and puts side by side: its heads, images or chunks.

Side by side means that what they make of the values goes into one concatenation; they are groups of one
map, and where their slots lie says which image and head each is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

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
                    found = rows.new_zeros(len(groups), self.key.shape[1])
                found[mine, : rows.shape[1]] = rows
            first += part.groups
        return self.query.new_zeros(0, self.key.shape[1]) if found is None else found


def alike(captures: Sequence[Capture]) -> bool:
    """Whether captures have as many features and the same kind of steps; edge windows may be smaller."""
    return len({(c.query.shape[2], c.value.shape[2], kind(c)[2:]) for c in captures}) == 1


def kind(capture: Capture) -> tuple[object, ...]:
    """What captures of one kind share: shapes of the factors in a group, and their steps."""
    sides = (capture.query.shape[1:], capture.key.shape[1:])
    return *map(tuple, sides), tuple(step.kind for step in capture.steps)


def joined(captures: Sequence[Capture]) -> Joined:
    """Captures that are alike as one, in order; its errors are the worst of theirs.

    Of smaller ones a last key stands for itself once more, with no weight, and queries that no input moves
    fill up."""
    first = captures[0]
    n, m = (max(sides) for sides in zip(*map(_sides, captures), strict=True))
    error = {name: max(c.error[name] for c in captures) for name in first.error}
    return Joined(
        first.path,
        torch.cat([pad(c.query, (0, 0, 0, n - c.query.shape[1])) for c in captures]),
        torch.cat([_filled(c.key, m) for c in captures]),
        first.steps,
        first.softmax,
        torch.cat([_filled(c.value, m) for c in captures]),
        any(c.dropped for c in captures),
        all(c.distribution for c in captures),
        any(c.negative for c in captures),
        tuple(dict.fromkeys(note for c in captures for note in c.notes)),
        error,
        tuple(captures),
    )


def parted(seen: Sequence[Capture], parts: Sequence[Capture]) -> list[Capture]:
    """What was captured again, in sequences of the shapes of ``parts``, each as one."""
    wanted = [*map(_sides, parts)]
    mine = [capture for capture in seen if _sides(capture) in wanted]
    found: list[Capture] = []
    for i in range(0, len(mine), len(parts)):
        whole = mine[i : i + len(parts)]
        if [*map(_sides, whole)] == wanted:
            found.append(joined(whole) if len(parts) > 1 else whole[0])
    return found


def _sides(capture: Capture) -> tuple[int, int]:
    return capture.query.shape[1], capture.key.shape[1]


def _filled(factor: Tensor, count: int) -> Tensor:
    return torch.cat([factor, factor[:, -1:].expand(-1, count - factor.shape[1], -1)], 1)
