"""Rollout and flow: what a token looks at through several layers, by their maps alone.

Abnar and Zuidema, "Quantifying Attention Flow in Transformers", 2020, sections 3.1 and 3.2. Both take a
layer as ``(1 - residual) A + residual I``, A the mean over its heads, and multiply such layers (rollout) or
send as much as they let through from a query to a key (flow). Values, projections, the sizes of what is
added to the residual stream and MLPs are left out: neither is what the network computes with, nor what its
output depends on. They say how maps combine, no more.

Invariant: a rollout keeps no map; a layer is made row by row, O((N + chunk) M).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.maxflow import Layers, widest_flow
from nonlocal_viz.core.tokens import Place
from nonlocal_viz.errors import MapTooLargeError, OptionError, ShapeError

#: Weights of all layers together that a flow searches: a quarter of a million are some seconds for a key.
_FLOW_WEIGHTS = 300_000


def rollout(maps: Sequence[Affinity], query: Place, *, residual: float = 0.5) -> Tensor:
    """What a token of the last map looks at through all of them: (B, N'), over all tokens of the first.

    >>> token = rollout([*probe.maps.values()], "class")[0]  # before the cells, cells, after them

    Args:
        maps: from the first layer to the last, square and over the same tokens.
        query: a cell or the name of a token.
        residual: how much of a token goes past each layer; 0 multiplies the maps as they are.

    Returns:
        Non-negative weights that sum to 1 where those of the maps do.

    Raises:
        ShapeError: a map has other keys than queries, or another layer other tokens.
        OptionError: weights that can be negative, or a residual beyond 0 to 1.
        QueryError: there is no such token.
    """
    _check(maps, residual)
    last = maps[-1]
    row = torch.zeros(len(last), last.queries.tokens, dtype=last.dtype, device=last.device)
    row[:, last.queries.token(query)] = 1
    for affinity in reversed(maps):
        row = residual * row + (1 - residual) * affinity.together(row)
    return row


def attention_flow(
    maps: Sequence[Affinity],
    query: Place,
    keys: Sequence[Place] | None = None,
    *,
    residual: float = 0.5,
) -> Tensor:
    """How much can flow from a token of the last map to each of ``keys`` of the first: (B, keys).

    The maximum flow through a network whose edges hold the weights of the layers. Of one layer it is that
    layer's row. Unlike a rollout it does not sum to 1: every key is asked by itself. A search for each
    key, O(layers N^2) for every path it finds: for small networks, or few keys.

    Args:
        maps, query, residual: as :func:`rollout`.
        keys: cells or names of tokens; default all, in their order.

    Raises:
        MapTooLargeError: the maps have more weights than such a search is for.
        ShapeError, OptionError, QueryError: as :func:`rollout`.
    """
    _check(maps, residual)
    last = maps[-1]
    tokens, source = last.queries.tokens, last.queries.token(query)
    if len(maps) * tokens**2 > _FLOW_WEIGHTS:
        raise MapTooLargeError(
            f"A flow through {len(maps)} maps of {tokens} tokens would search {len(maps) * tokens**2:,} "
            f"weights, more than {_FLOW_WEIGHTS:,}; give fewer maps, or ask for the rollout."
        )
    asked = list(range(tokens)) if keys is None else maps[0].keys.several(keys)
    eye = torch.eye(tokens, dtype=torch.float64)
    found = []
    for image in range(len(last)):
        dense = [a[image].dense(off_grid=True)[0].double().cpu() for a in reversed(maps)]
        layers: Layers = [((1 - residual) * a + residual * eye).numpy() for a in dense]
        found.append([widest_flow(layers, source, key) for key in asked])
    return torch.tensor(found, dtype=last.dtype, device=last.device)


def _check(maps: Sequence[Affinity], residual: float) -> None:
    if not 0 <= residual <= 1:
        raise OptionError(f"residual is a part of the whole, 0 to 1, not {residual!r}.")
    if not maps:
        raise ShapeError("There is no map to go through.")
    first = maps[0]
    for at, affinity in enumerate(maps):
        if affinity.signed:
            raise OptionError(
                f"Map {at} can have negative weights; only those that are shares of a whole are rolled out."
            )
        if affinity.query_grid != affinity.key_grid or affinity.query_aside != affinity.key_aside:
            raise ShapeError(
                f"Map {at} is not square: its queries are {_tokens(affinity, True)}, its keys "
                f"{_tokens(affinity, False)}."
            )
        same = affinity.query_grid == first.query_grid and affinity.query_aside == first.query_aside
        if not same or len(affinity) != len(first):
            raise ShapeError(
                f"Map {at} is over {_tokens(affinity, True)} of {len(affinity)} images, the first over "
                f"{_tokens(first, True)} of {len(first)}; give maps over the same tokens."
            )


def _tokens(affinity: Affinity, queries: bool) -> str:
    side = affinity.queries if queries else affinity.keys
    grid = " x ".join(map(str, side.grid))
    return f"{grid} cells" + (f" and {', '.join(side.aside.names[:4])}" if len(side.aside) else "")
