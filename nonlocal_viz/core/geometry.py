"""Grid: which cell sees a pixel, and which pixels a cell stands for.

Conventions, used everywhere in the project:

* Pixels are those of the *upright original* picture, as continuous coordinates: x grows to the right
  from 0 to width, y downwards from 0 to height, and pixel column c covers [c, c + 1). The centre of
  the first pixel is (0.5, 0.5). :func:`upright_from_stored` brings in the pixels of a file whose EXIF
  tag asks for a rotation.
* Rectangles are half-open: [left, right) x [top, bottom).
* A cell is one token: (t, h, w) on a grid of (T, H, W), flattened in this order.
* Borders between cells are fractions, kept exactly. Which cell holds a pixel is decided by whole numbers:
  pixel * denominator against numerator, the same product of two doubles in Python and in the browser
  (:meth:`Axis.borders`), so that both name the same cell for every pixel, on borders, too.

Each side is an independent :class:`Axis`, since resize, crop, padding, stride, offset and pooling are
all separable; composing them never needs more than one affine map and one clipping interval.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from numbers import Real
from typing import NamedTuple

from nonlocal_viz.errors import QueryError, ShapeError

Cell = tuple[int, int, int]

#: Lengths that are no whole numbers are kept to this part of a pixel. With pictures of up to 16,384 px and
#: 2,048 cells, numerators then stay below 2**53, where doubles hold every whole number.
_FINEST = 1024


class Rect(NamedTuple):
    """A half-open rectangle in pixels of the upright original."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y)"""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def contains(self, x: float, y: float) -> bool:
        return self.left <= x < self.right and self.top <= y < self.bottom


@dataclass(frozen=True)
class Axis:
    """One side of a grid: ``cells`` cells of ``pitch`` pixels from ``start``, clipped to [low, high).

    ``[low, high)`` is the stretch of the original that the cells stand for. With ``fill`` (query
    grids) the first and the last cell are extended to reach its ends: the network has seen those
    pixels, and no other cell stands for them. Pooled key grids do not fill: what a floor division
    dropped belongs to no key.

    Raises:
        ShapeError: no cell, no positive pitch, no stretch, or a number that is not finite.
    """

    cells: int
    start: Fraction
    pitch: Fraction
    low: Fraction
    high: Fraction
    fill: bool = True

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in ("start", "pitch", "low", "high")}
        if self.cells < 1 or not all(map(math.isfinite, values.values())) or self.pitch <= 0:
            raise ShapeError(f"An axis needs at least one cell and a positive pitch: {self}.")
        if self.low >= self.high:
            raise ShapeError("An axis needs a stretch of the original that it stands for.")
        for name, value in values.items():
            object.__setattr__(self, name, _exact(value))

    def edge(self, index: int) -> float:
        """The border between cells index - 1 and index, in pixels; index 0..cells."""
        if 0 <= index <= self.cells:
            return self._edges[index]
        return float(self._border(index))

    def edges(self) -> tuple[float, ...]:
        """All cells + 1 borders, ascending."""
        return self._edges

    def borders(self) -> tuple[tuple[int, ...], int]:
        """(numerators, denominator): border i, 0..cells, lies at numerators[i] / denominator pixels."""
        return self._borders

    def find(self, pixel: float) -> int | None:
        """The cell whose [border i, border i + 1) holds the pixel; None where no cell does."""
        numerators, denominator = self._borders
        place = float(pixel) * denominator
        if not numerators[0] <= place < numerators[-1]:
            return None
        return bisect_right(numerators, place) - 1

    def pooled(self, window: int) -> "Axis":
        """The axis after max pooling by ``window`` with stride ``window`` (floor, as PyTorch)."""
        window = min(window, self.cells)
        if window < 1:
            raise ShapeError("A pooling window covers at least one cell.")
        if window == 1:
            return self
        groups = self.cells // window
        complete = groups * window == self.cells
        # An axis that fills keeps its extended ends only where they belong to a pooled cell.
        high = self.high if complete else self._border(groups * window)
        return replace(
            self,
            cells=groups,
            pitch=self.pitch * window,
            high=max(high, self.low + Fraction(1, _FINEST)),
        )

    def coarsened(self, count: int) -> "Axis":
        """The axis of ``count`` cells that this one was pooled to; see :meth:`Grid.coarsened`."""
        for window in range(1, self.cells + 1):
            if self.cells // window == count:
                return self.pooled(window)
        low, high = self._border(0), self._border(self.cells)
        return replace(self, cells=count, start=low, pitch=(high - low) / count)

    def _border(self, index: int) -> Fraction:
        if self.fill and index <= 0:
            return self.low
        if self.fill and index >= self.cells:
            return self.high
        return min(max(self.start + index * self.pitch, self.low), self.high)

    @cached_property
    def _edges(self) -> tuple[float, ...]:
        numerators, denominator = self._borders
        return tuple(numerator / denominator for numerator in numerators)

    @cached_property
    def _borders(self) -> tuple[tuple[int, ...], int]:
        exact = [self._border(i) for i in range(self.cells + 1)]
        denominator = math.lcm(*(border.denominator for border in exact))
        return tuple(int(border * denominator) for border in exact), denominator


@dataclass(frozen=True)
class Grid:
    """The cells of one block over one picture or clip.

    Args:
        t, y, x: the axes of frames, rows and columns. Frames are counted, not timed: frame k is the
            stretch [k, k + 1) of the ``t`` axis.
        size: (width, height) of the upright original, in pixels.
    """

    t: Axis
    y: Axis
    x: Axis
    size: tuple[int, int]

    def __repr__(self) -> str:
        frames, rows, columns = self.cells
        width, height = self.size
        wide, high = float(self.x.pitch), float(self.y.pitch)
        times = f"{frames} x " if frames > 1 else ""
        return (
            f"Grid({times}{rows} x {columns} cells of {wide:.4g} x {high:.4g} pixels over {width} x "
            f"{height})"
        )

    @property
    def cells(self) -> tuple[int, int, int]:
        """(T, H, W)"""
        return self.t.cells, self.y.cells, self.x.cells

    @property
    def count(self) -> int:
        """T * H * W, the number of tokens."""
        return self.t.cells * self.y.cells * self.x.cells

    def cell(self, x: float, y: float, frame: float = 0) -> Cell:
        """The cell (t, h, w) that stands for a pixel of a frame.

        Raises:
            QueryError: the pixel is not a number, outside the picture, outside what the network saw
                of it (a crop), or in no cell (pooled keys drop an odd last row or column).
        """
        width, height = self.size
        if not all(_is_finite(v) for v in (x, y, frame)):
            raise QueryError(
                f"A query needs finite numbers; got x={x!r}, y={y!r}, frame={frame!r}."
            )
        if not (0 <= x < width and 0 <= y < height):
            raise QueryError(
                f"The point ({x:g}, {y:g}) lies outside the picture, which is {width} x {height} "
                f"pixels: x goes from 0 to below {width}, y from 0 to below {height}."
            )
        t, h, w = self.t.find(frame), self.y.find(y), self.x.find(x)
        if t is None:
            raise QueryError(
                f"There is no frame {frame:g}: frames go from {self.t.edge(0):g} to below "
                f"{self.t.edge(self.t.cells):g}."
            )
        if h is None or w is None:
            raise QueryError(
                f"The point ({x:g}, {y:g}) lies outside the part of the picture that these cells "
                f"stand for: x from {self.x.edge(0):g} to {self.x.edge(self.x.cells):g}, "
                f"y from {self.y.edge(0):g} to {self.y.edge(self.y.cells):g}."
            )
        return t, h, w

    def index(self, x: float, y: float, frame: float = 0) -> int:
        """The flat index of :meth:`cell`: (t * H + h) * W + w. Raises as it does."""
        return self.flat(self.cell(x, y, frame))

    def flat(self, cell: Cell) -> int:
        """(t, h, w) -> flat index."""
        return (cell[0] * self.y.cells + cell[1]) * self.x.cells + cell[2]

    def unflat(self, index: int) -> Cell:
        """Flat index -> (t, h, w).

        Raises:
            QueryError: there is no such cell.
        """
        if not 0 <= index < self.count:
            raise QueryError(f"There is no cell {index}: the grid has cells 0 to {self.count - 1}.")
        rest, w = divmod(int(index), self.x.cells)
        t, h = divmod(rest, self.y.cells)
        return t, h, w

    def rect(self, cell: Cell | int) -> Rect:
        """The pixels that a cell stands for; without area where a cell lies in padding alone.

        Raises:
            QueryError: there is no such cell.
        """
        t, h, w = cell if isinstance(cell, tuple | list) else self.unflat(int(cell))
        if not (0 <= t < self.t.cells and 0 <= h < self.y.cells and 0 <= w < self.x.cells):
            raise QueryError(f"There is no cell {(t, h, w)} on the grid {self.cells}.")
        return Rect(self.x.edge(w), self.y.edge(h), self.x.edge(w + 1), self.y.edge(h + 1))

    def pooled(self, window: Sequence[int]) -> "Grid":
        """The grid of keys max-pooled by a window over (T, H, W) or (H, W)."""
        pt, ph, pw = (1, *window) if len(window) == 2 else tuple(window)
        return replace(self, t=self.t.pooled(pt), y=self.y.pooled(ph), x=self.x.pooled(pw))

    def coarsened(self, cells: tuple[int, int, int]) -> "Grid":
        """The grid of keys of which there are ``cells`` (T, H, W), one for several cells of this one.

        A side of half as many was pooled by 2, even where another window gives as many (3 cells pooled
        by 2 or by 3 leave one); where no window does, the stretch is divided evenly.
        """
        sides = (self.t, self.y, self.x)
        t, y, x = (side.coarsened(count) for side, count in zip(sides, cells, strict=True))
        return replace(self, t=t, y=y, x=x)

    @classmethod
    def build(
        cls,
        size: tuple[int, int],
        cells: tuple[int, int] | tuple[int, int, int],
        *,
        resize: tuple[int, int] | None = None,
        crop: tuple[float, float, float, float] | None = None,
        pad: tuple[float, float, float, float] = (0, 0, 0, 0),
        stride: float | tuple[float, float] | None = None,
        offset: float | tuple[float, float] = 0.0,
        frames: int | None = None,
    ) -> "Grid":
        """The grid of a network that saw the original through resize, then crop, then padding.

        Args:
            size: (width, height) of the upright original.
            cells: (H, W) or (T, H, W) of the block.
            resize: (width, height) that the whole original was resized to; default: not resized.
            crop: (left, top, width, height) cut from the resized picture; default: all of it.
            pad: (left, top, right, bottom) pixels added around the crop.
            stride: (x, y) network-input pixels a cell, or one number for both; default: evenly.
            offset: (x, y) of the first cell's left upper corner in the padded input, of networks with
                uneven padding such as Caffe2's ResNet (224 -> 55 after pool1).
            frames: how many the T cells stand for; default T.

        Raises:
            ShapeError: sizes that are not positive, or a crop outside the resized picture.
        """
        steps, rows, columns = cells if len(cells) == 3 else (1, *cells)
        sides = []
        part = None if crop is None else tuple(map(_exact, crop))
        for axis, count in ((0, columns), (1, rows)):
            pixels = size[axis]
            resized = pixels if resize is None else resize[axis]
            if pixels < 1 or resized < 1 or count < 1:
                raise ShapeError("A grid needs a picture and cells of positive size.")
            whole = Fraction(0), _exact(resized)
            begin, extent = whole if part is None else (part[axis], part[axis + 2])
            if not (begin >= 0 and extent > 0 and begin + extent <= resized + Fraction(1, _FINEST)):
                raise ShapeError(
                    f"The crop {crop} does not lie within the resized picture {resize}."
                )
            before, behind = _exact(pad[axis]), _exact(pad[axis + 2])
            padded = before + extent + behind
            step = padded / count if stride is None else _exact(_pair(stride)[axis])
            # network pixel u = original / shrunk - begin + before, solved for the original
            shrunk = Fraction(pixels) / _exact(resized)
            sides.append(
                Axis(
                    count,
                    start=(_exact(_pair(offset)[axis]) - before + begin) * shrunk,
                    pitch=step * shrunk,
                    low=begin * shrunk,
                    high=min((begin + extent) * shrunk, Fraction(pixels)),
                )
            )
        shown = Fraction(steps if frames is None else frames)
        time = Axis(steps, Fraction(0), shown / steps, Fraction(0), shown)
        return cls(time, sides[1], sides[0], (int(size[0]), int(size[1])))


#: EXIF orientation -> (swap x and y, mirror x, mirror y), applied to stored pixels in this order:
#: swap first, then mirror within the upright picture.
_ORIENTATION = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def upright_size(stored_size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) of a stored picture after its EXIF orientation (1 to 8) is applied."""
    width, height = stored_size
    return (height, width) if _turn(orientation)[0] else (width, height)


def upright_from_stored(
    x: float, y: float, stored_size: tuple[int, int], orientation: int
) -> tuple[float, float]:
    """A point of the stored picture -> the same point of the upright one (continuous pixels)."""
    swap, mirror_x, mirror_y = _turn(orientation)
    width, height = upright_size(stored_size, orientation)
    if swap:
        x, y = y, x
    return (width - x if mirror_x else x), (height - y if mirror_y else y)


def stored_from_upright(
    x: float, y: float, stored_size: tuple[int, int], orientation: int
) -> tuple[float, float]:
    """The inverse of :func:`upright_from_stored`."""
    swap, mirror_x, mirror_y = _turn(orientation)
    width, height = upright_size(stored_size, orientation)
    x, y = (width - x if mirror_x else x), (height - y if mirror_y else y)
    return (y, x) if swap else (x, y)


def _turn(orientation: int) -> tuple[bool, bool, bool]:
    if orientation not in _ORIENTATION:
        raise ShapeError(f"An EXIF orientation is 1 to 8, not {orientation!r}.")
    return _ORIENTATION[orientation]


def _is_finite(value: object) -> bool:
    # Real: numpy's numbers are as good as Python's.
    return isinstance(value, Real) and math.isfinite(float(value))


def _pair(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (float(value), float(value))


def _exact(value: "float | Fraction") -> Fraction:
    """Whole numbers and fractions as they are, other lengths to :data:`_FINEST` parts of a pixel."""
    if isinstance(value, int | Fraction):
        return Fraction(value)
    return Fraction(round(float(value) * _FINEST), _FINEST)
