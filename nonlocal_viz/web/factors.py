"""A Factored affinity as a browser holds it: fields, and a file of its numbers.

The file is a row of sections, little-endian; each is listed with its type, shape and offset:

==================  =======  ==============  ==========================================================
section             type     shape           there
==================  =======  ==============  ==========================================================
query               float16  (H, N', D)      always
key                 float16  (H, K, D)       always, and behind it padding to 4 bytes
normaliser          float32  (H, N')         unless weights are divided by a count: log C(x), or the sum
query_reach         int32    (N',)           with a reach: labels
key_reach           int32    (K,)            with a reach; -1 is in every query's
bias                float32  (H or 1, P, P')  with a bias: its table
query_place         int32    (N',)           with a bias
key_place           int32    (K,)            with a bias
unary               float32  (H, K)          with a unary row
==================  =======  ==============  ==========================================================
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from nonlocal_viz.core.affinity import EVERYBODY, Affinity, Factored
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.web import protocol


@dataclass(frozen=True)
class FactorFile:
    """The bytes of the file, and where its sections begin."""

    content: bytes
    sections: list[protocol.Section]


def pairwise_of(affinity: Factored) -> protocol.Pairwise:
    """The fields of its pairwise function."""
    scale = affinity.pairwise.scale
    return {
        "score": affinity.pairwise.score,
        "rectify": affinity.pairwise.rectify,
        "normalise": affinity.pairwise.normalise,
        "scale": [float(s) for s in scale] if isinstance(scale, torch.Tensor) else float(scale),
    }


def aside_of(affinity: Affinity) -> protocol.Aside:
    """Its tokens on no cell."""
    return {"query": _names(affinity.query_aside), "key": _names(affinity.key_aside)}


def span_of(affinity: Factored) -> int:
    """How many keys a query looks at; where queries differ, the first."""
    if affinity.reach is None:
        return affinity.keys.tokens
    own = affinity.reach.query[affinity.queries.on_grid][0]
    return int(((affinity.reach.key == own) | (affinity.reach.key == EVERYBODY)).sum())


def factor_size(affinity: Factored) -> int:
    """Bytes of its query and key factors in the file, known without writing it."""
    return 2 * (affinity.query.numel() + affinity.key.numel())


def factor_file(affinity: Factored) -> FactorFile:
    """The file described above. Several images are the frames of a clip whose reach is the frame."""
    # Each frame's own pass finds its normalisers: over all frames it would be T times as long.
    normaliser = affinity.normalisers().transpose(0, 1).flatten(1)
    affinity = affinity if len(affinity) == 1 else affinity.framed()
    parts: list[tuple[str, np.ndarray]] = [
        ("query", _half(affinity.query[0])),
        ("key", _half(affinity.key[0])),
    ]
    if affinity.pairwise.normalise != "count":
        parts.append(("normaliser", _single(normaliser)))
    if affinity.reach is not None:
        parts += _labels("reach", affinity.reach.query, affinity.reach.key)
    if affinity.bias is not None:
        parts.append(("bias", _single(affinity.bias.table)))
        parts += _labels("place", affinity.bias.query, affinity.bias.key)
    if affinity.unary is not None:
        parts.append(("unary", _single(affinity.unary[0])))
    return _joined(parts)


def _joined(parts: list[tuple[str, np.ndarray]]) -> FactorFile:
    content = b""
    sections: list[protocol.Section] = []
    for name, numbers in parts:
        content += bytes(-len(content) % numbers.dtype.itemsize)
        section = {
            "name": name,
            "type": numbers.dtype.name,
            "offset": len(content),
            "shape": list(numbers.shape),
        }
        sections.append(cast(protocol.Section, section))
        content += numbers.tobytes()
    return FactorFile(content + bytes(-len(content) % 4), sections)


def _half(factor: torch.Tensor) -> np.ndarray:
    # Finite in float16, whatever somebody's checkpoint computes; beyond it a softmax is saturated.
    return factor.float().clamp(-65504, 65504).cpu().numpy().astype("<f2")


def _single(numbers: torch.Tensor) -> np.ndarray:
    return numbers.float().cpu().numpy().astype("<f4")


def _labels(name: str, query: torch.Tensor, key: torch.Tensor) -> list[tuple[str, np.ndarray]]:
    return [
        (f"query_{name}", query.cpu().numpy().astype("<i4")),
        (f"key_{name}", key.cpu().numpy().astype("<i4")),
    ]


def _names(aside: OffGrid) -> protocol.OffGrid:
    return {"before": list(aside.before), "after": list(aside.after)}
