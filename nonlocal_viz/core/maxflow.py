"""The maximum flow through layers of weights, for graphs of some thousand edges. Knows no attention.

Augmenting along widest paths (Edmonds and Karp, 1972): the path that carries most is taken first, until the
next would carry next to nothing. Edges go from each layer to the next alone, so a widest path without
detours is one sweep; detours, which take back what an earlier path sent, are searched for when no such
path is left.
"""

import numpy as np

#: From the query's layer to the key's: (N, N) each, [from, to].
Layers = list[np.ndarray]
#: What a path must carry to be taken, as a part of one whole.
_LEAST = 1e-7


def widest_flow(layers: Layers, source: int, sink: int) -> float:
    """The most that flows from token ``source`` in front of the first layer to ``sink`` behind the last."""
    left = [layer.copy() for layer in layers]
    back = [np.zeros_like(layer) for layer in layers]
    total = 0.0
    while (path := _forward(left, source, sink) or _any(left, back, source, sink)) is not None:
        width, steps = path
        total += width
        for layer, a, b, ahead in steps:
            gain, loss = (back, left) if ahead else (left, back)
            loss[layer][a, b] -= width
            gain[layer][a, b] += width
    return total


_Path = tuple[float, list[tuple[int, int, int, bool]]]


def _forward(left: Layers, source: int, sink: int) -> _Path | None:
    """The widest path that goes ahead only: (width, (layer, from, to, ahead) of its edges)."""
    width = np.zeros(len(left[0]))
    width[source] = np.inf
    came = []
    for layer in left:
        through = np.minimum(width[:, None], layer)
        came.append(through.argmax(0))
        width = through.max(0)
    if width[sink] <= _LEAST:
        return None
    steps, at = [], sink
    for number in reversed(range(len(left))):
        before = int(came[number][at])
        steps.append((number, before, at, True))
        at = before
    return float(width[sink]), steps


def _any(left: Layers, back: Layers, source: int, sink: int) -> _Path | None:
    """A widest path that may take back what was sent: sweeps ahead and back until no width grows."""
    count, tokens = len(left), len(left[0])
    width = np.zeros((count + 1, tokens))
    width[0, source] = np.inf
    # The node that each was reached from, and whether ahead.
    came = np.full((count + 1, tokens, 2), -1)
    grew = True
    while grew:
        grew = False
        ahead = [(n, n + 1, left[n], 1) for n in range(count)]
        behind = [(n + 1, n, back[n].T, 0) for n in reversed(range(count))]
        for start, end, edges, way in (*ahead, *behind):
            through = np.minimum(width[start][:, None], edges)
            best, wide = through.argmax(0), through.max(0)
            wider = wide > width[end] + _LEAST
            if wider.any():
                grew = True
                width[end][wider] = wide[wider]
                came[end][wider] = np.stack([best[wider], np.full(wider.sum(), way)], 1)
    if width[count, sink] <= _LEAST:
        return None
    steps, layer, at = [], count, sink
    while (layer, at) != (0, source):
        before, way = map(int, came[layer, at])
        steps.append((layer - 1, before, at, True) if way else (layer, at, before, False))
        layer, at = (layer - 1, before) if way else (layer + 1, before)
    return float(width[count, sink]), steps
