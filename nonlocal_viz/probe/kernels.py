"""Attention that one kernel of PyTorch computes: its queries, keys, values and steps from its arguments."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.records import Capture, Step

_aten = torch.ops.aten
#: {kernel: where its argument is_causal stands}
CAUSAL = {
    _aten._scaled_dot_product_flash_attention_for_cpu.default: 4,
    _aten._scaled_dot_product_flash_attention.default: 4,
    _aten._scaled_dot_product_efficient_attention.default: 6,
    _aten._scaled_dot_product_cudnn_attention.default: 6,
}
FUSED = set(CAUSAL)
#: The fast paths of nn.MultiheadAttention and nn.TransformerEncoderLayer: one kernel for all of it.
WHOLE = {
    _aten._native_multi_head_attention.default,
    _aten._transformer_encoder_layer_fwd.default,
}


def fused(node: Node, y: Tensor, path: str) -> tuple[Capture, Tensor]:
    """The capture of a fused kernel that gave out y (B, H, n, E), and that as (L, n, E)."""
    q, k, v = node.args[:3]
    bias = node.kwargs.get("attn_mask")
    causal = len(node.args) > CAUSAL[node.func] and bool(node.args[CAUSAL[node.func]])
    if node.func is _aten._scaled_dot_product_efficient_attention.default:
        bias = node.args[3]
    scale = node.kwargs.get("scale")
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    # Several heads of queries may share the keys of one (multi-query, grouped).
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    scaled = _scaled(q, scale)
    steps = [scaled]
    if bias is not None:
        while bias.ndim < 4:
            bias = bias.unsqueeze(0)
        steps.append(replace(scaled, kind="add", operand=bias.detach().clone()))
    if causal:
        later = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).triu(1)
        steps.append(replace(scaled, kind="fill", operand=later[None, None], value=-math.inf))
    q, k, v, y = (t.flatten(0, 1) for t in (q, k, v, y))
    steps.append(Step("softmax", torch.ones(1)))
    return Capture(path, q, k, tuple(steps), True, v), y


def whole(node: Node, path: str) -> tuple[Capture, Tensor]:
    """Queries, keys and values that a fast path computes inside of itself, by its own arguments."""
    layer = node.func is _aten._transformer_encoder_layer_fwd.default
    if layer:
        x, _, heads, weight, bias = node.args[:5]
        if node.args[8]:  # the norm comes first
            x = torch.nn.functional.layer_norm(
                x, x.shape[-1:], node.args[10], node.args[11], node.args[9]
            )
        given, rest = (x, x, x), node.args[18:20]
    else:
        given, heads = node.args[:3], node.args[4]
        weight, bias = node.args[5:7]
        rest = (*node.args[9:10], *node.args[12:13])
    mask = _mask_of(*rest)
    if given[0].is_nested:
        lengths = torch.tensor([len(one) for one in given[0].unbind()])
        given = tuple(torch.nested.to_padded_tensor(t, 0.0) for t in given)
        mask = _mask_of(torch.arange(given[1].shape[1]) >= lengths[:, None], 1)
    parts = zip(given, weight.chunk(3), bias.chunk(3), strict=True)
    q, k, v = (
        torch.nn.functional.linear(t, w, b).unflatten(-1, (heads, -1)).transpose(1, 2)
        for t, w, b in parts
    )
    step = _scaled(q, q.shape[-1] ** -0.5)
    steps = [step]
    if mask is not None:
        steps.append(replace(step, kind="add", operand=mask, value=1.0))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    if layer:
        path = f"{path}.self_attn".lstrip(".")
    q, k, v, y = (t.flatten(0, 1) for t in (q, k, v, y))
    steps.append(Step("softmax", torch.ones(1)))
    return Capture(path, q, k, tuple(steps), True, v), y


def _scaled(query: Tensor, scale: float) -> Step:
    """The step from the product of a fused kernel's query (B, H, n, D) with its keys to the scores."""
    lead = query.shape[0], query.shape[1]
    operand = torch.tensor(float(scale)).view(1, 1, 1, 1)
    return Step("mul", operand, lead, torch.arange(lead[0] * lead[1]))


def _mask_of(mask: Tensor | None = None, kind: int | None = None) -> Tensor | None:
    """What a fast path adds to its scores (B or 1, H or 1, N or 1, M) by its own mask: 0 of pairs (N, M),
    1 of keys (B, M), 2 of both."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill(mask, -math.inf)
    return mask[None, None] if kind == 0 else mask[:, None, None] if kind == 1 else mask


def folds(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether PyTorch multiplies in one piece, though x is not contiguous: it does where the matrix is
    trained, and in inference mode no view of that says so below a watch."""
    if func is not _aten.linear.default:
        return False
    x, weight = args[:2]
    return bool(weight.requires_grad and x.ndim > 2 and not (x.is_nested or x.is_contiguous()))


def folded(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``linear``, in one piece."""
    y = torch.mm(x.reshape(-1, x.shape[-1]), weight.t()).view(*x.shape[:-1], -1)
    return y if bias is None else y + bias
