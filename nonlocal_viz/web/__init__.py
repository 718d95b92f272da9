"""The web tool: the only place that imports gradio.

``build`` makes the page for a model, ``launch`` serves it. The browser holds the factors of a block and
computes every row itself; the server encodes pictures and writes downloads.
"""

import os

# Must be set before gradio is imported: it would look up two outside hosts at start.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from nonlocal_viz.web.page import build
from nonlocal_viz.web.serve import launch

__all__ = ["build", "launch"]
