"""SlowFast and PyTorchVideo: facebookresearch/SlowFast, slowfast/models/nonlocal_helper.py.

``s4.pathway0_nonlocal1.{conv_theta,conv_phi,conv_g,conv_out}``, ``.bn`` (PyTorchVideo: ``.norm``). Keys are
pooled before their convolutions, a softmax is scaled by 1/sqrt(D); neither stands in the file.
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

NAME = "SlowFast or PyTorchVideo"
_PLACE = re.compile(r"s([2-5])\.pathway\d_nonlocal(\d+)")
_RESIDUAL = re.compile(r"s([2-5])\.pathway0_res(\d+)\.(branch1|branch2\.[abc])(_bn)?\.(\w+)")
_STEM = {"s1.pathway0_stem.conv": "conv1", "s1.pathway0_stem.bn": "bn1", "head.projection": "fc"}
_POOLED = (
    "That keys are pooled by 2 x 2 (and not in time) before their convolution is assumed, as in SlowFast's "
    "Kinetics models: no weight tells. sub_sample=False says that they are not pooled."
)
_SOFTMAX = (
    "That the rows are a softmax, scaled by 1/sqrt(D), is assumed: SlowFast's AVA models divide by the "
    "number of keys instead, with the same weights. instantiation='dot_product' says that this one does."
)


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file."""
    return [_block(state, path) for path in paths(state, r"conv_theta\.weight")]


def _block(state: State, path: str) -> Found:
    dot = f"{path}." if path else ""
    place = _PLACE.search(path)
    theta, phi, g, out = (
        convolution(state, f"{dot}conv_{part}") for part in ("theta", "phi", "g", "out")
    )
    norm = batch_norm(state, f"{dot}bn") or batch_norm(state, f"{dot}norm")
    return assemble(
        path,
        f"layer{int(place[1]) - 1}.{place[2]}" if place else None,
        Parts(theta, phi, g, out, norm),
        under(state, path),
        instantiation="embedded_gaussian",
        use_scale=True,
        sub_sample=True,
        pool_first=True,
        notes=(_SOFTMAX, _POOLED),
    )


def torchvision_name(key: str) -> str | None:
    """What torchvision calls a weight of the network around the blocks."""
    head, _, kind = key.rpartition(".")
    if head in _STEM:
        return f"{_STEM[head]}.{kind}"
    match = _RESIDUAL.fullmatch(key)
    if match is None:
        return None
    stage, index, branch, norm, kind = match.groups()
    if branch == "branch1":
        part = f"downsample.{1 if norm else 0}"
    else:
        part = ("bn" if norm else "conv") + str("abc".index(branch[-1]) + 1)
    return f"layer{int(stage) - 1}.{index}.{part}.{kind}"
