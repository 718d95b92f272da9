"""mmcv's NonLocal1d, 2d, 3d (mmcv/cnn/bricks/non_local.py), as mmaction2 and mmsegmentation use them.

``PATH.{theta,phi,g}.conv``, pooled ``PATH.{phi,g}.0.conv``; ``PATH.conv_out.conv`` and ``.bn``;
``PATH.concat_project.conv``. Keys are pooled behind their convolution. ``use_scale`` (1/sqrt(D), of the
embedded Gaussian alone) stands in no file: mmcv's default and mmsegmentation's is True, mmaction2's False.
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

NAME = "mmcv (mmaction2, mmsegmentation)"
_PLACE = re.compile(r"(layer[1-4]\.\d+)\.non_local_block$")
_RESIDUAL = re.compile(r"(layer[1-4]\.\d+)\.(conv\d|downsample)\.(conv|bn)\.(\w+)")


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file; that of DNL, which whitens, is refused.py's."""
    found = paths(state, r"conv_out\.conv\.weight")
    return [_block(state, path, name) for path in found if not _other(state, path)]


def _other(state: State, path: str) -> bool:
    dot = f"{path}." if path else ""
    return f"{dot}conv_mask.weight" in state or not any(
        f"{dot}g{pool}.conv.weight" in state for pool in ("", ".0")
    )


def _block(state: State, path: str, name: str) -> Found:
    dot = f"{path}." if path else ""
    pooled = f"{dot}g.0.conv.weight" in state
    behind = ".0" if pooled else ""
    concat = state.get(f"{dot}concat_project.conv.weight")
    raw = f"{dot}theta.conv.weight" not in state
    video = "non_local_block" in path
    kind, notes = _form(name, video) if not raw and concat is None else ("", ())
    kind = kind or ("gaussian" if raw else "concatenation")
    place = _PLACE.search(path)
    return assemble(
        path,
        place[1] if place else None,
        Parts(
            None if raw else convolution(state, f"{dot}theta.conv"),
            None if raw else convolution(state, f"{dot}phi{behind}.conv"),
            convolution(state, f"{dot}g{behind}.conv"),
            convolution(state, f"{dot}conv_out.conv"),
            batch_norm(state, f"{dot}conv_out.bn"),
            concat,
        ),
        under(state, path),
        instantiation=kind,
        use_scale=kind == "embedded_gaussian" and not video,
        sub_sample=pooled,
        notes=notes,
    )


def _form(name: str, video: bool) -> tuple[str, tuple[str, ...]]:
    """The form, and sentences about it: mmaction2 writes it into the file's name."""
    scaled = "not divided" if video else "divided"
    scale = (
        f"That scores are {scaled} by the root of their number of channels is assumed, as in "
        f"{'mmaction2' if video else 'mmcv and mmsegmentation'}: no weight tells. use_scale={video} says "
        "otherwise."
    )
    if re.search(r"dot[-_]product", name):
        return (
            "dot_product",
            ("That it is a dot product is what the name of the file says.",),
        )
    if re.search(r"embedded[-_]gaussian", name):
        return "embedded_gaussian", (scale,)
    softmax = (
        "That the rows are a softmax (embedded Gaussian) is assumed: a dot product has the same weights. "
        "instantiation='dot_product' says that it is one."
    )
    return "embedded_gaussian", (softmax, scale)


def torchvision_name(key: str) -> str | None:
    """What torchvision calls a weight of the network around the blocks."""
    key = key.removeprefix("backbone.")
    if key.startswith("cls_head.fc_cls."):
        return key.replace("cls_head.fc_cls.", "fc.")
    if key.startswith(("conv1.conv.", "conv1.bn.")):
        return key.replace("conv1.conv.", "conv1.").replace("conv1.bn.", "bn1.")
    match = _RESIDUAL.fullmatch(key)
    if match is None:
        return None
    block, part, kind, weight = match.groups()
    if part == "downsample":
        return f"{block}.downsample.{0 if kind == 'conv' else 1}.{weight}"
    return f"{block}.{part if kind == 'conv' else part.replace('conv', 'bn')}.{weight}"
