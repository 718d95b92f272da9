"""What the positions of a module's input are: cells of a grid, and special tokens before and after them."""

from dataclasses import dataclass

from torch import Tensor

from nonlocal_viz.core.tokens import GridShape, OffGrid

#: Of the greatest number in all keys: what keys of padding differ by.
_ALIKE = 1e-3


@dataclass(frozen=True)
class Positions:
    """What the positions of a module's input are: names before the cells, the grid, names after.

    Where they are in an order of the network's own, ``order`` (positions,) is the number of each among the
    names and cells in raster order.
    """

    grid: GridShape
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    order: Tensor | None = None
    #: What of it is assumed, a sentence; it holds for whatever is told by these positions.
    assumed: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all positions; cells have none."""
        return self.before + ("",) * self.cells + self.after

    @property
    def cells(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]

    @property
    def aside(self) -> OffGrid:
        return OffGrid(self.before, self.after)


def special_names(count: int) -> tuple[str, ...]:
    """Names of the tokens in front of the cells: a class token, then registers."""
    return ("class", *(f"register {i}" for i in range(1, count)))[:count]


def heads_of(table: Tensor, images: int, names: Positions) -> int:
    """How many slots of a table (groups, slots) each token of a side has, where all have as many."""
    return int((table >= 0).sum()) // (images * len(names.names))


def each_once(table: Tensor) -> bool:
    """Whether no group of a table (groups, slots) has a token twice: parts of a finer grid would be."""
    ordered = table.sort(1).values
    return not bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def outside_names(
    keys: Tensor, where: Tensor, head: Tensor, count: int, positions: Positions
) -> tuple[str, ...]:
    """Names of ``count`` places off the picture whose keys no input moves: padding, where these keys are
    the same in every head; else tokens of the network's own (registers in every window).

    Args:
        keys: (L, m, D) of L groups; ``where`` (L, m) of them; ``head`` (L,) of every group.
    """
    alike = count > 1
    for number in head.unique().tolist():
        found = keys[head == number][where[head == number].to(keys.device)].float()
        if len(found):
            apart = (found - found[0]).abs().max()
            alike &= bool(apart <= _ALIKE * keys.abs().max())
    if alike:
        return tuple(f"padding {i + 1}" for i in range(count))
    taken = sum(name.startswith("token") for name in positions.names)
    return tuple(f"token {taken + i + 1}" for i in range(count))
