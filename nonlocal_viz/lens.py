"""Encode once, ask many: the one door to a network for the page, the command line and notebooks.

``Lens.open`` runs the network once over a picture; every question to the :class:`View` that it returns
is answered from the factored affinities, in O(M D) a row. Pixels are always those of the upright
original picture, whatever the network saw (see :mod:`nonlocal_viz.core.geometry`).
"""

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn

from nonlocal_viz.core.anatomy import Anatomy
from nonlocal_viz.core.fitting import Fitted, Prepare
from nonlocal_viz.core.source import Dissectable, Source, brief
from nonlocal_viz.encoding import Inside, encode
from nonlocal_viz.errors import MediaError, OptionError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import apart, channels_last, is_video, open_image, open_video
from nonlocal_viz.view import View


class Lens:
    """A network together with how pictures are prepared for it; the network stays as it was.

    Args:
        source: a name or a file that :func:`~nonlocal_viz.load_model` takes; or a
            :class:`~nonlocal_viz.NonLocalResNet` (in a DataParallel, too), or any other
            :class:`~nonlocal_viz.core.source.Source`, whose ``prepare`` says how it wants its pictures.
        short_side: the picture is resized so that its short side has this many pixels; default what
            the source asks for, else the bounds ``encode_short_side`` and, for clips,
            ``clip_short_side`` of limits.py. Larger gives more cells.
        limits: bounds; see limits.py.
        apart: decode files in a process of their own, within bounds on time and memory
            (:mod:`nonlocal_viz.media.apart`), as a server should.

    >>> lens = nv.Lens("default")
    >>> row = lens.open(nv.examples()["cat"]).query(x=230, y=110)
    >>> row.map.shape
    (1, 40, 61)

    Raises:
        CheckpointError: there is no such model.
        OptionError: the source is none, or the short side is below 1, or given to a network that reads
            pictures of one size alone.
    """

    def __init__(
        self,
        source: Source | nn.Module | str | Path,
        short_side: int | None = None,
        limits: Limits = LIMITS,
        *,
        apart: bool = False,
    ) -> None:
        source = _source(source, limits)
        if not isinstance(source, Source):
            raise OptionError(
                f"A Lens looks through the name of a model, a model of load_model, or another Source "
                f"(about, prepare, run); "
                f"{type(source).__name__!r} is none."
            )
        if short_side is not None and not (isinstance(short_side, int) and short_side >= 1):
            raise OptionError(
                f"The short side is a whole number, at least 1 pixel, not {short_side}."
            )
        size = source.prepare.size
        if short_side is not None and size is not None:
            raise OptionError(
                f"This network reads pictures of {size[1]} x {size[0]} pixels and no others; leave the "
                "short side out."
            )
        self.source, self.short_side, self.limits = source, short_side, limits
        self.apart = apart

    def open(
        self,
        source: Any,
        *,
        frames: int | None = None,
        start: float = 0.0,
        stride: float | None = None,
        spacetime: bool = True,
        lazy: bool = False,
    ) -> View:
        """Run the network over a picture or a clip once.

        Args:
            source: a picture: a path, bytes, a file, a PIL image, or an array or tensor (H, W),
                (H, W, C) or (C, H, W); or a clip: a path or bytes of a video.
            frames: how many frames of a clip are sampled (8); given, an animated GIF is a clip too, and
                so is an array or tensor of frames, (T, H, W, C), (T, C, H, W) or (C, T, H, W).
            start, stride: seconds, see :func:`nonlocal_viz.media.open_video`.
            spacetime: a position of a clip looks at all T*H*W positions; False: only at those of its
                own frame.
            lazy: compute the map of a block when it is first asked for, from what lies before it: the
                first row of a long clip is there long before the whole network has seen it. The
                network must stay as it is meanwhile. The numbers are the same.

        Raises:
            MediaError: it is not a picture or clip that can be shown; the message says why. So for
                several pictures in one array: they are no clip unless ``frames`` says so.
            OptionError: start or stride of a picture.
            BlockError: the network has no block.
        """
        source = _one(source, clip=frames is not None or not spacetime)
        if frames is not None or is_video(source):
            opener = apart.open_video if self.apart else open_video
            clip = opener(source, frames, start=start, stride=stride, limits=self.limits)
            return self._encode(clip.frames, clip.times, _name(source), spacetime, lazy)
        image = (apart.open_image if self.apart else open_image)(source, self.limits)
        if start != 0 or stride is not None:
            raise OptionError("A picture has no time: start and stride are of clips.")
        return self._encode(image[None], (0.0,), _name(source), True, lazy)

    def open_batch(self, pictures: Iterable[Any], *, lazy: bool = False) -> list[View]:
        """A view of each picture of a batch.

        Args:
            pictures: anything that :meth:`open` takes, several of them: a list, an array (B, H, W, C),
                or a tensor (B, C, H, W) with values from 0 to 1, not normalised.
            lazy: as for :meth:`open`.

        Raises:
            MediaError: one is no picture.
        """
        batch = channels_last(pictures)
        if isinstance(batch, str | bytes | PurePath) or not isinstance(batch, Iterable):
            raise MediaError("A batch is a list, an array or a tensor of pictures; see Lens.open.")
        return [self.open(picture, lazy=lazy) for picture in batch]

    def _encode(
        self,
        images: np.ndarray,
        times: tuple[float, ...],
        name: str,
        spacetime: bool,
        lazy: bool,
    ) -> View:
        count, height, width = images.shape[:3]
        prepare = self.source.prepare
        fitted = self._fitted(width, height, count > 1, prepare)
        x = _prepared(images, fitted, prepare)
        pixels = x[:, :, 0] if count == 1 else x
        encoding = encode(self.source, pixels, spacetime=spacetime, lazy=lazy)
        about = self.source.about

        def dissect(block: str) -> Anatomy:
            # Prepared again: what the network read is kept by nobody.
            again = _prepared(images, fitted, prepare)
            assert isinstance(self.source, Dissectable)
            return self.source.anatomy(
                again[:, :, 0] if count == 1 else again, block, spacetime=spacetime
            )

        return View(
            images[:: encoding.tube],
            times[:: encoding.tube],
            encoding,
            fitted,
            about,
            spacetime=spacetime,
            name=name,
            notes=self._notes(fitted.resized),
            inside=Inside(dissect if isinstance(self.source, Dissectable) else None, count),
        )

    def _encoded_size(
        self, width: int, height: int, clip: bool, wanted: int | None
    ) -> tuple[int, int]:
        """(width, height) that a picture is resized to by a network that reads any."""
        return self._fitted(width, height, clip, Prepare(short_side=wanted)).resized

    def _fitted(self, width: int, height: int, clip: bool, prepare: Prepare) -> Fitted:
        bounds = self.limits
        usual = bounds.clip_short_side if clip else bounds.encode_short_side
        short = self.short_side or prepare.short_side or usual
        return prepare.fitted((width, height), short, bounds.encode_long_side)

    def _notes(self, size: tuple[int, int]) -> tuple[str, ...]:
        if self.short_side is None or min(size) >= self.short_side:
            return ()
        return (
            f"Encoded at a short side of {min(size)} pixels, not {self.short_side}: the long side is "
            f"{self.limits.encode_long_side} pixels at most.",
        )

    def __repr__(self) -> str:
        about = self.source.about
        side = f", short side {self.short_side}" if self.short_side is not None else ""
        lines = [f"Lens({about.name}, blocks {', '.join(about.blocks) or 'unknown'}{side})"]
        return "\n".join(brief([*lines, *(f"  assumed: {said}" for said in about.assumptions)]))


def _source(given: Any, limits: Limits) -> Any:
    """What is meant by what somebody wants to look through."""
    if isinstance(given, str | PurePath):
        # Here, so that whoever brings a network of their own reads no checkpoints.
        from nonlocal_viz.zoo import load_model

        return load_model(str(given) if isinstance(given, str) else Path(given), limits=limits)
    if isinstance(given, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return given.module
    return given


def _one(source: Any, clip: bool) -> Any:
    """An array with its channels last; several pictures are refused, unless they are said to be a clip."""
    source = channels_last(source, clip)
    if not isinstance(source, np.ndarray) or source.ndim != 4 or clip:
        return source
    if len(source) == 1:
        return source[0]
    raise MediaError(
        f"This array holds {len(source)} pictures: open_batch gives a view of each; of one clip, say "
        f"frames={len(source)}."
    )


def _name(source: Any) -> str:
    """The name of a file, without its folder and fit to be printed; of anything else the empty one."""
    named = getattr(source, "name", source) if not isinstance(source, PurePath) else source
    if not isinstance(named, str | PurePath):
        return ""
    return "".join(c if c.isprintable() else "?" for c in Path(named).name)


def _prepared(images: np.ndarray, fitted: Fitted, prepare: Prepare) -> torch.Tensor:
    """(T, H, W, 3) uint8 -> (1, 3, T, h, w) float32: resized, cut and normalised."""
    small = np.stack([_resized(image, fitted.resized, prepare.resample) for image in images])
    if fitted.crop is not None:
        left, top, width, height = fitted.crop
        small = small[:, top : top + height, left : left + width]
    mean, std = prepare.normalisation.mean, prepare.normalisation.std
    pixels = (small.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(
        std, np.float32
    )
    return torch.from_numpy(pixels).permute(3, 0, 1, 2)[None]


def _resized(image: np.ndarray, size: tuple[int, int], resample: str) -> np.ndarray:
    if resample == "area":
        method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
        return cv2.resize(image, size, interpolation=method)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling[resample.upper()]))
