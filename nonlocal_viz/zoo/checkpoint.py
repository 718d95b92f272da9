"""A file of weights -> a state dict, without ever running what is in the file.

Invariants: what the file is is read off its content, and no suffix decides anything; sizes are summed
from the file's own index before a byte of weights is read; every number that comes back is finite.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import LIMITS, MIB, Limits
from nonlocal_viz.zoo.archives import OPERATIONS, Archive, open_archive
from nonlocal_viz.zoo.arrays import read_arrays
from nonlocal_viz.zoo.pickles import LEGACY_MAGIC, Opaque, Stored

#: Under this key of a safetensors file's metadata its model describes itself, as JSON.
METADATA_KEY = "nonlocal_viz"
#: In that description, of a file that holds blocks and no network.
ALONE = "blocks_alone"
#: Where training scripts put the weights within a checkpoint, those that are most surely meant first.
NESTED = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "model_ema",
    "ema",
    "params_ema",
    "ema_state_dict",
)
_DEEPEST = 4


class Checkpoint(NamedTuple):
    """What a file holds: its state dict on the CPU, the model's description of itself or None, and
    sentences about what was chosen where the file holds several."""

    state: dict[str, Tensor]
    described: dict[str, object] | None
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path, limits: Limits = LIMITS) -> Checkpoint:
    """The weights of a safetensors file, or of one that ``torch.save`` has written, old format or new.

    Raises:
        CheckpointError: missing, of another kind, too big, cut short, not plain weights, or weights
            that are not finite.
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
    try:
        found = _read(path, limits)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror}).") from None
    _refuse_infinite(found.state, path.name)
    return found


def _read(path: Path, limits: Limits) -> Checkpoint:
    with path.open("rb") as file:
        head = file.read(32)
    # A safetensors file begins with the length of its index, which is JSON.
    if head[8:9] == b"{":
        return _read_safetensors(path, limits, struct.unpack("<Q", head[:8])[0])
    # torch.save's old format begins with a number of its own; the oldest protocols with the dict itself.
    legacy = LEGACY_MAGIC.to_bytes(10, "little") in head
    if head.startswith((b"\x80", b"(d", b"}q")) and not legacy:
        # A pickle of something else: Caffe2 has its arrays in one.
        operations = OPERATIONS * limits.checkpoint_entries
        return Checkpoint(read_arrays(path.read_bytes(), path.name, operations), None)
    archive = open_archive(path, limits)
    if archive is None:
        raise CheckpointError(
            f"{path.name} is cut short or no safetensors file, and no checkpoint that torch.save has "
            "written either."
        )
    return _read_archive(archive, limits)


def _read_safetensors(path: Path, limits: Limits, index_bytes: int) -> Checkpoint:
    if index_bytes > limits.checkpoint_index_bytes:
        raise CheckpointError(f"{path.name} is cut short or no safetensors file.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            _refuse_many(len(file.keys()), path.name, limits)
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        raise CheckpointError(f"{path.name} is broken or cut short; get the file again.") from None
    if any(value.is_complex() for value in state.values()):
        raise CheckpointError(f"{path.name} holds numbers that are no weights.")
    _refuse_size((value.numel() for value in state.values()), path.name, limits)
    described = metadata.get(METADATA_KEY)
    try:
        document = json.loads(described) if described else None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{path.name} has a damaged description of its model.") from None
    return Checkpoint(state, document if isinstance(document, dict) else None)


def _read_archive(archive: Archive, limits: Limits) -> Checkpoint:
    name = archive.path.name
    content, notes = _weights(archive.content, name)
    _refuse_many(len(content), name, limits)
    numbers = [stored.numel for stored in content.values()]
    _refuse_size(numbers, name, limits)
    # A stored number can be stretched to any shape with strides of 0, and any number of tensors may lie in
    # one storage: the file's size does not show it.
    if 4 * sum(numbers) > max(64 * MIB, 8 * archive.unpacked):
        raise CheckpointError(
            f"{name} is broken or cut short: its tensors are larger than the numbers that are in it."
        )
    try:
        state = {key: archive.tensor(stored) for key, stored in content.items()}
    except CheckpointError:
        raise
    except Exception:  # hostile bytes; a part of a zip that is damaged raises whatever it likes
        raise CheckpointError(f"{name} is broken or cut short; get the file again.") from None
    return Checkpoint(state, None, notes)


def _weights(content: Any, name: str) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """The state dict within what was saved, and what to say of the choice."""
    if isinstance(content, Opaque):
        raise CheckpointError(
            f"{name} holds more than plain weights (a {content.name[:80]}), and nothing of a file is ever "
            "run here; save the state dict alone: torch.save(model.state_dict(), path)."
        )
    notes: list[str] = []
    for _ in range(_DEEPEST):
        inner = [key for key in _inner(content) if _holds_weights(content[key])]
        if not inner:
            break
        if len(inner) > 1:
            others = ", ".join(repr(key) for key in inner[1:4])
            notes.append(
                f"{name} holds several sets of weights; {inner[0]!r} was read, and not {others}."
            )
        content = content[inner[0]]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{name} holds no state dict (names to plain tensors).")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Stored):
            raise CheckpointError(
                f"{name} holds no state dict (names to plain tensors): {str(key)[:80]!r} is none."
            )
    return content, tuple(notes)


def _inner(content: Any) -> list[str]:
    """Keys under which weights may lie: the usual ones, else the only one that has any."""
    if not isinstance(content, dict):
        return []
    usual = [key for key in NESTED if isinstance(content.get(key), dict)]
    if any(_holds_weights(content[key]) for key in usual):
        return usual
    if any(isinstance(value, Stored) for value in content.values()):
        return []
    others = [key for key, value in content.items() if _holds_weights(value)]
    return others if len(others) == 1 else []


def _holds_weights(content: Any, depth: int = _DEEPEST) -> bool:
    if not isinstance(content, dict) or depth == 0:
        return False
    if any(isinstance(value, Stored) for value in content.values()):
        return True
    return any(_holds_weights(content.get(key), depth - 1) for key in NESTED)


def _refuse_many(count: int, name: str, limits: Limits) -> None:
    if count > limits.checkpoint_entries:
        raise CheckpointError(
            f"{name} holds {count:,} tensors, more than a checkpoint of these networks can have."
        )


def _refuse_size(numbers: Iterable[int], name: str, limits: Limits) -> None:
    # As float32, which is what they become.
    if 4 * sum(numbers) > limits.checkpoint_bytes:
        raise CheckpointError(f"{name} holds tensors larger than any checkpoint of these networks.")


def _refuse_infinite(state: Mapping[str, Tensor], name: str) -> None:
    for key, value in state.items():
        # A type of 8 bits has no isfinite of its own.
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            raise CheckpointError(
                f"The weight {key[:80]!r} of {name} is not finite (NaN or infinite): the training run that "
                "wrote it had failed by then; take an earlier checkpoint."
            )
