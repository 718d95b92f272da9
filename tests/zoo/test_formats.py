"""Files as training scripts leave them: suffixes, formats, nesting, wrappers; and spoiled ones."""

import argparse
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import Limits
from nonlocal_viz.zoo import load_model
from nonlocal_viz.zoo.checkpoint import NESTED, read_checkpoint

SMALL = Limits(checkpoint_bytes=1_000_000, checkpoint_index_bytes=100_000, checkpoint_entries=40)
STATE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "part": torch.arange(9.0)[2:5],
    "half": torch.arange(5.0).half(),
    "brain": torch.arange(5.0).bfloat16(),
    "double": torch.arange(3.0).double(),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


def write(path: Path, content: Any, *, legacy: bool = False, protocol: int = 2) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return path


def assert_read(path: Path, state: dict[str, torch.Tensor] = STATE) -> None:
    found = read_checkpoint(path, SMALL).state
    assert found.keys() == state.keys()
    for key, value in state.items():
        assert found[key].dtype == value.dtype and torch.equal(found[key], value), key
        assert found[key].is_contiguous()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "name", ["a.ckpt", "a.pth.tar", "a.pkl", "a.bin", "a.PTH", "a", "a.safetensors"]
)
def test_no_suffix_decides(tmp_path: Path, name: str, protocol: int, legacy: bool) -> None:
    assert_read(write(tmp_path / name, STATE, legacy=legacy, protocol=protocol))
    plain = {key: value.detach().contiguous() for key, value in STATE.items()}
    (tmp_path / name).write_bytes(save(plain))
    assert_read(tmp_path / name)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_lies_beside_the_weights_is_left_alone(tmp_path: Path, legacy: bool) -> None:
    content = {
        "state_dict": STATE,
        "args": argparse.Namespace(rate=0.1),
        "optimizer": {"state": {0: {"mean": torch.ones(3)}}},
        "rng": torch.get_rng_state(),
        "epoch": 3,
    }
    assert_read(write(tmp_path / "a.ckpt", content, legacy=legacy))


@pytest.mark.parametrize("key", NESTED)
def test_where_scripts_put_the_weights(tmp_path: Path, key: str) -> None:
    rest = {"epoch": 3, "config": {"depth": 18}}
    assert_read(write(tmp_path / "a.pth", {key: STATE, **rest}))
    assert_read(write(tmp_path / "a.pth", {"checkpoint": {key: STATE}, **rest}))
    for outer in ("model", "ema"):
        assert_read(write(tmp_path / "a.pth", {outer: {key: STATE, **rest}}))
    # A config of that name is no weights.
    assert_read(write(tmp_path / "a.pth", {key: {"depth": 18}, "student": STATE}))


def test_of_several_sets_of_weights_the_choice_is_said(tmp_path: Path) -> None:
    other = {"a": torch.zeros(1)}
    path = write(tmp_path / "a.pth", {"model_ema": other, "ema": other, "state_dict": STATE})
    assert_read(path)
    (note,) = read_checkpoint(path).notes
    assert note == (
        "a.pth holds several sets of weights; 'state_dict' was read, and not 'model_ema', 'ema'."
    )
    assert read_checkpoint(write(path, STATE)).notes == ()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_weights_that_are_not_finite_are_named(tmp_path: Path, kind: str, bad: float) -> None:
    state = {
        "good": torch.ones(3),
        "bad.weight": torch.tensor([1.0, bad]),
        "worse": torch.ones(1) * bad,
    }
    if kind == "safetensors":
        (tmp_path / "a").write_bytes(save(state))
    else:
        write(tmp_path / "a", state, legacy=kind == "legacy")
    with pytest.raises(CheckpointError, match=r"weight 'bad\.weight' of a is not finite \(NaN"):
        read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_cut_short_anywhere_it_is_refused(tmp_path: Path, legacy: bool, share: float) -> None:
    path = write(tmp_path / "a.pth", {"a": torch.randn(1000), "b": torch.randn(10)}, legacy=legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"cut short|no checkpoint that torch\.save"):
        read_checkpoint(path)


def test_every_byte_of_an_old_file_may_be_wrong(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"a": torch.ones(3), "n": torch.ones(2)}, legacy=True)
    content = path.read_bytes()
    refused = 0
    for position in range(len(content)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        )
        try:
            found = read_checkpoint(path, SMALL)
        except CheckpointError:
            refused += 1
        else:
            assert sum(value.numel() for value in found.state.values()) <= 10
    assert refused > len(content) // 2


def test_an_old_file_cannot_ask_for_more_than_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"a": torch.arange(1000.0)}, legacy=True)
    content = path.read_bytes()
    # Both the storage's size in the pickle and the tensor's are made 65,000 times greater.
    count = b"M\xe8\x03"
    assert content.count(count) == 2
    big = content.replace(count, b"J\x00\xe8\x03\x03")
    path.write_bytes(big)
    with pytest.raises(CheckpointError, match="larger than any checkpoint"):
        read_checkpoint(path, SMALL)
    with pytest.raises(CheckpointError, match="broken or cut short"):
        read_checkpoint(path)
    # The size before the numbers disagrees with the pickle's.
    size = (1000).to_bytes(8, "little")
    assert content.count(size) == 1
    for other in (999, 1001, 2**62, 2**64 - 1):
        path.write_bytes(content.replace(size, other.to_bytes(8, "little")))
        with pytest.raises(CheckpointError, match="broken or cut short"):
            read_checkpoint(path)


def test_the_index_of_an_old_file_is_bounded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {f"a{i}": torch.zeros(1) for i in range(200)}, legacy=True)
    assert len(read_checkpoint(path).state) == 200
    with pytest.raises(CheckpointError, match="broken or cut short"):
        read_checkpoint(path, Limits(checkpoint_index_bytes=2000))
    with pytest.raises(CheckpointError, match="broken or cut short"):
        read_checkpoint(path, Limits(checkpoint_entries=20))


def rezipped(path: Path, change: Any, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    changed = change(parts)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in changed.items():
            archive.writestr(name, content)
    return path


def test_a_zip_that_is_packed_and_zips_that_are_none(tmp_path: Path) -> None:
    def fresh() -> Path:
        return write(tmp_path / "a.pth", STATE)

    assert_read(rezipped(fresh(), lambda parts: parts, zipfile.ZIP_DEFLATED))
    for change, words in (
        (lambda p: {k: v for k, v in p.items() if not k.endswith("/data/0")}, "broken"),
        (lambda p: {k: v + b"1234" if "/data/" in k else v for k, v in p.items()}, "broken"),
        (lambda p: p | {"b/data.pkl": b"."}, "no checkpoint that torch.save"),
        (lambda p: {"readme.txt": b"hello"}, "no checkpoint that torch.save"),
        (lambda p: p | {"a/constants.pkl": b"."}, "TorchScript"),
        (lambda p: p | {"a/byteorder": b"big"}, "another byte order"),
    ):
        with pytest.raises(CheckpointError, match=words):
            read_checkpoint(rezipped(fresh(), change))
    # One number more than the index says.
    write(tmp_path / "b.pth", {"a": torch.ones(3)})
    longer = rezipped(
        tmp_path / "b.pth", lambda p: {k: v + b"1234" if "/data/" in k else v for k, v in p.items()}
    )
    with pytest.raises(CheckpointError, match="broken"):
        read_checkpoint(longer)
    with pytest.raises(CheckpointError, match="broken"):
        read_checkpoint(rezipped(fresh(), lambda p: p, zipfile.ZIP_LZMA))
    with pytest.raises(CheckpointError, match="broken"):
        read_checkpoint(fresh(), Limits(checkpoint_index_bytes=100))


def test_files_that_are_something_else_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"a": [1, 2]}))
    with pytest.raises(CheckpointError, match=r"is a pickle, but no checkpoint that torch\.save"):
        read_checkpoint(path)
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(CheckpointError, match="is a tar, PyTorch's first format"):
        read_checkpoint(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(
        CheckpointError, match=r"more than plain weights \(a torch.*Linear.*state_dict"
    ):
        read_checkpoint(path)
    path.write_text("nothing")
    with pytest.raises(CheckpointError, match="no safetensors file, and no checkpoint"):
        read_checkpoint(path)
    for value in (torch.zeros(2, dtype=torch.complex64), torch.eye(2).to_sparse()):
        for legacy in (False, True):
            write(path, {"a": value}, legacy=legacy)
            with pytest.raises(CheckpointError, match="plain"):
                read_checkpoint(path)
    write(path, {"a": torch.zeros(1), "note": "x"})
    with pytest.raises(CheckpointError, match="'note' is none"):
        read_checkpoint(path)


def test_nothing_of_an_old_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("this must never be printed",)

    path = write(tmp_path / "a.pth", {"state_dict": STATE, "extra": Evil()}, legacy=True)
    assert_read(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model.",
        "backbone.",
        "_orig_mod.",
        "net.",
        "network.",
        "module.module.",
        "_orig_mod.module.",
        "module._orig_mod.backbone.",
    ],
)
def test_what_wrappers_put_before_the_names(tmp_path: Path, prefix: str, legacy: bool) -> None:
    model = NonLocalResNet(18, ["layer2.1"], num_classes=3).eval()
    state = {prefix + key: value for key, value in model.state_dict().items()}
    path = write(tmp_path / "a.ckpt", {"network": {"params": state}}, legacy=legacy)
    loaded = load_model(path, "cpu")
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in model.state_dict().items())
    assert not any("left out" in sentence for sentence in loaded.about.assumptions)
    # What counts is that the network lies behind it, whatever lies beside; and that it is said.
    write(
        path, {**state, "head.weight": torch.ones(2), "n_averaged": torch.tensor(3)}, legacy=legacy
    )
    note = load_model(path, "cpu").about.assumptions[0]
    assert note == (
        f"a.ckpt holds 1 other weights beside the network behind {prefix!r} (head.weight); they were "
        "left out."
    )


def test_averaged_and_compiled_models(tmp_path: Path) -> None:
    model = NonLocalResNet(18, ["layer2.1"], num_classes=3)
    averaged = torch.optim.swa_utils.AveragedModel(torch.nn.DataParallel(model))
    loaded = load_model(write(tmp_path / "a.pt", {"ema": averaged.state_dict()}), "cpu")
    assert loaded.block_names == ("layer2.1",)
