"""Maps held to what the network computed itself: its weights and its output."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.records import Capture, UnprovenError, relative, tolerance

Map = TypeVar("Map", bound=Affinity)

#: Rows that each capture is held to, and how near to 1 the sum of a row of shares is.
_ROWS, _WHOLE_ROW = 8, 1e-3
_RANDOM = (
    "It draws random numbers, and run again it drew others: which tokens it keeps, and in which order, "
    "was not seen. In eval mode the same ones are drawn."
)


def hold(capture: Capture, weights: Tensor | None, y: Tensor) -> None:
    """Notes how far rows drawn at random are from the network's weights (L, n, m), where it has them, and
    from its output y (L, n, E); and what kind of rows they are."""
    draw = torch.Generator().manual_seed(0)
    groups = torch.randint(len(capture.query), (_ROWS,), generator=draw)
    slots = torch.randint(capture.query.shape[1], (_ROWS,), generator=draw)
    rows = capture.weights(groups, slots)
    capture.distribution, capture.negative = _are_shares(rows), bool((rows < 0).any())
    used = rows if weights is None else wide(weights[groups, slots])
    if capture.dropped:
        # Kept weights are all enlarged alike, the others are 0; which these are only the network
        # knows, so that its own say how much, and the clean rows must have their pattern.
        kept = used != 0
        enlarged = used.sum() / (rows * kept).sum()
        capture.error["weights"] = relative(rows * kept * enlarged, used)
        rows = used
    elif weights is not None:
        capture.error["weights"] = relative(rows, used)
    mixed = (rows.unsqueeze(1) @ wide(capture.value[groups]))[:, 0]
    capture.error["output"] = relative(mixed, wide(y[groups, slots]))


def _are_shares(rows: Tensor) -> bool:
    """Whether rows (R, m) have no negative weights, and add up to 1 where they are not 0 altogether."""
    total = rows.sum(-1)
    whole = ((total - 1).abs() < _WHOLE_ROW) | (rows == 0).all(-1)
    return bool(((rows >= 0).all(-1) & whole).all())


def proven(found: Map, kind: torch.dtype, **made: tuple[Tensor, Tensor]) -> Map:
    """The map with its proof, for a family's ``read``.

    Args:
        found: a map that is a dataclass with ``proof``.
        kind: the type that the network computed in, which decides how exact it can be.
        made: {what: (what the map makes, what the network itself made)}, in one shape each.

    Raises:
        UnprovenError: one of these differs.
    """
    proof = {what: relative(wide(one), wide(other)) for what, (one, other) in made.items()}
    refuse_beyond(proof, kind)
    with_proof: Any = found
    whole: Map = replace(with_proof, proof=proof)
    return whole


def refuse_beyond(proof: Mapping[str, float], kind: torch.dtype) -> None:
    """Raises:
    UnprovenError: an error of the proof is greater than what the type explains.
    """
    for what, error in proof.items():
        if not error <= tolerance(kind):
            raise UnprovenError(
                f"The module's {what} made again differs by {error:.1e} of the greatest."
            )


def held_to(drew: list[bool], found: Tensor, wanted: Tensor) -> None:
    """Raises:
    UnprovenError: a module that ``drew`` random numbers in some run made something else of the same input.
    """
    if any(drew) and not relative(found.float(), wanted.float()) <= tolerance(wanted.dtype):
        raise UnprovenError(_RANDOM)
