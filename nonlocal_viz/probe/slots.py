"""Where the slots of an attention lie, as numbers: which token each of its queries and keys is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import MIXED, NOWHERE
from nonlocal_viz.probe.positions import Positions


@dataclass(frozen=True)
class Slots:
    """The position of every slot: query (L, n), key (L, m), numbers image * positions + position.

    Where a slot mixes positions, ``query_side`` and ``key_side`` are the coarser tokens that are numbered.
    ``summaries``: how many numbers in front of an image's positions are tokens made of all of these.
    """

    axes: Axes
    query: Tensor
    key: Tensor
    images: int
    positions: int
    key_positions: int
    query_side: Positions | None = None
    key_side: Positions | None = None
    summaries: int = 0

    @property
    def query_positions(self) -> int:
        """How many tokens of one image are numbered among the queries."""
        return self.positions if self.query_side is None else len(self.query_side.names)

    @property
    def of_one_image(self) -> bool:
        """Whether every group is of one image: its queries look at the same keys, and a map of an image has
        no place for those of another."""
        keys = self.positions if self.key_side is None else len(self.key_side.names)
        query, key = image_of(self.query, self.query_positions), image_of(self.key, keys)
        other = (query >= 0) & (key >= 0) & (query != key)
        return not bool(((query == MIXED) | (key == MIXED) | other).any())


def image_of(code: Tensor, positions: int) -> Tensor:
    """(L,) the image that the slots of each group are of; NOWHERE of none, MIXED of several."""
    image = torch.where(code >= 0, code // positions, NOWHERE)
    most = image.max(1).values
    least = torch.where(image >= 0, image, most[:, None]).min(1).values
    return torch.where(least == most, most, MIXED)
