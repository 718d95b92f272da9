"""``save_model``: weights as float16 safetensors, and their entry in the folder's manifest.

Invariant: saving one model never changes what another of the folder loads as, and a model that shares
a backbone loads as if it had been saved whole.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.backbone import backbone_weights, block_weights, read_weights
from nonlocal_viz.zoo.checkpoint import METADATA_KEY
from nonlocal_viz.zoo.manifest import FILE_NAME, Manifest, ModelInfo, read_manifest


def save_model(
    model: NonLocalResNet,
    directory: Path | str,
    info: ModelInfo,
    *,
    default: bool = False,
    backbone: str | None = None,
) -> ModelInfo:
    """Write ``NAME-<8 digits of the sha256>.safetensors`` and its manifest entry, each atomically.

    Args:
        info: what the manifest says; file, sha256, size and backbone are filled in here.
        default: make it the manifest's default; the first model of a folder always is.
        backbone: a model of the folder (or ``"default"``) with the same weights outside the non-local
            blocks; the file then holds the blocks alone.

    Returns:
        ``info`` with file, sha256, size and backbone.

    Raises:
        CheckpointError: a weight is not finite in float16; the folder's manifest is damaged; the
            backbone is unknown, not whole, altered, or of other weights; or the model is the backbone
            of others, which its new weights would change.
    """
    directory = Path(directory)
    present = read_manifest(directory) if (directory / FILE_NAME).exists() else None
    if backbone is not None and present is None:
        raise CheckpointError(
            f"There is no {FILE_NAME} in {directory} to have the backbone {backbone!r}; save that first."
        )
    models = dict(present.models) if present else {}
    chosen = present.default if present and not default else info.name
    # Not the caller's info.backbone: a model that was loaded with one may be saved whole.
    shared = present.find(backbone).name if present and backbone is not None else None
    # Made before there is a file, so that links which lead nowhere are found first.
    manifest = Manifest(directory, chosen, {**models, info.name: replace(info, backbone=shared)})

    state = _as_stored(model.state_dict())
    if present:
        _refuse_differences(state, present, info.name, shared)
    content = save(
        state if shared is None else block_weights(state),
        {METADATA_KEY: json.dumps(manifest.models[info.name].entry())},
    )
    digest = hashlib.sha256(content).hexdigest()
    saved = replace(
        manifest.models[info.name],
        file=f"{info.name}-{digest[:8]}.safetensors",
        sha256=digest,
        bytes=len(content),
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / saved.file, content)
    models[info.name] = saved
    write_atomically(directory / FILE_NAME, replace(manifest, models=models).text().encode())
    return saved


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
    text = replace(present, models=models).text()
    write_atomically(present.directory / FILE_NAME, text.encode())


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
    architecture = {k: v for k, v in info.architecture.items() if k != "block"} | {"blocks": []}
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


def write_atomically(path: Path, content: bytes) -> None:
    """Write through a temporary file in the same folder, so that a reader sees all or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
