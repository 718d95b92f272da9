"""Where a row is bright: connected pieces of the strongest cells that together hold half of its mass.

Invariant: weights and their grid in, plain values out. The law has no number to tune: *half*
is the half of the row itself, so a sink that holds more than half is one region, and an even row, too.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from nonlocal_viz.core.geometry import Cell, Grid, Rect


@dataclass(frozen=True)
class Key:
    """One cell that a row looks at. ``weight`` is the affinity, ``rect`` its pixels in the original."""

    cell: Cell
    weight: float
    rect: Rect


@dataclass(frozen=True)
class Region:
    """One connected bright piece of a row.

    Attributes:
        rank: 1 for the region that holds the most, and so on.
        frame: the frame in which it holds the most.
        frames: its first and its last frame.
        cells: how many cells it has, in all its frames.
        mass: the sum of its weights, signed as they are.
        share: the share of the row's mass (of its sizes, where weights are signed) that it holds.
        rect: the pixels of the original around its cells in ``frame``.
        key: its strongest cell.
    """

    rank: int
    frame: int
    frames: tuple[int, int]
    cells: int
    mass: float
    share: float
    rect: Rect
    key: Key


def key_at(weights: np.ndarray, grid: Grid, index: int, first_frame: int = 0) -> Key:
    """The cell of a number as a Key; ``first_frame`` is the frame that ``weights[0]`` stands for."""
    t, h, w = grid.unflat(index)
    return Key((t + first_frame, h, w), float(weights[t, h, w]), grid.rect(index))


def regions(
    weights: np.ndarray, grid: Grid, count: int = 5, first_frame: int = 0
) -> tuple[Region, ...]:
    """The regions of (T, H, W) weights, see :func:`pieces`, at most ``count``."""
    sizes, found = sizes_of(weights).ravel(), pieces(weights)[: max(count, 0)]
    made = []
    for rank, cells in enumerate(found, 1):
        steps = cells // weights[0].size
        most = int(np.bincount(steps, sizes[cells]).argmax())
        rects = [grid.rect(int(i)) for i in cells[steps == most]]
        made.append(
            Region(
                rank=rank,
                frame=most + first_frame,
                frames=(int(steps[0]) + first_frame, int(steps[-1]) + first_frame),
                cells=len(cells),
                mass=float(weights.astype(np.float64).ravel()[cells].sum()),
                share=float(sizes[cells].sum() / sizes.sum()),
                rect=Rect(
                    min(r.left for r in rects),
                    min(r.top for r in rects),
                    max(r.right for r in rects),
                    max(r.bottom for r in rects),
                ),
                key=key_at(weights, grid, int(cells[sizes[cells].argmax()]), first_frame),
            )
        )
    return tuple(made)


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

    A cell is bright when its size is at least that of :func:`half_mass`. Bright cells of one sign that
    touch, at a corner too, within a frame or from one frame to the next, are one region.
    """
    sizes = sizes_of(weights)
    least, total = half_mass(sizes)
    if not total > 0:
        return []
    bright = sizes >= least
    found = [part for sign in (1, -1) for part in _connected(bright & (np.sign(weights) == sign))]
    flat = sizes.ravel()
    mass = [float(flat[cells].cumsum()[-1]) for cells in found]
    return [found[i] for i in sorted(range(len(found)), key=lambda i: (-mass[i], found[i][0]))]


def _connected(mask: np.ndarray) -> list[np.ndarray]:
    """Flat indices of what hangs together in (T, H, W): within a frame by OpenCV, then frame to frame."""
    labels, count = np.zeros(mask.shape, np.int64), 0
    for t, frame in enumerate(mask):
        own, of_frame = cv2.connectedComponents(frame.astype(np.uint8), connectivity=8)
        labels[t] = np.where(frame, of_frame + count, 0)
        count += own - 1
    parent = np.arange(count + 1)

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    _, height, width = mask.shape
    padded = np.pad(labels[1:], ((0, 0), (1, 1), (1, 1)))
    for dh, dw in np.ndindex(3, 3):
        here, there = labels[:-1].ravel(), padded[:, dh : dh + height, dw : dw + width].ravel()
        both = (here > 0) & (there > 0)
        for a, b in np.unique(np.stack((here[both], there[both])), axis=1).T:
            one, other = sorted((root(a), root(b)))
            parent[other] = one
    roots = np.array([root(label) for label in range(count + 1)])[labels.ravel()]
    cells = np.flatnonzero(roots)
    order = cells[np.argsort(roots[cells], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(roots[order])) + 1) if len(order) else []
