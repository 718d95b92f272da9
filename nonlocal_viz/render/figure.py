"""A figure of one row for a paper or a slide: photo, row, colour bar with the real weights."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.render.colours import default_cmap, lookup
from nonlocal_viz.render.overlay import outline, overlay
from nonlocal_viz.render.scales import ticks


def figure(
    image: np.ndarray,
    weights: np.ndarray,
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    *,
    title: str = "",
    suffix: str = "png",
    signed: bool = False,
    query_rect: Rect | None = None,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    smooth: bool = False,
    grey: bool = True,
) -> bytes:
    """The bytes of a ``png``, ``pdf`` or ``svg`` file; the other arguments as ``overlay``.

    The object interface of matplotlib is used throughout, which is safe in any thread.
    """
    painted = overlay(
        image,
        weights,
        x_edges,
        y_edges,
        cmap=cmap,
        alpha=alpha,
        scale=scale,
        smooth=smooth,
        grey=grey,
        signed=signed,
        query_rect=query_rect,
    )
    photo = np.array(image)
    if query_rect is not None:
        outline(photo, query_rect)
    aspect = image.shape[0] / image.shape[1]
    sheet = Figure(figsize=(9, min(max(4 * aspect + 0.6, 1.6), 12)), layout="constrained")
    FigureCanvasAgg(sheet)
    left, right = sheet.subplots(1, 2)
    left.imshow(photo)
    right.imshow(painted)
    left.set_title("query", fontsize=10)
    right.set_title(title, fontsize=10)
    for axes in (left, right):
        axes.set_axis_off()
    colours = ListedColormap(lookup(cmap or default_cmap(signed)) / 255)
    bar = sheet.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=right, fraction=0.046)
    marks = ticks(
        float(np.abs(np.nan_to_num(weights, posinf=0, neginf=0)).max(initial=0)), scale, signed
    )
    bar.set_ticks([place for place, _ in marks], labels=[f"{weight:.3g}" for _, weight in marks])
    bar.set_label(f"affinity ({scale})", fontsize=9)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format=suffix, dpi=150)
    return buffer.getvalue()
