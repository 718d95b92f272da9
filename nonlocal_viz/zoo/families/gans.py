"""Blocks with a learnt gamma instead of a BatchNorm: BigGAN and SAGAN (ajbrock/BigGAN-PyTorch, layers.py),
DANet's position attention (junfu1115/DANet, nn/da_att.py) and SAGAN as heykeetae/Self-Attention-GAN has it.

z = gamma * o(y) + x. Queries and keys are narrower than values: channels of zeros make them as wide, and
gamma goes into the output's weights. BigGAN pools keys and values behind their convolutions.
"""

import torch

from nonlocal_viz.zoo.families.parts import (
    Conv,
    Found,
    Parts,
    State,
    assemble,
    convolution,
    paths,
    under,
)

NAME = "SAGAN, BigGAN or DANet"


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file."""
    gammas = paths(state, r"gamma")
    big = [path for path in gammas if _has(state, path, "theta", "phi", "g", "o")]
    narrow = [path for path in gammas if _has(state, path, "query_conv", "key_conv", "value_conv")]
    return [*(_big(state, path) for path in big), *(_danet(state, path) for path in narrow)]


def _has(state: State, path: str, *parts: str) -> bool:
    dot = f"{path}." if path else ""
    kinds = ("weight", "weight_orig")
    return all(any(f"{dot}{part}.{kind}" in state for kind in kinds) for part in parts)


def _big(state: State, path: str) -> Found:
    dot = f"{path}." if path else ""
    theta, phi, g, out = (convolution(state, dot + part) for part in ("theta", "phi", "g", "o"))
    wide = len(g.weight)
    return assemble(
        path,
        None,
        Parts(
            theta.widened(wide),
            phi.widened(wide),
            g,
            out.times(state[f"{dot}gamma"].flatten()[0]),
        ),
        under(state, path),
        instantiation="embedded_gaussian",
        sub_sample=True,
    )


def _danet(state: State, path: str) -> Found:
    dot = f"{path}." if path else ""
    query, key, value = (
        convolution(state, f"{dot}{part}_conv") for part in ("query", "key", "value")
    )
    wide = len(value.weight)
    identity = torch.eye(wide).reshape(wide, wide, *(1,) * (value.weight.ndim - 2))
    out = Conv(identity.to(value.weight), value.bias.new_zeros(wide))
    return assemble(
        path,
        None,
        Parts(
            query.widened(wide),
            key.widened(wide),
            value,
            out.times(state[f"{dot}gamma"].flatten()[0]),
        ),
        under(state, path),
        instantiation="embedded_gaussian",
    )


def torchvision_name(key: str) -> str | None:
    """None: the networks around these blocks are no such ResNets."""
    return None
