"""Layouts that were found in a network, to be tried first where others of a kind are."""

from collections.abc import Sequence

import torch
from torch import Tensor

#: In place of a position: the slot moves with none, or with several.
NOWHERE, MIXED = -1, -2


class Layouts:
    """Tables (groups, slots) that were found bit by bit in one network: other blocks of a kind have the
    same, which is tried like any known one before it is searched for again."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, int], list[Tensor]] = {}

    def like(self, groups: int, slots: int, positions: int) -> list[Tensor]:
        """Those of so many groups, slots, and positions of all images."""
        return self._found.get((groups, slots, positions), [])

    def keep(self, table: Tensor, positions: int) -> None:
        """Remember a table; one with slots that mix positions tells nothing."""
        groups, slots = table.shape
        found = self._found.setdefault((groups, slots, positions), [])
        if not bool((table == MIXED).any()) and not any(torch.equal(table, t) for t in found):
            found.append(table)


def agrees(table: Tensor, told: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether each slot moves where its place in a table was changed, padding never."""
    return all(
        torch.equal(torch.where(table >= 0, mask[table.clamp_min(0)].long(), NOWHERE), bits)
        for mask, bits in told
    )
