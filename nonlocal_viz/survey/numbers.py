"""What is told of one picture: a row a block, of the numbers of core/diagnostics.

Invariant: whatever happens to one picture becomes a row with a sentence in ``error``; nothing of it
reaches the others.
"""

import math
import time
from dataclasses import asdict, fields
from typing import Any

from nonlocal_viz.core.diagnostics import (
    BlockStats,
    MapStats,
    attention_distance,
    block_stats,
    cell_centres,
    map_stats,
)
from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import moves
from nonlocal_viz.view import View

#: The numbers, in the order of columns.
NUMBERS = (
    *(field.name for field in fields(MapStats)),
    "distance",
    *(field.name for field in fields(BlockStats)),
)
#: Every column, and what it holds; an error has "" for a block and NaN for numbers.
COLUMNS = {
    "name": "string",
    "block": "string",
    "error": "string",
    "width": "int32",
    "height": "int32",
    "frames": "int32",
    "queries": "int32",
    "keys": "int32",
    "seconds": "float32",
    **dict.fromkeys(NUMBERS, "float32"),
}


def rows_of(
    lens: Lens, name: str, content: bytes, blocks: tuple[str, ...], frames: int
) -> list[dict[str, Any]]:
    """The rows of a picture or clip, which has ``frames`` sampled.

    Args:
        blocks: those asked about; none: all.
    """
    began = time.monotonic()
    try:
        view = lens.open(content, frames=frames if moves(content) else None)
        return [
            _row(name, view, block, seconds=time.monotonic() - began)
            for block in blocks or view.blocks
        ]
    except NonlocalVizError as error:
        said = str(error)
    except Exception as error:  # a network of anybody's may do anything with a picture
        said = f"{type(error).__name__}: {str(error)[:200]}"
    return [empty(name, said, time.monotonic() - began)]


def _row(name: str, view: View, block: str, seconds: float) -> dict[str, Any]:
    affinity = view.affinity(block)
    _, n, m = affinity.shape
    width, height = view.size
    row = empty(name, "", seconds) | {
        "block": block,
        "width": width,
        "height": height,
        "frames": len(view.frames),
        "queries": n,
        "keys": m,
        **asdict(map_stats(affinity)),
    }
    queries, keys = (cell_centres(grid) for grid in (view.query_grid(block), view.key_grid(block)))
    # As a share of the diagonal; tokens that lie on no cell are nowhere.
    if (len(queries), len(keys)) == (n, m):
        row["distance"] = attention_distance(affinity, queries, keys) / math.hypot(width, height)
    try:
        anatomy = view.anatomy(block)
    except NonlocalVizError:
        return row  # a network that cannot be looked into
    x, z = (tokens.transpose(1, 2) for tokens in (anatomy.x, anatomy.z))
    return row | asdict(block_stats(x, z))


def empty(name: str, error: str, seconds: float) -> dict[str, Any]:
    plain = {"string": "", "int32": 0, "float32": math.nan}
    row: dict[str, Any] = {column: plain[kind] for column, kind in COLUMNS.items()}
    return row | {"name": name, "error": error, "seconds": seconds}
