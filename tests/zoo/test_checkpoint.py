"""Files that try to cost more than they weigh, or to be something else than weights."""

import io
import json
import pickletools
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import Limits
from nonlocal_viz.zoo.checkpoint import METADATA_KEY, read_checkpoint

SMALL = Limits(checkpoint_bytes=1_000_000, checkpoint_index_bytes=1000, checkpoint_entries=10)


def test_plain_weights_come_back_as_they_were(tmp_path: Path) -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7)}
    torch.save(state, tmp_path / "a.pth")
    (tmp_path / "a.safetensors").write_bytes(save(state, {METADATA_KEY: json.dumps({"x": 1})}))
    for name, about in (("a.pth", None), ("a.safetensors", {"x": 1})):
        found, described, _ = read_checkpoint(tmp_path / name, SMALL)
        assert described == about
        assert found.keys() == state.keys()
        assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(1, dtype=torch.float16).expand(1_000_000, 1_000_000),
        torch.eye(3).to_sparse(),
        torch.zeros(3, device="meta"),
        "text",
    ],
    ids=["stretched", "sparse", "meta", "text"],
)
def test_only_plain_tensors_are_weights(tmp_path: Path, value: object) -> None:
    torch.save({"fc.weight": value}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"plain|larger than"):
        read_checkpoint(tmp_path / "a.pth", SMALL)


def test_size_is_bounded_before_reading(tmp_path: Path) -> None:
    for name in ("a.safetensors", "a.pth"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(SMALL.checkpoint_bytes + 1)
        with pytest.raises(CheckpointError, match="larger than 0 MiB"):
            read_checkpoint(tmp_path / name, SMALL)


def test_the_index_of_a_safetensors_file_is_bounded(tmp_path: Path) -> None:
    state = {f"a{i}": torch.zeros(1) for i in range(100)}
    (tmp_path / "a.safetensors").write_bytes(save(state))
    with pytest.raises(CheckpointError, match="cut short or no safetensors"):
        read_checkpoint(tmp_path / "a.safetensors", SMALL)


def test_the_number_of_parts_of_a_zip_is_bounded(tmp_path: Path) -> None:
    torch.save({f"a{i}": torch.zeros(1) for i in range(20)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="unpack to"):
        read_checkpoint(tmp_path / "a.pth", SMALL)


def test_the_number_of_tensors_is_bounded(tmp_path: Path) -> None:
    whole = torch.zeros(20)
    # All in one storage, so that the parts are few.
    torch.save({f"a{i}": whole[i : i + 1] for i in range(20)}, tmp_path / "a.pth")
    (tmp_path / "a.safetensors").write_bytes(save({f"a{i}": torch.zeros(1) for i in range(20)}))
    limits = Limits(checkpoint_entries=15)
    for name in ("a.pth", "a.safetensors"):
        with pytest.raises(CheckpointError, match="holds 20 tensors, more than"):
            read_checkpoint(tmp_path / name, limits)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_cut_short_anywhere_is_one_sentence(tmp_path: Path, suffix: str, share: float) -> None:
    state = {"a": torch.randn(1000)}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue() if suffix == ".pth" else save(state)
    (tmp_path / f"a{suffix}").write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="cut short"):
        read_checkpoint(tmp_path / f"a{suffix}", SMALL)


def test_a_damaged_pickle_never_escapes_as_another_error(tmp_path: Path) -> None:
    """One operation after another of the index is altered; each file loads or is refused."""
    torch.save({"a": torch.ones(3), "n": {"b": torch.ones(2)}}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = next(part for part in parts if part.endswith("data.pkl"))
    refused = 0
    for _, _, position in pickletools.genops(parts[name]):
        altered = bytearray(parts[name])
        altered[position or 0] = ord("R")
        with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
            for part, content in parts.items():
                archive.writestr(part, bytes(altered) if part == name else content)
        try:
            read_checkpoint(tmp_path / "b.pth")
        except CheckpointError:
            refused += 1
    assert refused > 20


def test_a_damaged_description_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(save({"a": torch.ones(1)}, {METADATA_KEY: "{"}))
    with pytest.raises(CheckpointError, match="damaged description"):
        read_checkpoint(tmp_path / "a.safetensors", SMALL)
