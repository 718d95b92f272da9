"""All layers and heads at once: the row of one query in every block and head, each as a small picture.

A tile is the row over the key cells, at most :data:`SIDE` cells a side (means of neighbours where there are
more), in 256 steps of its own greatest weight. Beside the tiles stand the shares of each row that lie on
tokens which are no cells.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.errors import QueryError
from nonlocal_viz.view import View

#: Cells along a side of a tile at most, and tiles that are sent at most.
SIDE, TILES = 16, 1024


def field(
    view: View, at: tuple[float, float, int], token: str | None, folder: Path
) -> dict[str, Any]:
    """The tiles of every block in which the pixel has a query, or that has the token.

    Raises:
        QueryError: the pixel lies outside the picture or was cut away; no block has the token.
    """
    layers: list[dict[str, Any]] = []
    content = bytearray()
    sent = 0
    for block in view.blocks:
        affinity = view.affinity(block, at[2])
        sent += affinity.heads
        if sent > TILES:
            break
        rows = _rows(view, block, affinity, at, token)
        if rows is None:
            continue
        cells = affinity.keys.on_grid
        tiles = _tiles(rows[:, cells], affinity)
        layers.append(
            {
                "block": block,
                "heads": affinity.heads,
                "rows": tiles.shape[1],
                "columns": tiles.shape[2],
                "offset": len(content),
                "signed": affinity.signed,
                "shares": _shares(rows, affinity),
                "proof": {name: float(error) for name, error in affinity.proof.items()},
                "notes": list(affinity.notes),
            }
        )
        content += _bytes(tiles, affinity.signed)
    if not layers:
        raise QueryError(f"No block here has a token that is called {str(token)[:40]!r}.")
    path = folder / "field.bin"
    path.write_bytes(bytes(content))
    names = dict.fromkeys(
        name for block in view.blocks for name in _askable(view.affinity(block, at[2]))
    )
    return {"token": token, "tokens": list(names), "layers": layers, "tiles": path}


def _rows(
    view: View, block: str, affinity: Affinity, at: tuple[float, float, int], token: str | None
) -> Tensor | None:
    """(heads, all key tokens) of the query, or None where there is none."""
    if token is not None:
        if token not in affinity.query_aside.names:
            return None
        return affinity.rows([token], heads=True, off_grid=True)[0, :, 0]
    grid = view.query_grid(block)
    cell = grid.cell(at[0], at[1], at[2] if view.spacetime else 0)
    return affinity.rows([grid.flat(cell)], heads=True, off_grid=True)[0, :, 0]


def _tiles(rows: Tensor, affinity: Affinity) -> Tensor:
    """(heads, cells) -> (heads, h, w), frames of a clip averaged."""
    steps, height, width = affinity.key_grid
    maps = rows.float().unflatten(1, (steps, height, width)).mean(1)
    return adaptive_avg_pool2d(maps[None], (min(height, SIDE), min(width, SIDE)))[0]


def _bytes(tiles: Tensor, signed: bool) -> bytes:
    """256 steps of each tile's greatest; of signed weights 128 is nothing."""
    top = tiles.abs().amax((1, 2), keepdim=True).clamp_min(1e-30)
    part = tiles / top
    steps = 127.5 + 127.5 * part if signed else 255 * part
    return steps.round().clamp(0, 255).to(torch.uint8).cpu().numpy().tobytes()


def _shares(rows: Tensor, affinity: Affinity) -> dict[str, list[float]]:
    """{kind of token: the share of each head's row that lies on such}."""
    if not affinity.is_distribution:
        return {}
    cells = affinity.keys.on_grid
    aside = torch.cat([rows[:, : cells.start], rows[:, cells.stop :]], 1)
    found: dict[str, list[float]] = {}
    for kind, at in _kinds(affinity.key_aside.names):
        found[kind] = [round(float(share), 4) for share in aside[:, at].sum(1)]
    return found


def _kinds(names: tuple[str, ...]) -> Iterator[tuple[str, list[int]]]:
    kinds: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        kinds.setdefault(name.rstrip("0123456789 ") or name, []).append(at)
    yield from kinds.items()


def _askable(affinity: Affinity) -> list[str]:
    """Names of the queries that are no cells, as far as each is worth a button."""
    return list(affinity.query_aside.names)[:12]
