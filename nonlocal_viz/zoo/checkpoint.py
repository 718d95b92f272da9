"""A file of weights -> a state dict, without ever running what is in the file.

Invariants: safetensors, or ``torch.load(weights_only=True)`` and nothing after it if that fails; sizes
are summed from the file's own index before a byte of weights is read.
"""

import json
import struct
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import LIMITS, Limits

#: Under this key of a safetensors file's metadata its model describes itself, as JSON.
METADATA_KEY = "nonlocal_viz"
#: Where training scripts put the weights within a checkpoint.
_NESTED = ("state_dict", "model_state", "model", "net")


def read_checkpoint(
    path: Path, limits: Limits = LIMITS
) -> tuple[dict[str, Tensor], dict[str, object] | None]:
    """(state dict on the CPU, the model's description of itself or None).

    Args:
        path: ``.safetensors``, ``.pth``, ``.pt`` or ``.bin``.

    Raises:
        CheckpointError: missing, of another kind, too big, cut short, or not plain weights.
    """
    try:
        size = path.stat().st_size if path.is_file() else -1
    except (OSError, ValueError):  # a name that no file system takes
        size = -1
    if size < 0:
        raise CheckpointError(f"There is no checkpoint {path}.")
    if size > limits.checkpoint_bytes:
        raise CheckpointError(
            f"{path.name} is larger than {limits.checkpoint_bytes >> 20} MiB, more than a "
            "checkpoint of these networks can be."
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path, limits)
    if path.suffix in (".pth", ".pt", ".bin"):
        return _read_torch(path, limits), None
    raise CheckpointError(f"{path.name} is no .safetensors, .pth, .pt or .bin file.")


def _read_safetensors(
    path: Path, limits: Limits
) -> tuple[dict[str, Tensor], dict[str, object] | None]:
    try:
        with path.open("rb") as raw:
            header = raw.read(8)
        # The index is JSON; its length stands in the first eight bytes.
        if len(header) < 8 or struct.unpack("<Q", header)[0] > limits.checkpoint_index_bytes:
            raise CheckpointError(f"{path.name} is cut short or no safetensors file.")
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        raise CheckpointError(f"{path.name} is broken or cut short; get the file again.") from None
    if not all(map(_plain, state.values())):
        raise CheckpointError(f"{path.name} holds numbers that are no weights.")
    described = metadata.get(METADATA_KEY)
    try:
        document = json.loads(described) if described else None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path.name} has a damaged description of its model.") from None
    return state, document if isinstance(document, dict) else None


def _read_torch(path: Path, limits: Limits) -> dict[str, Tensor]:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path.name} is cut short, or of PyTorch's format before 1.6; load and save it again "
            "with a current torch.save."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError):
        raise CheckpointError(f"{path.name} is broken; get the file again.") from None
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > limits.checkpoint_entries or unpacked > limits.checkpoint_bytes:
        raise CheckpointError(
            f"{path.name} would unpack to {unpacked >> 20} MiB in {len(entries)} parts, more than a "
            "checkpoint of these networks can be."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # hostile bytes make the unpickler raise whatever they like
        raise CheckpointError(
            f"{path.name} holds more than plain weights, or is broken; save the state dict alone: "
            "torch.save(model.state_dict(), path)."
        ) from None
    return _weights(content, path.name, limits)


def _weights(content: object, name: str, limits: Limits) -> dict[str, Tensor]:
    for key in _NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and _plain(v) for k, v in content.items()
    ):
        raise CheckpointError(f"{name} holds no state dict (names to plain tensors).")
    # A stored number can be stretched to any shape with strides of 0: the zip's sizes do not show it.
    if sum(4 * value.numel() for value in content.values()) > limits.checkpoint_bytes:
        raise CheckpointError(f"{name} holds tensors larger than any checkpoint of these networks.")
    # nn.DataParallel puts every name behind "module.".
    return {key.removeprefix("module."): value for key, value in content.items()}


def _plain(tensor: Tensor) -> bool:
    return (
        tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_quantized
        and not tensor.is_complex()
    )
