"""A row of weights -> colours over the photo, and figures of it. No torch."""

from nonlocal_viz.render.colours import DIVERGING, SEQUENTIAL, default_cmap, lookup
from nonlocal_viz.render.figure import add_bar, figure, plot
from nonlocal_viz.render.film import arrows, strip
from nonlocal_viz.render.overlay import DEFAULT_ALPHA, VEIL_ALPHA, check_alpha, outline, overlay
from nonlocal_viz.render.scales import SCALES, normalise, ticks
from nonlocal_viz.render.sheet import Legend, Panel, photo_tile, row_tile, sheet

__all__ = [
    "DEFAULT_ALPHA",
    "DIVERGING",
    "SCALES",
    "SEQUENTIAL",
    "VEIL_ALPHA",
    "Legend",
    "Panel",
    "add_bar",
    "arrows",
    "check_alpha",
    "default_cmap",
    "figure",
    "lookup",
    "normalise",
    "outline",
    "overlay",
    "photo_tile",
    "plot",
    "row_tile",
    "sheet",
    "strip",
    "ticks",
]
