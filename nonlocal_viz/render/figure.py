"""A figure of one row for a paper or a slide: photo, row, colour bar with the real weights.

Invariants: equal arguments give equal bytes, whenever and wherever the figure is drawn; and what draws
is imported when something is drawn, since an overlay does without.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.render.colours import default_cmap, lookup
from nonlocal_viz.render.overlay import outline, overlay
from nonlocal_viz.render.scales import colour_index, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure(
    image: np.ndarray,
    weights: np.ndarray,
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    *,
    title: str = "",
    suffix: str = "png",
    beside: bool = True,
    metadata: Mapping[str, str] | None = None,
    signed: bool = False,
    query_rect: Rect | None = None,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    smooth: bool = False,
    grey: bool = False,
    veil: bool = True,
) -> bytes:
    """The bytes of a ``png``, ``pdf`` or ``svg`` file; the other arguments as ``overlay``.

    Args:
        title: a line over the row.
        beside: the photo stands beside the row.
        metadata: Title, Description and Creator, written into the file.
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
        veil=veil,
        signed=signed,
        query_rect=query_rect,
    )
    sheet, right = _panels(image, painted, title, query_rect if beside else None, beside)
    add_bar(right, weights, signed=signed, cmap=cmap, scale=scale, veil=veil)
    return written(sheet, suffix, metadata)


def plot(axes: "Axes | None", painted: np.ndarray, title: str = "") -> "Axes":
    """A painted row on axes, in its own pixels; None: the current axes of pyplot."""
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.gca()
    axes.imshow(painted)
    axes.set_title(title, fontsize=9, wrap=True, parse_math=False)
    axes.set_axis_off()
    return axes


def add_bar(
    axes: "Axes",
    weights: np.ndarray,
    *,
    signed: bool = False,
    cmap: str | None = None,
    scale: str = "linear",
    veil: bool = True,
) -> None:
    """A colour bar beside axes, with the real weights."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    levels = np.linspace(-1 if signed else 0, 1, 256)
    table = lookup(cmap or default_cmap(signed))
    colours = ListedColormap(table[colour_index(levels, signed, veil)] / 255)
    bar = axes.figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=axes, fraction=0.046)
    top = float(np.abs(np.nan_to_num(weights, posinf=0, neginf=0)).max(initial=0))
    marks = ticks(top, scale, signed)
    bar.set_ticks([place for place, _ in marks], labels=[f"{weight:.3g}" for _, weight in marks])
    bar.set_label(f"affinity ({scale})", fontsize=9)


def _panels(
    image: np.ndarray, painted: np.ndarray, title: str, query_rect: Rect | None, beside: bool
) -> "tuple[Figure, Axes]":
    """A sheet with the row on it, and with the photo beside it; and the axes of the row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The object interface of matplotlib is safe in any thread.
    high = min(max(4 * image.shape[0] / image.shape[1] + 0.6, 1.6), 12)
    sheet = Figure(figsize=(9 if beside else 5.2, high), layout="constrained")
    FigureCanvasAgg(sheet)
    panels = sheet.subplots(1, 2 if beside else 1, squeeze=False)[0]
    if beside:
        photo = np.array(image)
        if query_rect is not None:
            outline(photo, query_rect)
        panels[0].imshow(photo)
        panels[0].set_title("query", fontsize=9)
    panels[-1].imshow(painted)
    # A file's name may hold a dollar sign, which is no formula.
    panels[-1].set_title(title, fontsize=9, wrap=True, parse_math=False)
    for axes in panels:
        axes.set_axis_off()
    return sheet, panels[-1]


def written(sheet: "Figure", suffix: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """A figure as a ``png``, ``pdf`` or ``svg`` file that tells what it shows, and nothing of when."""
    from matplotlib import rc_context

    said = dict(metadata or {})
    told: dict[str, str | None]
    if suffix == "pdf":
        told = {
            "Title": said.get("Title"),
            "Subject": said.get("Description"),
            "CreationDate": None,
        }
        told["Creator"] = said.get("Creator", "nonlocal_viz")
    elif suffix == "svg":
        told = {**said, "Date": None, "Creator": said.get("Creator", "nonlocal_viz")}
    else:
        told = {**said, "Software": said.get("Creator", "nonlocal_viz")}
        told.pop("Creator", None)
    buffer = io.BytesIO()
    # Names inside an SVG are hashes of what they name, with this salt instead of a random one.
    with rc_context({"svg.hashsalt": "nonlocal_viz"}):
        sheet.savefig(buffer, format=suffix, dpi=150, metadata=told)
    return buffer.getvalue()
