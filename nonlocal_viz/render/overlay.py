"""The row over the photo, at the photo's own size.

As a veil (the default) a colour is the more solid the greater its weight, and the photo keeps its
colours, muted, so that a projector in a bright room still shows what is looked at. Evenly laid over a grey
photo, every colour in the result is a weight. Each cell is painted on exactly the pixels that it stands
for; pixels that no key stands for stay the photo's. The browser paints by the same numbers.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.errors import OptionError
from nonlocal_viz.render.colours import default_cmap, lookup
from nonlocal_viz.render.scales import colour_index, normalise, solidity

#: Share of the colour: the greatest of a veil, and everywhere of an even layer.
VEIL_ALPHA, DEFAULT_ALPHA = 0.92, 0.65
#: What remains of the colours and of the brightness of a photo under a veil.
MUTED = (0.6, 0.75)
#: Brightness of red, green and blue, as browsers weigh them (CSS ``saturate``).
_LUMA = (0.213, 0.715, 0.072)


def overlay(
    image: np.ndarray,
    weights: np.ndarray,
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    *,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    smooth: bool = False,
    signed: bool = False,
    vmax: float | None = None,
    query_rect: Rect | None = None,
    grey: bool = False,
    veil: bool = True,
) -> np.ndarray:
    """Blend a row's colours over a photo.

    Args:
        image: (H, W, 3) uint8 RGB.
        weights: (h, w) floats.
        x_edges, y_edges: w + 1 and h + 1 ascending borders of the cells, in pixels of the image.
        cmap: a colour map; default inferno, or managua for signed rows.
        alpha: share of the colour, 0 to 1; under a veil, of the greatest weight. Default .92 of a veil,
            .65 of an even layer.
        scale: ``linear``, ``gamma`` or ``log``, see :mod:`nonlocal_viz.render.scales`.
        smooth: interpolate between cell centres instead of showing the cells.
        signed: centre the colours on 0.
        vmax: the weight of the last colour; default the greatest of this row.
        query_rect: the query cell, outlined when given.
        grey: turn the photo to grey; False keeps its colours.
        veil: let the share of the colour grow with the weight; False: the same share everywhere.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        OptionError: an unknown colour map or scale, or an alpha that is no share.
    """
    share = check_alpha(alpha, veil)
    level = normalise(weights, scale, signed, vmax)
    ground = _ground(image, grey, veil)
    height, width = image.shape[:2]
    columns, rows = _cells(x_edges, width), _cells(y_edges, height)
    if smooth:
        level = _smoothed(level, x_edges, y_edges, (height, width))
    colours = lookup(cmap or default_cmap(signed))[colour_index(level, signed, veil)]
    opacity = share * solidity(level, veil)
    if not smooth:
        at = np.ix_(rows.clip(0, len(level) - 1), columns.clip(0, level.shape[1] - 1))
        colours, opacity = colours[at], opacity[at]
    result = _blended(colours, opacity[..., None], ground)
    # Pixels that no cell covers must show no weight.
    below, beside = _outside(rows, y_edges), _outside(columns, x_edges)
    result[below] = ground[below]
    result[:, beside] = ground[:, beside]
    if query_rect is not None:
        outline(result, query_rect)
    return result


def _blended(colours: np.ndarray, opacity: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8; opacity (H, W, 1) float32."""
    return np.asarray(np.rint(colours * opacity + ground * (1 - opacity)), np.uint8)


def check_alpha(alpha: float | None, veil: bool = True) -> float:
    """The share of the colour that ``alpha`` asks for; None asks for the usual one.

    Raises:
        OptionError: it is no number from 0 to 1.
    """
    if alpha is None:
        return VEIL_ALPHA if veil else DEFAULT_ALPHA
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is a number from 0 to 1, not {alpha:g}.")
    return alpha


def outline(image: np.ndarray, rect: Rect) -> None:
    """Draw a cell's border into the image: white between two dark lines, seen on any colour."""
    height, width = image.shape[:2]
    thickness = max(1, round(max(height, width) / 500))
    corners = (
        (round(rect.left), round(rect.top)),
        (
            max(round(rect.right) - 1, round(rect.left)),
            max(round(rect.bottom) - 1, round(rect.top)),
        ),
    )
    cv2.rectangle(image, *corners, (20, 20, 20), 3 * thickness)
    cv2.rectangle(image, *corners, (255, 255, 255), thickness)


def _ground(image: np.ndarray, grey: bool, veil: bool) -> np.ndarray:
    """The photo beneath, (H, W, 3) uint8."""
    saturation, brightness = MUTED if veil else (1.0, 1.0)
    if grey:
        plain = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return plain if not veil else np.asarray(np.rint(plain * np.float32(brightness)), np.uint8)
    if not veil:
        return image
    mixing = saturation * np.eye(3) + (1 - saturation) * np.array([_LUMA] * 3)
    return np.asarray(cv2.transform(image, (brightness * mixing).astype(np.float32)))


def _smoothed(
    level: np.ndarray, x_edges: Sequence[float], y_edges: Sequence[float], shape: tuple[int, int]
) -> np.ndarray:
    """(h, w) -> (H, W): between the cells' centres, pixel by pixel."""
    across, down = _between(x_edges, shape[1]), _between(y_edges, shape[0])
    return cv2.remap(
        level,
        np.broadcast_to(across, shape).astype(np.float32),
        np.broadcast_to(down[:, None], shape).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _outside(cells: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Which pixels lie in no cell."""
    return np.asarray((cells < 0) | (cells >= len(edges) - 1))


def _cells(edges: Sequence[float], pixels: int) -> np.ndarray:
    """The cell at every pixel's centre; -1 or the number of cells where there is none."""
    return np.searchsorted(np.asarray(edges), np.arange(pixels) + 0.5, side="right") - 1


def _between(edges: Sequence[float], pixels: int) -> np.ndarray:
    """Fractional cell index of every pixel's centre, cell centres being whole numbers."""
    borders = np.asarray(edges)
    centres = (borders[1:] + borders[:-1]) / 2
    return np.asarray(np.interp(np.arange(pixels) + 0.5, centres, np.arange(len(centres))))
