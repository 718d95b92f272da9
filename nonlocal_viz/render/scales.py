"""From weights to brightness. The browser computes the same formulas; a test holds the two together.

With r = weight / vmax, vmax the greatest |weight| of the row unless given:

linear  r
gamma   sqrt(r)
log     1 + log10(r) / 3, so that the top three decades span the colours; 0 below

Signed rows apply the formula to |r| and keep the sign.
"""

import numpy as np

from nonlocal_viz.errors import OptionError

SCALES: tuple[str, ...] = ("linear", "gamma", "log")
DECADES = 3.0


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
    if scale == "gamma":
        return place**2
    if scale == "log":
        return 10 ** (DECADES * (place - 1)) if place > 0 else 0.0
    return place
