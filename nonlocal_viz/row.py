"""The answer to a question: one affinity row (or column) over a picture or clip, and what to make of it.

Invariant: a Row holds its own weights and the pictures they lie on, and nothing of the network: keeping
one keeps no factors alive.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from nonlocal_viz import export
from nonlocal_viz.core.geometry import Cell, Grid, Rect
from nonlocal_viz.errors import QueryError
from nonlocal_viz.regions import Key, Region, key_at, regions, sizes_of

if TYPE_CHECKING:
    from nonlocal_viz.core.anatomy import Contribution

Direction = Literal["row", "column"]

#: How far around a peak nothing may be stronger, in cells: neighbours of a strong cell say nothing new.
_APART = 2


def frame_number(frame: int, count: int) -> int:
    """``frame`` of ``count`` frames as an int.

    Raises:
        QueryError: there is no such frame.
    """
    if not (isinstance(frame, int | np.integer) and 0 <= frame < count):
        raise QueryError(f"There is no frame {frame}: frames go from 0 to {count - 1}.")
    return int(frame)


@dataclass(frozen=True)
class RowStats:
    """A row in numbers. entropy in nats, entropy_share = entropy / log M, support = exp(entropy): as
    if spread evenly over that many cells; the three are None unless the row is a distribution."""

    entropy: float | None
    entropy_share: float | None
    support: float | None
    max: float
    min: float
    sum: float
    top: tuple[Key, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """One affinity row (or column) over the picture.

    >>> row = nv.Lens("default").open(nv.examples()["cat"]).query(230, 110)
    >>> row
    Row(row of layer2.1 at pixel (230, 110), the cell in row 14, column 31; over 40 x 61 cells)
    >>> row.image().size
    (451, 300)

    Attributes:
        block: the block's name.
        x, y: the pixel that was asked about.
        query_cell: (t, h, w) of the cell pointed at, and ``query_rect`` its pixels.
        map: (T, H', W') float32, the weights, on the cells of ``grid``. For ``direction ==
            "column"`` these are the query cells that look at the one pointed at.
        grid: of the cells of ``map``.
        frames, times: the picture, or the clip's frames (T, H, W, 3) uint8, and when each is shown.
        first_frame: the frame that ``map[0]`` stands for (not 0 only for a clip without spacetime).
        instantiation: the pairwise function of the block, in words.
        signed: whether weights can be negative (dot product).
        is_distribution: whether these weights are non-negative and sum to 1.
        model: the name of the network that looked; picture: the name of the file that was looked at.
            Empty where there is none.
        asked: the grid that ``query_cell`` is a cell of, where it is another than ``grid``.
        head: the head whose weights these are; None: the mean over all.
        weigh: knows, while the row's view is there, what its keys carry; see :attr:`contribution`.
        token: the name of the token that looks, where it is none of the cells; ``query_rect`` is then
            all that the network saw.
    """

    block: str
    x: float
    y: float
    query_cell: Cell
    query_rect: Rect
    map: np.ndarray
    grid: Grid
    direction: Direction
    frames: np.ndarray
    times: tuple[float, ...]
    first_frame: int = 0
    instantiation: str = ""
    signed: bool = False
    is_distribution: bool = False
    model: str = ""
    picture: str = ""
    asked: Grid | None = None
    head: int | None = None
    token: str = ""
    weigh: "Callable[[np.ndarray], Contribution | None] | None" = field(default=None, repr=False)

    @cached_property
    def contribution(self) -> "Contribution":
        """What each cell of :attr:`map` has to do with what the block adds: ``size`` = |A_ij W_z g_j| and
        ``share``, the signed part of z - x along it, both (T, H', W') float32.

        A weight says where a block looks, this what it takes from there. The view has to be there still.

        Raises:
            QueryError: the row was kept without its view.
            OptionError: the network is none whose blocks can be looked into.
        """
        found = None if self.weigh is None else self.weigh(self.map)
        if found is None:
            raise QueryError(
                "What the keys carry is the view's to say, and this row was kept without it: ask the view "
                "again, and keep it as long as the row."
            )
        size, share = (part.float().cpu().numpy().reshape(self.map.shape) for part in found)
        return type(found)(size, share)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "weigh": None}

    @cached_property
    def stats(self) -> RowStats:
        """Entropy, extremes and the ten strongest cells."""
        flat = self.map.astype(np.float64).ravel()
        top = tuple(self.strongest(10))
        entropy = share = support = None
        if self.is_distribution and bool(np.isfinite(flat).all()):
            positive = flat[flat > 0]
            entropy = float(-(positive * np.log(positive)).sum())
            share = entropy / math.log(flat.size) if flat.size > 1 else 0.0
            support = math.exp(entropy)
        return RowStats(
            entropy, share, support, float(flat.max()), float(flat.min()), float(flat.sum()), top
        )

    @property
    def origin(self) -> str:
        """What was asked, in words: a pixel or a token."""
        if self.token:
            return f"the {self.token} token"
        return f"pixel ({math.floor(self.x)}, {math.floor(self.y)})"

    @property
    def place(self) -> str:
        """The block, and the head where one alone was asked, in words."""
        return self.block if self.head is None else f"{self.block}, head {self.head}"

    @property
    def is_clip(self) -> bool:
        """Whether there is more than one frame."""
        return len(self.frames) > 1

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of the row's mass (of its sizes, where weights are signed) that each frame of
        the map holds; they sum to 1, or are all 0."""
        mass = sizes_of(self.map).sum((1, 2))
        return tuple((mass / mass.sum() if mass.sum() > 0 else mass).tolist())

    def strongest(self, count: int = 20) -> list[Key]:
        """The cells with the greatest weights by size, strongest first; of equals the first."""
        sizes = np.abs(self.map.astype(np.float64)).ravel()
        return [
            key_at(self.map, self.grid, int(i), self.first_frame)
            for i in np.argsort(-sizes, kind="stable")[:count]
        ]

    def peaks(self, count: int = 5) -> list[Key]:
        """The strongest cells that lie apart: within two cells of one, in its frame, none is stronger
        (of equals the first is the peak); strongest first."""
        sizes = np.abs(self.map.astype(np.float64))
        steps, height, width = sizes.shape
        padded = np.full((steps, height + 2 * _APART, width + 2 * _APART), -1.0)
        padded[:, _APART : _APART + height, _APART : _APART + width] = sizes
        peak = np.ones_like(sizes, dtype=bool)
        reach = range(-_APART, _APART + 1)
        for dh, dw in ((dh, dw) for dh in reach for dw in reach if (dh, dw) != (0, 0)):
            top, left = _APART + dh, _APART + dw
            other = padded[:, top : top + height, left : left + width]
            # Of two equal cells the one with the lower index is the peak.
            earlier = (dh, dw) < (0, 0)
            peak &= (other < sizes) | ((other == sizes) & (not earlier))
        found = np.flatnonzero(peak)
        order = np.argsort(-sizes.ravel()[found], kind="stable")[:count]
        return [key_at(self.map, self.grid, int(i), self.first_frame) for i in found[order]]

    def regions(self, count: int = 5) -> tuple[Region, ...]:
        """The connected bright pieces of the row, those that hold most of its mass first.

        The law, in one sentence: take the strongest cells, as many as it needs to hold half of the row;
        those that touch (at a corner, too, and from one frame to the next) are one region. Of signed
        weights sizes count, and what is above 0 never joins what is below. An even row is one region
        that holds it all, a sink that holds more than half is the only one; of nothing but zeros there
        is none.
        """
        return regions(self.map, self.grid, count, self.first_frame)

    def overlay(
        self,
        cmap: str | None = None,
        alpha: float | None = None,
        scale: str = "linear",
        smooth: bool = False,
        frame: int | None = None,
        grey: bool = False,
        veil: bool = True,
    ) -> np.ndarray:
        """The row over one frame: (H, W, 3) uint8 at the size of the original. See ``render.overlay``.

        All frames of a clip share one colour scale. ``frame`` is the query's own unless given.

        Raises:
            QueryError: there is no such frame.
            OptionError: there is no such colour map or scale.
        """
        if frame is not None:
            frame = frame_number(frame, len(self.frames))
        return export.overlay(self, cmap, alpha, scale, smooth, frame, grey, veil)

    def image(self, **options: Any) -> Image.Image:
        """:meth:`overlay` as a PIL image; options as there."""
        return Image.fromarray(self.overlay(**options))

    def plot(self, ax: Any = None, *, bar: bool = True, **options: Any) -> Any:
        """Draw :meth:`overlay` on axes of matplotlib, in pixels of the picture.

        Args:
            ax: the axes; default the current ones of pyplot.
            bar: a colour bar with the real weights beside it.
            options: as :meth:`overlay`.

        Returns:
            The axes.
        """
        return export.plot(self, ax, bar, **options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.map, dtype=dtype, copy=copy)

    def overlays(self, **options: Any) -> list[np.ndarray]:
        """The row over every frame, options as :meth:`overlay`."""
        return export.overlays(self, **options)

    def strip(self, **options: Any) -> np.ndarray:
        """The film strip: (H', W', 3) uint8, every frame with its row, its time and its share."""
        return export.strip(self, **options)

    def arrows(self, suffix: str = "png", count: int = 20) -> bytes:
        """As the paper's Figure 3: frames in a row, arrows from the query to the strongest of
        :meth:`peaks`."""
        return export.arrows(self, suffix, count)

    def save(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the row: ``.png`` the overlay at the photo's size (``caption=True``: a figure with its
        colour bar and a line that says what it is), of a clip the film strip (or one ``frame``);
        ``.webm`` the overlay as a video; ``.npz`` or ``.csv`` the numbers; ``.pdf`` or ``.svg`` a
        figure: with its colour bar, of a clip with arrows to the strongest 20 places
        (``.arrows.png`` for that as a picture). ``options`` as :meth:`overlay`. Every file but the
        csv says which picture, model, block and query it is of.

        Raises:
            WritingError: another suffix, or the file cannot be written.
            OptionError: there is no such colour map or scale.
        """
        return export.save(self, path, **options)

    def describe(self) -> str:
        """One or two sentences for people: the cell, its strongest key, its spread, its largest region."""
        strongest, largest = self.stats.top[0], self.regions(1)
        x, y = strongest.rect.centre
        row = self.direction == "row"
        who = f"the cell in {self._cell(self.query_cell)}, at pixel ({self.x:g}, {self.y:g}),"
        text = (
            f"{self.place}: {f'the {self.token} token' if self.token else who} "
            f"{'looks most at' if row else 'is looked at most by'} the cell in "
            f"{self._cell(strongest.cell)}, around pixel ({x:.0f}, {y:.0f}), weight {strongest.weight:.4g}"
        )
        if self.stats.entropy is not None and self.stats.support is not None:
            text += (
                f"; entropy {self.stats.entropy:.2f} nats, as if spread evenly over "
                f"{self.stats.support:.0f} of {self.map.size} cells"
            )
        if largest:
            first, last = largest[0].frames
            frames = f"frames {first} to {last}" if last > first else f"frame {first}"
            where = f" in {frames}" if self.is_clip else ""
            text += (
                f". The largest bright region, {largest[0].cells} cells{where}, holds "
                f"{100 * largest[0].share:.0f} % of the {self.direction}"
            )
        return text + "."

    def numbers(self) -> dict[str, Any]:
        """The row's statistics and place as plain values, fit for JSON."""
        stats = self.stats
        return {
            "picture": self.picture,
            "model": self.model,
            "block": self.block,
            "instantiation": self.instantiation,
            "direction": self.direction,
            "picture_size": list(self.grid.size),
            "head": self.head,
            "token": self.token or None,
            "query_pixel": [self.x, self.y],
            "query_cell": list(self.query_cell),
            "query_rect": list(self.query_rect),
            "grid": list(self.grid.cells),
            "first_frame": self.first_frame,
            "times": list(self.times),
            "shares": list(self.shares),
            "entropy": stats.entropy,
            "entropy_share": stats.entropy_share,
            "support": stats.support,
            "max": stats.max,
            "min": stats.min,
            "sum": stats.sum,
            "strongest": [_plain(key) for key in stats.top],
            "regions": [
                {
                    **vars(region),
                    "frames": list(region.frames),
                    "rect": list(region.rect),
                    "key": _plain(region.key),
                }
                for region in self.regions()
            ],
        }

    def _cell(self, cell: Cell) -> str:
        t, h, w = cell
        return f"row {h}, column {w}" + (f" of frame {t}" if self.is_clip else "")

    def _repr_mimebundle_(self, **_kinds: Any) -> dict[str, Any]:
        """What a notebook shows: this answer on the canvas."""
        # A row needs no torch; what writes a page of it does.
        from nonlocal_viz.canvas import document

        return document.bundle(repr(self), lambda: document.of_row(self), self.overlay())

    def __repr__(self) -> str:
        steps, height, width = self.grid.cells
        frames = f" in each of {steps} frames" if steps > 1 else ""
        where = f"at pixel ({self.x:g}, {self.y:g}), the cell in {self._cell(self.query_cell)}"
        asked = f"from {self.origin}" if self.token else where
        return (
            f"Row({self.direction} of {self.place} {asked}; over {height} x {width} cells{frames})"
        )


def _plain(key: Key) -> dict[str, Any]:
    return {"cell": list(key.cell), "weight": key.weight, "rect": list(key.rect)}
