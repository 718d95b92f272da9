"""Models that share a backbone: one file holds a network whole, others the non-local blocks alone.

Invariants: of a model with a backbone every ``nl.`` weight comes from its own file and every other
weight from its backbone's, so that neither can reach into the other's half; and a file that a manifest
names is verified by size and sha256 before it is read.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from nonlocal_viz.core.resnet import BLOCKS_PREFIX
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.zoo.checkpoint import read_checkpoint
from nonlocal_viz.zoo.manifest import FILE_NAME, Manifest, ModelInfo, read_manifest


def block_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the non-local blocks, which a model with a backbone has in its own file."""
    return {key: value for key, value in state.items() if key.startswith(BLOCKS_PREFIX)}


def backbone_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every other weight: what models that share a backbone have in common."""
    return {key: value for key, value in state.items() if not key.startswith(BLOCKS_PREFIX)}


def read_weights(manifest: Manifest, info: ModelInfo, limits: Limits = LIMITS) -> dict[str, Tensor]:
    """The whole state dict of a model of ``manifest``, from its file and its backbone's if it has one.

    Raises:
        CheckpointError: a file is missing, altered, broken, or holds what is the other file's to hold.
    """
    path = manifest.directory / info.file
    _verify(path, info)
    state = read_checkpoint(path, limits).state
    return complete(state, path.name, info, manifest, limits)


def complete(
    state: dict[str, Tensor],
    file_name: str,
    info: ModelInfo,
    manifest: Manifest,
    limits: Limits = LIMITS,
) -> dict[str, Tensor]:
    """``state``, read from ``file_name``, with the weights of the backbone that ``info`` names.

    Raises:
        CheckpointError: ``manifest`` has no such backbone, its file is not as the manifest says, or
            ``state`` has weights that are the backbone's to give.
    """
    backbone = manifest.backbone_of(info)
    if backbone is None:
        return state
    stray = next(iter(backbone_weights(state)), None)
    if stray is not None:
        raise CheckpointError(
            f"{file_name} should hold non-local blocks alone, for the backbone {backbone.name!r}, and "
            f"also holds {stray[:80]!r}; get the file again."
        )
    return {**backbone_weights(read_weights(manifest, backbone, limits)), **state}


def manifest_beside(path: Path, info: ModelInfo, limits: Limits = LIMITS) -> Manifest:
    """The manifest in the folder of ``path``, a file of blocks that says it needs ``info.backbone``.

    Raises:
        CheckpointError: there is none, it is damaged, or it does not have that backbone.
    """
    manifest = read_manifest(path.parent, limits) if (path.parent / FILE_NAME).exists() else None
    if manifest is None or info.backbone not in manifest.models:
        raise CheckpointError(
            f"{path.name} holds non-local blocks alone and needs the backbone {info.backbone!r}, which "
            f"no {FILE_NAME} beside it has; put it back into the folder it came from."
        )
    return manifest


def _verify(path: Path, info: ModelInfo) -> None:
    try:
        size = path.stat().st_size
        digest = ""
        if size == info.bytes:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise CheckpointError(
            f"The weights {path.name} of the model {info.name!r} are missing; install the package again."
        ) from None
    if digest != info.sha256:
        raise CheckpointError(
            f"The weights {path.name} are not those that the manifest names (size or sha256 differs); "
            "install the package again."
        )
