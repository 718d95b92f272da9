"""Where a row is bright: connected pieces of the strongest cells that together hold half of its mass.

Invariant: plain arrays in, plain arrays out. The law has no number to tune: *half* is the half of the
row itself, so a sink that holds more than half is one region, and an even row is one region, too.
"""

import cv2
import numpy as np


def sizes_of(weights: np.ndarray) -> np.ndarray:
    """The size of every weight as float64; what is no finite number has none."""
    return np.nan_to_num(np.abs(weights.astype(np.float64)), nan=0.0, posinf=0.0)


def half_mass(sizes: np.ndarray) -> tuple[float, float]:
    """(size of the weakest of the strongest cells that together hold half of the mass, the mass).

    Both are 0 where all sizes are. The sum runs from the strongest to the weakest cell, one by one, as
    the browser's does: the two then agree to the last bit.
    """
    ordered = np.sort(sizes.ravel())[::-1]
    gathered = ordered.cumsum()
    total = float(gathered[-1])
    return float(ordered[np.searchsorted(gathered, total / 2)]) if total > 0 else 0.0, total


def pieces(weights: np.ndarray) -> list[np.ndarray]:
    """Flat indices, ascending, of each region of (T, H, W) weights, the greatest mass first; of equals
    the one with the first cell.

    A cell is bright when its size is at least that of :func:`half_mass`. Bright cells of one frame and
    one sign that touch, at a corner too, are one region.
    """
    sizes = sizes_of(weights)
    least, total = half_mass(sizes)
    if not total > 0:
        return []
    found: list[np.ndarray] = []
    bright, frame_cells = sizes >= least, weights[0].size
    for t, sign in ((t, sign) for t in range(len(weights)) for sign in (1, -1)):
        mask = (bright[t] & (weights[t] * sign > 0)).astype(np.uint8)
        count, labels = cv2.connectedComponents(mask, connectivity=8)
        flat = labels.ravel()
        order = np.argsort(flat, kind="stable")
        parts = np.split(order, np.searchsorted(flat[order], range(1, count)))[1:]
        found += [part + t * frame_cells for part in parts]
    flat_sizes = sizes.ravel()
    mass = [float(flat_sizes[cells].cumsum()[-1]) for cells in found]
    return [found[i] for i in sorted(range(len(found)), key=lambda i: (-mass[i], found[i][0]))]
