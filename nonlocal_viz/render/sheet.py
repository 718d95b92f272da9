"""A contact sheet: photos x queries x models as one picture, so that one look compares them.

Tiles are painted first, one by one, at the size that they are shown at; the sheet then only lays
them out. So whoever fills it keeps no more than small tiles, however many models are opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.render.colours import default_cmap, lookup
from nonlocal_viz.render.overlay import overlay

_PAPER, _INK, _QUIET = "#fbfaf8", "#26241f", "#6d6a64"
#: A page is about as wide as a landscape sheet of A4.
_LANDSCAPE = 1.41
#: Every tile fits in a box of this height for its width, that of most cameras' pictures; so panels of
#: square photos end where the others do.
_BOX = 0.75
#: Tiles are painted larger and shrunk: a cell is then blended over the pixels that it covers in part,
#: where nearest pixels would make some cells half as wide again as their neighbours.
_OVERSAMPLING = 3
_WEBP_SIDE = 16_383


@dataclass(frozen=True)
class Panel:
    """One photo: a line of tiles for each query, the photo first, then one for each header.

    ``tiles`` are (h, w, 3) uint8 RGB, all of one size. ``section`` stands quietly beside the title.
    """

    title: str
    tiles: Sequence[Sequence[np.ndarray]]
    section: str = ""


@dataclass(frozen=True)
class Legend:
    """A colour bar under the sheet: a colour map, and what its two ends stand for."""

    cmap: str
    low: str
    high: str

    @classmethod
    def of(cls, signed: bool, cmap: str | None = None) -> "Legend":
        """That of tiles which are painted with these options."""
        ends = ("−max", "+max") if signed else ("0", "max")
        return cls(cmap or default_cmap(signed), *ends)


def tile_size(size: tuple[int, int], width: int) -> tuple[int, int]:
    """(w, h) in pixels of a photo's tiles: its aspect kept, in a box that is ``width`` wide."""
    scale = min(width / size[0], _BOX * width / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def photo_tile(image: np.ndarray, width: int, rect: Rect, at: tuple[float, float]) -> np.ndarray:
    """The photo in colour with its query marked by a crosshair.

    Args:
        image: (H, W, 3) uint8 RGB.
        width: of the tile, pixels.
        rect: the query cell, pixels of the image; outlined where it is wide enough to be seen.
        at: (x, y) of the query, pixels of the image.

    Returns:
        (h, w, 3) uint8 RGB, see :func:`tile_size`.
    """
    size = tile_size((image.shape[1], image.shape[0]), width)
    tile = cv2.resize(image, size, interpolation=_method(image, size))
    return _marked(tile, _scaled(rect, at, image, size), arms=True)


def row_tile(
    image: np.ndarray,
    width: int,
    weights: np.ndarray,
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    rect: Rect,
    at: tuple[float, float],
    *,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    signed: bool = False,
) -> np.ndarray:
    """The row over the grey photo, scaled to its own maximum, its query marked by a small ring.

    Arguments as :func:`photo_tile` and :func:`nonlocal_viz.render.overlay`, edges in pixels of the
    image. Returns (h, w, 3) uint8 RGB.

    Raises:
        OptionError: an unknown colour map or scale, or an alpha that is no share.
    """
    size = tile_size((image.shape[1], image.shape[0]), width)
    large = size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING
    painted = overlay(
        cv2.resize(image, large, interpolation=_method(image, large)),
        weights,
        np.asarray(x_edges) * (large[0] / image.shape[1]),
        np.asarray(y_edges) * (large[1] / image.shape[0]),
        cmap=cmap,
        alpha=alpha,
        scale=scale,
        signed=signed,
        # Small tiles beside the photo itself: every colour is a weight.
        grey=True,
        veil=False,
    )
    tile = cv2.resize(painted, size, interpolation=cv2.INTER_AREA)
    return _marked(tile, _scaled(rect, at, image, size), arms=False)


def sheet(
    panels: Sequence[Panel],
    headers: Sequence[tuple[str, str]],
    *,
    tile: int = 160,
    columns: int | None = None,
    caption: str = "",
    legends: Sequence[Legend] = (),
    limits: Limits = LIMITS,
) -> np.ndarray:
    """Lay panels out on a page.

    Args:
        panels: at least one; they fill the page line by line.
        headers: (name, a quiet second line or "") of every column of tiles but the photo's.
        tile: width of a tile, pixels; letters and gaps go by it.
        columns: of panels; by default as many as make the page a landscape one.
        caption: a line under it, before the colour bars of ``legends``.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        MediaError: the page would be larger than a picture may be.
    """
    look = _Look(tile, any(second for _, second in headers))
    tried = [min(columns, len(panels))] if columns else range(1, len(panels) + 1)
    layouts = [_lay_out(panels, n, look) for n in tried]
    layout = min(layouts, key=lambda found: abs(np.log(found.width / found.height / _LANDSCAPE)))
    width, height = layout.width, layout.height
    if max(width, height) > min(limits.image_side, _WEBP_SIDE) or (
        width * height > limits.image_pixels
    ):
        raise MediaError(
            f"The sheet would have {width:,} x {height:,} pixels; use smaller tiles, fewer photos, or "
            "another number of columns."
        )
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for panel, place in zip(panels, layout.places, strict=True):
        _draw_panel(page, draw, panel, headers, place, look)
    _draw_foot(page, draw, caption, legends, look)
    return np.array(page)


class _Look:
    """Sizes in pixels, all from the tile's width."""

    def __init__(self, tile: int, second_lines: bool) -> None:
        self.tile = tile
        self.gap = max(2, round(tile / 40))
        self.small = max(9, round(tile / 14.5))
        self.large = max(11, round(tile / 11))
        self.margin = max(16, round(tile / 4.5))
        self.between = max(16, round(tile / 4.5))
        # The colour bar and a good part of the caption have room on any page.
        self.least = 3 * tile + 2 * self.margin
        # The panel's title, and the names over the tiles.
        self.head = round(1.75 * self.large) + round((2.7 if second_lines else 1.5) * self.small)
        self.foot = round(2.6 * self.small)

    def height(self, panel: Panel) -> int:
        """Of a panel, pixels."""
        lines = len(panel.tiles)
        high: int = panel.tiles[0][0].shape[0]
        return self.head + lines * (high + self.gap) - self.gap

    def width(self, panel: Panel) -> int:
        """Of a panel, pixels."""
        return len(panel.tiles[0]) * self.pitch(panel) - self.gap

    def pitch(self, panel: Panel) -> int:
        """From tile to tile; those of a tall photo stand apart, so that there is room for a name."""
        wide: int = panel.tiles[0][0].shape[1]
        return max(wide, round(_BOX * self.tile)) + self.gap


@dataclass(frozen=True)
class _Layout:
    """Where everything lies, pixels of the page."""

    width: int
    height: int
    places: tuple[tuple[int, int], ...]


def _lay_out(panels: Sequence[Panel], columns: int, look: _Look) -> _Layout:
    # A column is as wide as its widest panel, and all of one line begin at the same height.
    wide = [max(look.width(panel) for panel in panels[n::columns]) for n in range(columns)]
    left = [look.margin + sum(wide[:n]) + n * look.between for n in range(columns)]
    places: list[tuple[int, int]] = []
    top = look.margin
    for first in range(0, len(panels), columns):
        line = panels[first : first + columns]
        places += [(left[n], top) for n in range(len(line))]
        top += max(look.height(panel) for panel in line) + look.between
    width = max(left[-1] + wide[-1] + look.margin, look.least)
    # The foot stands in the gap that the last panels leave, and in a margin of its own.
    return _Layout(width, top + look.foot + look.margin // 2, tuple(places))


def _draw_panel(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    panel: Panel,
    headers: Sequence[tuple[str, str]],
    place: tuple[int, int],
    look: _Look,
) -> None:
    # Letters of the title stand on one line, whatever their size.
    left, top = place[0], place[1] + look.large
    title = _fit(panel.title, look.width(panel), look.large)
    draw.text((left, top), title, _INK, _font(look.large), anchor="ls")
    if panel.section:
        beside = round(_font(look.large).getlength(title)) + look.large
        section = _fit(panel.section, look.width(panel) - beside, look.small)
        draw.text((left + beside, top), section, _QUIET, _font(look.small), anchor="ls")
    line = place[1] + round(1.75 * look.large)
    pitch = look.pitch(panel)
    for column, (name, second) in enumerate((("query", ""), *headers)):
        x = left + column * pitch
        colour = _INK if column else _QUIET
        draw.text((x, line), _fit(name, pitch - look.gap, look.small), colour, _font(look.small))
        if second:
            words = _fit(second, pitch - look.gap, look.small)
            draw.text((x, line + round(1.25 * look.small)), words, _QUIET, _font(look.small))
    y = place[1] + look.head
    for tiles in panel.tiles:
        for column, tile in enumerate(tiles):
            x = left + column * pitch + (pitch - look.gap - tile.shape[1]) // 2
            page.paste(Image.fromarray(tile), (x, y))
        y += tiles[0].shape[0] + look.gap


def _draw_foot(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    caption: str,
    legends: Sequence[Legend],
    look: _Look,
) -> None:
    """The caption on the left, the colour bars on the right, on one line where both fit."""
    font = _font(look.small)
    line = page.height - look.margin // 2 - look.foot
    right = page.width - look.margin
    high = max(6, round(0.8 * look.small))
    for legend in reversed(legends):
        bar = cv2.resize(lookup(legend.cmap)[None], (look.tile, high))
        right -= round(font.getlength(legend.high))
        draw.text((right, line), legend.high, _QUIET, font)
        right -= look.tile + look.gap * 2
        page.paste(Image.fromarray(bar), (right, line + round(0.2 * look.small)))
        right -= round(font.getlength(legend.low)) + look.gap * 2
        draw.text((right, line), legend.low, _QUIET, font)
        right -= look.between
    draw.text((look.margin, line), _fit(caption, right - look.margin, look.small), _QUIET, font)


def _marked(tile: np.ndarray, mark: tuple[Rect, float, float], arms: bool) -> np.ndarray:
    """The tile with a white mark between dark lines, which is seen on any colour."""
    times = 4  # drawn larger and shrunk: Pillow's lines have no soft edges
    rect, x, y = mark
    height, width = tile.shape[:2]
    unit = max(width, height) / 160 * times
    ink = Image.new("L", (width * times, height * times), 0)
    halo = ink.copy()
    for layer, thickness in ((halo, 3.6 if arms else 2.8), (ink, 1.5 if arms else 1.1)):
        draw = ImageDraw.Draw(layer)
        wide = max(1, round(thickness * unit))
        radius = (5.5 if arms else 3.6) * unit + wide / 2
        cx, cy = x * times, y * times
        if min(rect.width, rect.height) * times >= 2 * radius:
            # The cell itself is as large as the mark would be: its border says more.
            # Pillow's line grows inwards; the halo begins further out, so that it shows on both sides.
            over = (wide - 1.5 * unit) / 2 if layer is halo else 0
            begin = (rect.left * times - over, rect.top * times - over)
            end = (rect.right * times - 1 + over, rect.bottom * times - 1 + over)
            draw.rectangle((*begin, *end), outline=255, width=wide)
            continue
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), outline=255, width=wide)
        if arms:
            # The halo goes on beyond the white line's end by its own overhang.
            over = (wide - 1.5 * unit) / 2 if layer is halo else 0
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                near, far = 5.5 * unit, 11 * unit + over
                ends = (cx + dx * near, cy + dy * near, cx + dx * far, cy + dy * far)
                draw.line(ends, fill=255, width=wide)
    result: np.ndarray = tile.astype(np.float32)
    for layer, colour, share in ((halo, 15, 0.85), (ink, 255, 1.0)):
        soft = np.asarray(layer.resize((width, height), Image.Resampling.BOX))
        cover = soft[..., None] / 255 * share
        result = result * (1 - cover) + colour * cover
    return np.asarray(np.rint(result), np.uint8)


def _scaled(
    rect: Rect, at: tuple[float, float], image: np.ndarray, size: tuple[int, int]
) -> tuple[Rect, float, float]:
    """The cell and the point, from pixels of the image to those of a tile of (w, h) pixels."""
    sx, sy = size[0] / image.shape[1], size[1] / image.shape[0]
    cell = Rect(rect.left * sx, rect.top * sy, rect.right * sx, rect.bottom * sy)
    return cell, at[0] * sx, at[1] * sy


def _method(image: np.ndarray, size: tuple[int, int]) -> int:
    return cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR


def _fit(text: str, width: int, pixels: int) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    font = _font(pixels)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=16)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    # matplotlib ships this typeface, so the sheet looks the same on every machine.
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / "DejaVuSans.ttf", pixels)
