"""``load_model``: a name of the zoo, or a file of one's own, to a model that is ready to be asked."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.resnet import BLOCKS_PREFIX, NonLocalResNet
from nonlocal_viz.core.source import About, Prepare
from nonlocal_viz.errors import CheckpointError, NonlocalVizError, OptionError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.resources import models_dir
from nonlocal_viz.zoo.backbone import complete, manifest_beside, read_weights
from nonlocal_viz.zoo.checkpoint import ALONE, read_checkpoint
from nonlocal_viz.zoo.conversion import network
from nonlocal_viz.zoo.foreign import unwrapped
from nonlocal_viz.zoo.given import Given
from nonlocal_viz.zoo.inference import assumptions, read_architecture
from nonlocal_viz.zoo.manifest import (
    DEFAULT,
    IMAGENET_1K,
    Manifest,
    ModelInfo,
    parse_entry,
    read_manifest,
)


class _Found(NamedTuple):
    """A model's description, its whole state dict, the folder of its files, and what was assumed."""

    info: ModelInfo
    state: dict[str, Tensor]
    folder: Path
    assumptions: tuple[str, ...] = ()


def load_model(
    name_or_path: str | Path = DEFAULT,
    device: str | torch.device = "auto",
    *,
    directory: Path | str | None = None,
    limits: Limits = LIMITS,
    num_classes: int | None = None,
    train: bool = False,
    **architecture: Any,
) -> NonLocalResNet:
    """A model in eval mode, in float32, without gradients, that says of itself what was read and assumed.

    Args:
        name_or_path: ``"default"`` or another name of the manifest, else a file: safetensors that
            describe their model (``nonlocal-viz train`` writes such), or a state dict of a
            NonLocalResNet that ``torch.save`` has written, alone or within a training script's
            checkpoint. A file of blocks alone takes the rest from the backbone it names, by the manifest
            in its own folder.
        device: ``"auto"`` is CUDA when present, else the CPU.
        directory: folder of the manifest; default the shipped one.
        limits: bounds on a file's size.
        num_classes: how many classes it is to tell apart; of another number than the file's the last
            layer begins anew, with random weights.
        train: ready to be fine-tuned: in train mode, every weight with gradients.
        architecture: what no weight tells, for a file that does not describe its model:
            ``instantiation``, ``use_scale``, ``pool_first``, ``padding_mode``, ``dilations``,
            ``output_stride``, ``normalisation`` = (mean, std), and every other argument of NonLocalResNet
            and NonLocalBlock. What is not given is assumed, and said in ``model.about.assumptions``.

    Raises:
        CheckpointError: an unknown name; a missing, altered, broken or foreign file, the backbone's
            included.
        OptionError: an argument that there is not, or one that contradicts the file.
        DeviceError: an unknown or absent device.
    """
    where = resolve_device(device)
    given = Given(architecture)
    path = _as_path(name_or_path, directory, limits)
    if path is None:
        found = _from_zoo(str(name_or_path), read_manifest(directory, limits), given, limits)
    else:
        found = _from_file(path, given, limits)
    model = _build(found.info, found.state)
    model.about = _about(found, model)
    model.prepare = Prepare(found.info.normalisation, found.info.short_side)
    if num_classes is not None and num_classes != model.fc.out_features:
        _tell_apart(model, num_classes)
    model.train(train).requires_grad_(train).to(where)
    # The layout that convolutions are quickest in: a quarter less time on a CPU. Results change in
    # their last bits alone.
    model.to(memory_format=torch.channels_last)
    return model


def _as_path(name_or_path: str | Path, directory: Path | str | None, limits: Limits) -> Path | None:
    """The file that is meant; None where a name of the zoo is. A name comes first, then a file."""
    path = Path(name_or_path)
    # A person who does not exist has no home; the path is then taken as it stands.
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    if isinstance(name_or_path, Path):
        return path
    try:
        exists = path.exists()
    except (OSError, ValueError):  # a name that no file system takes
        exists = False
    try:
        manifest = read_manifest(directory, limits)
    except NonlocalVizError:
        # Whoever has a file of their own can do without our list.
        if exists:
            return path
        raise
    if manifest.has(name_or_path):
        return None
    if not exists:
        raise CheckpointError(
            f"There is no model {name_or_path[:200]!r} in the zoo and no checkpoint file of that name; "
            f"choose one of {', '.join((DEFAULT, *manifest.models))}, or give the path of a file."
        )
    return path


def _from_zoo(name: str, manifest: Manifest, given: Given, limits: Limits) -> _Found:
    info = manifest.find(name)
    given.agree_with(info)
    notes: tuple[str, ...] = ()
    if name in manifest.aliases:
        notes = (
            f"{name!r} is the former name of {info.name!r} ({info.title or info.trained_on}).",
        )
    return _Found(info, read_weights(manifest, info, limits), manifest.directory, notes)


def _from_file(path: Path, given: Given, limits: Limits) -> _Found:
    state, described, notes = read_checkpoint(path, limits)
    name = _entry_name(path)
    if described is None:
        return _inferred(path, name, state, notes, given)
    if ALONE in described:
        raise CheckpointError(
            f"{path.name} holds blocks and no network around them; nv.zoo.load_blocks opens it."
        )
    info = parse_entry(name, described, shipped=False)
    given.agree_with(info)
    if info.backbone is not None:
        manifest = manifest_beside(path, info, limits)
        state = complete(state, path.name, info, manifest, limits)
    return _Found(info, state, path.parent, notes)


def _inferred(
    path: Path, name: str, state: dict[str, Tensor], notes: tuple[str, ...], given: Given
) -> _Found:
    """A file that says nothing of itself: ours by its keys, or one that a family knows."""
    state, more = unwrapped(state, path.name)
    settled = given.names
    block: dict[str, Any] = {}
    if not any(key.startswith(f"{BLOCKS_PREFIX}layer") for key in state):
        converted = network(state, path.name, given.block)
        if converted is not None:
            state, block = converted.state, converted.block
            more, settled = (*more, *converted.notes), settled | block.keys()
    told = read_architecture(state, path.name)
    given.agree_with_proof(told, path.name)
    merged = given.merged_into({**told, "block": {**told["block"], **block}})
    info = ModelInfo(name, architecture=merged, normalisation=given.normalisation)
    said = assumptions(merged, settled)
    return _Found(info, state, path.parent, (*notes, *more, *said))


def _build(info: ModelInfo, state: Mapping[str, Tensor]) -> NonLocalResNet:
    try:
        # Built without memory, then given the file's tensors: nothing is initialised only to be replaced.
        with torch.device("meta"):
            model = NonLocalResNet(**info.architecture)
        full = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        model.load_state_dict(full, strict=True, assign=True)
    except NonlocalVizError as error:
        raise CheckpointError(f"The model {info.name!r} cannot be built: {error}") from None
    except (RuntimeError, TypeError, ValueError) as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), "other shapes")
        raise CheckpointError(
            f"The weights of {info.name!r} do not fit its architecture ({first[:200]})."
        ) from None
    return model


def _tell_apart(model: NonLocalResNet, classes: int) -> None:
    """Give a network a new last layer.

    Raises:
        OptionError: no number of classes.
    """
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 1:
        raise OptionError(f"num_classes is a whole number of at least 1, not {classes!r}.")
    said = (
        f"The last layer is new, with random weights for {classes} classes: it has to be trained."
    )
    model.fc = nn.Linear(model.fc.in_features, classes)
    about = model.about
    model.about = replace(
        about, classes=None, class_list=None, assumptions=(*about.assumptions, said)
    )


def _about(found: _Found, model: NonLocalResNet) -> About:
    info = found.info
    if info.default_block is not None and info.default_block not in model.block_names:
        raise CheckpointError(
            f"The model {info.name!r} has the default block {info.default_block!r}, which is none of its "
            f"blocks {', '.join(model.block_names)}."
        )
    classes = info.classes or listed_classes(info.class_list, found.folder)
    refuse_miscount(classes, model, info.name)
    return About(
        name=info.name,
        title=info.title,
        classes=classes,
        default_block=info.default_block,
        assumptions=found.assumptions,
        licence=info.licence,
        trained_on=info.trained_on,
        class_list=info.class_list,
    )


def listed_classes(class_list: str | None, folder: Path) -> tuple[str, ...] | None:
    """The names of the classes that a manifest's ``classes`` stands for.

    Args:
        class_list: ``"imagenet-1k"``, a text file in ``folder`` with a name a line, or None.

    Raises:
        CheckpointError: the file cannot be read.
    """
    if class_list is None:
        return None
    if class_list == IMAGENET_1K:
        folder, class_list = models_dir(), f"{IMAGENET_1K}.txt"
    try:
        return tuple((folder / class_list).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(f"The list of classes {class_list} cannot be read.") from None


def refuse_miscount(classes: tuple[str, ...] | None, model: NonLocalResNet, name: str) -> None:
    """A list of classes has a name for each of the model's logits.

    Raises:
        CheckpointError: it has more or fewer.
    """
    if classes is not None and len(classes) != model.fc.out_features:
        raise CheckpointError(
            f"The model {name!r} tells {model.fc.out_features} classes apart, and its list names "
            f"{len(classes)}."
        )


def _entry_name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-")[:64]
    return name if name and name != DEFAULT else "model"
