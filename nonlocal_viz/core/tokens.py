"""Which token is meant: cells of a grid by number or place, tokens that lie on no cell by name.

Invariant: on each side of a map, queries or keys, tokens come in one order: those on no cell that stand
before the cells (a class token, registers), the cells (t, h, w) in raster order, those after them
(padding, extra keys).
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nonlocal_viz.errors import QueryError

GridShape = tuple[int, int, int]
#: A cell by its flat index or its place (h, w) or (t, h, w) on the grid; another token by its name.
Place = int | tuple[int, int] | tuple[int, int, int] | str


@dataclass(frozen=True)
class OffGrid:
    """Names of the tokens that lie on no cell: those before the cells, and those after them."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.before) + len(self.after)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order of the tokens."""
        return self.before + self.after


#: Every token is a cell.
NONE_ASIDE = OffGrid()


@dataclass(frozen=True)
class Side:
    """The tokens of one side of a map. ``role`` is what a message calls one: "query" or "key"."""

    role: str
    grid: GridShape
    aside: OffGrid

    @property
    def cells(self) -> int:
        """T * H * W."""
        return self.grid[0] * self.grid[1] * self.grid[2]

    @property
    def tokens(self) -> int:
        """The cells and the tokens that lie on none."""
        return self.cells + len(self.aside)

    @property
    def on_grid(self) -> slice:
        """Where the cells stand among the tokens."""
        first = len(self.aside.before)
        return slice(first, first + self.cells)

    def token(self, place: Place) -> int:
        """The number of a token among all of its side.

        Raises:
            QueryError: there is no such cell, or no token of that name.
        """
        if isinstance(place, str):
            return self._named(place)
        return len(self.aside.before) + self._cell(place)

    def several(self, places: "Sequence[Place] | Tensor") -> list[int]:
        """:meth:`token` of each; tensors and arrays are as good as lists. Raises as it does."""
        listed: Any = places.tolist() if hasattr(places, "tolist") else places
        if isinstance(listed, str) or not isinstance(listed, Sequence):
            listed = [listed]
        return [self.token(tuple(p) if isinstance(p, list) else p) for p in listed]

    def _named(self, name: str) -> int:
        if name not in self.aside.names:
            there = ", ".join(self.aside.names) or "none: every token is a cell"
            raise QueryError(f"There is no {self.role} token {name!r}; by name there are {there}.")
        at = self.aside.names.index(name)
        return at if at < len(self.aside.before) else at + self.cells

    def _cell(self, cell: Any) -> int:
        asked = cell.tolist() if hasattr(cell, "tolist") else cell
        try:
            if isinstance(asked, tuple | list):
                asked = tuple(operator.index(p) for p in asked)
            else:
                asked = operator.index(asked)
        except TypeError:
            raise QueryError(
                f"A {self.role} cell is a whole number, or a place (t, h, w) of them, not {cell!r}."
            ) from None
        if isinstance(asked, tuple):
            place = (0, *asked) if len(asked) == 2 else asked
            if len(place) != 3 or not all(
                0 <= p < size for p, size in zip(place, self.grid, strict=True)
            ):
                raise QueryError(f"There is no {self.role} cell {asked} on the grid {self.grid}.")
            return int((place[0] * self.grid[1] + place[1]) * self.grid[2] + place[2])
        if not 0 <= asked < self.cells:
            raise QueryError(
                f"There is no {self.role} cell {asked}: the grid {self.grid} has cells 0 to "
                f"{self.cells - 1}."
            )
        return int(asked)


def tokens_of(x: Tensor, frames: int = 1) -> Tensor:
    """What a convolution makes, as tokens: (B*T, C, *spatial) -> (B, T*positions, C)."""
    tokens = x.flatten(2).transpose(1, 2)
    return tokens.reshape(x.shape[0] // frames, -1, x.shape[1])


def grid_of(x: Tensor, frames: int = 1) -> GridShape:
    """(T, H, W) of the cells of x (B, C, *spatial), one to three dimensions of space and time; of two,
    T = ``frames``. A 1D sequence lies along W: it has no height and no frames."""
    sides = x.shape[2:]
    if len(sides) == 3:
        return sides[0], sides[1], sides[2]
    return (frames, sides[0], sides[1]) if len(sides) == 2 else (1, 1, sides[0])


def laid_out(tokens: Tensor, like: Tensor, frames: int = 1) -> Tensor:
    """The way back of :func:`tokens_of`: (B, T*positions, C) -> (B*T, C, *spatial of ``like``)."""
    batch = like.shape[0]
    if frames > 1:
        tokens = tokens.reshape(batch, -1, tokens.shape[-1])
    return tokens.transpose(1, 2).reshape(batch, -1, *like.shape[2:])
