"""Tushar-N/pytorch-resnet3d: video-nonlocal-net's weights for PyTorch.

``layer2.1.nl.{theta,phi,g,out,bn}``. Keys are pooled (1, 2, 2) before their
convolutions, the softmax is scaled by 1/sqrt(D) (models/resnet.py).
"""

import re

from nonlocal_viz.zoo.families.parts import (
    Found,
    Parts,
    State,
    assemble,
    batch_norm,
    convolution,
    paths,
    under,
)

NAME = "pytorch-resnet3d (video-nonlocal-net)"
_PLACE = re.compile(r"(layer[1-4]\.\d+)\.nl$")


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file."""
    found = paths(state, r"out\.weight")
    return [_block(state, p) for p in found if _PLACE.search(p) and f"{p}.theta.weight" in state]


def _block(state: State, path: str) -> Found:
    match = _PLACE.search(path)
    assert match is not None
    theta, phi, g, out = (
        convolution(state, f"{path}.{part}") for part in ("theta", "phi", "g", "out")
    )
    return assemble(
        path,
        match[1],
        Parts(theta, phi, g, out, batch_norm(state, f"{path}.bn")),
        under(state, path),
        instantiation="embedded_gaussian",
        use_scale=True,
        sub_sample=True,
        pool_first=True,
    )


def torchvision_name(key: str) -> str | None:
    """What torchvision calls a weight of the network around the blocks."""
    known = re.fullmatch(r"(conv1|bn1|fc|layer[1-4]\.\d+\.(conv|bn|downsample\.)\d)\.\w+", key)
    return key if known else None
