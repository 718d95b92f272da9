"""A non-local block as what the rest of the world calls it: torch's own attention with one head.

The paper says it in its section 3.2 ("Relation to self-attention"); here the numbers are copied over, so
that one can be held against the other. The only freedom that is used: scores that differ by what is the
same for all keys of a query give the same softmax.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nonlocal_viz.core.anatomy import folded
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.errors import OptionError


class _Linear(NamedTuple):
    """A linear layer on every token: weight (out, in), bias (out,)."""

    weight: Tensor
    bias: Tensor


def as_attention(block: NonLocalBlock) -> nn.MultiheadAttention:
    """The block, less its residual, as ``torch.nn.MultiheadAttention`` with one head, in eval mode.

    With t, the tokens of x (B, N, C), and u, those that the keys are read from (t itself; of a block that
    pools first, the tokens of the pooled x)::

        added, weights = heads(t, u, u)  # weights (B, N, M): the block's map
        z = t + added

    >>> block = nv.NonLocalBlock(8, sub_sample=False).eval()
    >>> nv.as_attention(block).num_heads
    1

    Raises:
        OptionError: it cannot be expressed, and why: no softmax (dot product, concatenation), keys that are
            pooled behind their projection, a BatchNorm that is in training, a W that is something else.
    """
    _refuse(block)
    output = _Linear(*folded(block.W))
    width = len(output.weight)
    with torch.no_grad():
        query, key = _compared(block, output.weight)
        value, out = _mixed(block, output)
        like = output.weight
        heads = nn.MultiheadAttention(
            width, num_heads=1, batch_first=True, device=like.device, dtype=like.dtype
        )
        # It divides scores by the root of its width, whatever the block does.
        factor = block.scale * width**0.5
        query = _Linear(query.weight * factor, query.bias * factor)
        heads.in_proj_weight.copy_(torch.cat([query.weight, key.weight, value.weight]))
        heads.in_proj_bias.copy_(torch.cat([query.bias, key.bias, value.bias]))
        heads.out_proj.weight.copy_(out.weight)
        heads.out_proj.bias.copy_(out.bias)
    return heads.eval()


def _refuse(block: NonLocalBlock) -> None:
    if block.pairwise.normalise != "softmax":
        raise OptionError(
            f"The {block.instantiation} form has no softmax: it divides its scores by the number of keys. "
            "A Transformer's head always has one."
        )
    if block.sub_sample and not block.pool_first:
        raise OptionError(
            "This block pools its keys and values behind their projection, and a Transformer's head has "
            "nothing between a projection and the product. A block that pools first can be expressed."
        )
    if block.bn_layer and block.training:
        raise OptionError(
            "In training the block's BatchNorm takes its statistics from the batch, which no linear layer "
            "does: call block.eval() first."
        )


def _compared(block: NonLocalBlock, like: Tensor) -> tuple[_Linear, _Linear]:
    """What queries and keys are made by, C x C each."""
    width = block.in_channels
    if block.theta is None or block.phi is None:
        return _identity(width, like), _identity(width, like)
    theta, phi = _linear(block.theta), _linear(block.phi)
    if block.inter_channels <= width:
        return _padded(theta, width), _padded(phi, width)
    # More channels inside than outside: theta_i . phi_j is (Wp^T Wt x_i + Wp^T bt) . x_j, and something
    # that all keys of i share.
    crossed = _Linear(phi.weight.T @ theta.weight, phi.weight.T @ theta.bias)
    return crossed, _identity(width, like)


def _mixed(block: NonLocalBlock, output: _Linear) -> tuple[_Linear, _Linear]:
    """What values are made by, and what is made of their mixture, C x C each."""
    width, g = block.in_channels, _linear(block.g)
    if block.inter_channels <= width:
        wide = output.weight.new_zeros(width, width)
        wide[:, : block.inter_channels] = output.weight
        return _padded(g, width), _Linear(wide, output.bias)
    through = _Linear(output.weight @ g.weight, output.weight @ g.bias)
    return through, _Linear(_identity(width, output.weight).weight, output.bias)


def _linear(projection: nn.Module) -> _Linear:
    """A 1x1 convolution, alone or in front of its pooling, as a linear layer."""
    found = projection[0] if isinstance(projection, nn.Sequential) else projection
    assert isinstance(found, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    weight = found.weight.flatten(1)
    return _Linear(weight, weight.new_zeros(len(weight)) if found.bias is None else found.bias)


def _padded(layer: _Linear, width: int) -> _Linear:
    """With channels of zeros behind, which change no product."""
    missing = width - len(layer.weight)
    weight = torch.cat([layer.weight, layer.weight.new_zeros(missing, width)])
    return _Linear(weight, torch.cat([layer.bias, layer.bias.new_zeros(missing)]))


def _identity(width: int, like: Tensor) -> _Linear:
    weight = torch.eye(width, device=like.device, dtype=like.dtype)
    return _Linear(weight, weight.new_zeros(width))
