"""From weights to brightness. The browser computes the same formulas; a test holds the two together.

With r = weight / vmax, vmax the greatest |weight| of the row unless given:

linear  r
gamma   sqrt(r)
log     1 + log10(r) / 3, so that the top three decades span the colours; 0 below

Signed rows apply the formula to |r| and keep the sign.

Of a veil the colour's share grows as brightness ** 0.6, and the darkest third of the colours is left out:
what is nearly clear need not be dark besides.
"""

import numpy as np

from nonlocal_viz.errors import OptionError

SCALES: tuple[str, ...] = ("linear", "gamma", "log")
DECADES = 3.0
_GROWTH, _FIRST = 0.6, 0.35


def normalise(
    row: np.ndarray, scale: str = "linear", signed: bool = False, vmax: float | None = None
) -> np.ndarray:
    """Weights -> [0, 1], or [-1, 1] if signed; float32 of the same shape. A row of zeros stays 0, and
    what is not a number counts as 0.

    Raises:
        OptionError: an unknown scale.
    """
    if scale not in SCALES:
        raise OptionError(f"There is no scale {scale!r}; choose one of {', '.join(SCALES)}.")
    values = np.nan_to_num(np.asarray(row, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if not signed:
        values = values.clip(min=0)
    top = float(np.abs(values).max(initial=0)) if vmax is None else vmax
    if not (top > 0 and np.isfinite(top)):
        return np.zeros(values.shape, np.float32)
    share = np.minimum(np.abs(values) / top, 1)
    return np.asarray(np.sign(values) * _forward(share, scale), np.float32)


def solidity(level: np.ndarray, veil: bool) -> np.ndarray:
    """Brightness -> how solid its colour is, 0 to 1."""
    return np.asarray(np.abs(level) ** _GROWTH if veil else np.ones_like(level), np.float32)


def colour_index(level: np.ndarray, signed: bool, veil: bool) -> np.ndarray:
    """Brightness -> which of the 256 colours of a map, uint8."""
    place = np.abs(level)
    if veil:
        place = _FIRST + (1 - _FIRST) * place
    if signed:
        place = (1 + np.where(level < 0, -place, place)) / 2
    return np.asarray(np.rint(place * 255), np.uint8)


def ticks(vmax: float, scale: str = "linear", signed: bool = False) -> list[tuple[float, float]]:
    """Five marks of a colour bar: (position in [0, 1], the weight that has this colour)."""
    marks = []
    for position in np.linspace(0, 1, 5):
        place = 2 * position - 1 if signed else position
        marks.append((float(position), float(np.sign(place) * vmax * _inverse(abs(place), scale))))
    return marks


def _forward(share: np.ndarray, scale: str) -> np.ndarray:
    if scale == "gamma":
        return np.asarray(np.sqrt(share))
    if scale == "log":
        return np.asarray(np.clip(1 + np.log10(np.maximum(share, 10.0**-DECADES)) / DECADES, 0, 1))
    return share


def _inverse(place: float, scale: str) -> float:
    # At place 0 of the log scale this is the faintest weight shown; the sign of 0 makes it 0.
    if scale == "gamma":
        return place**2
    if scale == "log":
        return float(10 ** (DECADES * (place - 1)))
    return place
