"""The pairwise function f(x_i, x_j) and its normaliser C(x) as a value (Wang et al. 2018, section 3.2).

Shapes, throughout: query (..., Q, D), key (..., K, D), scores and weights (..., Q, K); with heads the
dimension in front of Q is the heads'.

Invariant: a :class:`Pairwise` says by its four fields all there is to say of a form of attention; the
names that people give to such forms stand in :data:`INSTANTIATIONS` and are asked for nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from torch import Tensor

Score = Literal["product", "sum"]
Normalise = Literal["softmax", "count", "sum"]


@dataclass(frozen=True, eq=False)
class Pairwise:
    """How a query and a key become a weight.

    Args:
        score: ``product``: scale * q_i . k_j; ``sum``: a_i + b_j, where each factor has one channel (what
            the concatenation form comes to, w_f . [theta_i, phi_j]).
        rectify: whether the score goes through a ReLU.
        normalise: C(x). ``softmax``: exp of the scores, over their sum; ``count``: the number of keys in
            the query's reach; ``sum``: the sum of the (rectified) scores over them.
        scale: multiplies a product; one number, or (H,), one a head.
    """

    score: Score = "product"
    rectify: bool = False
    normalise: Normalise = "softmax"
    scale: "float | Tensor" = 1.0

    @property
    def is_distribution(self) -> bool:
        """True when the weights of a query are non-negative and sum to 1."""
        return self.normalise == "softmax" or (self.normalise == "sum" and self.rectify)

    @property
    def signed(self) -> bool:
        """True when weights can be negative."""
        return not (self.is_distribution or self.rectify)

    def scores(self, query: Tensor, key: Tensor, bias: Tensor | None = None) -> Tensor:
        """(..., Q, D) x (..., K, D) -> (..., Q, K), before they are normalised. ``bias`` is added to them
        (before the ReLU, where there is one)."""
        if self.score == "sum":
            score = query + key.transpose(-1, -2)
        else:
            score = self._scale() * (query @ key.transpose(-1, -2))
        if bias is not None:
            score = score + bias
        return score.relu() if self.rectify else score

    def weights(self, score: Tensor, may: Tensor | None = None) -> Tensor:
        """Scores (..., Q, K) -> weights f / C(x).

        Args:
            may: (Q, K) bool, which keys a query can look at; None: at all. A query that can look at none
                has weights of 0.
        """
        if may is None:
            if self.normalise == "softmax":
                return score.softmax(dim=-1)
            if self.normalise == "count":
                return score / score.shape[-1]
            return _over(score, score.sum(-1, keepdim=True))
        if self.normalise == "softmax":
            # A row of nothing but -inf would be NaN.
            alone = ~may.any(-1, keepdim=True)
            weight = score.masked_fill(~(may | alone), float("-inf")).softmax(dim=-1)
            return weight.masked_fill(~may, 0.0)
        score = score.masked_fill(~may, 0.0)
        if self.normalise == "count":
            return score / may.sum(-1, keepdim=True).clamp_min(1)
        return _over(score, score.sum(-1, keepdim=True))

    def normaliser(self, score: Tensor, may: Tensor | None = None) -> Tensor:
        """What turns single scores into weights, see :meth:`apart`: (..., Q) from scores (..., Q, K).

        Of ``softmax`` it is log C(x) = logsumexp of the scores, of the others C(x) itself.
        """
        if self.normalise == "softmax":
            if may is not None:
                score = score.masked_fill(~may, float("-inf"))
            return score.logsumexp(dim=-1)
        if self.normalise == "count":
            keys = score.shape[-1] if may is None else may.sum(-1).to(score.dtype)
            return score.new_ones(score.shape[:-1]) * keys
        return score.sum(-1) if may is None else score.masked_fill(~may, 0.0).sum(-1)

    def apart(self, score: Tensor, normaliser: Tensor) -> Tensor:
        """The weights of scores, of one key a query, whose :meth:`normaliser` is known; shapes alike."""
        if self.normalise == "softmax":
            return (score - normaliser).exp()
        return _over(score, normaliser)

    def _scale(self) -> "float | Tensor":
        return self.scale if isinstance(self.scale, int | float) else self.scale.view(-1, 1, 1)


#: The four instantiations of the paper by their names: the only list of them.
INSTANTIATIONS: Mapping[str, Pairwise] = MappingProxyType(
    {
        "gaussian": Pairwise(),
        "embedded_gaussian": Pairwise(),
        "dot_product": Pairwise(normalise="count"),
        "concatenation": Pairwise("sum", rectify=True, normalise="count"),
    }
)


def _over(part: Tensor, whole: Tensor) -> Tensor:
    # What has no weight at all is shared out as nothing, not as 0 / 0.
    return part / whole.masked_fill(whole == 0, 1.0)
