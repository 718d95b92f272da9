"""A general affinity as its definition writes it: float64, loops over heads, queries and keys."""

import math
from typing import Any

import numpy as np

from nonlocal_viz.core.factored import EVERYBODY, Factored


def dense(a: Factored) -> np.ndarray:
    """(B, H, N', K): every weight of every token."""
    query, key = (t.double().numpy() for t in (a.query, a.key))
    batch, heads, n, _ = query.shape
    k = key.shape[2]
    found = np.zeros((batch, heads, n, k))
    for b in range(batch):
        for h in range(heads):
            for i in range(n):
                keys = [j for j in range(k) if _may(a, i, j)]
                scores = {j: _score(a, query[b, h, i], key[b, h, j], h, i, j) for j in keys}
                for j, weight in _normalised(a, scores).items():
                    found[b, h, i, j] = weight
                if a.unary is not None:
                    found[b, h, i] += a.unary[b, h].double().numpy()
    return found


def _may(a: Factored, i: int, j: int) -> bool:
    if a.reach is None:
        return True
    label = int(a.reach.key[j])
    return label in (EVERYBODY, int(a.reach.query[i]))


def _score(a: Factored, q: np.ndarray, k: np.ndarray, h: int, i: int, j: int) -> float:
    scale: Any = a.pairwise.scale
    if a.pairwise.score == "sum":
        score = float(q[0] + k[0])
    else:
        score = (float(scale[h]) if hasattr(scale, "shape") else scale) * float(q @ k)
    if a.bias is not None:
        table = a.bias.table[h if len(a.bias.table) > 1 else 0]
        score += float(table[int(a.bias.query[i]), int(a.bias.key[j])])
    return max(score, 0.0) if a.pairwise.rectify else score


def _normalised(a: Factored, scores: dict[int, float]) -> dict[int, float]:
    if not scores:
        return {}
    if a.pairwise.normalise == "softmax":
        top = max(scores.values())
        scores = {j: math.exp(s - top) for j, s in scores.items()}
    total = len(scores) if a.pairwise.normalise == "count" else sum(scores.values())
    return {j: s / total if total else 0.0 for j, s in scores.items()}
