"""Evaluation: the ranking of drawn queries, the baselines, Imagenette, and the command."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.cli import main
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.errors import MediaError, ShapeError
from nonlocal_viz.evaluation import baselines
from nonlocal_viz.evaluation.classify import WNIDS, classify, find_imagenette
from nonlocal_viz.evaluation.evaluate import evaluate
from nonlocal_viz.evaluation.found import table
from nonlocal_viz.evaluation.numbers import NUMBERS, kept_names, known_names
from nonlocal_viz.evaluation.segments import Segmented
from nonlocal_viz.training.teacher import TeacherFeatures


def colour_teacher(images: torch.Tensor) -> TeacherFeatures:
    """Colours as features, on the grids that the teacher has."""

    def level(stride: int) -> torch.Tensor:
        return torch.nn.functional.interpolate(images / 255, scale_factor=1 / stride, mode="area")

    return TeacherFeatures(level(8), level(16), level(16))


@pytest.fixture
def photo(picture: np.ndarray) -> Segmented:
    """Two of the four flat quarters (60, 90) are instances; the second reaches into the first."""
    masks = np.zeros((2, 60, 90), bool)
    masks[0, :30, :45] = True
    masks[1, 30:, 45:] = True
    masks[1, 22:30, 30:] = True
    return Segmented("a.png", picture, masks)


@pytest.fixture
def mirrored(photo: Segmented) -> Segmented:
    return Segmented("b.png", photo.image[:, ::-1].copy(), photo.masks[:, :, ::-1])


def test_pooled_keys_stand_for_their_cells() -> None:
    query, key = torch.ones(1, 20, 1), torch.tensor([[[0.0], [4.0], [8.0], [12.0]]])
    affinity = Factored(
        Pairwise(normalise="count"), query[:, None], key[:, None], (1, 4, 5), (1, 2, 2)
    )
    (rows,) = baselines.rows_on_queries(affinity, torch.tensor([4])).view(1, 4, 5)
    upper, lower = [0, 0, 1, 1, -math.inf], [2, 2, 3, 3, -math.inf]
    assert rows.tolist() == [upper, upper, lower, lower]


def test_a_random_block_is_another_one_of_the_same_kind() -> None:
    features, picked = torch.randn(1, 8, 4, 6), torch.arange(24)
    block = NonLocalBlock(8, 3, sub_sample=True, instantiation="embedded_gaussian")
    before = torch.random.get_rng_state()
    one = baselines.random_rows(block, features, picked, 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.shape == (24, 24) and torch.equal(
        one, baselines.random_rows(block, features, picked, 1)
    )
    own = baselines.rows_on_queries(block.attend(features)[1], picked)
    assert not torch.allclose(one, own) and not torch.allclose(
        one, baselines.random_rows(block, features, picked, 2)
    )
    raw = NonLocalBlock(8, sub_sample=False, instantiation="gaussian")
    torch.testing.assert_close(
        baselines.random_rows(raw, features, picked, 1), raw.attend(features)[1].dense()[0]
    )


def test_the_teacher_s_walk_stays_within_a_colour(picture: np.ndarray) -> None:
    image = np.ascontiguousarray(picture.repeat(2, 0)[:112].repeat(2, 1)[:, :176])
    seen = colour_teacher(torch.from_numpy(image).permute(2, 0, 1)[None].float())
    picked = torch.tensor([0, 21])
    similar, target, stored = baselines.teacher_rows(seen, image, (14, 22), picked, 0)
    assert similar.shape == (2, 14 * 22)
    for walk in (target, stored):
        torch.testing.assert_close(walk.sum(1), torch.ones(2))
        planes = walk.view(2, 14, 22)
        # All but what 64 steps carry over the seams; spread evenly it would be a quarter.
        assert float(planes[0, :7, :11].sum()) > 0.85 and float(planes[1, :7, 12:].sum()) > 0.8
    # Four flat quarters have a low rank: here the factors lose nothing.
    torch.testing.assert_close(stored, target, atol=1e-4, rtol=0)
    assert float(similar[0, 0]) == pytest.approx(1, abs=1e-4) and float(similar[0, 21]) < 0.5


def test_every_number_is_there_and_they_agree(photo: Segmented, tiny_model) -> None:
    seen: list[int] = []
    scores = evaluate(
        tiny_model,
        [photo],
        64,
        on_photo=lambda: seen.append(1),
        flips=True,
        teacher=colour_teacher,
    )
    assert set(scores) == {"layer2.1", "layer3.1"} and seen == [1]
    found = scores["layer2.1"].summary()
    for size in ("", "_large"):
        gain = found[f"ap{size}"] - found[f"ap_features{size}"]
        assert found[f"ap_gain{size}"] == pytest.approx(gain, abs=2e-4)
    assert found["gcnet_attention"] == pytest.approx(found["query_dependence"] / 2, abs=1e-4)
    # The peaky rows of the tiny model look less far than a row that is the same for all cells.
    y, x = np.divmod(np.arange(96), 12)
    even = 8 * np.hypot(y[:, None] - y[None], x[:, None] - x[None]).mean()
    assert 0 < found["attention_distance"] < even
    assert found["residual_share"] > 0 and 0 < found["gcnet_output"] < 1
    assert found["ap_teacher"] > 0.6 > found["ap_chance"] and found["ap_target"] > 0.6
    assert found["ap_large"] == found["ap"] and math.isnan(found["ap_small"])
    without = evaluate(tiny_model, [photo], 64)["layer2.1"].summary()
    assert set(found) - set(without) == {
        "ap_flipped",
        "ap_teacher",
        "ap_target",
        "ap_target_stored",
    }
    assert all(found[name] == pytest.approx(without[name], nan_ok=True) for name in without)


def test_flipped_is_what_the_mirrored_photo_gives(
    photo: Segmented, mirrored: Segmented, tiny_model
) -> None:
    # With every cell asked, the mirrored photo's queries are the photo's, mirrored.
    every = {"short_side": 64, "queries": 10_000, "flips": True}
    one, other = (
        evaluate(tiny_model, [p], **every)["layer2.1"].summary() for p in (photo, mirrored)
    )
    assert one["ap_flipped"] == pytest.approx(other["ap"], abs=1e-3)
    assert one["ap"] == pytest.approx(other["ap_flipped"], abs=1e-3)
    assert abs(one["ap"] - one["ap_flipped"]) > 2e-3  # a random network is not symmetric


def test_a_dead_block_and_pooled_keys(photo: Segmented, make_model) -> None:
    model = make_model(sub_sample=True)
    torch.nn.init.zeros_(model.block("layer2.1").W[1].weight)
    found = evaluate(model, [photo], 64)["layer2.1"].summary()
    assert found["residual_share"] == 0 and math.isnan(found["gcnet_output"])
    assert 0 < found["ap"] < 1 and found["query_dependence"] > 0


def test_evaluation_leaves_no_hook_behind(photo: Segmented, tiny_model) -> None:
    def stop(_images: torch.Tensor) -> TeacherFeatures:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        evaluate(tiny_model, [photo], 64, teacher=stop)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tiny_model.modules())


@pytest.fixture
def imagenette(tmp_path: Path) -> Path:
    """One grey photo a class, and two more of the English springer."""
    for wnid in WNIDS:
        folder = tmp_path / "imagenette" / "val" / wnid
        folder.mkdir(parents=True)
        for i in range(3 if wnid == "n02102040" else 1):
            Image.new("RGB", (70, 64), (128, 128, 128)).save(folder / f"{i}.JPEG")
    return tmp_path / "imagenette"


@pytest.fixture
def biased(tiny_model):
    """Says class 5, which is none of the ten, and next the English springer, whatever it sees."""
    model = copy.deepcopy(tiny_model)
    model.fc.weight.zero_()
    model.fc.bias.zero_()
    model.fc.bias[5], model.fc.bias[217] = 2, 1
    return model


def test_imagenette_by_hand(imagenette: Path, biased) -> None:
    photos = find_imagenette(imagenette)
    assert len(photos) == 12 and [index for _, index in photos][:5] == [0, 217, 217, 217, 482]
    inputs: list[torch.Tensor] = []
    hook = biased.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    counts: list[int] = []
    found = classify(biased, photos, 32, batch=5, on_batch=counts.append)
    hook.remove()
    assert counts == [5, 5, 2] and found.images == 12
    assert (found.top1, found.top1_of_ten) == (0, 3 / 12)
    # Grey, normalised as ImageNet's models expect.
    expected = [(128 / 255 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    assert inputs[0].shape == (5, 3, 32, 32)
    assert inputs[0][0, :, 16, 16].tolist() == pytest.approx(expected, abs=0.02)
    biased.fc.bias[5] = 0
    assert classify(biased, photos, 32).top1 == 3 / 12


def test_imagenette_that_is_none(imagenette: Path, biased, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="val/n01440764"):
        find_imagenette(tmp_path)
    broken = imagenette / "val" / "n01440764" / "9.JPEG"
    broken.write_bytes(b"nothing")
    with pytest.raises(MediaError, match="could not be decoded"):
        classify(biased, find_imagenette(imagenette), 32)
    biased.fc = torch.nn.Linear(512, 10)
    with pytest.raises(ShapeError, match="has 10"):
        classify(biased, find_imagenette(imagenette), 32)


def test_the_table_has_a_number_a_line() -> None:
    found = {
        "a @ 64": {"ap": 0.5, "ap_low": 0.4, "ap_high": 0.6, "entropy_share": math.nan},
        "b @ 64": {"ap": 0.25, "ap_low": 0.2, "ap_high": 0.3, "images": 12},
    }
    assert table(found).splitlines() == [
        "| | a @ 64 | b @ 64 |",
        "|---|---:|---:|",
        "| ap | 0.500 (0.400 to 0.600) | 0.250 (0.200 to 0.300) |",
        "| entropy_share | - | - |",
        "| images | - | 12 |",
    ]


@pytest.fixture
def coco(photo: Segmented, tmp_path: Path) -> Path:
    (tmp_path / "coco" / "images").mkdir(parents=True)
    Image.fromarray(photo.image).save(tmp_path / "coco" / "images" / "a.png")
    corners = [[[0, 0, 44, 0, 44, 29, 0, 29]], [[45, 30, 89, 30, 89, 59, 45, 59]]]
    document = {
        "images": [{"id": i, "file_name": "a.png"} for i in range(3)],
        "annotations": [{"image_id": i, "segmentation": corners[i % 2]} for i in range(3)],
    }
    (tmp_path / "coco" / "instances.json").write_text(json.dumps(document))
    return tmp_path / "coco"


def test_the_command(
    coco: Path, imagenette: Path, tmp_path: Path, make_model, monkeypatch, capsys
) -> None:
    from nonlocal_viz.zoo import ModelInfo, save_model

    class StandIn(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> TeacherFeatures:
            return colour_teacher(images)

    monkeypatch.setattr("nonlocal_viz.training.teacher.Teacher", StandIn)
    architecture = {
        "depth": 18,
        "blocks": ["layer2.1", "layer3.1"],
        "padding_mode": "replicate",
        "block": {"instantiation": "dot_product"},
    }
    model = make_model(instantiation="dot_product")
    saved = save_model(model, tmp_path, ModelInfo("small", architecture=architecture))
    out = tmp_path / "numbers.json"
    words = [coco, "--model", tmp_path / saved.file, "--device", "cpu", "--out", out]
    words += ["--short-side", "32,64", "--flips", "--teacher", "--imagenette", imagenette]
    assert main(["evaluate", *map(str, words)]) == 0
    found = json.loads(out.read_text())
    assert list(found)[:2] == ["layer2.1 @ 32", "layer3.1 @ 32"]
    numbers = found["layer2.1 @ 64"]
    for name in ("ap", "ap_features", "ap_random", "ap_flipped", "ap_teacher", "ap_target"):
        assert numbers[f"{name}_low"] <= numbers[name] <= numbers[f"{name}_high"], name
    assert numbers["ap_low"] < numbers["ap_high"]
    # Entropy and attention distance do not apply to signed rows; JSON has no NaN.
    assert numbers["entropy_share"] is None and numbers["attention_distance"] is None
    assert found["imagenette @ 64"]["images"] == 12
    printed = capsys.readouterr().out
    assert "| ap_random |" in printed and "| top1_of_ten |" in printed


def test_the_command_says_what_is_missing(coco: Path, tmp_path: Path, capsys) -> None:
    assert main(["evaluate", str(coco), "--imagenette", str(tmp_path)]) == 2
    assert "val/n01440764" in capsys.readouterr().err


def test_a_light_look_ranks_as_the_whole_one(photo: Segmented, tiny_model) -> None:
    whole = evaluate(tiny_model, [photo], short_side=64, queries=6)
    light = evaluate(tiny_model, [photo], short_side=64, queries=6, whole=False)
    for block, scores in light.items():
        assert "query_dependence" not in scores.values and "ap_random" not in scores.values
        for name, values in scores.values.items():
            np.testing.assert_equal(values, whole[block].values[name])


def test_all_models_in_one_command(
    coco: Path, imagenette: Path, tmp_path: Path, make_model, capsys
) -> None:
    from nonlocal_viz.zoo import ModelInfo, read_manifest, save_apart, save_model

    models = tmp_path / "models"
    architecture = {
        "depth": 18,
        "blocks": ["layer2.1", "layer3.1"],
        "padding_mode": "replicate",
        "block": {"instantiation": "embedded_gaussian"},
    }
    save_apart(make_model(), models, ModelInfo("first", architecture=architecture), "network")
    signed = {**architecture, "block": {"instantiation": "dot_product"}}
    model = make_model(instantiation="dot_product")
    save_model(model, models, ModelInfo("signed", architecture=signed))
    before = {p.name: p.read_bytes() for p in models.glob("*.safetensors")}
    page, out = tmp_path / "page.md", tmp_path / "numbers.json"
    page.write_text("before\n<!-- evaluation -->\nold\n<!-- /evaluation -->\nafter\n")
    words = [coco, "--model", "all", "--models-dir", models, "--device", "cpu", "--short-side", 64]
    words += [
        "--sizes",
        "32,96",
        "--cells",
        5,
        "--imagenette",
        imagenette,
        "--limit",
        7,
        "--save",
    ]
    words += ["--into", page, "--out", out, "--json"]
    assert main(["evaluate", *map(str, words)]) == 0
    found = json.loads(out.read_text())
    assert list(found) == ["first", "signed"]
    manifest = read_manifest(models)
    assert not manifest.models["network"].metrics
    for name in found:
        kept = manifest.models[name].metrics
        assert kept["layer2.1 ap"] == found[name]["layer2.1 @ 64"]["ap"]
        assert kept["layer3.1 ap@96"] == found[name]["layer3.1 @ 96"]["ap"]
        assert kept["imagenette top1"] == found[name]["imagenette @ 64"]["top1"]
        assert found[name]["imagenette @ 64"]["images"] == 7
    # What does not apply to signed rows is left out, and the weights are the same files.
    assert "layer2.1 entropy_share" in manifest.models["first"].metrics
    assert "layer2.1 entropy_share" not in manifest.models["signed"].metrics
    assert before == {p.name: p.read_bytes() for p in models.glob("*.safetensors")}
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| AP at (features) | block | 32 px | 64 px | 96 px |" in text
    assert text.count("| signed | layer2.1 |") == 3 and str(tmp_path) not in text
    assert f"evaluate {coco.name} --model all --short-side 64 --cells 5 --sizes 32,96" in text
    ap = found["first"]["layer2.1 @ 64"]["ap"]
    assert f"| first | layer2.1 | {ap:.3f}".replace("0.", ".", 1) in text or ap == 1
    assert json.loads(capsys.readouterr().out) == found
    page.write_text("no marks")
    assert main(["evaluate", str(coco), "--into", str(page)]) == 2
    assert "does not have the marks" in capsys.readouterr().err
    assert main(["evaluate", str(coco), "--model", "nobody", "--save"]) == 2
    assert "There is no model 'nobody'" in capsys.readouterr().err


def test_every_number_is_in_the_table(photo: Segmented, tiny_model) -> None:
    (scores, *_) = evaluate(tiny_model, [photo], 64, 4, flips=True, teacher=colour_teacher).values()
    assert set(scores.values) <= known_names()
    assert {n.name for n in NUMBERS} <= set(scores.values)
    assert set(kept_names()) - {"ap_low", "ap_high"} <= known_names()
    assert len(set(kept_names())) == len(kept_names()) == 26
