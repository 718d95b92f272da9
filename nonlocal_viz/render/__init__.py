"""A row of weights -> colours over the photo, and figures of it. numpy, OpenCV, matplotlib; no torch."""

from nonlocal_viz.render.colours import DIVERGING, SEQUENTIAL, default_cmap, lookup
from nonlocal_viz.render.figure import figure
from nonlocal_viz.render.film import arrows, strip
from nonlocal_viz.render.overlay import DEFAULT_ALPHA, outline, overlay
from nonlocal_viz.render.scales import SCALES, normalise, ticks

__all__ = [
    "DEFAULT_ALPHA",
    "DIVERGING",
    "SCALES",
    "SEQUENTIAL",
    "arrows",
    "default_cmap",
    "figure",
    "lookup",
    "normalise",
    "outline",
    "overlay",
    "strip",
    "ticks",
]
