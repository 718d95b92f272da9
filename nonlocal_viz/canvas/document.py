"""Answers as one html file that works alone: the page's own canvas, and beside it what it shows.

Invariant: the file fetches nothing. Photo, factors, script and style lie in it, so that it opens from a
memory stick, without a network, and hovers as the page does: every row is computed where it is read.
"""

import base64
import contextlib
import html
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from nonlocal_viz.canvas import alone_js, canvas_markup
from nonlocal_viz.canvas.payload import (
    Seen,
    about_payload,
    block_payload,
    frames_payload,
    grid_payload,
    inline,
    kept,
    looks,
    picture_payload,
    row_payload,
)
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.errors import BlockError, OptionError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import encode_jpeg, thumbnail

#: Pixels of the long side of what is shown where scripts do not run.
_STILL = 900
_GROUND = "body { margin: 0; background: #f6f6f4; } body.dark { background: #161616; }"


def of_views(
    views: Sequence[Seen],
    blocks: Sequence[str] | None = None,
    at: tuple[float, float, int] | None = None,
    query: str | None = None,
    limits: Limits = LIMITS,
) -> str:
    """A canvas for each view, one below the other; where there are several, one pointer for all.

    Args:
        blocks: names of the blocks that can be chosen, the first one shown; default all that a view
            has, its default block first.
        at: (x, y, frame) of the first query, in pixels of each view; default its middle.
        query: what is shown at first besides, as the page's address says it.

    Raises:
        BlockError: a view has no such block.
        OptionError: there is no view, or a block that is too large for a browser.
    """
    if not views:
        raise OptionError("There is nothing to write: give one view at least.")
    shelves = [_shelf(view, blocks, at or _middle(view), query, limits) for view in views]
    return _page(shelves, linked=len(views) > 1)


def of_row(row: Any, limits: Limits = LIMITS) -> str:
    """One answer (a :class:`nonlocal_viz.Row`) on the canvas: its colours, scale and numbers can be looked
    at, and no other asked for."""
    count = len(row.frames)
    asked = row.asked or row.grid
    grids = {"queries": asked, "keys": row.grid}
    if row.direction == "column":
        grids = {"queries": row.grid, "keys": asked}
    block = {
        "block": row.block,
        "instantiation": row.instantiation,
        "pairwise": None,
        "about": None,
        "signed": row.signed,
        "distribution": row.is_distribution,
        "heads": 1,
        "channels": 0,
        "span": row.map.size,
        "pooled": asked.cells != row.grid.cells,
        **{side: _grid(grid, count) for side, grid in grids.items()},
        "aside": {"query": {"before": [], "after": []}, "key": {"before": [], "after": []}},
        "sections": [],
        "factors": None,
    }
    with tempfile.TemporaryDirectory() as folder:
        picture = kept(frames_payload(row.frames, row.times, Path(folder), limits), inline)
        weights = kept(row_payload(row, Path(folder)), inline)["weights"]
    view = {
        **picture,
        "alone": 0,
        "spacetime": len(row.map) == count,
        "blocks": [row.block],
        "fineness": [list(asked.cells[1:])],
        "about": {"name": row.model, "title": row.model, "assumptions": []},
        "first": block,
    }
    at = (row.x, row.y, row.query_cell[0])
    return _page([_shelved(view, row.picture, at, row.direction, [], weights)], linked=False)


def bundle(words: str, write: Callable[[], str], still: np.ndarray) -> dict[str, Any]:
    """What a notebook is given of something: the canvas, a picture for whoever shows none, and words.

    What is too large for a canvas is shown as the picture.
    """
    picture = encode_jpeg(thumbnail(still, _STILL), 85)
    shown = {"text/plain": words, "image/jpeg": base64.b64encode(picture).decode()}
    with contextlib.suppress(OptionError):
        shown["text/html"] = in_notebook(write(), still, words.splitlines()[0])
    return shown


def in_notebook(document: str, still: np.ndarray, alt: str) -> str:
    """The file within a cell of a notebook; a picture where frames or scripts are not let in.

    Args:
        still: (H, W, 3) uint8, that picture, and ``alt`` it in words.
    """
    # The frame covers the picture; who strips frames leaves the picture.
    place = "grid-area: 1 / 1;"
    picture = _data_url("image/jpeg", encode_jpeg(thumbnail(still, _STILL), 85))
    return (
        '<div style="display: grid;">'
        f'<img alt="{html.escape(alt)}" src="{picture}" style="{place} max-width: 100%;">'
        f'<iframe title="{html.escape(alt)}" sandbox="allow-scripts allow-downloads" '
        f'style="{place} width: 100%; height: 760px; border: 0; background: #f6f6f4;" '
        f'srcdoc="{html.escape(document)}"></iframe></div>'
    )


def _middle(view: Seen) -> tuple[float, float, int]:
    width, height = view.size
    return width / 2, height / 2, 0


def _shelf(
    view: Seen,
    blocks: Sequence[str] | None,
    at: tuple[float, float, int],
    query: str | None,
    limits: Limits,
) -> dict[str, Any]:
    first = view.default_block
    names = list(blocks or [first, *(name for name in view.blocks if name != first)])
    unknown = [name for name in names if name not in view.blocks]
    if unknown:
        raise BlockError(
            f"There is no block {unknown[0]!r}; this model has {', '.join(view.blocks)}."
        )
    # Nobody is there to ask for columns one by one.
    limits = replace(limits, normaliser_scores=2**62)
    with tempfile.TemporaryDirectory() as folder:
        held = [kept(block_payload(view, name, Path(folder), limits), inline) for name in names]
        picture = kept(picture_payload(view, Path(folder), limits), inline)
    large = [block["block"] for block in held if block["factors"] is None]
    if large:
        raise OptionError(
            f"{large[0]} cannot go into a file that works alone: it is too large, or more than a "
            "browser can compute. Name other blocks, or open fewer frames."
        )
    value = {**picture, "blocks": names, "first": held[0], "about": about_payload(view.about)}
    value["fineness"] = [view.fineness(name) for name in names]
    shelved = _shelved(value, view.name, at, "row", held[1:], None)
    return shelved | ({"query": query} if query else {})


def _shelved(
    view: dict[str, Any],
    name: str,
    at: tuple[float, float, int],
    direction: str,
    others: list[dict[str, Any]],
    weights: dict[str, Any] | None,
) -> dict[str, Any]:
    """What core/shelf.js reads."""
    title = name or ("a clip" if len(view["frames"]) > 1 else "a picture")
    model = {"name": view["about"]["name"], "title": view["about"]["title"], "expect": ""}
    value = {
        **view,
        "kind": "view",
        "seq": 0,
        "source": {"example": title},
        "title": title,
        "alt": title,
        "start": list(at),
        "best": None,
    }
    config = {
        **looks(),
        "examples": [],
        "bounds": {"picture": 0, "clip": 0},
        "models": [model],
        "words": {},
    }
    return {
        "config": config,
        "view": value,
        "others": others,
        "weights": weights,
        "query": urlencode({"x": at[0], "y": at[1], "frame": at[2], "show": direction}),
    }


def _page(shelves: Sequence[dict[str, Any]], *, linked: bool) -> str:
    title = html.escape(" and ".join(dict.fromkeys(shelf["view"]["title"] for shelf in shelves)))
    canvases = []
    for shelf in shelves:
        # A script ends at "</script", whatever it holds.
        text = json.dumps(shelf).replace("<", "\\u003c")
        canvases.append(
            f'<div class="nlv-alone">{_markup(shelf, linked)}'
            f'<script type="application/json">{text}</script></div>'
        )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} - nonlocal_viz</title><style>{_GROUND}</style>"
        "<noscript><style>.nlv { display: none; }</style>"
        "<p>This page computes what it shows, and needs JavaScript for that.</p></noscript></head>"
        f"<body>{''.join(canvases)}<script>{alone_js()}</script></body></html>\n"
    )


def _markup(shelf: dict[str, Any], linked: bool) -> str:
    """The canvas's own markup, marked with what it can do, and named after what it shows."""
    can = "data-alone" + (" data-fixed" if shelf["weights"] else "")
    can += " data-linked" if linked else ""
    name = html.escape(f"{shelf['view']['title']}, {shelf['view']['about']['title']}")
    return (
        canvas_markup()
        .replace('<div class="nlv"', f'<div class="nlv" {can}', 1)
        .replace("<h1>nonlocal_viz</h1>", f"<h1>{name}</h1>", 1)
    )


def _grid(grid: Grid, frames: int) -> Any:
    # The cells of all frames, where a row holds one frame's alone.
    return grid_payload(grid, frames if grid.cells[0] != frames else 1)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
