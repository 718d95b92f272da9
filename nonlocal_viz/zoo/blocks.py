"""``load_blocks`` and ``save_blocks``: non-local blocks without the network around them.

For files of networks that are none of ours (3-D convolutions, a segmentation head): what their blocks
compute can still be asked and compared.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.options import BLOCK_OPTIONS
from nonlocal_viz.errors import CheckpointError, OptionError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.zoo.checkpoint import ALONE, METADATA_KEY, read_checkpoint
from nonlocal_viz.zoo.conversion import recognise, told_of
from nonlocal_viz.zoo.foreign import some

SUFFIX = ".safetensors"
_KINDS: Mapping[str, Any] = {**BLOCK_OPTIONS, "in_channels": int, "dimension": int}


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


def load_blocks(path: Path | str, *, limits: Limits = LIMITS, **options: Any) -> Blocks:
    """The non-local blocks of a published checkpoint as :class:`~nonlocal_viz.NonLocalBlock`, in eval mode.

    Args:
        path: a file of mmcv, mmaction2, mmsegmentation, SlowFast, PyTorchVideo, video-nonlocal-net,
            pytorch-resnet3d, AlexHex7/Non-local_pytorch, TSM, timm, SAGAN, BigGAN or DANet, known by its
            keys; or one that :func:`save_blocks` has written.
        options: of NonLocalBlock, for what no weight tells (``instantiation``, ``use_scale``,
            ``sub_sample``, ``pool_first``); what is not given is assumed and said in ``notes``.

    Raises:
        CheckpointError: no file that can be read, or one without such a block.
        OptionError: there is no such option, or one of another kind, or the file describes its blocks.
    """
    path = Path(path)
    for key, value in options.items():
        _refuse_option(key, value, BLOCK_OPTIONS)
    state, described, notes = read_checkpoint(path, limits)
    if described is not None and ALONE in described:
        if options:
            raise OptionError(f"{path.name} describes its blocks; leave {', '.join(options)} out.")
        return _described(state, described, path.name)
    found = recognise(state, path.name)
    if found is None:
        raise CheckpointError(
            f"{path.name} holds no non-local block under a name that is known here (its {len(state)} "
            f"weights are {some(list(state))})."
        )
    blocks = Blocks()
    said: dict[str, None] = dict.fromkeys(notes)
    for one in found.blocks:
        told = told_of(one, options)
        blocks[one.path] = told.block()
        said |= dict.fromkeys(told.notes)
    blocks.family, blocks.notes = found.family.NAME, tuple(said)
    return blocks


def save_blocks(blocks: Mapping[str, NonLocalBlock], path: Path | str) -> Path:
    """Write blocks as one safetensors file, float32, that :func:`load_blocks` reads to the bit.

    Args:
        blocks: as load_blocks gives them, or any blocks by a name.
        path: ``NAME.safetensors``.

    Raises:
        WritingError: the file has another suffix or cannot be written.
        OptionError: there is no block.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise WritingError(f"Blocks are written as {SUFFIX} files; call it {path.stem}{SUFFIX}.")
    if not blocks:
        raise OptionError("There is no block to save.")
    described = {
        "family": getattr(blocks, "family", ""),
        "notes": list(getattr(blocks, "notes", ())),
        "blocks": {name: _options(block) for name, block in blocks.items()},
    }
    state = {
        f"{name}/{key}": value.detach().cpu().contiguous().clone()
        for name, block in blocks.items()
        for key, value in block.state_dict().items()
    }
    write_atomically(path, save(state, {METADATA_KEY: json.dumps({ALONE: described})}))
    return path


def _options(block: NonLocalBlock) -> dict[str, Any]:
    return {key: getattr(block, key) for key in _KINDS}


def _described(state: Mapping[str, Tensor], described: Mapping[str, Any], name: str) -> Blocks:
    """The blocks of a file of ours.

    Raises:
        CheckpointError: its description is damaged.
    """
    damaged = CheckpointError(f"{name} has a damaged description of its blocks.")
    told = described[ALONE]
    if not isinstance(told, dict) or not isinstance(told.get("blocks"), dict):
        raise damaged
    blocks = Blocks()
    for path, options in told["blocks"].items():
        if not isinstance(options, dict):
            raise damaged
        try:
            for key, value in options.items():
                _refuse_option(key, value, _KINDS)
            with torch.device("meta"):
                block = NonLocalBlock(**options)
            begin = f"{path}/"
            own = {k.removeprefix(begin): v for k, v in state.items() if k.startswith(begin)}
            block.load_state_dict(own, strict=True, assign=True)
        except (RuntimeError, TypeError, ValueError):
            raise damaged from None
        blocks[path] = block.eval().requires_grad_(False)
    notes = told.get("notes")
    blocks.family = str(told.get("family", ""))
    blocks.notes = tuple(str(note) for note in notes) if isinstance(notes, list) else ()
    return blocks


def _refuse_option(key: str, value: object, kinds: Mapping[str, Any]) -> None:
    if key not in kinds:
        raise OptionError(f"There is no option {key!r} of a block; there are {', '.join(kinds)}.")
    if not isinstance(value, kinds[key]):
        raise OptionError(f"The option {key!r} cannot be {value!r}.")
