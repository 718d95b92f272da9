"""Training on from a model: the first step finds it as it was left, and its heads already predict."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nonlocal_viz.cli import main
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training import fit as fit_module
from nonlocal_viz.training import start as start_module
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.start import config_from, take_model
from nonlocal_viz.training.student import Student
from nonlocal_viz.zoo import ModelInfo, Normalisation, load_model, read_manifest, save_model

BLOCKS = ["layer2.1", "layer3.1"]
SIX_SECONDS = Config(minutes=0.1, batch=2, warm_up=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "LOG_EVERY", 1)
    monkeypatch.setattr(start_module, "_SIDE", 64)
    views = (Phase(0.5, 32, largest=64, features=0.5), Phase(0.5, 32, head=True))
    monkeypatch.setitem(start_module.OBJECTIVES, "rows", views)


def lively(instantiation: str = "embedded_gaussian") -> NonLocalResNet:
    """A model whose blocks have an effect and whose biases and statistics are not the initial ones."""
    torch.manual_seed(5)
    model = NonLocalResNet(18, BLOCKS, block={"instantiation": instantiation, "sub_sample": False})
    with torch.no_grad():
        for name in BLOCKS:
            for parameter in model.block(name).parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        model.layer2[0].bn1.running_mean += 0.25
    return model.eval()


@pytest.mark.parametrize("instantiation", ["embedded_gaussian", "gaussian", "dot_product"])
def test_the_student_computes_what_the_model_computes(cache: Cache, instantiation: str) -> None:
    model = lively(instantiation)
    student = Student(config_from(model, "it").architecture)
    take_model(student, model, Batches(cache, 4, 0, torch.device("cpu")))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted, maps = model(x, return_nl_map=True)
        exported, exported_maps = student.export()(x, return_nl_map=True)
        logits, affinities, _ = student.eval()(x)
    torch.testing.assert_close(exported, wanted, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(logits, wanted, atol=2e-4, rtol=1e-3)
    for name in BLOCKS:
        wanted_map = maps[name].dense()
        torch.testing.assert_close(exported_maps[name].dense(), wanted_map, atol=1e-4, rtol=1e-2)
        torch.testing.assert_close(affinities[name].dense(), wanted_map, atol=1e-4, rtol=1e-2)


def test_the_normalisation_is_that_of_the_views(cache: Cache) -> None:
    model = lively()
    student = Student(config_from(model, "it").architecture)
    batches = Batches(cache, 4, 0, torch.device("cpu"))
    take_model(student, model, batches)
    norm = student.net.block("layer2.1").norm
    seen: list[torch.Tensor] = []
    norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        student.eval().trunk(batches.draw(64).pixels)
    assert abs(float(seen[0].mean())) < 0.3
    assert 0.5 < float(seen[0].std()) < 2


def test_heads_begin_better_than_the_mean(cache: Cache) -> None:
    model = lively()
    student = Student(config_from(model, "it").architecture)
    batches = Batches(cache, 4, 0, torch.device("cpu"))
    take_model(student, model, batches)
    batch = batches.draw(64)
    with torch.no_grad():
        predictions = student.eval().trunk(batch.pixels)[2]
    for name, stride in zip(BLOCKS, (8, 16), strict=True):
        wanted = batch.features[stride]
        error = (predictions[name] - wanted).square().mean()
        assert float(error) < 0.8 * float(wanted.square().mean())


def test_a_run_goes_on_as_if_never_killed(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking
) -> None:
    model, saved = lively(), tmp_path / "run.pt"
    config = config_from(model, "it", SIX_SECONDS)
    whole = fit(cache, config, tmp_path / "a.jsonl", device="cpu", start=model, clock=ticking)

    ticking.now = 0
    monkeypatch.setattr(fit_module, "SAVE_EVERY", 1.0)
    update = fit_module.Average.update

    def cut(self, student) -> None:
        # Eight draws of take_model come before the first step.
        if ticking.now >= 11:
            raise KeyboardInterrupt
        update(self, student)

    monkeypatch.setattr(fit_module.Average, "update", cut)
    with pytest.raises(KeyboardInterrupt):
        fit(cache, config, device="cpu", start=model, checkpoint=saved, clock=ticking)
    monkeypatch.setattr(fit_module.Average, "update", update)
    monkeypatch.setattr(
        fit_module, "take_model", lambda *_: pytest.fail("a run that goes on has its own weights")
    )
    ticking.now = 0
    again = fit(cache, config, device="cpu", start=model, checkpoint=saved, clock=ticking)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert not torch.equal(whole.conv1.weight, model.conv1.weight)


def test_a_checkpoint_of_another_start_is_refused(cache: Cache, tmp_path: Path, ticking) -> None:
    model, saved = lively(), tmp_path / "run.pt"
    config = config_from(model, "it", SIX_SECONDS)
    fit(cache, config, device="cpu", start=model, checkpoint=saved, clock=ticking)
    with torch.no_grad():
        model.conv1.weight.mul_(2)
    with pytest.raises(CheckpointError, match="weights taken over"):
        fit(cache, config, device="cpu", start=model, checkpoint=saved, clock=ticking)
    with pytest.raises(ValueError, match="together"):
        fit(cache, config, device="cpu", clock=ticking)


def test_classes_alone_leave_every_row_as_it_was(cache: Cache, ticking) -> None:
    model = lively()
    config = config_from(model, "it", SIX_SECONDS, "classes")
    trained = fit(cache, config, device="cpu", start=model, clock=ticking)
    for key, value in model.state_dict().items():
        if key.startswith(("layer4", "fc")):
            continue
        torch.testing.assert_close(trained.state_dict()[key], value, atol=1e-6, rtol=1e-5)
    assert not torch.equal(trained.fc.weight, model.fc.weight)
    assert not torch.equal(trained.layer4[0].conv1.weight, model.layer4[0].conv1.weight)


def test_what_cannot_be_trained_on_is_said() -> None:
    with pytest.raises(OptionError, match="no objective 'beauty'; choose one of rows, classes"):
        config_from(lively(), "it", objective="beauty")
    with pytest.raises(CheckpointError, match=r"layer1\.1"):
        config_from(NonLocalResNet(18, ["layer1.1"]), "it")
    with pytest.raises(CheckpointError, match="no place"):
        config_from(NonLocalResNet(18, []), "it")
    with pytest.raises(CheckpointError, match="7 classes"):
        config_from(NonLocalResNet(18, BLOCKS, num_classes=7), "it")
    odd = NonLocalResNet(18, BLOCKS, block={"inter_channels": 5, "sub_sample": False})
    with pytest.raises(CheckpointError, match="options that training does not know"):
        config_from(odd, "it")


def test_views_grow_and_batches_shrink() -> None:
    phase = Phase(1.0, 144, largest=320)
    drawn = [phase.sized(luck, 32) for luck in np.linspace(0, 0.999, 50)]
    assert drawn[0] == (144, 32)
    assert drawn[-1][0] == 320
    assert min(count for _, count in drawn) >= 4
    assert all(side % 16 == 0 for side, _ in drawn)
    cost = [side**2 * count for side, count in drawn]
    assert max(cost) < 1.3 * min(cost)
    assert Phase(1.0, 96).sized(0.7, 32) == (96, 32)


def test_the_command_trains_on_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in
) -> None:
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    out = tmp_path / "runs"
    info = ModelInfo("first", normalisation=Normalisation((0.5,) * 3, (0.5,) * 3), licence="mine")
    model = lively()
    info = replace(info, architecture=config_from(model, "it").architecture, trained_on="chairs")
    save_model(model, out, info)
    line = ["train", str(folder), "--out", str(out), "--side", "64", "--minutes", "0.02"]
    line += ["--batch", "2", "--device", "cpu", "--name", "second", "--tune", "first"]
    assert main([*line, "--rate", "0.0005"]) == 0
    second = load_model("second", directory=out)
    assert second.prepare.normalisation.mean == (0.5, 0.5, 0.5)
    assert "on from first (chairs)" in second.about.trained_on
    config = json.loads((out / "second.config.json").read_text())
    assert (config["start"], config["rate"], config["backbone"]) == ("first", 0.0005, None)
    assert not (out / "second.checkpoint.pt").exists()


def test_the_command_dilates_what_it_trains_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in, capsys
) -> None:
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    out = tmp_path / "runs"
    model = lively()
    save_model(model, out, ModelInfo("first", config_from(model, "it").architecture))
    line = ["train", str(folder), "--out", str(out), "--side", "64", "--minutes", "0.02"]
    line += ["--batch", "2", "--device", "cpu"]
    wide = [*line, "--name", "wide", "--tune", "first", "--dilate"]
    # Said before the cache is made.
    assert main([*wide, "layer2.1=4"]) == 2
    assert "2 convolutions of 3x3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*wide, "layer2.1=four"])
    assert "layer2.1=4,3" in capsys.readouterr().err
    assert not (out / "cache").exists()
    assert main([*wide, "layer2.1=4,3"]) == 0
    assert load_model("wide", directory=out).dilations == {"layer2.1": (4, 3)}
    assert json.loads((out / "wide.config.json").read_text())["dilations"] == {"layer2.1": [4, 3]}
    # Blocks trained in it, and whatever is trained on from it, keep them.
    assert main([*line, "--name", "blocks", "--from", "wide"]) == 0
    assert load_model("blocks", directory=out).dilations == {"layer2.1": (4, 3)}
    more = ["--name", "wider", "--tune", "wide", "--dilate", "layer3.1=2,2"]
    assert main([*line, *more]) == 0
    assert load_model("wider", directory=out).dilations == {
        "layer2.1": (4, 3),
        "layer3.1": (2, 2),
    }
    assert main([*line, "--name", "no", "--from", "wide", "--dilate", "layer3.1=2,2"]) == 2
    assert "--tune" in capsys.readouterr().err
    assert main([*wide, "layer2.1=4,3", "--objective", "classes"]) == 2
    assert "--objective classes leave as it is" in capsys.readouterr().err


def test_a_network_is_saved_apart_from_its_blocks_and_shared(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in
) -> None:
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    out = tmp_path / "runs"
    model = lively()
    save_model(model, tmp_path / "old", ModelInfo("old", config_from(model, "it").architecture))
    weights = next((tmp_path / "old").glob("*.safetensors"))
    common = ["train", str(folder), "--out", str(out), "--side", "64", "--minutes", "0.02"]
    common += ["--batch", "2", "--device", "cpu"]
    assert main([*common, "--name", "one", "--tune", str(weights), "--apart", "network"]) == 0
    # The file's name, and nothing of the folders of this machine.
    assert json.loads((out / "one.config.json").read_text())["start"] == weights.name
    # The network alone says where blocks go as little as it has any: the usual places.
    line = [*common, "--name", "two", "--from", "network", "--instantiation", "dot_product"]
    assert main(line) == 0
    manifest = read_manifest(out)
    assert manifest.default == "one"
    assert [info.backbone for info in manifest.models.values()] == [None, "network", "network"]
    assert [info.has_blocks for info in manifest.models.values()] == [False, True, True]
    network, one, two = (load_model(name, "cpu", directory=out) for name in manifest.models)
    assert network.block_names == () and one.block_names == two.block_names == tuple(BLOCKS)
    for key, value in network.state_dict().items():
        assert torch.equal(value, one.state_dict()[key]) and torch.equal(
            value, two.state_dict()[key]
        )
    sizes = [info.bytes for info in manifest.models.values()]
    assert max(sizes[1:]) < sizes[0] / 20
    # Training that would change the network under the others is refused before it begins.
    assert main([*common, "--name", "three", "--apart", "network"]) == 2
    assert main([*common, "--name", "four", "--from", "one", "--apart", "net"]) == 2


def test_a_blend_lies_between_the_two(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in
) -> None:
    first, second = lively(), lively()
    with torch.no_grad():
        second.conv1.weight.add_(1.0)
    half = start_module.blended(second, first, 0.25)
    torch.testing.assert_close(half.conv1.weight, first.conv1.weight + 0.25)
    assert half.bn1.num_batches_tracked == first.bn1.num_batches_tracked

    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    out = tmp_path / "runs"
    save_model(first, out, ModelInfo("first", config_from(first, "it").architecture))
    line = ["train", str(folder), "--out", str(out), "--side", "64", "--minutes", "0.02"]
    line += ["--batch", "2", "--device", "cpu", "--name", "second"]
    assert main([*line, "--tune", "first", "--blend", "0"]) == 0
    saved = load_model("second", directory=out)
    for key, value in load_model("first", directory=out).state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(saved.state_dict()[key], value, atol=1e-3, rtol=1e-3)
    assert json.loads((out / "second.config.json").read_text())["blend"] == 0
    assert main([*line, "--tune", "first", "--blend", "2"]) == 2
    assert main([*line, "--blend", "0.5"]) == 2
