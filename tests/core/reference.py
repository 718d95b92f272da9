"""The block as the paper writes it: loops over positions in float64, with nothing shared with the code."""

import math

import numpy as np
import torch
from torch import Tensor

from nonlocal_viz.core.block import NonLocalBlock


def reference_map(block: NonLocalBlock, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(z, map) of a block for x, both float64, by explicit sums over i and j."""
    state = {k: v.double().numpy() for k, v in block.state_dict().items()}
    array = x.double().numpy()
    batch, channels = array.shape[:2]
    pooled = _pool(array, block) if block.sub_sample else array

    def linear(name: str, tokens: np.ndarray) -> np.ndarray:
        weight = state.get(f"{name}.0.weight", state.get(f"{name}.weight"))
        bias = state.get(f"{name}.0.bias", state.get(f"{name}.bias"))
        assert weight is not None and bias is not None
        flat = weight.reshape(weight.shape[0], -1)
        return np.einsum("oc,bc...->bo...", flat, tokens) + bias.reshape(1, -1, *[1] * (x.ndim - 2))

    def keys(name: str) -> np.ndarray:
        if block.pool_first:
            return linear(name, pooled)
        projected = linear(name, array)
        return _pool(projected, block) if block.sub_sample else projected

    gaussian = block.instantiation == "gaussian"
    theta = array if gaussian else linear("theta", array)
    phi = pooled if gaussian else keys("phi")
    g = keys("g")
    theta, phi, g = (t.reshape(batch, t.shape[1], -1) for t in (theta, phi, g))
    n, m = theta.shape[2], phi.shape[2]
    weights = np.zeros((batch, n, m))
    y = np.zeros((batch, g.shape[1], n))
    for b in range(batch):
        for i in range(n):
            for j in range(m):
                weights[b, i, j] = _f(block, state, theta[b, :, i], phi[b, :, j])
            if block.instantiation in ("gaussian", "embedded_gaussian"):
                top = weights[b, i].max()
                weights[b, i] = [math.exp(v - top) for v in weights[b, i]]
                weights[b, i] /= weights[b, i].sum()
            else:
                weights[b, i] /= m
            for j in range(m):
                y[b, :, i] += weights[b, i, j] * g[b, :, j]
    y = y.reshape(batch, -1, *array.shape[2:])
    w = linear("W", y)
    if block.bn_layer:
        shape = (1, channels, *[1] * (x.ndim - 2))
        mean, var = (state[f"W.1.running_{s}"].reshape(shape) for s in ("mean", "var"))
        w = (w - mean) / np.sqrt(var + 1e-5)
        w = w * state["W.1.weight"].reshape(shape) + state["W.1.bias"].reshape(shape)
    return w + array, weights


def _f(block: NonLocalBlock, state: dict, theta: np.ndarray, phi: np.ndarray) -> float:
    if block.instantiation == "concatenation":
        both = np.concatenate([theta, phi])
        return max(0.0, float(state["concat_project.0.weight"].ravel() @ both))
    score = float(theta @ phi)
    if block.use_scale and block.instantiation != "dot_product":
        score /= math.sqrt(len(theta))
    return score


def _pool(array: np.ndarray, block: NonLocalBlock) -> np.ndarray:
    windows = {1: (2,), 2: (2, 2), 3: (1, 2, 2)}[block.dimension]
    for axis, window in enumerate(windows, start=2):
        size = array.shape[axis]
        if size < window:
            continue
        kept = np.take(array, range(size // window * window), axis=axis)
        shape = (*kept.shape[:axis], size // window, window, *kept.shape[axis + 1 :])
        array = kept.reshape(shape).max(axis + 1)
    return array


def randomise(block: NonLocalBlock, seed: int = 0) -> NonLocalBlock:
    """Weights and statistics that make every term of the block count; eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in block.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.4)
            if name.endswith("running_var"):
                value.abs_().add_(0.5)
    return block.eval()
