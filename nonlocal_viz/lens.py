"""Encode once, ask many: the one door to a model for the page, the command line and notebooks.

``Lens.open`` runs the model once over a picture; every question to the :class:`View` that it returns
is answered from the factored affinities, in O(M D) a row. Pixels are always those of the upright
original picture, whatever the model saw (see :mod:`nonlocal_viz.core.geometry`).
"""

import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, QueryError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import is_video, open_image, open_video
from nonlocal_viz.row import Direction, Row

# What torchvision's ImageNet models expect; used when a model does not say otherwise.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: One picture at a time, whichever the model: encoding uses every core already, and memory stays that
#: of one.
_ENCODING = threading.Lock()


class Lens:
    """A model together with how pictures are prepared for it.

    Args:
        model: a NonLocalResNet; ``model.info`` (set by ``load_model``) may name its normalisation,
            its classes and its default block.
        short_side: the picture is resized so that its short side has this many pixels; default the
            bounds ``encode_short_side`` and, for clips, ``clip_short_side`` of limits.py. Larger
            gives more cells.
        limits: bounds; see limits.py.
    """

    def __init__(
        self, model: NonLocalResNet, short_side: int | None = None, limits: Limits = LIMITS
    ) -> None:
        self.model = model.eval()
        self.limits = limits
        self.short_side = short_side
        if short_side is not None and short_side < 1:
            raise QueryError(f"The short side has to be at least 1 pixel, not {short_side}.")

    @property
    def source(self) -> NonLocalResNet:
        """What is looked through."""
        return self.model

    def open(
        self,
        source: Any,
        *,
        frames: int | None = None,
        start: float = 0.0,
        stride: float | None = None,
        spacetime: bool = True,
    ) -> "View":
        """Run the model over a picture or a clip once.

        Args:
            source: a picture: a path, bytes, a file, a PIL image, or an array (H, W), (H, W, 3) or
                (H, W, 4); or a clip: a path or bytes of a video, or an array (T, H, W, 3).
            frames: how many frames of a clip are sampled (8); given, an animated GIF is a clip too.
            start, stride: seconds, see :func:`nonlocal_viz.media.open_video`.
            spacetime: a position of a clip looks at all T*H*W positions; False: only at those of its
                own frame.

        Raises:
            MediaError: it is not a picture or clip that can be shown; the message says why.
        """
        if frames is not None or is_video(source):
            clip = open_video(
                source,
                8 if frames is None else frames,
                start=start,
                stride=stride,
                limits=self.limits,
            )
            return self._encode(clip.frames, clip.times, spacetime)
        return self._encode(open_image(source, self.limits)[None], (0.0,), True)

    def _encode(self, images: np.ndarray, times: tuple[float, ...], spacetime: bool) -> "View":
        count, height, width = images.shape[:3]
        resized = self._encoded_size(width, height, count > 1)
        method = cv2.INTER_AREA if resized[0] < width else cv2.INTER_LINEAR
        info = getattr(self.model, "info", None)
        colours = getattr(info, "normalisation", None)
        mean, std = (colours.mean, colours.std) if colours else (_MEAN, _STD)
        small = np.stack([cv2.resize(image, resized, interpolation=method) for image in images])
        pixels = (small.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(
            std, np.float32
        )
        x = torch.from_numpy(pixels).permute(3, 0, 1, 2)[None]
        x = x.to(self.model.device, self.model.conv1.weight.dtype)
        if count == 1:
            x = x[:, :, 0]
        with _ENCODING, torch.inference_mode():
            logits, maps = self.model(x, return_nl_map=True, spacetime=spacetime)
        if not maps:
            raise BlockError("This model has no non-local block, so there is nothing to look at.")
        grids = {
            name: Grid.build((width, height), a.query_grid, resize=resized)
            for name, a in maps.items()
        }
        return View(self, images, times, logits[0].float().cpu(), maps, grids)

    def _encoded_size(self, width: int, height: int, clip: bool = False) -> tuple[int, int]:
        bounds = self.limits
        short = self.short_side or (bounds.clip_short_side if clip else bounds.encode_short_side)
        scale = min(short / min(width, height), bounds.encode_long_side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


class View:
    """One encoded picture or clip: what can be asked about it.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, upright, read-only; T = 1 for a picture.
        times: T seconds: when each frame is shown.
        logits: (classes,) float32 on the CPU.
        spacetime: whether a position looks at all frames or at its own alone.
    """

    def __init__(
        self,
        lens: Lens,
        frames: np.ndarray,
        times: tuple[float, ...],
        logits: torch.Tensor,
        maps: dict[str, Affinity],
        grids: dict[str, Grid],
    ) -> None:
        self.lens, self.logits = lens, logits
        self.frames, self.times = frames, times
        self.frames.setflags(write=False)
        self._maps, self._grids = maps, grids
        self.spacetime = len(next(iter(maps.values()))) == 1

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the picture, or the clip's first frame."""
        return self.frames[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the original in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

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
        """Bytes that this view keeps alive, roughly: the pictures and the factors."""
        factors = sum(t.nbytes for a in self._maps.values() for t in (a.query, a.key))
        return self.frames.nbytes + factors

    def affinity(self, block: str | None = None, frame: int = 0) -> Affinity:
        """The factored map of a block, B = 1; without ``spacetime``, that of one frame.

        Raises:
            BlockError: there is no such block; the message lists those that there are.
            QueryError: there is no such frame.
        """
        whole = self._maps[self._name(block)]
        return whole if self.spacetime else whole[self.frame_number(frame)]

    def whole(self, block: str | None = None) -> Affinity:
        """As :meth:`affinity`, but without ``spacetime`` the maps of all T frames, B = T."""
        return self._maps[self._name(block)]

    def query_grid(self, block: str | None = None) -> Grid:
        """Which cell of the block sees which pixel (of one frame, without ``spacetime``). Raises
        BlockError as :meth:`affinity`."""
        return self._grids[self._name(block)]

    def key_grid(self, block: str | None = None) -> Grid:
        """As :meth:`query_grid`, for keys: coarser when the block pools them."""
        affinity, grid = self._maps[self._name(block)], self.query_grid(block)
        # A block pools by 2 or not at all; the ratio of the cells would say 3 where 3 become 1.
        window = [
            1 if q == k else 2 for q, k in zip(affinity.query_grid, affinity.key_grid, strict=True)
        ]
        return grid.pooled(window)

    def top_classes(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, best first; named where the model's
        classes have names, else ``"class 17"``."""
        probabilities = self.logits.softmax(-1)
        best = probabilities.topk(min(max(k, 0), len(probabilities)))
        names: Sequence[str] = (
            getattr(getattr(self.lens.model, "info", None), "classes", None) or ()
        )
        return [
            (names[i] if i < len(names) else f"class {i}", p)
            for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def query(self, x: float, y: float, frame: int = 0, block: str | None = None) -> Row:
        """What the cell at pixel (x, y) of a frame looks at: its affinity row, over the keys.

        Raises:
            QueryError: (x, y) lies outside the picture, is not a number, or there is no such frame.
            BlockError: there is no such block.
        """
        name = self._name(block)
        return self._ask(name, x, y, frame, self._grids[name], self.key_grid(name), "row")

    def column(self, x: float, y: float, frame: int = 0, block: str | None = None) -> Row:
        """Who looks at the key at pixel (x, y): its affinity column, over the queries.

        Raises as :meth:`query`; also QueryError where no key stands for the pixel (pooling drops an
        odd last row or column of cells).
        """
        name = self._name(block)
        return self._ask(name, x, y, frame, self.key_grid(name), self._grids[name], "column")

    def _ask(
        self,
        block: str,
        x: float,
        y: float,
        frame: int,
        asked: Grid,
        answered: Grid,
        direction: Direction,
    ) -> Row:
        first = 0 if self.spacetime else self.frame_number(frame)
        cell = asked.cell(x, y, frame - first)
        affinity = self.affinity(block, frame)
        ask = affinity.row if direction == "row" else affinity.column
        weights = ask(asked.flat(cell))[0]
        return Row(
            view=self,
            block=block,
            x=float(x),
            y=float(y),
            query_cell=(cell[0] + first, *cell[1:]),
            query_rect=asked.rect(cell),
            map=weights.float().cpu().numpy().reshape(answered.cells),
            key_grid=answered,
            direction=direction,
            first_frame=first,
        )

    def frame_number(self, frame: int) -> int:
        """``frame`` as an int.

        Raises:
            QueryError: there is no such frame.
        """
        if not (isinstance(frame, int | np.integer) and 0 <= frame < len(self.frames)):
            raise QueryError(
                f"There is no frame {frame}: frames go from 0 to {len(self.frames) - 1}."
            )
        return int(frame)

    def _name(self, block: str | None) -> str:
        if block is None:
            return self.default_block
        if not isinstance(block, str) or block not in self._maps:
            raise BlockError(
                f"There is no block {block!r}; this model has {', '.join(self._maps)}."
            )
        return block
