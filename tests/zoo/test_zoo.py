import json
import pickle
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, DeviceError
from nonlocal_viz.limits import Limits
from nonlocal_viz.zoo import ModelInfo, load_model, read_manifest, save_model

ARCHITECTURE = {
    "depth": 18,
    "blocks": ["layer2.1", "layer3.1"],
    "num_classes": 1000,
    "padding_mode": "replicate",
    "block": {"instantiation": "embedded_gaussian", "sub_sample": False},
}
INFO = ModelInfo(
    "small",
    architecture=ARCHITECTURE,
    default_block="layer3.1",
    class_list="imagenet-1k",
    licence="Apache-2.0",
    metrics={"ap": 0.5},
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, tiny_model: NonLocalResNet) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    save_model(tiny_model, folder, INFO)
    return folder


@pytest.fixture
def copied(zoo: Path, tmp_path: Path) -> Path:
    for file in zoo.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_saved_and_loaded_it_answers_the_same(zoo: Path, tiny_model: NonLocalResNet) -> None:
    model = load_model("default", "cpu", directory=zoo)
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(x), tiny_model(x), atol=2e-2, rtol=2e-2)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.about.name == "small" and model.about.classes[0] == "tench"
    assert model.about.default_block == "layer3.1" and model.about.assumptions == ()
    assert model.about.licence == "Apache-2.0" and model.about.class_list == "imagenet-1k"
    assert read_manifest(zoo).find("small").metrics["ap"] == 0.5


def test_a_file_describes_itself(zoo: Path) -> None:
    path = next(zoo.glob("*.safetensors"))
    assert load_model(path, "cpu").about.default_block == "layer3.1"
    assert load_model(str(path), "cpu").block_names == ("layer2.1", "layer3.1")


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"instantiation": "concatenation", "sub_sample": True, "bn_layer": False},
        {"instantiation": "gaussian", "sub_sample": True},
    ],
)
def test_the_architecture_of_a_bare_state_dict_is_read_off_its_keys(
    tmp_path: Path, block: dict
) -> None:
    model = NonLocalResNet(18, ["layer3.0"], num_classes=7, block=block).eval()
    state = {f"module.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "mine.pth")
    loaded = load_model(tmp_path / "mine.pth", "cpu")
    x = torch.randn(1, 3, 40, 40)
    torch.testing.assert_close(loaded(x), model(x))


def test_altered_or_missing_weights_are_refused(copied: Path) -> None:
    path = next(copied.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="sha256"):
        load_model("small", directory=copied)
    path.write_bytes(content[:1000])
    with pytest.raises(CheckpointError, match="sha256"):
        load_model("small", directory=copied)
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_model("small", directory=copied)


def test_unknown_names_list_the_known(zoo: Path) -> None:
    with pytest.raises(CheckpointError, match="default, small"):
        load_model("large", directory=zoo)


class Evil:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def test_nothing_in_a_file_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "old.pth"):
        with pytest.raises(CheckpointError):
            load_model(tmp_path / name)
    assert "never" not in capsys.readouterr().out


def test_what_would_unpack_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(40_000_000))
    assert (tmp_path / "bomb.pth").stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="unpack to 38 MiB"):
        load_model(tmp_path / "bomb.pth", limits=Limits(checkpoint_bytes=10_000_000))


def broken_files(folder: Path) -> list[Path]:
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "text.safetensors").write_text("not safetensors at all")
    (folder / "long.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    (folder / "text.pth").write_text("nothing")
    (folder / "model.onnx").write_text("nothing")
    torch.save([1, 2], folder / "list.pth")
    torch.save({"a": torch.zeros(2)}, folder / "foreign.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "linear.pt")
    save_file({"a": torch.zeros(2)}, folder / "foreign.safetensors")
    return [*sorted(folder.iterdir()), folder / "none.pth"]


def test_foreign_and_broken_files_get_one_sentence(tmp_path: Path) -> None:
    for path in broken_files(tmp_path):
        with pytest.raises(CheckpointError, match=r"\.\)?$|\."):
            load_model(path)


def test_a_resnet_without_a_block_is_said_loudly(tmp_path: Path) -> None:
    import torchvision

    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "plain.pth")
    with pytest.raises(CheckpointError, match="without a non-local block"):
        load_model(tmp_path / "plain.pth")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    state = NonLocalResNet(18, ["layer2.1"]).state_dict()
    state["layer1.0.conv1.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="do not fit"):
        load_model(tmp_path / "odd.pth")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema=2),
        lambda d: d.update(default="other"),
        lambda d: d.update(models=3),
        lambda d: d["models"]["small"].update(file="../small.safetensors"),
        lambda d: d["models"]["small"].update(sha256="x"),
        lambda d: d["models"]["small"]["architecture"].update(eval="print()"),
        lambda d: d["models"]["small"]["architecture"].update(depth=True),
        lambda d: d["models"]["small"]["normalisation"].update(std=[0, 1, 1]),
        lambda d: d["models"]["small"].update(default_block="layer9.9"),
        lambda d: d["models"]["small"].pop("metrics"),
    ],
)
def test_a_damaged_manifest_is_refused(copied: Path, change) -> None:
    document = json.loads((copied / "manifest.json").read_text())
    change(document)
    (copied / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError):
        read_manifest(copied)


def test_a_manifest_that_is_no_json(copied: Path) -> None:
    (copied / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        read_manifest(copied)


def test_saving_keeps_the_other_models(copied: Path, tiny_model: NonLocalResNet) -> None:
    save_model(tiny_model, copied, replace(INFO, name="second"))
    manifest = read_manifest(copied)
    assert set(manifest.models) == {"small", "second"} and manifest.default == "small"
    assert not list(copied.glob(".*"))


def test_an_absent_device_is_said(zoo: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(DeviceError, match="no CUDA"):
        load_model("small", "cuda", directory=zoo)


def test_the_shipped_default_loads_within_a_second() -> None:
    load_model("default", "cpu")
    begun = time.perf_counter()
    model = load_model("default", "cpu")
    # Generous on a shared machine; the benchmark has the number.
    assert time.perf_counter() - begun < 3
    info = read_manifest().find("default")
    assert info.bytes < 30_000_000 and set(info.blocks) == set(model.block_names)
    assert (read_manifest().directory / str(info.card)).is_file()


def test_odd_names_and_numbers_are_refused_in_a_sentence(tmp_path: Path) -> None:
    for name in ("a" * 300 + ".pth", "~nobody-of-this-name/a.pth", "a\0b.pt"):
        with pytest.raises(CheckpointError, match=r"no model .* and no checkpoint file"):
            load_model(name)
        with pytest.raises(CheckpointError, match="There is no checkpoint"):
            load_model(Path(name))
    save_file({"a": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "complex.safetensors")
    save_file(
        {"a": torch.zeros(2)},
        tmp_path / "deep.safetensors",
        metadata={"nonlocal_viz": "[" * 100_000},
    )
    torch.save(
        {"fc.weight": torch.tensor(1.0), "layer1." + "9" * 5000 + ".x": torch.zeros(1)},
        tmp_path / "deep.pth",
    )
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(CheckpointError):
            load_model(path)


def test_the_width_of_a_block_is_read_off_its_shapes(tmp_path: Path) -> None:
    model = NonLocalResNet(18, ["layer2.1"], block={"inter_channels": 16})
    torch.save(model.state_dict(), tmp_path / "narrow.pth")
    assert load_model(tmp_path / "narrow.pth").block("layer2.1").inter_channels == 16
