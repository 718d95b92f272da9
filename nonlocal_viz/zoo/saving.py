"""``save_model``: weights as float16 safetensors, and their entry in the folder's manifest."""

import hashlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo.checkpoint import METADATA_KEY
from nonlocal_viz.zoo.manifest import FILE_NAME, Manifest, ModelInfo, read_manifest


def save_model(
    model: NonLocalResNet, directory: Path, info: ModelInfo, *, default: bool = False
) -> ModelInfo:
    """Write ``NAME-<8 digits of the sha256>.safetensors`` and its manifest entry, each atomically.

    Args:
        info: what the manifest says; file, sha256 and size are filled in here.
        default: make it the manifest's default; the first model of a folder always is.

    Returns:
        ``info`` with file, sha256 and size.

    Raises:
        CheckpointError: a weight is not finite in float16, or the folder's manifest is damaged.
    """
    state = {}
    for key, value in model.state_dict().items():
        small = value.detach().cpu().contiguous()
        small = small.half() if small.is_floating_point() else small
        if small.is_floating_point() and not bool(torch.isfinite(small).all()):
            raise CheckpointError(f"The weight {key} is beyond the range of float16.")
        state[key] = small
    content = save(state, {METADATA_KEY: json.dumps(info.entry())})
    digest = hashlib.sha256(content).hexdigest()
    saved = replace(
        info, file=f"{info.name}-{digest[:8]}.safetensors", sha256=digest, bytes=len(content)
    )
    directory.mkdir(parents=True, exist_ok=True)
    models: dict[str, ModelInfo] = {}
    chosen = info.name
    if (directory / FILE_NAME).exists():
        present = read_manifest(directory)
        models = dict(present.models)
        chosen = info.name if default else present.default
    models[info.name] = saved
    write_atomically(directory / saved.file, content)
    write_atomically(directory / FILE_NAME, Manifest(directory, chosen, models).text().encode())
    return saved


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
