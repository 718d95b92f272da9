"""What was computed between a product of queries with keys and the use of its weights, as data.

A :class:`Capture` is one call of one attention: the two factors, the steps from their product to the
scores, how the scores became weights, and the values that these mixed. Groups (images x windows x heads, in
whatever order the network keeps them) are flattened in front; within a group there are n query slots and m
key slots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

#: What can happen to a score on its way to the softmax; the operand is broadcast against the scores.
Kind = Literal["mul", "add", "fill"]


@dataclass(frozen=True)
class Step:
    """One operation on the scores, with the shape (*lead, n, m) that they had at that point.

    ``mul``: s * operand; ``add``: s + alpha * operand; ``fill``: ``value`` where the operand is True.
    """

    kind: Kind
    operand: Tensor
    lead: tuple[int, ...]
    group: Tensor
    value: float = 1.0

    def at(self, groups: Tensor, slots: Tensor) -> Tensor:
        """The operand at rows (group, slot), (R, m) or (R, 1); ``groups`` count as the capture's do."""
        operand = self.operand
        while operand.ndim < len(self.lead) + 2:
            operand = operand.unsqueeze(0)
        index = torch.unravel_index(self.group[groups], self.lead) if self.lead else ()
        index = tuple(
            at if size > 1 else torch.zeros_like(at)
            for at, size in zip(index, operand.shape[:-2], strict=True)
        )
        row = slots if operand.shape[-2] > 1 else torch.zeros_like(slots)
        return operand[(*index, row)]


@dataclass
class Capture:
    """One attention in one call.

    Attributes:
        path, module: where it was computed.
        query (L, n, D), key (L, m, D): the factors of the product.
        steps: from the product to the scores.
        softmax: whether the scores went through one, over the keys; else they are the weights.
        value: (L, m, E), what the weights mixed; None where it was not seen.
        dropped: whether dropout changed the weights that were used.
        error: how far rows recomputed from this are from the network's own, at rows drawn at random.
        call: which call of the module, from 0.
        family: what found it.
    """

    path: str
    module: torch.nn.Module
    query: Tensor
    key: Tensor
    steps: tuple[Step, ...] = ()
    softmax: bool = True
    value: Tensor | None = None
    dropped: bool = False
    error: dict[str, float] = field(default_factory=dict)
    call: int = 0
    family: str = "captured"

    def weights(self, groups: Tensor, slots: Tensor) -> Tensor:
        """Rows (R, m) of weights, of query slots (R,) in groups (R,)."""
        query = self.query[groups, slots].unsqueeze(1)
        score = _wide(query) @ _wide(self.key[groups]).mT
        score = score[:, 0]
        for step in self.steps:
            operand = step.at(groups, slots)
            if step.kind == "mul":
                score = score * operand
            elif step.kind == "add":
                score = score + step.value * operand
            else:
                score = score.masked_fill(operand.bool(), step.value)
        if not self.softmax:
            return score
        return torch.nan_to_num(score.softmax(-1)) if _masked(score) else score.softmax(-1)


def scalar(value: float, lead: Sequence[int], group: Tensor) -> Step:
    """The step of a multiplication by one number."""
    return Step("mul", torch.full((1, 1), float(value)), tuple(lead), group)


def relative(found: Tensor, wanted: Tensor) -> float:
    """The greatest difference as a share of the greatest size; infinite where one is not finite."""
    size = float(wanted.abs().max().clamp_min(1e-12))
    worst = float((found - wanted).abs().max()) / size
    return worst if math.isfinite(worst) else math.inf


def _masked(score: Tensor) -> bool:
    return bool(torch.isneginf(score).all(-1).any())


def _wide(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()
