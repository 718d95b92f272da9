"""The answer to a question: one affinity row (or column) over a picture or clip, and what to make of it."""

import csv
import io
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nonlocal_viz import render
from nonlocal_viz.core.geometry import Cell, Grid, Rect
from nonlocal_viz.errors import MediaError
from nonlocal_viz.media import encode_png, encode_webm

if TYPE_CHECKING:
    from nonlocal_viz.lens import View

Direction = Literal["row", "column"]


@dataclass(frozen=True)
class Key:
    """One cell that a row looks at. ``weight`` is the affinity, ``rect`` its pixels in the original."""

    cell: Cell
    weight: float
    rect: Rect


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

    Attributes:
        map: (T, H', W') float32, the weights, on the cells of ``key_grid``. For ``direction ==
            "column"`` these are the query cells that look at the one pointed at.
        first_frame: the frame that ``map[0]`` stands for (not 0 only for a clip without spacetime).
        query_cell: (t, h, w) of the cell pointed at, and ``query_rect`` its pixels.
        x, y: the pixel that was asked about.
    """

    view: "View"
    block: str
    x: float
    y: float
    query_cell: Cell
    query_rect: Rect
    map: np.ndarray
    key_grid: Grid
    direction: Direction
    first_frame: int = 0

    @property
    def instantiation(self) -> str:
        """The pairwise function of the block."""
        return self.view.affinity(self.block).instantiation

    @property
    def signed(self) -> bool:
        """True when weights can be negative (dot product)."""
        return self.view.affinity(self.block).signed

    @cached_property
    def stats(self) -> RowStats:
        """Entropy, extremes and the ten strongest cells."""
        flat = self.map.astype(np.float64).ravel()
        top = tuple(self.strongest(10))
        entropy = share = support = None
        finite = bool(np.isfinite(flat).all())
        if finite and self.view.affinity(self.block).is_distribution and self.direction == "row":
            positive = flat[flat > 0]
            entropy = float(-(positive * np.log(positive)).sum())
            share = entropy / math.log(flat.size) if flat.size > 1 else 0.0
            support = math.exp(entropy)
        return RowStats(
            entropy, share, support, float(flat.max()), float(flat.min()), float(flat.sum()), top
        )

    @property
    def is_clip(self) -> bool:
        """Whether there is more than one frame."""
        return len(self.view.frames) > 1

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of the row's mass (of its sizes, where weights are signed) that each frame of
        the map holds; they sum to 1, or are all 0."""
        mass = np.abs(self.map.astype(np.float64)).sum((1, 2))
        return tuple((mass / mass.sum() if mass.sum() > 0 else mass).tolist())

    def overlay(
        self,
        cmap: str | None = None,
        alpha: float | None = None,
        scale: str = "linear",
        smooth: bool = False,
        frame: int | None = None,
        grey: bool = True,
    ) -> np.ndarray:
        """The row over one frame: (H, W, 3) uint8 at the size of the original. See ``render.overlay``.

        All frames of a clip share one colour scale. ``frame`` is the query's own unless given.

        Raises:
            QueryError: there is no such frame, colour map or scale.
        """
        shown = self.query_cell[0] if frame is None else self.view.frame_number(frame)
        at = shown - self.first_frame
        weights = self.map[at] if 0 <= at < len(self.map) else np.zeros_like(self.map[0])
        return render.overlay(
            self.view.frames[shown],
            weights,
            self.key_grid.x.edges(),
            self.key_grid.y.edges(),
            cmap=cmap,
            alpha=alpha,
            scale=scale,
            smooth=smooth,
            grey=grey,
            signed=self.signed,
            vmax=float(np.abs(np.nan_to_num(self.map, posinf=0, neginf=0)).max()),
            query_rect=self.query_rect if shown == self.query_cell[0] else None,
        )

    def overlays(self, **options: Any) -> list[np.ndarray]:
        """The row over every frame, options as :meth:`overlay`."""
        return [self.overlay(frame=t, **options) for t in range(len(self.view.frames))]

    def strip(self, **options: Any) -> np.ndarray:
        """The film strip: (H', W', 3) uint8, every frame with its row, its time and its share."""
        shares = [0.0] * len(self.view.frames)
        shares[self.first_frame : self.first_frame + len(self.map)] = self.shares
        return render.strip(
            self.overlays(**options), self.view.times, shares, marked=self.query_cell[0]
        )

    def save(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the row: ``.png`` the overlay at the photo's size, of a clip the film strip (or one
        ``frame``); ``.webm`` the overlay as a video; ``.npz`` or ``.csv`` the numbers; ``.pdf`` or
        ``.svg`` a figure: with its colour bar, of a clip with arrows to the strongest 20 cells
        (``.arrows.png`` for that as a picture). ``options`` as :meth:`overlay`.

        Raises:
            MediaError: another suffix, or the file cannot be written.
            QueryError: an option is unknown.
        """
        path = Path(path)
        clip, one = self.is_clip, options.get("frame") is not None
        whole = {key: value for key, value in options.items() if key != "frame"}
        writers = {
            ".png": lambda: encode_png(
                self.strip(**whole) if clip and not one else self.overlay(**options)
            ),
            ".npz": self._npz,
            ".csv": self._csv,
            ".pdf": lambda: self.arrows("pdf") if clip else self._figure("pdf", whole),
            ".svg": lambda: self.arrows("svg") if clip else self._figure("svg", whole),
        }
        if clip:
            writers[".webm"] = lambda: encode_webm(self.overlays(**whole))
            if path.name.lower().endswith(".arrows.png"):
                writers[".png"] = lambda: self.arrows("png")
        writer = writers.get(path.suffix.lower())
        if writer is None:
            raise MediaError(
                f"Cannot write {path.suffix or 'a file without a suffix'}; use {', '.join(writers)}."
            )
        content = writer()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise MediaError(f"Cannot write {path} ({error.strerror}).") from None
        return path

    def strongest(self, count: int = 20) -> list["Key"]:
        """The cells with the greatest weights by size, strongest first."""
        flat = self.map.astype(np.float64).ravel()
        order = np.argsort(-np.abs(flat), kind="stable")[:count]
        found = []
        for i in order:
            t, h, w = self.key_grid.unflat(int(i))
            cell = (t + self.first_frame, h, w)
            found.append(Key(cell, float(flat[i]), self.key_grid.rect(int(i))))
        return found

    def arrows(self, suffix: str = "png", count: int = 20) -> bytes:
        """The paper's Figure 3: frames in a row, arrows from the query to the strongest cells."""
        return render.arrows(
            list(self.view.frames),
            self.view.times,
            self.query_cell[0],
            self.query_rect,
            [(key.cell[0], key.rect, key.weight) for key in self.strongest(count)],
            suffix=suffix,
        )

    def describe(self) -> str:
        """One sentence for people: the cell, the strongest key, the entropy."""
        strongest = self.stats.top[0]
        x, y = strongest.rect.centre
        verb = "looks most at" if self.direction == "row" else "is looked at most by"
        text = (
            f"{self.block}: cell {self._cell(self.query_cell)} at pixel ({self.x:g}, {self.y:g}) "
            f"{verb} cell {self._cell(strongest.cell)} around pixel ({x:.0f}, {y:.0f}), "
            f"weight {strongest.weight:.4g}"
        )
        if self.stats.entropy is not None and self.stats.support is not None:
            text += (
                f"; entropy {self.stats.entropy:.2f} nats, as if spread evenly over "
                f"{self.stats.support:.0f} of {self.map.size} cells"
            )
        return text + "."

    def _cell(self, cell: Cell) -> str:
        return str(cell[1:]) + (f" of frame {cell[0]}" if self.is_clip else "")

    def numbers(self) -> dict[str, Any]:
        """The row's statistics and place as plain values, fit for JSON."""
        stats = self.stats
        return {
            "block": self.block,
            "instantiation": self.instantiation,
            "direction": self.direction,
            "picture_size": list(self.view.size),
            "query_pixel": [self.x, self.y],
            "query_cell": list(self.query_cell),
            "query_rect": list(self.query_rect),
            "grid": list(self.key_grid.cells),
            "first_frame": self.first_frame,
            "times": list(self.view.times),
            "shares": list(self.shares),
            "entropy": stats.entropy,
            "entropy_share": stats.entropy_share,
            "support": stats.support,
            "max": stats.max,
            "min": stats.min,
            "sum": stats.sum,
            "strongest": [
                {"cell": list(k.cell), "weight": k.weight, "rect": list(k.rect)} for k in stats.top
            ],
        }

    def _figure(self, suffix: str, options: dict[str, Any]) -> bytes:
        return render.figure(
            self.view.image,
            self.map[0],
            self.key_grid.x.edges(),
            self.key_grid.y.edges(),
            title=f"{self.block} ({self.instantiation}), {self.direction} of ({self.x:g}, {self.y:g})",
            suffix=suffix,
            signed=self.signed,
            query_rect=self.query_rect,
            **options,
        )

    def _npz(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            weights=self.map,
            x_edges=np.array(self.key_grid.x.edges()),
            y_edges=np.array(self.key_grid.y.edges()),
            query_cell=np.array(self.query_cell),
            query_pixel=np.array([self.x, self.y]),
            picture_size=np.array(self.view.size),
            first_frame=np.array(self.first_frame),
            times=np.array(self.view.times),
            block=np.array(self.block),
            instantiation=np.array(self.instantiation),
            direction=np.array(self.direction),
        )
        return buffer.getvalue()

    def _csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["frame", "row", "column", "left", "top", "right", "bottom", "weight"])
        for index, weight in enumerate(self.map.ravel()):
            rect = self.key_grid.rect(index)
            edges = (f"{v:.3f}" for v in rect)
            t, h, w = self.key_grid.unflat(index)
            writer.writerow([t + self.first_frame, h, w, *edges, f"{weight:.9g}"])
        return text.getvalue().encode()
