"""softmax(scale q k^T) v by PyTorch's fused kernels, differentiable as often as anyone likes.

The fused kernel of the CPU has a first derivative and no more: no second one (gradient penalties,
``gradgradcheck``) and no forward mode (``jvp``). Here the kernel and its derivative are two functions
of autograd whose own derivatives are written out densely; what needs neither pays for neither.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Fused kernels want the head dimension in multiples of 8; zero channels change neither scores nor sums.
_LANES = 8
_EXACT = (torch.float32, torch.float64)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    """softmax_j(scale * q_i . k_j) v_j: query (B, N, D), key (B, M, D), value (B, M, E) -> (B, N, E).

    The fused CPU kernel needs q, k and v contiguous and of one width, or PyTorch falls back silently
    to the dense form; so all three are padded with zero channels to the widest of them. (In the
    Gaussian instantiation theta and phi have C channels and g has C/2.)
    """
    channels = value.shape[-1]
    width = max(query.shape[-1], channels)
    width += -width % _LANES
    q, k, v = (
        F.pad(t, (0, width - t.shape[-1])).contiguous().unsqueeze(1) for t in (query, key, value)
    )
    device = q.device.type
    if device == "cpu":
        if torch.is_autocast_enabled(device):
            # Other dispatch keys do this for F.scaled_dot_product_attention.
            q, k, v = (t.to(torch.get_autocast_dtype(device)) for t in (q, k, v))
        attended: Tensor = _Attention.apply(q, k, v, scale)[0]
    else:
        attended = F.scaled_dot_product_attention(q, k, v, scale=scale)
    return attended[:, 0, :, :channels]


def log_normalisers(query: Tensor, key: Tensor, scale: float = 1.0) -> Tensor | None:
    """log sum_j exp(scale * q_i . k_j), (B, H, N), of query (B, H, N, D) and key (B, H, M, D), as the fused
    kernel of the CPU finds it on its way: in a third of the time that the scores take. None where there is
    no such kernel, or where somebody wants gradients of it."""
    wants_gradient = torch.is_grad_enabled() and (query.requires_grad or key.requires_grad)
    if query.device.type != "cpu" or wants_gradient or query.dtype not in _EXACT:
        return None
    width = query.shape[-1] + -query.shape[-1] % _LANES
    q, k = (F.pad(t, (0, width - t.shape[-1])).contiguous() for t in (query, key))
    found: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, k, scale=scale
    )[1]
    return found


class _Attention(torch.autograd.Function):
    """(B, 1, N, D), (B, 1, M, D), (B, 1, M, D), scale -> (y (B, 1, N, D), log C (B, 1, N))."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        y, log_c = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, scale=scale)
        return y, log_c

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        q, k, v, ctx.scale = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(q, k, v, *output)
        ctx.save_for_forward(q, k, v)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, y, log_c = ctx.saved_tensors
        return *_AttentionGradient.apply(grads[0], q, k, v, y, log_c, ctx.scale), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, None]:
        q, k, v = ctx.saved_tensors
        dq, dk, dv = (
            torch.zeros_like(t) if d is None else d
            for d, t in zip(tangents[:3], (q, k, v), strict=True)
        )
        return _tangent(q, k, v, dq, dk, dv, ctx.scale), None


class _AttentionGradient(torch.autograd.Function):
    """The gradients of q, k and v from that of y, by the fused kernel's own derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        grad: Tensor, q: Tensor, k: Tensor, v: Tensor, y: Tensor, log_c: Tensor, scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
        dq, dk, dv = kernel(grad, q, k, v, y, log_c, 0.0, False, scale=scale)
        return dq, dk, dv

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        grad, q, k, v, _, _, ctx.scale = inputs
        ctx.save_for_backward(grad, q, k, v)
        ctx.save_for_forward(grad, q, k, v)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        # y and log C are themselves made of q, k and v: all of the derivative goes through these.
        scale = ctx.scale
        back = torch.func.vjp(partial(_gradients, scale=scale), *ctx.saved_tensors)[1]
        return *back(grads), None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, ...]:
        saved = ctx.saved_tensors
        along = (
            torch.zeros_like(t) if d is None else d
            for d, t in zip(tangents[:4], saved, strict=True)
        )
        return _gradients_tangent(*saved, *along, scale=ctx.scale)


def _gradients(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What the fused derivative computes, in operations that have derivatives themselves."""
    weights = (scale * (q @ k.mT)).softmax(-1)
    of_weights = grad @ v.mT
    of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
    return scale * (of_scores @ k), scale * (of_scores.mT @ q), weights.mT @ grad


def _tangent(
    q: Tensor, k: Tensor, v: Tensor, dq: Tensor, dk: Tensor, dv: Tensor, scale: float
) -> Tensor:
    """How y moves where q, k and v move by dq, dk and dv."""
    weights = (scale * (q @ k.mT)).softmax(-1)
    moved = scale * (dq @ k.mT + q @ dk.mT)
    moved = weights * (moved - (weights * moved).sum(-1, keepdim=True))
    return moved @ v + weights @ dv


def _gradients_tangent(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dgrad: Tensor,
    dq: Tensor,
    dk: Tensor,
    dv: Tensor,
    *,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """How :func:`_gradients` moves where its arguments move by those with a d in front."""
    weights = (scale * (q @ k.mT)).softmax(-1)
    moved = scale * (dq @ k.mT + q @ dk.mT)
    dweights = weights * (moved - (weights * moved).sum(-1, keepdim=True))
    of_weights, dof_weights = grad @ v.mT, dgrad @ v.mT + grad @ dv.mT
    apart = of_weights - (of_weights * weights).sum(-1, keepdim=True)
    mean = (dof_weights * weights + of_weights * dweights).sum(-1, keepdim=True)
    of_scores = weights * apart
    dof_scores = dweights * apart + weights * (dof_weights - mean)
    return (
        scale * (dof_scores @ k + of_scores @ dk),
        scale * (dof_scores.mT @ q + of_scores.mT @ dq),
        dweights.mT @ grad + weights.mT @ dgrad,
    )
