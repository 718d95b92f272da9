"""Checkpoints of somebody else's code: their blocks as ours, and the whole network where it can be.

Invariant: what is converted computes what its own code computes; where that cannot be, it is refused in a
sentence that says why, and what was left out or assumed is said.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from torch import Tensor

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.options import BLOCK_OPTIONS
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.zoo.checkpoint import read_checkpoint
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


class Blocks(dict[str, NonLocalBlock]):
    """Blocks by what stands before their weights in the file.

    Attributes:
        family: whose code they are of.
        notes: sentences: what was assumed, and what was left out.
    """

    family: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{len(self)} blocks of {self.family}"]
        lines += [f"  {path or '(no name)'}: {block!r}" for path, block in self.items()]
        return "\n".join([*lines, *(f"  note: {said}" for said in self.notes)])


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


def load_blocks(path: Path | str, *, limits: Limits = LIMITS, **options: Any) -> Blocks:
    """The non-local blocks of a published checkpoint as :class:`~nonlocal_viz.NonLocalBlock`, in eval mode.

    Args:
        path: a file of mmcv, mmaction2, mmsegmentation, SlowFast, PyTorchVideo, pytorch-resnet3d,
            AlexHex7/Non-local_pytorch, TSM, timm, SAGAN, BigGAN or DANet, known by its keys.
        options: of NonLocalBlock, for what no weight tells (``instantiation``, ``use_scale``,
            ``sub_sample``, ``pool_first``); what is not given is assumed and said in ``notes``.

    Raises:
        CheckpointError: no file that can be read, or one without such a block.
        OptionError: there is no such option, or one of another kind.
    """
    path = Path(path)
    _refuse_options(options)
    state, _, notes = read_checkpoint(path, limits)
    found = recognise(state, path.name)
    if found is None:
        raise CheckpointError(
            f"{path.name} holds no non-local block under a name that is known here (its {len(state)} "
            f"weights are {some(list(state))})."
        )
    blocks = Blocks()
    said: dict[str, None] = dict.fromkeys(notes)
    for one in found.blocks:
        told = _with(one, options)
        blocks[one.path] = told.block()
        said |= dict.fromkeys(told.notes)
    blocks.family, blocks.notes = found.family.NAME, tuple(said)
    return blocks


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
    told = [_with(one, options) for one in found.blocks]
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


def _refuse_options(options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        kinds = BLOCK_OPTIONS.get(key)
        if kinds is None:
            raise OptionError(
                f"There is no option {key!r} of a block; there are {', '.join(BLOCK_OPTIONS)}."
            )
        if not isinstance(value, kinds):
            raise OptionError(f"The option {key!r} cannot be {value!r}.")


def _with(found: Found, given: Mapping[str, Any]) -> Found:
    """A block with what its owner said of it in place of what was inferred."""
    options = {**found.options, **{k: v for k, v in given.items() if k in BLOCK_OPTIONS}}
    if options == found.options and not given:
        return found
    behind = ".0" if options["sub_sample"] else ""
    state = {
        re.sub(r"^(g|phi)(?:\.0)?\.", rf"\1{behind}.", key): value
        for key, value in found.state.items()
    }
    notes = tuple(note for note in found.notes if not any(f"{name}=" in note for name in given))
    return replace(found, options=options, state=state, notes=notes)


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
