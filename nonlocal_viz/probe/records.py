"""What was computed between a product of queries with keys and the use of its weights, as data.

A :class:`Capture` is one call of one attention: the two factors, the steps from their product to the
scores, how the scores became weights, and the values that these mixed. Groups (images x windows x heads, in
whatever order the network keeps them) are flattened in front; within a group there are n query slots and m
key slots.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.draws import Drawn

#: What can happen to a score on its way to a weight.
Kind = Literal["mul", "add", "fill", "each", "softmax"]


#: What modules call the number of their heads.
HEADED = "num_heads", "num_attention_heads", "heads", "n_heads", "nhead"
#: What is said of weights that do not add up over the keys.
ADDED_UP = {
    "queries": "Its softmax runs over the queries: what all of them give to one key adds up to 1, a row "
    "does not.",
    "sink": "A share of every row goes to a sink, an extra logit beside those of the keys: the rest of a "
    "row adds up to less than 1.",
    "pairs": "One softmax runs over all pairs of a query and a key: all weights of the map together add up "
    "to 1, a row does not.",
}
#: Of an output that is not put back where its queries were.
SCRAMBLED = (
    "What it makes of the values is reshaped without a transpose: a row says what was mixed for a query, "
    "but that sum ends up at other cells than the query's own."
)
#: How far rows may be from the network's own, relative, by the type that it computed in.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


def tolerance(dtype: torch.dtype) -> float:
    """How far rows may be from those of a network that computes in this type, of the greatest."""
    return _TOLERANCE.get(dtype, 1e-4)


class EnoughError(Exception):
    """What was to be seen of a run was seen: the rest of it is not run."""


class UnprovenError(Exception):
    """Why a map is not shown, as a sentence. It never leaves the package: it becomes a refusal."""


@dataclass(frozen=True)
class Step:
    """One operation on the scores.

    ``mul``: s * operand; ``add``: s + value * operand; ``fill``: ``value`` where the operand is True;
    ``each``: a function of every score by itself; ``softmax``: over the keys.

    Attributes:
        operand: (*lead, n, m), any of these 1 where all are alike.
        lead: the shape in front, of the scores at that point.
        group: (L,), the flat index in ``lead`` of each of the capture's groups.
    """

    kind: Kind
    operand: Tensor
    lead: tuple[int, ...] = ()
    group: Tensor | None = None
    value: float = 1.0
    function: Callable[[Tensor], Tensor] | None = None

    def at(self, groups: Tensor, slots: Tensor) -> Tensor:
        """The operand at rows (group, slot), (R, m) or (R, 1)."""
        operand = self.operand
        index: tuple[Tensor, ...] = ()
        if self.lead and self.group is not None:
            found = torch.unravel_index(self.group[groups], self.lead)
            sizes = operand.shape[: len(self.lead)]
            index = tuple(
                place if size > 1 else torch.zeros_like(place)
                for place, size in zip(found, sizes, strict=True)
            )
        row = slots if operand.shape[-2] > 1 else torch.zeros_like(slots)
        return operand[(*index, row)]


@dataclass
class Capture:
    """One attention in one call.

    Attributes:
        path: of the module that computed it.
        query (L, n, D), key (L, m, D): the factors of the product.
        steps: from the product to the weights.
        softmax: whether one of them is a softmax over the keys.
        value: (L, m, E), what the weights mixed.
        dropped: whether dropout changed the weights that were used.
        distribution: whether every row is of shares: none negative, 1 together.
        negative: whether weights below 0 were seen.
        notes: what whoever looks at its map should know.
        error: how far rows recomputed from this are from the network's own, at rows drawn at random.
    """

    path: str
    query: Tensor
    key: Tensor
    steps: tuple[Step, ...]
    softmax: bool
    value: Tensor
    dropped: bool = False
    distribution: bool = True
    negative: bool = False
    notes: tuple[str, ...] = ()
    error: dict[str, float] = field(default_factory=dict)

    @property
    def groups(self) -> int:
        """L."""
        return self.query.shape[0]

    def scores(self, groups: Tensor, slots: Tensor) -> Tensor:
        """(R, m), what the steps are done to: the product."""
        query = wide(self.query[groups, slots]).unsqueeze(1)
        return (query @ wide(self.key)[groups].mT)[:, 0]

    def weights(self, groups: Tensor, slots: Tensor) -> Tensor:
        """Rows (R, m) of weights, of query slots (R,) in groups (R,); float32, or float64."""
        score = self.scores(groups, slots)
        for step in self.steps:
            if step.kind == "softmax":
                # A query that may look at nothing has no weight; PyTorch says NaN, or 0 in newer kernels.
                alone = torch.isneginf(score).all(-1, keepdim=True)
                score = score.masked_fill(alone, 0.0).softmax(-1).masked_fill(alone, 0.0)
                continue
            if step.function is not None:
                score = step.function(score)
                continue
            operand = step.at(groups, slots)
            if step.kind == "mul":
                score = score * operand
            elif step.kind == "add":
                score = score + step.value * operand
            else:
                score = score.masked_fill(operand, step.value)
        return score


def relative(found: Tensor, wanted: Tensor) -> float:
    """The greatest difference as a share of the greatest size; infinite where one is not finite."""
    found, wanted = torch.nan_to_num(found), torch.nan_to_num(wanted)
    size = float(wanted.abs().max().clamp_min(1e-12))
    worst = float((found - wanted).abs().max()) / size
    return worst if math.isfinite(worst) else math.inf


@dataclass(frozen=True)
class Call:
    """A module that ran: its path, itself, what it was called with, what autocast lowered it to, and where
    random numbers stood."""

    path: str
    module: nn.Module
    args: tuple[object, ...]
    kwargs: dict[str, object]
    lowered: torch.dtype | None = None
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Given:
    """What a module gave out: its call, the calls that this lay in, the shape, and how many calls began
    before."""

    call: Call
    within: tuple[Call, ...]
    shape: tuple[int, ...]
    number: int
