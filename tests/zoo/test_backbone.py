"""Models that share a backbone: what is written, what is read, and what is refused."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nonlocal_viz.cli import main
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo import ModelInfo, load_model, read_manifest, save_model
from nonlocal_viz.zoo.checkpoint import METADATA_KEY, read_checkpoint

BLOCKS = ["layer2.1", "layer3.1"]


def info(name: str, instantiation: str = "gaussian") -> ModelInfo:
    block = {"instantiation": instantiation, "sub_sample": False}
    architecture = {"depth": 18, "blocks": BLOCKS, "padding_mode": "replicate", "block": block}
    return ModelInfo(name, architecture=architecture, default_block="layer2.1", licence="none")


@pytest.fixture(scope="module")
def base(make_model) -> NonLocalResNet:
    return make_model()


@pytest.fixture(scope="module")
def gaussian(make_model, base: NonLocalResNet) -> NonLocalResNet:
    """Other blocks on the backbone of ``base``."""
    model = make_model(instantiation="gaussian")
    own = {k: v for k, v in base.state_dict().items() if not k.startswith("nl.")}
    model.load_state_dict(own, strict=False)
    return model


@pytest.fixture(scope="module")
def shared(tmp_path_factory, base: NonLocalResNet, gaussian: NonLocalResNet) -> Path:
    """A folder with ``base`` whole and ``gaussian`` on it; no test writes to it."""
    folder = tmp_path_factory.mktemp("shared")
    save_model(base, folder, info("base", "embedded_gaussian"))
    save_model(gaussian, folder, info("gaussian"), backbone="base")
    return folder


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared, tmp_path / "zoo"))


def weights_of(folder: Path, name: str) -> Path:
    return folder / read_manifest(folder).find(name).file


def assert_same_weights(loaded: NonLocalResNet, model: NonLocalResNet) -> None:
    """Equal to the last bit of float16, every weight and buffer."""
    ours, theirs = loaded.state_dict(), model.state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        stored = value.half().float() if value.is_floating_point() else value
        assert torch.equal(ours[key], stored), key


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    change(document["models"])
    (folder / "manifest.json").write_text(json.dumps(document))


def test_merged_it_is_the_model_that_was_saved(shared: Path, gaussian: NonLocalResNet) -> None:
    model = load_model("gaussian", "cpu", directory=shared)
    assert_same_weights(model, gaussian)
    assert model.about.name == "gaussian" and not hasattr(model, "info")
    assert model.block("layer2.1").theta is None
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    x = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(x), gaussian(x), atol=2e-2, rtol=2e-2)


def test_the_file_has_the_blocks_and_nothing_else(shared: Path) -> None:
    models = read_manifest(shared).models
    path = weights_of(shared, "gaussian")
    state, described, _ = read_checkpoint(path)
    assert state and all(key.startswith("nl.") for key in state)
    assert models["gaussian"].bytes == path.stat().st_size < models["base"].bytes / 50
    assert described is not None and described["backbone"] == "base"


def test_the_command_line_tells_the_size_of_the_small_file(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nonlocal_viz.zoo.manifest.models_dir", lambda: shared)
    assert main(["zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    size = weights_of(shared, "gaussian").stat().st_size
    assert f"gaussian: {size / 1e6:.1f} MB, none" in lines


def test_the_backbone_loads_as_it_does_alone(
    shared: Path, tmp_path: Path, base: NonLocalResNet
) -> None:
    save_model(base, tmp_path, info("base", "embedded_gaussian"))
    assert weights_of(tmp_path, "base").read_bytes() == weights_of(shared, "base").read_bytes()
    for name in ("default", "base"):
        model = load_model(name, "cpu", directory=shared)
        assert_same_weights(model, base)
        assert model.about == load_model(name, "cpu", directory=tmp_path).about


def test_a_manifest_without_the_field_is_read_as_before(folder: Path, base: NonLocalResNet) -> None:
    expected = read_manifest(folder).find("base")
    edit(folder, lambda models: (models.pop("gaussian"), models["base"].pop("backbone")))
    assert read_manifest(folder).find("base") == expected
    assert_same_weights(load_model("default", "cpu", directory=folder), base)


def test_blocks_can_be_the_default(folder: Path, gaussian: NonLocalResNet) -> None:
    save_model(gaussian, folder, info("gaussian"), default=True, backbone="base")
    assert_same_weights(load_model("default", "cpu", directory=folder), gaussian)


def test_default_names_a_backbone_too(folder: Path, gaussian: NonLocalResNet) -> None:
    assert save_model(gaussian, folder, info("other"), backbone="default").backbone == "base"
    # Were the alias itself written, another default would change the model.
    save_model(gaussian, folder, info("whole"), default=True)
    assert read_manifest(folder).find("other").backbone == "base"


@pytest.mark.parametrize("name", ["gaussian", "base"])
def test_an_altered_or_missing_file_is_refused_either_way(folder: Path, name: str) -> None:
    path = weights_of(folder, name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    for altered in (content, content[:-1]):
        path.write_bytes(altered)
        with pytest.raises(CheckpointError, match=rf"{path.name} are not those.*sha256"):
            load_model("gaussian", "cpu", directory=folder)
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{path.name} of the model '{name}' are missing"):
        load_model("gaussian", "cpu", directory=folder)


def test_without_the_field_blocks_are_no_whole_model(folder: Path) -> None:
    edit(folder, lambda models: models["gaussian"].pop("backbone"))
    with pytest.raises(CheckpointError, match="do not fit its architecture"):
        load_model("gaussian", "cpu", directory=folder)


def test_a_file_of_blocks_loads_by_its_path(folder: Path, gaussian: NonLocalResNet) -> None:
    path = weights_of(folder, "gaussian")
    copied = Path(shutil.copy(path, folder / "renamed.safetensors"))
    for given in (path, str(path), copied):
        model = load_model(given, "cpu")
        assert_same_weights(model, gaussian)
    base = weights_of(folder, "base")
    base.write_bytes(base.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"{base.name} are not those.*sha256"):
        load_model(path, "cpu")


def test_a_file_of_blocks_alone_says_what_it_needs(
    folder: Path, tmp_path: Path, gaussian: NonLocalResNet
) -> None:
    path = Path(shutil.copy(weights_of(folder, "gaussian"), tmp_path / "alone.safetensors"))
    sentence = r"alone.safetensors holds non-local blocks alone and needs the backbone 'base'"
    with pytest.raises(CheckpointError, match=sentence):
        load_model(path, "cpu")
    save_model(gaussian, tmp_path, info("whole"))
    with pytest.raises(CheckpointError, match=sentence):
        load_model(path, "cpu")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        load_model(path, "cpu")


def test_a_file_cannot_ask_for_blocks_as_its_backbone(folder: Path) -> None:
    path = folder / "chain.safetensors"
    about = {**info("chain").entry(), "backbone": "gaussian"}
    state = load_file(weights_of(folder, "gaussian"))
    save_file(state, path, {METADATA_KEY: json.dumps(about)})
    with pytest.raises(CheckpointError, match="'gaussian', which is not whole either"):
        load_model(path, "cpu")


def test_a_file_of_blocks_cannot_replace_the_backbones_weights(folder: Path) -> None:
    path = folder / "more.safetensors"
    state = {**load_file(weights_of(folder, "gaussian")), "fc.bias": torch.zeros(1000)}
    about = {**info("more").entry(), "backbone": "base"}
    save_file(state, path, {METADATA_KEY: json.dumps(about)})
    with pytest.raises(CheckpointError, match=r"blocks alone.*also holds 'fc\.bias'"):
        load_model(path, "cpu")


def next_half(model: NonLocalResNet) -> None:
    weight = model.layer4[1].conv2.weight
    bits = weight[0, 0, 0, :1].half().view(torch.int16) + 1
    weight[0, 0, 0, :1] = bits.view(torch.float16).float()


def statistics(model: NonLocalResNet) -> None:
    model.layer1[0].bn1.running_mean[5] += 0.01


def negative_zero(model: NonLocalResNet) -> None:
    model.bn1.bias[0] = -0.0


def counter(model: NonLocalResNet) -> None:
    model.bn1.num_batches_tracked += 1


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (next_half, r"layer4\.1\.conv2\.weight"),
        (statistics, r"layer1\.0\.bn1\.running_mean"),
        (negative_zero, r"bn1\.bias"),
        (counter, r"bn1\.num_batches_tracked"),
    ],
)
def test_a_weight_that_differs_from_the_backbones_is_refused(
    folder: Path, gaussian: NonLocalResNet, change: Callable[[NonLocalResNet], None], key: str
) -> None:
    model = copy.deepcopy(gaussian)
    change(model)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=f"weight {key} of 'new' is not that of .*'base'"):
        save_model(model, folder, info("new"), backbone="base")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_float16_does_not_hold_is_no_difference(
    folder: Path, gaussian: NonLocalResNet
) -> None:
    model = copy.deepcopy(gaussian)
    model.bn1.weight += 1e-5
    assert not torch.equal(model.bn1.weight, gaussian.bn1.weight)
    save_model(model, folder, info("new"), backbone="base")
    assert_same_weights(load_model("new", "cpu", directory=folder), gaussian)


@pytest.mark.parametrize("other", [{"depth": 34}, {"num_classes": 7}])
def test_another_network_is_refused(folder: Path, other: dict[str, int]) -> None:
    model = NonLocalResNet(**{"depth": 18, "blocks": BLOCKS, **other})
    with pytest.raises(CheckpointError, match="is not that of the backbone 'base'"):
        save_model(model, folder, name="new", backbone="base")


def test_only_a_whole_model_of_the_folder_can_be_a_backbone(
    folder: Path, tmp_path: Path, base: NonLocalResNet, gaussian: NonLocalResNet
) -> None:
    with pytest.raises(CheckpointError, match="choose one of default, base, gaussian"):
        save_model(gaussian, folder, info("new"), backbone="bass")
    with pytest.raises(CheckpointError, match="'gaussian', which is not whole"):
        save_model(gaussian, folder, info("new"), backbone="gaussian")
    with pytest.raises(CheckpointError, match="'base', which is not whole"):
        save_model(base, folder, info("base", "embedded_gaussian"), backbone="base")
    with pytest.raises(CheckpointError, match=r"no manifest\.json in .*'base'; save that first"):
        save_model(gaussian, tmp_path / "empty", info("new"), backbone="base")
    assert not (tmp_path / "empty").exists() and len(list(folder.iterdir())) == 3


def test_a_backbone_keeps_its_weights_while_others_need_them(
    folder: Path, base: NonLocalResNet, gaussian: NonLocalResNet
) -> None:
    model = copy.deepcopy(base)
    model.block("layer2.1").g.weight += 0.1
    save_model(model, folder, info("base", "embedded_gaussian"))
    assert_same_weights(load_model("base", "cpu", directory=folder), model)
    assert_same_weights(load_model("gaussian", "cpu", directory=folder), gaussian)
    statistics(model)
    with pytest.raises(CheckpointError, match=r"'base' is the backbone of gaussian, .*bn1\.run"):
        save_model(model, folder, info("base", "embedded_gaussian"))
    assert_same_weights(load_model("gaussian", "cpu", directory=folder), gaussian)


def test_loaded_with_a_backbone_it_can_be_saved_whole(
    shared: Path, tmp_path: Path, gaussian: NonLocalResNet
) -> None:
    model = load_model("gaussian", "cpu", directory=shared)
    saved = save_model(model, tmp_path, name="whole")
    assert saved.backbone is None and saved.default_block == "layer2.1"
    assert_same_weights(load_model("whole", "cpu", directory=tmp_path), gaussian)
    assert_same_weights(load_model(tmp_path / saved.file, "cpu"), gaussian)
