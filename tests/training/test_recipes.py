"""Recipes: the large one is the network that it says, and runs, small, where there is no GPU."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nonlocal_viz.cli import main
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.lens import Lens
from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training import recipes
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.losses import stride_of
from nonlocal_viz.training.recipes import RECIPES
from nonlocal_viz.zoo import ModelInfo, load_model, save_model


def test_the_large_file_stays_under_60_mb() -> None:
    config = RECIPES["large"].config
    with torch.device("meta"):
        network = NonLocalResNet(**config.architecture)
    assert network.output_stride == 8 and network.depth == 50
    size = 2 * sum(v.numel() for v in network.state_dict().values() if v.is_floating_point())
    assert 50e6 < size < 60e6


def test_blocks_of_a_dilated_stage_have_the_finer_grid() -> None:
    assert [stride_of(b) for b in ("layer2.1", "layer3.1")] == [8, 16]
    assert [stride_of(b, 8) for b in ("layer2.3", "layer3.5")] == [8, 8]
    # A config of the usual network says nothing new, so that files written before stay the same.
    assert "output_stride" not in Config().architecture
    assert RECIPES["large"].config.architecture["output_stride"] == 8


@pytest.mark.parametrize("stride", [4, 12, "8", None, True])
def test_a_manifest_with_an_output_stride_that_there_is_not(tmp_path: Path, stride: object) -> None:
    model = NonLocalResNet(18, ["layer2.1"])
    info = ModelInfo("odd", architecture={"depth": 18, "blocks": ["layer2.1"]})
    saved = save_model(model, tmp_path, info)
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text())
    document["models"]["odd"]["architecture"]["output_stride"] = stride
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="output_stride"):
        load_model("odd", directory=tmp_path)
    assert saved.file


@pytest.mark.parametrize("steps", [4, "43", None, ["4", 3], [4, 3, 3], [4, 0], [True, 1]])
def test_a_manifest_with_dilations_that_there_are_not(tmp_path: Path, steps: object) -> None:
    architecture = {"depth": 18, "blocks": ["layer2.1"], "dilations": {"layer2.1": [4, 3]}}
    save_model(NonLocalResNet(**architecture), tmp_path, ModelInfo("wide", architecture))
    assert load_model("wide", directory=tmp_path).dilations == {"layer2.1": (4, 3)}
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text())
    document["models"]["wide"]["architecture"]["dilations"] = {"layer2.1": steps}
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=r"dilations|3x3"):
        load_model("wide", directory=tmp_path)


def test_the_large_recipe_runs_on_a_cpu_at_a_small_size(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in, capsys
) -> None:
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    # The schedule of the recipe on views that a test has time for.
    large = RECIPES["large"]
    phases = (Phase(0.5, 32, largest=64), Phase(0.5, 32, head=True))
    small = replace(large, config=replace(large.config, phases=phases))
    monkeypatch.setitem(recipes.RECIPES, "large", small)
    out = tmp_path / "runs"
    line = ["train", str(folder), "--recipe", "large", "--out", str(out), "--name", "big"]
    line += ["--side", "64", "--batch", "2", "--minutes", "0.02", "--device", "cpu"]
    assert main(line) == 0
    model = load_model("big", "cpu", directory=out)
    assert model.output_stride == 8 and next(out.glob("big-*.safetensors")).stat().st_size < 60e6
    config = json.loads((out / "big.config.json").read_text())
    assert (config["depth"], config["output_stride"], config["batch"]) == (50, 8, 2)
    view = Lens(model, 64).open(next(folder.rglob("*.png")))
    grids = [view.query_grid(name).cells for name in view.blocks]
    assert view.blocks == ("layer2.3", "layer3.5") and grids[0] == grids[1]
    assert view.query(1, 1, block="layer3.5").query_rect.right < 10 * 100 / 64
    assert main([*line, "--from", "big"]) == 2
    assert "is of a network of its own" in capsys.readouterr().err
