"""Checkpoints of somebody else's code: their blocks as ours, and the whole network where it can be.

Invariant: what is converted computes what its own code computes; where that cannot be, it is refused in a
sentence that says why, and what was left out or assumed is said.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

from torch import Tensor

from nonlocal_viz.core.options import BLOCK_OPTIONS
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.families import FAMILIES
from nonlocal_viz.zoo.families.parts import Found, renamed
from nonlocal_viz.zoo.families.refused import relative
from nonlocal_viz.zoo.foreign import some

_CLIPS = (
    "It was written for clips, whose frames it also pools between its stages: here each frame goes through "
    "the backbone by itself. Of a picture, a clip of one frame, all is as it was."
)


class Recognised(NamedTuple):
    """The family of a file, and its blocks."""

    family: ModuleType
    blocks: list[Found]


class Network(NamedTuple):
    """The state dict of a NonLocalResNet, the options of its blocks, and sentences on what was assumed."""

    state: dict[str, Tensor]
    block: dict[str, Any]
    notes: tuple[str, ...]


def recognise(state: Mapping[str, Tensor], name: str) -> Recognised | None:
    """Whose blocks a state dict holds; None where no family knows it.

    Raises:
        CheckpointError: it holds a relative whose map is another.
    """
    for family in FAMILIES:
        try:
            found = family.blocks(state, name)
        except CheckpointError:
            continue  # names alike, and weights of something else
        if found:
            return Recognised(family, found)
    other = relative(state)
    if other is not None:
        raise CheckpointError(
            f"{name} holds a block of {other}. It is not read as a non-local block; call its own network "
            "within nv.attach to see it."
        )
    return None


def told_of(found: Found, given: Mapping[str, Any]) -> Found:
    """A block with what its owner said of it in place of what was inferred."""
    options = {**found.options, **{k: v for k, v in given.items() if k in BLOCK_OPTIONS}}
    behind = ".0" if options["sub_sample"] else ""
    state = {
        re.sub(r"^(g|phi)(?:\.0)?\.", rf"\1{behind}.", key): value
        for key, value in found.state.items()
    }
    notes = tuple(note for note in found.notes if not any(f"{name}=" in note for name in given))
    return replace(found, options=options, state=state, notes=notes)


def network(state: Mapping[str, Tensor], name: str, options: Mapping[str, Any]) -> Network | None:
    """The whole network around the blocks as a NonLocalResNet's; None where no family knows the file.

    Args:
        options: what the owner said of the blocks.

    Raises:
        CheckpointError: its blocks are known, and the network around them is no such ResNet.
    """
    found = recognise(state, name)
    if found is None:
        return None
    told = [told_of(one, options) for one in found.blocks]
    taken = frozenset().union(*(one.keys for one in told))
    rest = {key: value for key, value in state.items() if key not in taken}
    try:
        weights = renamed(rest, found.family.torchvision_name)
        _refuse_placeless(told, weights)
    except CheckpointError as error:
        raise CheckpointError(
            f"{name} holds {len(told)} non-local blocks of {found.family.NAME} "
            f"({some([b.path for b in told])}), and the network around them cannot be one of ours: "
            f"{error}. nv.zoo.load_blocks gives the blocks; to see their maps, call their own network "
            "within nv.attach."
        ) from None
    left = [k for k in rest if found.family.torchvision_name(k) is None and not _counter(k)]
    said = dict.fromkeys([f"Its blocks are those of {found.family.NAME}."])
    said |= dict.fromkeys(note for one in told for note in one.notes)
    if left:
        said[f"{len(left)} other weights of {name} ({some(left)}) were left out."] = None
    if any(value.ndim == 5 for value in state.values()):
        said[_CLIPS] = None
    for one in told:
        assert one.place is not None
        begin = f"nl.{one.place.replace('.', '_')}."
        weights |= {begin + key: _flat(value) for key, value in one.state.items()}
    return Network(weights, _shared(told, name), tuple(said))


def _refuse_placeless(blocks: Sequence[Found], weights: Mapping[str, Tensor]) -> None:
    placeless = [one.path for one in blocks if one.place is None]
    if placeless:
        raise CheckpointError(f"{placeless[0] or 'the block'} stands behind no residual block")
    if "conv1.weight" not in weights or "layer1.0.conv1.weight" not in weights:
        raise CheckpointError("its other weights are not those of torchvision's ResNet")


def _shared(blocks: Sequence[Found], name: str) -> dict[str, Any]:
    """The options that all blocks have in common, which is all but their widths."""
    told = []
    for one in blocks:
        options = {k: v for k, v in one.options.items() if k not in ("in_channels", "dimension")}
        if options["inter_channels"] == max(1, one.options["in_channels"] // 2):
            options["inter_channels"] = None
        told.append(options)
    if any(options != told[0] for options in told):
        raise CheckpointError(
            f"The blocks of {name} are of different kinds, and a network here has one kind; "
            "nv.zoo.load_blocks gives each by itself."
        )
    return told[0]


def _counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _flat(value: Tensor) -> Tensor:
    """A weight of 1x1 kernels in any number of dimensions as one in two."""
    return value.reshape(*value.shape[:2], 1, 1) if value.ndim in (3, 5) else value
