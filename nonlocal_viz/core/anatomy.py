"""What lies between x and z of a non-local block, tensor by tensor (Wang et al. 2018, Fig. 2).

Invariant: the numbers are those that the block itself computes on its way; nothing here computes them in
another way, but for W_z without its BatchNorm, which a block never holds by itself.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.projections import Projections
from nonlocal_viz.core.tokens import laid_out, tokens_of
from nonlocal_viz.errors import OptionError


class Followed(NamedTuple):
    """What a block computes on its way: projections (B, ., *spatial), its affinity, y (B, N, D) and what is
    added to x, (B, C, *spatial)."""

    projections: Projections
    affinity: Factored
    y: Tensor
    added: Tensor


class Block(Protocol):
    """What is asked of a :class:`~nonlocal_viz.NonLocalBlock`."""

    @property
    def W(self) -> nn.Module: ...  # noqa: N802 - named as in the state dict
    def follow(self, x: Tensor, frames: int = 1) -> Followed: ...


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Every tensor between x and z, as tokens: N queries, M keys (fewer where keys are pooled).

    Attributes:
        x: (B, N, C), what the block reads.
        theta: (B, N, D), the queries; in the Gaussian form x itself.
        phi: (B, M, D), the keys.
        g: (B, M, D), the values.
        y: (B, N, D), y_i = sum_j A_ij g_j.
        projected: (B, N, C), W_z y, before the BatchNorm.
        added: (B, N, C), what is added to x: W_z y through its BatchNorm, where there is one.
        z: (B, N, C) = x + added.
        weight, bias: (C, D) and (C,): added = weight y + bias as it is at inference, BatchNorm folded in.
        affinity: A, in factored form.
    """

    x: Tensor
    theta: Tensor
    phi: Tensor
    g: Tensor
    y: Tensor
    projected: Tensor
    added: Tensor
    z: Tensor
    weight: Tensor
    bias: Tensor
    affinity: Factored

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, image: int) -> "Anatomy":
        """One image of the batch, B = 1."""
        affinity = self.affinity[image]  # an IndexError where there is no such image
        one = slice(image, image + 1) if image != -1 else slice(-1, None)
        shared = ("weight", "bias")
        parts = {
            name: value if name in shared else value[one] for name, value in self._tensors().items()
        }
        return Anatomy(**parts, affinity=affinity)

    @property
    def nbytes(self) -> int:
        """Bytes of all of it; what two of them share is counted twice."""
        return sum(t.nbytes for t in self._tensors().values()) + self.affinity.nbytes

    def sizes(self) -> Tensor:
        """(B, M) |W_z g_j|, BatchNorm folded in: how much a key would add with a weight of 1."""
        sizes: Tensor = (self.g @ self.weight.mT).norm(dim=-1)
        return sizes

    def _tensors(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "affinity"}

    def __repr__(self) -> str:
        (batch, cells, channels), (_, keys, inner) = self.x.shape, self.g.shape
        images = f"{batch} images, " if batch > 1 else ""
        return f"Anatomy({images}N {cells} queries, M {keys} keys, C {channels}, D {inner})"


class Contribution(NamedTuple):
    """What each key, or each query of a column, has to do with what is added (Kobayashi et al., "Attention
    is Not Only a Weight", EMNLP 2020, for a block with an output projection).

    Tensors here, arrays of a Row.

    Attributes:
        size: |A_ij W_z g_j|, of the shape of the weights.
        share: the part of z_i - x_i that lies along it: (A_ij W_z g_j) . (z_i - x_i) / |z_i - x_i|^2.
            Negative where a key pulls the other way; with the part of the bias they sum to 1 over the
            keys. All 0 where nothing is added.
    """

    size: Any
    share: Any


def dissect(block: Block, x: Tensor, frames: int) -> Anatomy:
    """See :meth:`nonlocal_viz.NonLocalBlock.anatomy`."""
    followed = block.follow(x, frames)
    theta, phi, g = (tokens_of(part, frames) for part in followed.projections)
    weight, bias = folded(block.W)
    cells, added = tokens_of(x, frames), tokens_of(followed.added, frames)
    projected = _convolution(block.W)(laid_out(followed.y, x, frames))
    return Anatomy(
        x=cells,
        theta=theta,
        phi=phi,
        g=g,
        y=followed.y,
        projected=tokens_of(projected, frames),
        added=added,
        z=tokens_of(followed.added + x, frames),
        weight=weight,
        bias=bias,
        affinity=followed.affinity,
    )


def contribution(anatomy: Anatomy, weights: Tensor, cell: int, direction: str) -> Contribution:
    """Of one row (``cell`` is the query) or column (``cell`` is the key) of an image, B = 1.

    Args:
        weights: (M,) or (N,), what was answered.
    """
    values = anatomy.g[0] @ anatomy.weight.mT
    changes = anatomy.z[0] - anatomy.x[0]
    weights = weights.to(values)
    if direction == "row":
        along, change = values, changes[cell : cell + 1]
    else:
        along, change = values[cell : cell + 1], changes
    square = change.square().sum(-1)
    share = (along * change).sum(-1) / square.masked_fill(square == 0, 1.0)
    return Contribution(weights.abs() * along.norm(dim=-1), weights * share)


def folded(output: nn.Module) -> tuple[Tensor, Tensor]:
    """weight (C, D) and bias (C,) of a 1x1 convolution and the BatchNorm behind it, at inference.

    Raises:
        OptionError: it is something else.
    """
    convolution = _convolution(output)
    weight = convolution.weight.flatten(1)
    bias = weight.new_zeros(len(weight)) if convolution.bias is None else convolution.bias
    if convolution is output:
        return weight, bias
    assert isinstance(output, nn.Sequential)
    return _through(output[1], weight, bias)


def _through(norm: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    batch_norm = isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    if not batch_norm or norm.running_mean is None or norm.running_var is None:
        raise OptionError(
            f"Behind W_z stands {type(norm).__name__}, which is no BatchNorm with running statistics: it "
            "cannot be folded into the convolution."
        )
    factor = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight
    shifted = (bias - norm.running_mean) * factor
    return weight * factor[:, None], shifted if norm.bias is None else shifted + norm.bias


def _convolution(output: nn.Module) -> Any:
    """The 1x1 convolution W_z."""
    whole = isinstance(output, nn.Sequential) and len(output) == 2
    found = output[0] if whole else output  # type: ignore[index]
    if isinstance(found, nn.Conv1d | nn.Conv2d | nn.Conv3d) and set(found.kernel_size) == {1}:
        return found
    raise OptionError(
        f"The block's W is {type(output).__name__}; only a 1x1 convolution, with or without a BatchNorm "
        "behind it, is read as W_z."
    )
