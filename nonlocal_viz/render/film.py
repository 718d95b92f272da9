"""A clip on one sheet: the film strip, and the paper's picture of arrows across frames (Figure 3)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.render.figure import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 480  # a frame's long side on a sheet has from this to twice as many pixels
_ARROW = "#ff2d55"


def strip(
    frames: Sequence[np.ndarray], times: Sequence[float], shares: Sequence[float], marked: int
) -> np.ndarray:
    """Frames side by side, each with its time and its share of the row's mass; ``marked`` is the
    query's. (H', W', 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    sheet, all_axes = _sheet(frames, caption=0.34)
    for t, axes in enumerate(all_axes):
        axes.imshow(_small(frames[t]))
        name = f"{times[t]:.2f} s   {100 * shares[t]:.0f} %"
        axes.set_title(f"query   {name}" if t == marked else name, fontsize=9)
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def arrows(
    frames: Sequence[np.ndarray],
    times: Sequence[float],
    query_frame: int,
    query_rect: Rect,
    keys: Sequence[tuple[int, Rect, float]],
    *,
    suffix: str = "png",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Arrows from the query to keys (frame, rect, weight), as wide and as solid as their weights.
    The bytes of a ``png``, ``pdf`` or ``svg`` file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patches import ConnectionPatch, Rectangle

    sheet, all_axes = _sheet(frames, caption=0.34)
    FigureCanvasAgg(sheet)
    height, width = frames[0].shape[:2]
    extent = (0, width, height, 0)
    for t, axes in enumerate(all_axes):
        axes.imshow(_small(frames[t]), extent=extent)
        axes.set_title(f"{times[t]:.2f} s", fontsize=9)
    top = max((abs(weight) for _, _, weight in keys), default=0.0) or 1.0
    begin = query_rect.centre
    # The weakest first, so that the strongest lie on top.
    for t, rect, weight in reversed(keys):
        share = abs(weight) / top
        if t == query_frame and rect == query_rect:
            continue
        sheet.add_artist(
            ConnectionPatch(
                begin,
                rect.centre,
                "data",
                "data",
                axesA=all_axes[query_frame],
                axesB=all_axes[t],
                arrowstyle="-|>",
                mutation_scale=7 + 5 * share,
                linewidth=0.5 + 1.7 * share,
                color=_ARROW,
                alpha=0.25 + 0.7 * share,
                linestyle="-" if weight >= 0 else "--",
            )
        )
    left, upper, right, lower = query_rect
    for colour, line in (("black", 3.0), ("white", 1.4)):
        all_axes[query_frame].add_patch(
            Rectangle((left, upper), right - left, lower - upper, fill=False, ec=colour, lw=line)
        )
    return written(sheet, suffix, metadata)


def _small(frame: np.ndarray) -> np.ndarray:
    # Every n-th pixel is enough here: matplotlib smooths what it shrinks further.
    step = max(1, max(frame.shape[:2]) // _SHOWN)
    return frame[::step, ::step]


def _sheet(frames: Sequence[np.ndarray], caption: float) -> "tuple[Figure, list[Axes]]":
    """A figure with one pair of axes a frame, up to four in a line; inches."""
    from matplotlib.figure import Figure

    columns = min(len(frames), 4)
    rows = -(-len(frames) // columns)
    height, width = frames[0].shape[:2]
    wide = 3.2
    high = min(wide * height / width, 3 * wide)
    sheet = Figure(figsize=(columns * (wide + 0.06), rows * (high + caption)), dpi=150)
    grid = sheet.subplots(rows, columns, squeeze=False).ravel()
    sheet.subplots_adjust(
        left=0.004,
        right=0.996,
        bottom=0.01,
        top=1 - 0.8 * caption / (rows * (high + caption)),
        wspace=0.02,
        hspace=caption / high,
    )
    for axes in grid:
        axes.set_axis_off()
    return sheet, list(grid[: len(frames)])
