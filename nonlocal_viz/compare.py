"""Several views of one thing side by side: one question, an answer from each."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nonlocal_viz.canvas import document
from nonlocal_viz.errors import OptionError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.row import Row
from nonlocal_viz.view import View


class Comparison:
    """Views that are asked together. As the last line of a notebook's cell it is a canvas for each, one
    below the other, with one pointer for all: the same share of each picture, the same frame.

    Attributes:
        views: what is compared.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)

    def query(
        self, x: float, y: float, frame: int = 0, block: str | None = None
    ) -> tuple[Row, ...]:
        """The answer of each view to a pixel of the first; of views of other sizes, the pixel at the same
        share of the picture.

        Raises:
            QueryError, BlockError: as :meth:`View.query`.
        """
        width, height = self.views[0].size
        return tuple(
            view.query(x * view.size[0] / width, y * view.size[1] / height, frame, block=block)
            for view in self.views
        )

    def html(self, blocks: Sequence[str] | None = None) -> str:
        """The text of one html file that works alone; ``blocks`` as :meth:`View.html`.

        Raises:
            BlockError, OptionError: as :meth:`View.html`.
        """
        return document.of_views(self.views, blocks)

    def save(self, path: str | os.PathLike[str], blocks: Sequence[str] | None = None) -> Path:
        """Write :meth:`html` to a file, whole or not at all.

        Raises:
            WritingError: its name does not end in ``.html``, or it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise WritingError("A comparison is written as .html.")
        write_atomically(path, self.html(blocks).encode())
        return path

    def _repr_mimebundle_(self, **_kinds: Any) -> dict[str, Any]:
        width, height = self.views[0].size
        stills = [row.overlay() for row in self.query(width / 2, height / 2)]
        tall = np.zeros((sum(len(s) for s in stills), max(s.shape[1] for s in stills), 3), np.uint8)
        top = 0
        for still in stills:
            tall[top : top + len(still), : still.shape[1]] = still
            top += len(still)
        return document.bundle(repr(self), self.html, tall)

    def __repr__(self) -> str:
        return "\n".join(["Comparison of", *(repr(view) for view in self.views)])


def compare(*views: View) -> Comparison:
    """Views side by side: of several models, of one picture and its mirror image, of two photos.

    >>> photo = nv.examples()["cat"]
    >>> views = [nv.Lens(name).open(photo) for name in ("embedded_gaussian", "dot_product")]
    >>> [row.model for row in nv.compare(*views).query(230, 110)]
    ['embedded_gaussian', 'dot_product']

    Raises:
        OptionError: fewer than two, or something that is no view.
    """
    strange = [view for view in views if not isinstance(view, View)]
    if len(views) < 2 or strange:
        raise OptionError(
            "compare takes two views or more, as lens.open gives them"
            + (f"; {type(strange[0]).__name__!r} is none." if strange else ".")
        )
    return Comparison(views)
