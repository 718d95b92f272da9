"""Encode once, ask many: the one door to a model for the page, the command line and notebooks.

``Lens.open`` runs the model once over a picture; every question to the :class:`View` that it returns
is answered from the factored affinities, in O(M D) a row. Pixels are always those of the upright
original picture, whatever the model saw (see :mod:`nonlocal_viz.core.geometry`).
"""

import csv
import io
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch

from nonlocal_viz import render
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.geometry import Cell, Grid, Rect
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, MediaError, QueryError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import encode_png, open_image

Direction = Literal["row", "column"]

# What torchvision's ImageNet models expect; used when a model does not say otherwise.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Lens:
    """A model together with how pictures are prepared for it.

    Args:
        model: a NonLocalResNet; ``model.info`` (set by ``load_model``) may name its normalisation,
            its classes and its default block.
        short_side: the picture is resized so that its short side has this many pixels; default the
            bound ``encode_short_side`` of limits.py. Larger gives more cells.
        limits: bounds; see limits.py.
    """

    def __init__(
        self, model: NonLocalResNet, short_side: int | None = None, limits: Limits = LIMITS
    ) -> None:
        self.model = model.eval()
        self.limits = limits
        self.short_side = limits.encode_short_side if short_side is None else short_side
        if self.short_side < 1:
            raise QueryError(f"The short side has to be at least 1 pixel, not {short_side}.")
        # One picture at a time: encoding uses every core already, and memory stays that of one.
        self._encoding = threading.Lock()

    def open(self, source: Any) -> "View":
        """Run the model over a picture once.

        Args:
            source: a path, bytes, a file, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4).

        Raises:
            MediaError: it is not a picture that can be shown; the message says why.
        """
        image = open_image(source, self.limits)
        height, width = image.shape[:2]
        resized = self._encoded_size(width, height)
        method = cv2.INTER_AREA if resized[0] < width else cv2.INTER_LINEAR
        small = cv2.resize(image, resized, interpolation=method)
        info = getattr(self.model, "info", None)
        colours = getattr(info, "normalisation", None)
        mean, std = (colours.mean, colours.std) if colours else (_MEAN, _STD)
        pixels = (small.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(
            std, np.float32
        )
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.model.device)
        with self._encoding, torch.inference_mode():
            logits, maps = self.model(x, return_nl_map=True)
        if not maps:
            raise BlockError("This model has no non-local block, so there is nothing to look at.")
        grids = {
            name: Grid.build((width, height), a.query_grid, resize=resized)
            for name, a in maps.items()
        }
        return View(self, image, logits[0].float().cpu(), maps, grids)

    def _encoded_size(self, width: int, height: int) -> tuple[int, int]:
        scale = self.short_side / min(width, height)
        scale = min(scale, self.limits.encode_long_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


class View:
    """One encoded picture: what can be asked about it.

    Attributes:
        image: (H, W, 3) uint8 RGB, upright, read-only.
        logits: (classes,) float32 on the CPU.
    """

    def __init__(
        self,
        lens: Lens,
        image: np.ndarray,
        logits: torch.Tensor,
        maps: dict[str, Affinity],
        grids: dict[str, Grid],
    ) -> None:
        self.lens, self.logits = lens, logits
        self.image = image
        self.image.setflags(write=False)
        self._maps, self._grids = maps, grids

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the original in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the non-local blocks, from the input to the output."""
        return tuple(self._maps)

    @property
    def default_block(self) -> str:
        """The block that is asked when none is named."""
        named = getattr(getattr(self.lens.model, "info", None), "default_block", None)
        return named if named in self._maps else self.blocks[0]

    @property
    def nbytes(self) -> int:
        """Bytes that this view keeps alive, roughly: the picture and the factors."""
        factors = sum(t.nbytes for a in self._maps.values() for t in (a.query, a.key))
        return self.image.nbytes + factors

    def affinity(self, block: str | None = None) -> Affinity:
        """The factored map of a block, B = 1.

        Raises:
            BlockError: there is no such block; the message lists those that there are.
        """
        return self._maps[self._name(block)]

    def query_grid(self, block: str | None = None) -> Grid:
        """Which cell of the block sees which pixel. Raises BlockError as :meth:`affinity`."""
        return self._grids[self._name(block)]

    def key_grid(self, block: str | None = None) -> Grid:
        """As :meth:`query_grid`, for keys: coarser when the block pools them."""
        affinity, grid = self.affinity(block), self.query_grid(block)
        window = [q // k for q, k in zip(affinity.query_grid, affinity.key_grid, strict=True)]
        return grid.pooled(window)

    def top_classes(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, best first; named where the model's
        classes have names, else ``"class 17"``."""
        probabilities = self.logits.softmax(-1)
        best = probabilities.topk(min(k, len(probabilities)))
        names: Sequence[str] = (
            getattr(getattr(self.lens.model, "info", None), "classes", None) or ()
        )
        return [
            (names[i] if i < len(names) else f"class {i}", p)
            for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def query(self, x: float, y: float, frame: int = 0, block: str | None = None) -> "Row":
        """What the cell at pixel (x, y) looks at: its affinity row, over the keys.

        Raises:
            QueryError: (x, y) lies outside the picture, or is not a number.
            BlockError: there is no such block.
        """
        name = self._name(block)
        cell = self._grids[name].cell(x, y, frame)
        weights = self._maps[name].row(self._grids[name].flat(cell))
        return self._answer(name, x, y, cell, weights, self.key_grid(name), "row")

    def column(self, x: float, y: float, frame: int = 0, block: str | None = None) -> "Row":
        """Who looks at the key at pixel (x, y): its affinity column, over the queries.

        Raises as :meth:`query`; also QueryError where no key stands for the pixel (pooling drops an
        odd last row or column of cells).
        """
        name = self._name(block)
        keys = self.key_grid(name)
        cell = keys.cell(x, y, frame)
        weights = self._maps[name].column(keys.flat(cell))
        return self._answer(name, x, y, cell, weights, self._grids[name], "column")

    def _answer(
        self,
        block: str,
        x: float,
        y: float,
        cell: Cell,
        weights: torch.Tensor,
        grid: Grid,
        direction: Direction,
    ) -> "Row":
        asked = self.key_grid(block) if direction == "column" else self._grids[block]
        return Row(
            view=self,
            block=block,
            x=float(x),
            y=float(y),
            query_cell=cell,
            query_rect=asked.rect(cell),
            map=weights[0].float().cpu().numpy().reshape(grid.cells),
            key_grid=grid,
            direction=direction,
        )

    def _name(self, block: str | None) -> str:
        if block is None:
            return self.default_block
        if block not in self._maps:
            raise BlockError(
                f"There is no block {block!r}; this model has {', '.join(self._maps)}."
            )
        return block


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
        query_cell: (t, h, w) of the cell pointed at, and ``query_rect`` its pixels.
        x, y: the pixel that was asked about.
    """

    view: View
    block: str
    x: float
    y: float
    query_cell: Cell
    query_rect: Rect
    map: np.ndarray
    key_grid: Grid
    direction: Direction

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
        order = np.argsort(-np.abs(flat), kind="stable")[:10]
        top = tuple(
            Key(self.key_grid.unflat(int(i)), float(flat[i]), self.key_grid.rect(int(i)))
            for i in order
        )
        entropy = share = support = None
        if self.view.affinity(self.block).is_distribution and self.direction == "row":
            positive = flat[flat > 0]
            entropy = float(-(positive * np.log(positive)).sum())
            share = entropy / math.log(flat.size) if flat.size > 1 else 0.0
            support = math.exp(entropy)
        return RowStats(
            entropy, share, support, float(flat.max()), float(flat.min()), float(flat.sum()), top
        )

    def overlay(
        self,
        cmap: str | None = None,
        alpha: float | None = None,
        scale: str = "linear",
        smooth: bool = False,
    ) -> np.ndarray:
        """The row over the photo: (H, W, 3) uint8 at the size of the original. See ``render.overlay``."""
        return render.overlay(
            self.view.image,
            self.map[self.query_cell[0] if self.map.shape[0] > 1 else 0],
            self.key_grid.x.edges(),
            self.key_grid.y.edges(),
            cmap=cmap,
            alpha=alpha,
            scale=scale,
            smooth=smooth,
            signed=self.signed,
            query_rect=self.query_rect,
        )

    def save(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the row: ``.png`` the overlay at the photo's size; ``.npz`` or ``.csv`` the numbers;
        ``.pdf`` or ``.svg`` a figure with its colour bar. ``options`` as :meth:`overlay`.

        Raises:
            MediaError: another suffix, or the file cannot be written.
        """
        path = Path(path)
        writers = {
            ".png": lambda: encode_png(self.overlay(**options)),
            ".npz": self._npz,
            ".csv": self._csv,
            ".pdf": lambda: self._figure("pdf", options),
            ".svg": lambda: self._figure("svg", options),
        }
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

    def describe(self) -> str:
        """One sentence for people: the cell, the strongest key, the entropy."""
        strongest = self.stats.top[0]
        x, y = strongest.rect.centre
        verb = "looks most at" if self.direction == "row" else "is looked at most by"
        text = (
            f"{self.block}: cell {self.query_cell[1:]} at pixel ({self.x:g}, {self.y:g}) {verb} "
            f"cell {strongest.cell[1:]} around pixel ({x:.0f}, {y:.0f}), weight {strongest.weight:.4g}"
        )
        if self.stats.entropy is not None and self.stats.support is not None:
            text += (
                f"; entropy {self.stats.entropy:.2f} nats, as if spread evenly over "
                f"{self.stats.support:.0f} of {self.map.size} cells"
            )
        return text + "."

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
            writer.writerow([*self.key_grid.unflat(index), *edges, f"{weight:.9g}"])
        return text.getvalue().encode()
