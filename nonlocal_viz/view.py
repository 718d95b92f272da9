"""One encoded picture or clip: what can be asked about it, each answer O(M D).

Invariant: a View holds what the network made of the picture and what it says of itself, not the
network: it can be pickled, kept and asked without one. Only a lazy view that was not asked everything
yet knows how to go on; pickling completes it.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, from_numpy

from nonlocal_viz.canvas import document
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.anatomy import Anatomy, Contribution, contribution
from nonlocal_viz.core.fitting import Fitted
from nonlocal_viz.core.geometry import Grid, Rect
from nonlocal_viz.core.rollout import rollout
from nonlocal_viz.core.source import About, Step, brief
from nonlocal_viz.encoding import Encoding, Inside
from nonlocal_viz.errors import BlockError, QueryError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.row import Direction, Row, frame_number


class View:
    """One encoded picture or clip: what can be asked about it.

    >>> view = nv.Lens("default").open(nv.examples()["cat"])
    >>> view.blocks, view.size
    (('layer2.1', 'layer3.1'), (451, 300))
    >>> view.query(230, 110).query_cell
    (0, 14, 31)

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, upright, read-only; T = 1 for a picture.
        times: T seconds: when each frame is shown.
        spacetime: whether a position looks at all frames or at its own alone.
        about: what the network says of itself, its assumptions included.
        name: of the file that was opened; empty where it has none.
        notes: sentences about how it was opened, where less was done than asked for.
    """

    def __init__(
        self,
        frames: np.ndarray,
        times: tuple[float, ...],
        encoding: Encoding,
        fitted: Fitted,
        about: About,
        *,
        spacetime: bool,
        name: str = "",
        notes: tuple[str, ...] = (),
        inside: Inside | None = None,
    ) -> None:
        self.name, self.notes = name, notes
        self._inside = Inside() if inside is None else inside
        self.frames, self.times, self.about = frames, times, about
        self.frames.setflags(write=False)
        self._encoding, self._fitted = encoding, fitted
        self._grids: dict[str, Grid] = {}
        # A single frame by itself looks at all frames that there are.
        self.spacetime = spacetime or len(frames) == 1

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the picture, or the clip's first frame."""
        return np.asarray(self.frames[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the original in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the non-local blocks, from the input to the output."""
        return self._encoding.blocks

    @property
    def logits(self) -> Tensor | None:
        """(classes,) float32 on the CPU; None where the network tells no classes apart."""
        return self._encoding.logits

    def steps(self, block: str | None = None) -> Iterator[Step]:
        """Compute the map of a block, and say how far it is; at once where it is there already.

        For a lazy view (``Lens.open(..., lazy=True)``) that somebody waits for. Whoever stops
        listening stops the work, and whoever asks again goes on from there.

        Raises:
            BlockError: as :meth:`affinity`.
        """
        return self._encoding.steps(self._name(block))

    @property
    def default_block(self) -> str:
        """The block that is asked when none is named."""
        named = self.about.default_block
        return named if named is not None and named in self.blocks else self.blocks[0]

    @property
    def nbytes(self) -> int:
        """Bytes that this view keeps alive, roughly: the pictures, the factors that there are, and the
        anatomy that was asked last."""
        found = sum(affinity.nbytes for affinity in self._encoding.found.values())
        return self.frames.nbytes + found + self._inside.nbytes

    def affinity(self, block: str | None = None, frame: int = 0) -> Affinity:
        """The map of a block, B = 1; without ``spacetime``, that of one frame.

        Raises:
            BlockError: there is no such block; the message lists those that there are.
            QueryError: there is no such frame.
        """
        whole = self.whole(block)
        return whole if self.spacetime else whole[self.frame_number(frame)]

    def whole(self, block: str | None = None) -> Affinity:
        """As :meth:`affinity`, but without ``spacetime`` the maps of all T frames, B = T."""
        return self._encoding.affinity(self._name(block))

    def anatomy(self, block: str | None = None, frame: int = 0) -> Anatomy:
        """Every tensor between x and z of a non-local block, B = 1; without ``spacetime``, of one frame.

        The network runs once more as far as the block; the newest answer is kept.

        Raises:
            BlockError, QueryError: as :meth:`affinity`.
            OptionError: the network is none whose blocks can be looked into, or the view was pickled
                and knows no network any more.
        """
        whole = self._inside.anatomy(self._name(block))
        return whole if self.spacetime else whole[self.frame_number(frame)]

    def query_grid(self, block: str | None = None) -> Grid:
        """Which cell of the block sees which pixel (of one frame, without ``spacetime``). Raises
        BlockError as :meth:`affinity`."""
        name = self._name(block)
        if name not in self._grids:
            cells = self.whole(name).query_grid
            lattice = self._encoding.lattices.get(name)
            self._grids[name] = self._fitted.grid(self.size, cells, lattice)
        return self._grids[name]

    def fineness(self, block: str) -> tuple[int, int] | None:
        """Rows and columns of cells in a frame, which a lazy view may know before it computes the map;
        None where it does not. Raises BlockError as :meth:`affinity`."""
        name, about = self._name(block), self.about.blocks.get(block)
        found = self._encoding.found.get(name)
        if found is not None:
            return found.query_grid[1:]
        if about is None or about.stride is None:
            return None
        width, height = self._fitted.read
        return -(-height // about.stride), -(-width // about.stride)

    def key_grid(self, block: str | None = None) -> Grid:
        """As :meth:`query_grid`, for keys: coarser when the block pools them."""
        return self.query_grid(block).coarsened(self.whole(block).key_grid)

    def top_classes(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, best first; named where the model's
        classes have names, else ``"class 17"``. Empty where the network tells no classes apart."""
        logits = self.logits
        if logits is None:
            return []
        probabilities = logits.softmax(-1)
        best = probabilities.topk(min(max(k, 0), len(probabilities)))
        names: Sequence[str] = self.about.classes or ()
        return [
            (names[i] if i < len(names) else f"class {i}", p)
            for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def query(
        self,
        x: float,
        y: float,
        frame: int = 0,
        block: str | None = None,
        head: int | None = None,
    ) -> Row:
        """What the cell at pixel (x, y) of a frame looks at: its affinity row, over the keys.

        Args:
            head: of a block with several; None: the mean over them.

        Raises:
            QueryError: (x, y) lies outside the picture, was cut away before the network saw it, is not
                a number, or there is no such frame or head.
            BlockError: there is no such block.
        """
        return self._ask("row", block, x, y, frame, head)

    def column(
        self,
        x: float,
        y: float,
        frame: int = 0,
        block: str | None = None,
        head: int | None = None,
    ) -> Row:
        """Who looks at the key at pixel (x, y): its affinity column, over the queries.

        Raises as :meth:`query`; also QueryError where no key stands for the pixel (pooling drops an
        odd last row or column of cells).
        """
        return self._ask("column", block, x, y, frame, head)

    def token(
        self, name: str, block: str | None = None, head: int | None = None, frame: int = 0
    ) -> Row:
        """What a token that lies on no cell looks at, such as ``"class"`` or ``"register 1"``: its row over
        the keys. ``affinity(block).query_aside`` names those that there are.

        Raises:
            QueryError: there is no such token, head or frame.
            BlockError: there is no such block.
        """
        block = self._name(block)
        affinity = self._of_head(block, frame, head)
        seen = self.seen
        first = 0 if self.spacetime else self.frame_number(frame)
        x, y = seen.centre
        weights = affinity.row(name)[0]
        cell = (first, 0, 0)
        return self._answered(
            affinity, weights, "row", block=block, x=x, y=y, query_cell=cell, query_rect=seen,
            grid=self.key_grid(block), first_frame=first, head=head, token=name,
        )  # fmt: skip

    def rollout(
        self,
        x: float | None = None,
        y: float | None = None,
        frame: int = 0,
        *,
        token: str | None = None,
        blocks: Sequence[str] | None = None,
        residual: float = 0.5,
    ) -> Row:
        """What the cell at pixel (x, y), or a token, of the last block looks at through all ``blocks``; see
        :func:`nonlocal_viz.rollout` for what that means, and what it does not.

        Args:
            token: the name of a token that lies on no cell, in place of a pixel.
            blocks: from the first to the last; default all on the tokens of the last block.

        Raises:
            ShapeError, OptionError: as :func:`nonlocal_viz.rollout`.
            QueryError, BlockError: as :meth:`query` and :meth:`token`.
        """
        names = list(blocks) if blocks else self._alike(frame)
        maps = [self.affinity(name, frame) for name in names]
        if token is not None:
            row = self.token(token, names[-1], frame=frame)
        else:
            width, height = self.size
            place = (width / 2 if x is None else x, height / 2 if y is None else y)
            row = self.query(*place, frame, names[-1])
        cell = (row.query_cell[0] - row.first_frame, *row.query_cell[1:])
        weights = rollout(maps, token if token is not None else cell, residual=residual)
        cells = weights[0, maps[0].keys.on_grid]
        return replace(
            row,
            block=f"rollout of {names[0]} to {names[-1]}" if len(names) > 1 else names[0],
            map=cells.float().cpu().numpy().copy().reshape(row.grid.cells),
            instantiation="rollout",
            weigh=None,
        )

    def _alike(self, frame: int) -> list[str]:
        """The blocks over the tokens of the last one."""
        last = self.affinity(self.blocks[-1], frame)
        own = (last.query_grid, last.query_aside)
        maps = {name: self.affinity(name, frame) for name in self.blocks}
        return [
            name
            for name, found in maps.items()
            if own == (found.query_grid, found.query_aside) == (found.key_grid, found.key_aside)
        ] or [self.blocks[-1]]

    def _ask(
        self,
        direction: Direction,
        block: str | None,
        x: float,
        y: float,
        frame: int,
        head: int | None,
    ) -> Row:
        name = self._name(block)
        asked, answered = self.query_grid(name), self.key_grid(name)
        if direction == "column":
            asked, answered = answered, asked
        first = 0 if self.spacetime else self.frame_number(frame)
        self._refuse_unseen(x, y)
        cell = asked.cell(x, y, frame - first)
        affinity = self._of_head(name, frame, head)
        ask = affinity.row if direction == "row" else affinity.column
        weights = ask(asked.flat(cell))[0]
        weighed = Weighed(weakref.ref(self), name, frame, asked.flat(cell), direction)
        return self._answered(
            affinity, weights, direction, block=name, x=float(x), y=float(y),
            query_cell=(cell[0] + first, *cell[1:]), query_rect=asked.rect(cell), grid=answered,
            first_frame=first, head=head, asked=asked, weigh=weighed,
        )  # fmt: skip

    def _answered(
        self, affinity: Affinity, weights: Tensor, direction: Direction, *, grid: Grid, **asked: Any
    ) -> Row:
        # What goes to tokens on no cell is not on the picture: the cells' part sums to less than 1.
        whole = affinity.is_distribution and not len(affinity.key_aside)
        return Row(
            # A copy of its own: one line of a larger tensor would keep all of it.
            map=weights.detach().float().cpu().numpy().copy().reshape(grid.cells),
            grid=grid,
            direction=direction,
            frames=self.frames,
            times=self.times,
            instantiation=affinity.instantiation,
            signed=affinity.signed,
            is_distribution=whole and direction == "row",
            model=self.about.name,
            picture=self.name,
            **asked,
        )

    def _of_head(self, block: str, frame: int, head: int | None) -> Affinity:
        affinity = self.affinity(block, frame)
        return affinity if head is None else affinity.head(head)

    @property
    def seen(self) -> Rect:
        """The part of the picture that the network was given, in pixels of the picture: all of it, but for
        networks that are shown the middle alone."""
        return self._fitted.seen(self.size)

    def _refuse_unseen(self, x: float, y: float) -> None:
        """Raise QueryError for a pixel of the picture that was cut away."""
        (width, height), seen = self.size, self.seen
        # What is no place at all is the grid's to refuse.
        if 0 <= x < width and 0 <= y < height and not seen.contains(x, y):
            raise QueryError(
                f"The network never saw the point ({x:g}, {y:g}): it was given the middle of the picture "
                f"alone, x from {seen.left:.0f} to {seen.right:.0f} and y from {seen.top:.0f} to "
                f"{seen.bottom:.0f}."
            )

    def frame_number(self, frame: int) -> int:
        """``frame`` as an int.

        Raises:
            QueryError: there is no such frame.
        """
        return frame_number(frame, len(self.frames))

    def _name(self, block: str | None) -> str:
        if block is None:
            return self.default_block
        if not isinstance(block, str) or block not in self.blocks:
            raise BlockError(
                f"There is no block {block!r}; this model has {', '.join(self.blocks)}."
            )
        return block

    def html(
        self,
        blocks: Sequence[str] | None = None,
        *,
        x: float | None = None,
        y: float | None = None,
        frame: int = 0,
    ) -> str:
        """The living canvas as the text of one html file that works alone, without server and network.

        Args:
            blocks: those that can be chosen, the first one shown; default all, the default block first.
            x, y, frame: the first query, in pixels of the original; default the middle.

        Raises:
            BlockError: as :meth:`affinity`.
            QueryError: as :meth:`query`.
            OptionError: a block is too large for a browser.
        """
        width, height = self.size
        at = (width / 2 if x is None else x, height / 2 if y is None else y, frame)
        name = self.default_block if not blocks else blocks[0]
        self.query(*at, block=name)
        return document.of_views([self], blocks, at)

    def save(
        self, path: str | os.PathLike[str], blocks: Sequence[str] | None = None, **at: Any
    ) -> Path:
        """Write :meth:`html` to a file, whole or not at all; its name ends in ``.html``.

        A photo with both blocks of the default model takes about 3 MB.

        Raises:
            WritingError: another suffix, or the file cannot be written.
            BlockError, QueryError, OptionError: as :meth:`html`.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise WritingError(
                f"A view is written as .html, not as {path.suffix or 'a file without a suffix'}; "
                "one row of it (view.query) can be .png, .svg, .pdf, .npz or .csv."
            )
        write_atomically(path, self.html(blocks, **at).encode())
        return path

    def _repr_mimebundle_(self, **_kinds: Any) -> dict[str, Any]:
        """What a notebook shows: the canvas; of a clip the default block alone, for its size."""
        blocks = [self.default_block] if len(self.frames) > 1 else None
        width, height = self.size
        still = self.query(width / 2, height / 2).overlay()
        return document.bundle(repr(self), lambda: self.html(blocks), still)

    def __repr__(self) -> str:
        width, height = self.size
        what = f"{len(self.frames)} frames of" if len(self.frames) > 1 else "picture of"
        name = f"{self.name}, " if self.name else ""
        through = f"through {self.about.name}"
        lines = [f"View({name}{what} {width} x {height} pixels {through})"]
        found = self._encoding.found
        lines += [f"  {name}: {found.get(name, 'not asked for yet')!s}" for name in self.blocks]
        lines += [f"  note: {said}" for said in self.notes]
        return "\n".join(brief([*lines, *(f"  assumed: {s}" for s in self.about.assumptions)]))


@dataclass(frozen=True)
class Weighed:
    """What a row asks for its :attr:`Row.contribution`: its view, which it does not keep alive."""

    view: "weakref.ref[View]"
    block: str
    frame: int
    cell: int
    direction: Direction

    def __call__(self, weights: np.ndarray) -> Contribution | None:
        """For the weights of the row; None where its view is gone."""
        view = self.view()
        if view is None:
            return None
        anatomy = view.anatomy(self.block, self.frame)
        return contribution(anatomy, from_numpy(weights).ravel(), self.cell, self.direction)
