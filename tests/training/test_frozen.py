"""New blocks in an old backbone: what learns, what stays to the bit, and what rows are compared as."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nonlocal_viz.cli import main
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import Normalisation, Prepare
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training import fit as fit_module
from nonlocal_viz.training import frozen
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.frozen import config_on
from nonlocal_viz.training.losses import distillation_loss, log_rows, relational_loss
from nonlocal_viz.zoo import ModelInfo, load_model, read_manifest, save_model

SIX_SECONDS = Config(minutes=0.1, batch=2, warm_up=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "LOG_EVERY", 1)
    views = {
        name: tuple(replace(phase, side=32, largest=None) for phase in phases)
        for name, phases in frozen.OBJECTIVES.items()
    }
    monkeypatch.setattr(frozen, "OBJECTIVES", views)


@pytest.fixture
def backbone(make_model) -> NonLocalResNet:
    model = make_model()
    # Both are what a careless average or a block in train mode would lose.
    model.bn1.bias[0] = -0.0
    model.layer3[0].bn1.running_mean += 0.25
    return model


def affinity(instantiation: str, query: Tensor, key: Tensor) -> Factored:
    n, m = query.shape[1], key.shape[1]
    return Factored(
        INSTANTIATIONS[instantiation], query[:, None], key[:, None], (1, 1, n), (1, 1, m)
    )


def test_log_rows_of_a_softmax_are_its_rows() -> None:
    torch.manual_seed(0)
    found = affinity("embedded_gaussian", torch.randn(2, 5, 3), torch.randn(2, 5, 3))
    torch.testing.assert_close(log_rows(found).exp(), found.dense())


@pytest.mark.parametrize("instantiation", ["dot_product", "concatenation"])
def test_log_rows_of_large_scores_are_the_clamped_rows(instantiation: str) -> None:
    torch.manual_seed(0)
    width = 1 if instantiation == "concatenation" else 3
    query, key = torch.randn(2, 2, 5, width).unbind(0)
    found = affinity(instantiation, query * 300, key * 300 if width == 1 else key)
    clamped = found.dense().clamp_min(0)
    clamped = clamped / clamped.sum(-1, keepdim=True)
    alive = clamped.isfinite().all(-1)
    assert int(alive.sum()) >= 5
    torch.testing.assert_close(log_rows(found).exp()[alive], clamped[alive], atol=0.01, rtol=0)


@pytest.mark.parametrize("depth", [1.0, 30.0, 400.0])
def test_rows_with_no_weight_above_zero_still_learn(depth: float) -> None:
    query = torch.full((1, 1, 1), -depth, requires_grad=True)
    key = torch.tensor([[[1.0], [1.1], [1.2]]], requires_grad=True)
    found = affinity("dot_product", query, key)
    assert bool((found.dense() < 0).all())
    target = torch.tensor([[[0.0, 0.0, 1.0]]])
    relational_loss(log_rows(found), target).backward()
    # The wanted key's score rises (query * key, query negative: the key falls), the others' sink.
    assert key.grad is not None and query.grad is not None
    assert float(key.grad[0, 2, 0]) > 0 > float(key.grad[0, :2, 0].sum())
    assert bool(query.grad.isfinite().all()) and float(query.grad.abs()) > 1e-3


def test_a_pair_that_the_relu_of_a_concatenation_cut_off_still_learns() -> None:
    query = torch.zeros(1, 1, 1)
    key = torch.tensor([[[2.0], [-3.0]]], requires_grad=True)
    found = affinity("concatenation", query, key)
    assert float(found.dense().detach()[0, 0, 1]) == 0
    relational_loss(log_rows(found), torch.tensor([[[0.5, 0.5]]])).backward()
    assert key.grad is not None and float(key.grad[0, 1, 0]) < -0.1


@pytest.mark.parametrize(
    ("instantiation", "learn"),
    [
        ("embedded_gaussian", {"theta.weight", "phi.weight", "g.weight", "W.0.weight"}),
        ("gaussian", {"g.weight", "W.0.weight"}),
        ("dot_product", {"theta.weight", "phi.weight", "g.weight", "W.0.weight"}),
        ("concatenation", {"theta.weight", "phi.weight", "concat_project.0.weight"}),
    ],
)
def test_the_blocks_alone_are_trained(
    cache: Cache, ticking, backbone: NonLocalResNet, instantiation: str, learn: set[str]
) -> None:
    config = config_on(backbone, "old", "rows", replace(SIX_SECONDS, instantiation=instantiation))
    start = fit(cache, replace(config, minutes=0), device="cpu", backbone=backbone, clock=ticking)
    # Eight batches are looked at before the first step, for what the blocks begin with.
    assert ticking.now == 8
    model = fit(cache, config, device="cpu", backbone=backbone, clock=ticking)
    assert ticking.now == 8 + 8 + 6
    assert model.block("layer3.1").instantiation == instantiation
    assert model.padding_mode == "replicate" and model.conv1.padding_mode == "replicate"
    old, new = backbone.state_dict(), model.state_dict()
    for key in (k for k in old if not k.startswith("nl.")):
        assert old[key].numpy().tobytes() == new[key].numpy().tobytes(), key
    first = {k.removeprefix("nl.layer3_1.") for k in new if k.startswith("nl.layer3_1.")}
    assert learn <= first
    for name in learn:
        key = f"nl.layer3_1.{name}"
        assert not torch.equal(new[key], start.state_dict()[key]), name
    assert torch.isfinite(model(torch.randn(1, 3, 64, 64))).all()


def test_the_rows_of_new_blocks_approach_their_target(
    cache: Cache, tmp_path: Path, ticking, backbone: NonLocalResNet
) -> None:
    log = tmp_path / "log.jsonl"
    # The blocks of a network of random weights are no place to begin.
    config = config_on(backbone, "old", config=replace(SIX_SECONDS, minutes=0.5, fresh=True))
    fit(cache, config, log, device="cpu", backbone=backbone, clock=ticking)
    assert ticking.now == 30
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    rows = [line["rows layer2.1"] for line in lines]
    assert len(rows) == 30 and sum(rows[-5:]) < 0.8 * sum(rows[:5])


def test_classes_alone(cache: Cache, tmp_path: Path, ticking, backbone: NonLocalResNet) -> None:
    log = tmp_path / "log.jsonl"
    config = config_on(backbone, "old", "classes", replace(SIX_SECONDS, batch=8, minutes=0.5))
    start = fit(cache, replace(config, minutes=0), device="cpu", backbone=backbone, clock=ticking)
    model = fit(cache, config, log, device="cpu", backbone=backbone, clock=ticking)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    terms = {"step", "images", "minutes", "side", "head", "rate", "left", "logits"}
    assert all(set(line) == terms for line in lines)
    batch = Batches(cache, 8, 7, torch.device("cpu")).draw(32)
    with torch.no_grad():
        before, after = (
            float(distillation_loss(m(batch.pixels), batch.logits, 2.0)) for m in (start, model)
        )
    assert after < before - 0.05
    assert bool((model.block("layer2.1").W[1].weight != 0).any())
    assert torch.equal(model.fc.weight, backbone.fc.weight)


def test_pixels_are_normalised_as_the_backbone_expects(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, ticking, backbone: NonLocalResNet
) -> None:
    backbone.prepare = Prepare(Normalisation((0.0,) * 3, (0.5,) * 3))
    seen: list[Tensor] = []
    step = fit_module.losses

    def spy(student, batch, phase, temperature):
        seen.append(batch.pixels)
        return step(student, batch, phase, temperature)

    monkeypatch.setattr(fit_module, "losses", spy)
    config = config_on(backbone, "old", config=replace(SIX_SECONDS, minutes=0.02))
    fit(cache, config, device="cpu", backbone=backbone, clock=ticking)
    pixels = torch.cat(seen)
    assert float(pixels.min()) >= 0 and 1 < float(pixels.max()) <= 2


def test_a_run_on_another_backbone_is_refused(
    cache: Cache, tmp_path: Path, ticking, backbone: NonLocalResNet
) -> None:
    config = config_on(backbone, "old", config=replace(SIX_SECONDS, minutes=0))
    run = tmp_path / "run.pt"
    fit(cache, config, device="cpu", backbone=backbone, checkpoint=run, clock=ticking)
    backbone.fc.bias += 1
    with pytest.raises(CheckpointError, match=r"another run \(weights taken over differ\)"):
        fit(cache, config, device="cpu", backbone=backbone, checkpoint=run, clock=ticking)
    with pytest.raises(ValueError, match="together"):
        fit(cache, config, device="cpu", clock=ticking)


def test_models_whose_blocks_cannot_be_trained(backbone: NonLocalResNet) -> None:
    with pytest.raises(
        CheckpointError, match=r"at layer1\.0, layer2\.1; .*layer2 and layer3 alone"
    ):
        config_on(NonLocalResNet(18, ["layer1.0", "layer2.1"]), "old")
    with pytest.raises(CheckpointError, match="10 classes apart"):
        config_on(NonLocalResNet(18, ["layer2.1"], num_classes=10), "old", "classes")
    assert config_on(NonLocalResNet(18, ["layer2.1"], num_classes=10), "old").num_classes == 10
    with pytest.raises(OptionError, match="rows, classes"):
        config_on(backbone, "old", "colours")


@pytest.fixture
def train(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in, ticking):
    """``nonlocal-viz train`` on the eight pictures for three steps; the backbones it was saved with."""
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    leaned_on: list[str | None] = []

    def spy(model, directory, info, *, backbone=None):
        leaned_on.append(backbone)
        return save_model(model, directory, info)

    monkeypatch.setattr("nonlocal_viz.training.train.save_model", spy)
    real = fit_module.fit
    monkeypatch.setattr(fit_module, "fit", lambda *a, **k: real(*a, **k, clock=ticking))

    def run(out: Path, *words: str) -> int:
        fixed = ["--minutes", "0.05", "--side", "64", "--batch", "2", "--device", "cpu"]
        return main(["train", str(folder), "--out", str(out), *fixed, *words])

    return run, leaned_on


def test_the_command(train, tmp_path: Path, backbone: NonLocalResNet, capsys) -> None:
    run, leaned_on = train
    out = tmp_path / "runs"
    about = ModelInfo(
        "old",
        architecture={
            "depth": 18,
            "blocks": ["layer2.1", "layer3.1"],
            "padding_mode": "replicate",
            "block": {"sub_sample": False},
        },
        default_block="layer3.1",
        class_list="imagenet-1k",
        licence="CC0-1.0",
        trained_on="nothing",
    )
    old = save_model(backbone, out, about)
    assert run(out, "--from", "old", "--name", "new", "--instantiation", "gaussian") == 0
    assert (
        run(out, "--from", str(out / old.file), "--name", "by-path", "--objective", "classes") == 0
    )
    assert leaned_on == ["old", None]
    info = read_manifest(out).models["new"]
    assert info.architecture["block"]["instantiation"] == "gaussian"
    assert (info.licence, info.default_block) == ("CC0-1.0", "layer3.1")
    assert "nothing" in info.trained_on and read_manifest(out).default == "old"
    model = load_model("new", "cpu", directory=out)
    assert torch.equal(model.layer4[1].conv2.weight, backbone.layer4[1].conv2.weight.half().float())
    assert not list(out.glob("*.checkpoint.pt"))

    capsys.readouterr()
    for words, said in (
        (["--from", "old", "--name", "old"], "would overwrite"),
        (["--objective", "classes"], "its blocks (--from) or its last stage (--tune)"),
        (["--from", "older.safetensors"], "no checkpoint file of that name"),
        (["--instantiation", "softmax"], "Unknown instantiation"),
    ):
        assert run(out, *words) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("instantiation", ["dot_product", "gaussian", "concatenation"])
def test_new_blocks_begin_with_what_they_share_with_the_old(
    cache: Cache, backbone: NonLocalResNet, ticking, instantiation: str
) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.nl.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    config = replace(SIX_SECONDS, minutes=0, instantiation=instantiation)
    taught = fit(cache, config_on(backbone, "old", config=config), device="cpu", backbone=backbone)
    alone = config_on(backbone, "old", "classes", config)
    bare = fit(cache, alone, device="cpu", backbone=backbone)
    for name in backbone.block_names:
        old, new, fresh = (model.block(name) for model in (backbone, taught, bare))
        x = torch.randn(1, old.in_channels, 4, 4)
        torch.testing.assert_close(new.project(x).g, old.project(x).g, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(new.W.state_dict(), old.W.state_dict())
        # For the class label alone a block comes from nothing: its gamma is 0.
        assert not fresh.W[1].weight.any() and bool(new.W[1].weight.any())
        if new.theta is not None:
            for ours, theirs in zip(new.project(x)[:2], old.project(x)[:2], strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
            assert not torch.allclose(fresh.theta.weight, old.theta.weight)
