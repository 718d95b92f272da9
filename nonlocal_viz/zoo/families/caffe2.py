"""Caffe2's video-nonlocal-net (lib/models/nonlocal_helper.py): ``nonlocal_conv3_1_theta_w`` and its like.

Keys are pooled (1, 2, 2) before their convolutions, a softmax is scaled by 1/sqrt(D). ``_bn_riv`` is the
running variance; of the affine models the file has ``_bn_s`` and ``_bn_b`` alone.
"""

import re

from torch import Tensor

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.families.parts import Conv, Found, Parts, State, assemble

NAME = "Caffe2's video-nonlocal-net"
_THETA = re.compile(r"(.*nonlocal_conv([2-5])_(\d+))_theta_w$")
_NORM = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file."""
    return [_block(state, match) for key in state if (match := _THETA.match(key))]


def _block(state: State, match: "re.Match[str]") -> Found:
    path, stage, index = match.groups()
    theta, phi, g, out = (_conv(state, f"{path}_{part}") for part in ("theta", "phi", "g", "out"))
    norm: dict[str, Tensor] | None = {
        ours: state[f"{path}_bn_{theirs}"]
        for ours, theirs in _NORM.items()
        if f"{path}_bn_{theirs}" in state
    }
    if norm is not None and norm.keys() == {"weight", "bias"}:
        scale = norm["weight"]
        shape = (-1,) + (1,) * (out.weight.ndim - 1)
        out = Conv(out.weight * scale.view(shape), out.bias * scale + norm["bias"])
    if norm is not None and len(norm) < len(_NORM):
        norm = None
    return assemble(
        path,
        f"layer{int(stage) - 1}.{index}",
        Parts(theta, phi, g, out, norm),
        [key for key in state if key.startswith(f"{path}_")],
        instantiation="embedded_gaussian",
        use_scale=True,
        sub_sample=True,
        pool_first=True,
    )


def _conv(state: State, prefix: str) -> Conv:
    weight = state.get(f"{prefix}_w")
    if weight is None or weight.ndim < 3 or set(weight.shape[2:]) != {1}:
        raise CheckpointError(f"There is no 1x1 convolution under {prefix!r}.")
    bias = state.get(f"{prefix}_b")
    return Conv(weight, weight.new_zeros(len(weight)) if bias is None else bias)


def torchvision_name(key: str) -> str | None:
    """None: Caffe2's first convolution and pooling have other borders, so that cells lie elsewhere."""
    return None
