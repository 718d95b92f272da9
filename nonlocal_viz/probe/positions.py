"""What the positions of a module's input are: cells of a grid, and special tokens before and after them."""

from dataclasses import dataclass

from torch import Tensor

from nonlocal_viz.core.tokens import GridShape, OffGrid


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
