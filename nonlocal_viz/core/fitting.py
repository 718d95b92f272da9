"""How a picture becomes what a network reads, and where its pixels went.

Invariants: nothing here imports torch; and whatever is cut away is known, so that nobody is shown what
the network never saw.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from nonlocal_viz.core.geometry import Grid, Rect
from nonlocal_viz.errors import OptionError

#: How pixels are averaged. ``area`` is OpenCV's, the others are Pillow's, as most networks are trained.
RESAMPLES = ("area", "nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class Normalisation:
    """What the weights expect of RGB in [0, 1]: ``(rgb - mean) / std``, channel by channel."""

    # The numbers that torchvision's ImageNet weights are trained with.
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


class Lattice(NamedTuple):
    """Where cells lie in what the network reads: (x, y) pixels from one to the next, and (x, y) of the
    first one's left upper corner. A convolution's cells are centred on what they were computed from."""

    stride: tuple[float, float]
    offset: tuple[float, float]


@dataclass(frozen=True)
class Fitted:
    """Where one picture went: resized as a whole to (width, height), of which ``crop`` (left, top, width,
    height) was read; None: all of it."""

    resized: tuple[int, int]
    crop: tuple[int, int, int, int] | None = None

    @property
    def read(self) -> tuple[int, int]:
        """(width, height) of what the network reads."""
        return self.resized if self.crop is None else self.crop[2:]

    def seen(self, size: tuple[int, int]) -> Rect:
        """The part of an original of this size that the network saw, in its pixels."""
        return self.grid(size, (1, 1, 1)).rect(0)

    def grid(
        self, size: tuple[int, int], cells: tuple[int, int, int], lattice: Lattice | None = None
    ) -> Grid:
        """Cells over an original of this size; without a lattice they divide evenly what was read."""
        if lattice is None:
            return Grid.build(size, cells, resize=self.resized, crop=self.crop)
        stride, offset = lattice
        return Grid.build(
            size, cells, resize=self.resized, crop=self.crop, stride=stride, offset=offset
        )


@dataclass(frozen=True)
class Prepare:
    """How a picture becomes what the network reads: resized, cut where it has to be, then normalised.

    Attributes:
        normalisation: of the resized picture.
        short_side: pixels that its short side is resized to; None where the weights ask for none, and
            the bounds of limits.py decide.
        size: (height, width) of the only pictures that the network reads; None: it reads any.
        crop: with ``size``: the picture is resized to cover ``size`` / ``crop``, and the middle is cut
            out; None: it is resized to ``size`` as a whole, whatever its shape.
        multiple: both sides are rounded to multiples of so many pixels, where no ``size`` is given.
        resample: one of :data:`RESAMPLES`.

    Raises:
        OptionError: a size or multiple that is none, a crop that is no share, or an unknown way to
            resample.
    """

    normalisation: Normalisation = field(default_factory=Normalisation)
    short_side: int | None = None
    size: tuple[int, int] | None = None
    crop: float | None = None
    multiple: int = 1
    resample: str = "area"

    def __post_init__(self) -> None:
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise OptionError(f"The size of a picture is (height, width), not {self.size!r}.")
        if self.multiple < 1:
            raise OptionError(f"Sides are multiples of at least 1 pixel, not of {self.multiple}.")
        if self.crop is not None and (self.size is None or not 0 < self.crop <= 1):
            raise OptionError(
                f"crop is a share above 0 and at most 1 of pictures of one size, not {self.crop!r}."
            )
        if self.resample not in RESAMPLES:
            raise OptionError(
                f"Pictures are resized by {', '.join(RESAMPLES)}, not by {self.resample!r}."
            )

    def fitted(self, size: tuple[int, int], short: int, most: int) -> Fitted:
        """Where a picture of (width, height) goes.

        Args:
            short: pixels of its short side, where the network reads any size.
            most: pixels that its long side has at most then.
        """
        width, height = size
        if self.size is None:
            scale = min(short / min(size), most / max(size))
            step = self.multiple
            across, down = (max(1, round(side * scale / step)) * step for side in size)
            return Fitted((across, down))
        rows, columns = self.size
        if self.crop is None:
            return Fitted((columns, rows))
        # The side that decides gets its length first, the other one follows it (as torchvision does).
        across, down = int(columns / self.crop), int(rows / self.crop)
        if across * height >= down * width:
            resized = across, max(rows, int(across * height / width))
        else:
            resized = max(columns, int(down * width / height)), down
        left, top = round((resized[0] - columns) / 2), round((resized[1] - rows) / 2)
        return Fitted(resized, (left, top, columns, rows))
