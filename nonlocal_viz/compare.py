"""Several views of one thing side by side: one question, an answer from each."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nonlocal_viz.errors import OptionError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.row import Row
from nonlocal_viz.view import View
from nonlocal_viz.web import document


class Comparison(Sequence[View]):
    """Views that are asked together; the last line of a notebook's cell is a canvas for each, with one
    pointer for all."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)
