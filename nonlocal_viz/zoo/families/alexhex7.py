"""AlexHex7/Non-local_pytorch (``lib/non_local_*.py``), whose block ours follows key by key, and TSM, which
uses it: ``PATH.{g,phi}[.0]``, ``.theta``, ``.W.0``, ``.W.1`` (or ``.W``), ``.concat_project.0``."""

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

NAME = "AlexHex7/Non-local_pytorch or TSM"
_PLACE = re.compile(r"(layer[1-4]\.\d+)\.nl$")
_SHIFTED = re.compile(r"\.conv1\.net\.weight$")
_SOFTMAX = (
    "That the rows are a softmax (embedded Gaussian) is assumed: a dot product has the same weights. "
    "instantiation='dot_product' says that it is one."
)


def blocks(state: State, name: str) -> list[Found]:
    """Those of the file, but for the ones under our own names."""
    found = [p for p in paths(state, r"W(?:\.0)?\.weight") if not p.startswith("nl.layer")]
    return [_block(state, path) for path in found if _has_g(state, path)]


def _has_g(state: State, path: str) -> bool:
    dot = f"{path}." if path else ""
    return f"{dot}g.weight" in state or f"{dot}g.0.weight" in state


def _block(state: State, path: str) -> Found:
    dot = f"{path}." if path else ""
    pooled = f"{dot}g.0.weight" in state
    behind = ".0" if pooled else ""
    raw = f"{dot}theta.weight" not in state
    concat = state.get(f"{dot}concat_project.0.weight")
    kind = "gaussian" if raw else "embedded_gaussian" if concat is None else "concatenation"
    place = _PLACE.search(path)
    return assemble(
        path,
        place[1] if place else None,
        Parts(
            None if raw else convolution(state, f"{dot}theta"),
            None if raw else convolution(state, f"{dot}phi{behind}"),
            convolution(state, f"{dot}g{behind}"),
            convolution(state, f"{dot}W.0" if f"{dot}W.0.weight" in state else f"{dot}W"),
            batch_norm(state, f"{dot}W.1"),
            concat,
        ),
        under(state, path),
        instantiation=kind,
        sub_sample=pooled,
        notes=(_SOFTMAX,) if kind == "embedded_gaussian" else (),
    )


def torchvision_name(key: str) -> str | None:
    """What torchvision calls a weight of the network around the blocks; of a shifted one there is none."""
    if _SHIFTED.search(key):
        return None
    key = key.removeprefix("base_model.").replace(".block.", ".")
    known = re.fullmatch(r"(conv1|bn1|fc|layer[1-4]\.\d+\.(conv|bn|downsample\.)\d)\.\w+", key)
    return key.replace("new_fc.", "fc.") if known or key.startswith("new_fc.") else None
