"""``save_model``: weights as float16 safetensors that describe their model.

Invariants: what is written about a network is read off the network; whatever is checked on reading is
checked before anything is written; saving one model never changes what another of the folder loads as,
and a model that shares a backbone loads as if it had been saved whole.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, OptionError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.zoo.backbone import backbone_weights, block_weights, read_weights
from nonlocal_viz.zoo.checkpoint import METADATA_KEY
from nonlocal_viz.zoo.given import built, first_difference, flat
from nonlocal_viz.zoo.loading import listed_classes, refuse_miscount
from nonlocal_viz.zoo.manifest import (
    FILE_NAME,
    IMAGENET_1K,
    Manifest,
    ModelInfo,
    check_name,
    parse_entry,
    read_manifest,
)

SUFFIX = ".safetensors"
#: Suffixes of other kinds of weights: a path that ends so is meant as a file.
_OTHERS = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar", ".npz", ".onnx")


def save_model(
    model: NonLocalResNet,
    path: Path | str,
    info: ModelInfo | None = None,
    *,
    name: str | None = None,
    default: bool = False,
    backbone: str | None = None,
) -> ModelInfo:
    """Write a model as float16 safetensors that describe it: what it is, read off its own modules.

    Args:
        path: a file ``NAME.safetensors``, which then holds everything; or a folder, which gets
            ``NAME-<8 digits of the sha256>.safetensors`` and an entry in its manifest. Each is written
            atomically.
        info: what the entry says beside the architecture (file, sha256, size and backbone are filled
            in here); default what the model says of itself. An architecture in it has to be the model's.
        name: what to call the model; default ``info``'s name, the file's, or the model's own.
        default: make it the manifest's default; the first model of a folder always is.
        backbone: a model of the folder (or ``"default"``) with the same weights outside the non-local
            blocks; the file then holds the blocks alone.

    Returns:
        The entry as it was written; for a single file one without size and sha256.

    Raises:
        CheckpointError: a name that no model can have; a weight that is not finite in float16; a
            description that could not be read again; the folder's manifest is damaged; the backbone is
            unknown, not whole, altered, or of other weights; or the model is the backbone of others,
            which its new weights would change.
        OptionError: ``info`` has another architecture than the model, the model has one that cannot be
            described, or an option is of a folder alone.
        WritingError: it cannot be written there. Nothing has been written where any of these is raised.
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        if default or backbone is not None:
            raise OptionError(
                f"default= and backbone= are of a folder with a manifest; {path.name} is a file."
            )
        named = name or (path.stem if info is None else info.name)
        return _save_file(model, path, _described(model, info, named))
    if path.suffix in _OTHERS and not path.is_dir():
        raise WritingError(
            f"Weights are written as {SUFFIX} files that describe their model, and {path.name} is another "
            f"kind; call it {path.stem}{SUFFIX}."
        )
    described = _described(model, info, name or (info.name if info else model.about.name))
    return _save_in_folder(model, path, described, default, backbone)


def _described(model: NonLocalResNet, info: ModelInfo | None, name: str) -> ModelInfo:
    """The entry of a model, checked as it will be when it is read."""
    check_name(name)
    architecture = model.architecture
    if info is None:
        info = _from_about(model)
    elif info.architecture:
        said = built(info.architecture)
        key = first_difference(said, architecture)
        if key is not None:
            raise OptionError(
                f"The model {name!r} is said to have {key} = {flat(said).get(key)!r}, and "
                f"has {flat(architecture).get(key)!r}; what is saved is what it has, so say nothing else."
            )
    if info.class_list is not None:
        # The list says it; names that stand in the entry too could differ from it.
        info = replace(info, classes=None)
    refuse_miscount(info.classes, model, name)
    described = replace(info, name=name, architecture=architecture, backbone=None)
    parse_entry(name, described.entry(), shipped=False)
    return described


def _from_about(model: NonLocalResNet) -> ModelInfo:
    about, prepare = model.about, model.prepare
    shared = about.class_list == IMAGENET_1K
    return ModelInfo(
        about.name,
        normalisation=prepare.normalisation,
        short_side=prepare.short_side,
        default_block=about.default_block,
        # Another list is a file of the folder that the model came from.
        class_list=IMAGENET_1K if shared else None,
        classes=None if shared else about.classes,
        licence=about.licence,
        trained_on=about.trained_on,
        title=about.title,
    )


def _save_file(model: NonLocalResNet, path: Path, info: ModelInfo) -> ModelInfo:
    if info.class_list not in (None, IMAGENET_1K):
        info = replace(info, classes=model.about.classes, class_list=None)
    refuse_miscount(info.classes or listed_classes(info.class_list, path.parent), model, info.name)
    write_atomically(path, _content(_as_stored(model.state_dict()), info))
    return replace(info, file=path.name)


def _save_in_folder(
    model: NonLocalResNet, directory: Path, info: ModelInfo, default: bool, backbone: str | None
) -> ModelInfo:
    present = read_manifest(directory) if (directory / FILE_NAME).exists() else None
    if backbone is not None and present is None:
        raise CheckpointError(
            f"There is no {FILE_NAME} in {directory} to have the backbone {backbone!r}; save that first."
        )
    # Read as loading will read it: the list of classes has to be there, and to fit.
    refuse_miscount(info.classes or listed_classes(info.class_list, directory), model, info.name)
    models = dict(present.models) if present else {}
    chosen = present.default if present and not default else info.name
    aliases = present.aliases if present else {}
    if info.name in aliases:
        raise CheckpointError(
            f"{info.name!r} is the former name of {aliases[info.name]!r} in {directory}; take another."
        )
    # Not the caller's info.backbone: a model that was loaded with one may be saved whole.
    shared = present.find(backbone).name if present and backbone is not None else None
    # Made before there is a file, so that links which lead nowhere are found first.
    described = replace(info, backbone=shared)
    manifest = Manifest(directory, chosen, {**models, info.name: described}, aliases)

    state = _as_stored(model.state_dict())
    if present:
        _refuse_differences(state, present, info.name, shared)
    content = _content(state if shared is None else block_weights(state), described)
    digest = hashlib.sha256(content).hexdigest()
    saved = replace(
        described,
        file=f"{info.name}-{digest[:8]}{SUFFIX}",
        sha256=digest,
        bytes=len(content),
    )
    parse_entry(saved.name, saved.entry())
    text = _text(replace(manifest, models={**models, info.name: saved}))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WritingError(f"Cannot make the folder {directory} ({error.strerror}).") from None
    write_atomically(directory / saved.file, content)
    write_atomically(directory / FILE_NAME, text)
    return saved


def _content(state: Mapping[str, Tensor], info: ModelInfo) -> bytes:
    """The file: weights, and the entry without what only the file itself would know."""
    described = json.dumps(replace(info, file="", sha256="", bytes=0).entry(), allow_nan=False)
    return save(dict(state), {METADATA_KEY: described})


def _text(manifest: Manifest) -> bytes:
    text = manifest.text().encode()
    if len(text) > LIMITS.manifest_bytes:
        raise CheckpointError(
            f"The list of models in {manifest.directory} would be larger than "
            f"{LIMITS.manifest_bytes >> 20} MiB, more than is read again; shorten the names of the "
            "classes, or list them in a file."
        )
    return text


def save_metrics(directory: Path | str, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Give models of a folder new ``metrics`` in its manifest: {model: {name: number}}. Their files stay
    as they are; numbers that are not finite are left out.

    Raises:
        CheckpointError: there is no such model, or the manifest is damaged.
    """
    present = read_manifest(directory)
    models = dict(present.models)
    for name, numbers in metrics.items():
        info = present.find(name)
        finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
        models[info.name] = replace(info, metrics=finite)
    write_atomically(present.directory / FILE_NAME, _text(replace(present, models=models)))


def save_apart(
    model: NonLocalResNet, directory: Path | str, info: ModelInfo, backbone: str
) -> tuple[ModelInfo, ModelInfo]:
    """Save a model as two: the network without its blocks as ``backbone``, and the blocks on it.

    Others that were trained in the same network then share its file, the first model like the rest.

    Args:
        model, directory, info: as for :func:`save_model`; the model becomes the folder's default if
            the folder had none.
        backbone: what to call the network without blocks.

    Returns:
        The entries of the backbone and of the model.

    Raises:
        CheckpointError: as :func:`save_model`.
    """
    check_name(info.name)
    check_name(backbone)
    own = model.architecture
    architecture = {key: value for key, value in own.items() if key != "block"} | {"blocks": []}
    bare = NonLocalResNet(**architecture)
    bare.load_state_dict(backbone_weights(model.state_dict()))
    described = replace(
        info,
        name=backbone,
        architecture=architecture,
        default_block=None,
        metrics={},
        card=None,
        title=None,
    )
    first = not (Path(directory) / FILE_NAME).exists()
    network = save_model(bare, directory, described)
    return network, save_model(model, directory, info, default=first, backbone=backbone)


def _as_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    stored = {}
    for key, value in state.items():
        small = value.detach().cpu().contiguous()
        small = small.half() if small.is_floating_point() else small
        if small.is_floating_point() and not bool(torch.isfinite(small).all()):
            raise CheckpointError(f"The weight {key} is beyond the range of float16.")
        stored[key] = small
    return stored


def _refuse_differences(
    state: Mapping[str, Tensor], present: Manifest, name: str, backbone: str | None
) -> None:
    if backbone is not None:
        key = _first_difference(state, read_weights(present, present.models[backbone]))
        if key is not None:
            raise CheckpointError(
                f"The weight {key} of {name!r} is not that of the backbone {backbone!r} (compared as "
                "float16); save the whole model, without backbone=."
            )
    dependents = [other.name for other in present.models.values() if other.backbone == name]
    if dependents:
        key = _first_difference(state, read_weights(present, present.models[name]))
        if key is not None:
            raise CheckpointError(
                f"{name!r} is the backbone of {', '.join(dependents)}, and its new weight {key} would "
                "change them; save it under another name."
            )


def _first_difference(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str | None:
    ours, theirs = backbone_weights(state), _as_stored(backbone_weights(other))
    for key in {**ours, **theirs}:
        if key not in ours or key not in theirs or not _same_bits(ours[key], theirs[key]):
            return key
    return None


def _same_bits(ours: Tensor, theirs: Tensor) -> bool:
    if ours.dtype != theirs.dtype:
        return False
    # As numbers 0.0 and -0.0 would be equal.
    bits = torch.int16 if ours.is_floating_point() else ours.dtype
    return torch.equal(ours.view(bits), theirs.view(bits))
