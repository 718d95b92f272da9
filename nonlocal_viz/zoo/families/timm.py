"""timm's NonLocalAttn (timm/layers/non_local_attn.py): ``PATH.{t,p,g,z}``, ``.norm``.

Scores are divided by the root of the channels of x, not of theta: the factor goes into theta.
"""

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

NAME = "timm's NonLocalAttn"
_SCALE = (
    "That scores are divided by the root of the channels of x is assumed, as timm does unless told "
    "otherwise: no weight tells."
)


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file."""
    found = paths(state, r"t\.weight")
    return [_block(state, path) for path in found if _whole(state, path)]


def _whole(state: State, path: str) -> bool:
    dot = f"{path}." if path else ""
    return all(f"{dot}{part}.weight" in state for part in ("t", "p", "g", "z", "norm"))


def _block(state: State, path: str) -> Found:
    dot = f"{path}." if path else ""
    theta = convolution(state, f"{dot}t")
    return assemble(
        path,
        None,
        Parts(
            theta.times(theta.weight.shape[1] ** -0.5),
            convolution(state, f"{dot}p"),
            convolution(state, f"{dot}g"),
            convolution(state, f"{dot}z"),
            batch_norm(state, f"{dot}norm"),
        ),
        under(state, path),
        instantiation="embedded_gaussian",
        notes=(_SCALE,),
    )


def torchvision_name(key: str) -> str | None:
    """None: timm puts its blocks inside residual blocks, in front of the sum."""
    return None
