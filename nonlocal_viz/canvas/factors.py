"""A Factored affinity as a browser holds it: fields, and a file of its numbers.

The file is a row of sections, little-endian; each is listed with its type, shape and offset:

==================  ========  ==============  =========================================================
section             type      shape           there
==================  ========  ==============  =========================================================
query               see wire  (H, N', D)      always
key                 see wire  (H, K, D)       always; the query's own bytes where the two are the same
normaliser          float32   (H, N')         log C(x) of a softmax, or the sum; not where weights are
                                              divided by a count, nor where finding it takes long
query_reach         int32     (N',)           with a reach: labels
key_reach           int32     (K,)            with a reach; -1 is in every query's
bias                float32   (H or 1, P, P')  with a bias: its table
query_place         int32     (N',)           with a bias
key_place           int32     (K,)            with a bias
unary               float32   (H, K)          with a unary row
==================  ========  ==============  =========================================================

The *wire* is the type that factors travel in. float32 is what the network computed, and three digits of
every weight hold. float16 is half as long and is sent only where float32 is too long and a sample of rows
says that two digits hold. The normalisers are always those of the numbers that are sent: whoever has the
file can check each sum in it. Without them a browser finds that of a row as it makes the row, and asks
for columns one by one.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import torch

from nonlocal_viz.canvas import protocol
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import EVERYBODY, Factored
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.limits import LIMITS, Limits

Wire = Literal["float32", "float16"]
#: A weight from halves may be off by so much of the row's greatest, or half a unit of its second digit.
HALVES_HOLD = 5e-3
_SAMPLED = 8


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


def wire_of(affinity: Factored, limits: Limits = LIMITS) -> Wire | None:
    """What its factors travel in; None where they are too long for a browser either way."""
    single = 4 * (affinity.query.numel() + affinity.key.numel())
    if single <= min(limits.single_factor_bytes, limits.factor_bytes):
        return "float32"
    if single // 2 <= limits.factor_bytes and halving_error(affinity) <= HALVES_HOLD:
        return "float16"
    return "float32" if single <= limits.factor_bytes else None


def halving_error(affinity: Factored) -> float:
    """How far weights from halves are off, as a share of their row's greatest: the worst of a few rows."""
    halved, cells = _halved(affinity), affinity.queries.cells
    asked = sorted({cells * i // _SAMPLED for i in range(_SAMPLED)})
    wanted, got = affinity.rows(asked), halved.rows(asked)
    worst = (wanted - got).abs().amax(-1) / wanted.abs().amax(-1).clamp_min(1e-30)
    return float(worst.nan_to_num(nan=torch.inf).max())


def factor_file(affinity: Factored, wire: Wire = "float32", limits: Limits = LIMITS) -> FactorFile:
    """The file described above. Several images are the frames of a clip whose reach is the frame."""
    if wire == "float16":
        affinity = _halved(affinity)
    normaliser = _normaliser(affinity, limits)
    affinity = affinity if len(affinity) == 1 else affinity.framed()
    write = _half if wire == "float16" else _single
    parts: list[tuple[str, np.ndarray]] = [
        ("query", write(affinity.query[0])),
        ("key", write(affinity.key[0])),
    ]
    if normaliser is not None:
        parts.append(("normaliser", _single(normaliser)))
    if affinity.reach is not None:
        parts += _labels("reach", affinity.reach.query, affinity.reach.key)
    if affinity.bias is not None:
        parts.append(("bias", _single(affinity.bias.table)))
        parts += _labels("place", affinity.bias.query, affinity.bias.key)
    if affinity.unary is not None:
        parts.append(("unary", _single(affinity.unary[0])))
    return _joined(parts)


def _halved(affinity: Factored) -> Factored:
    """The affinity of the numbers that a browser has when halves were sent."""

    def rounded(factor: torch.Tensor) -> torch.Tensor:
        # Finite in float16, whatever somebody's checkpoint computes.
        return factor.float().clamp(-65504, 65504).half().float()

    return replace(affinity, query=rounded(affinity.query), key=rounded(affinity.key))


def _normaliser(affinity: Factored, limits: Limits) -> torch.Tensor | None:
    """(H, N' of all images), or None where there are none to send."""
    images, heads, queries, _ = affinity.query.shape
    scores = images * heads * queries * affinity.key.shape[2]
    if affinity.pairwise.normalise == "count" or scores > limits.normaliser_scores:
        return None
    # In double precision: a sum of signed scores may nearly cancel. Each frame's own pass finds its
    # own: over all frames it would be T times as long.
    return affinity.to(torch.float64).normalisers().transpose(0, 1).flatten(1)


def _joined(parts: list[tuple[str, np.ndarray]]) -> FactorFile:
    content = b""
    sections: list[protocol.Section] = []
    last: np.ndarray | None = None
    for name, numbers in parts:
        # The raw x of a Gaussian form is query and key at once.
        again = last is not None and last.dtype == numbers.dtype and np.array_equal(last, numbers)
        if not again:
            content += bytes(-len(content) % numbers.dtype.itemsize)
        section = {
            "name": name,
            "type": numbers.dtype.name,
            "offset": sections[-1]["offset"] if again else len(content),
            "shape": list(numbers.shape),
        }
        sections.append(cast(protocol.Section, section))
        content += b"" if again else numbers.tobytes()
        last = numbers
    return FactorFile(content + bytes(-len(content) % 4), sections)


def _half(factor: torch.Tensor) -> np.ndarray:
    return factor.cpu().numpy().astype("<f2")


def _single(numbers: torch.Tensor) -> np.ndarray:
    return numbers.float().cpu().numpy().astype("<f4")


def _labels(name: str, query: torch.Tensor, key: torch.Tensor) -> list[tuple[str, np.ndarray]]:
    return [
        (f"query_{name}", query.cpu().numpy().astype("<i4")),
        (f"key_{name}", key.cpu().numpy().astype("<i4")),
    ]


def _names(aside: OffGrid) -> protocol.OffGrid:
    return {"before": list(aside.before), "after": list(aside.after)}
