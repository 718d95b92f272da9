"""What is written of a model is what it is, and nothing is written that could not be read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import About, Normalisation, Prepare
from nonlocal_viz.errors import CheckpointError, NonlocalVizError, OptionError, WritingError
from nonlocal_viz.zoo import ModelInfo, check_name, load_model, read_manifest, save_model
from nonlocal_viz.zoo.manifest import parse_entry


@pytest.fixture(scope="module")
def model() -> NonLocalResNet:
    """Everything that it says of itself differs from the shipped models."""
    torch.manual_seed(0)
    block = {"instantiation": "dot_product", "sub_sample": True, "pool_first": True}
    model = NonLocalResNet(18, ["layer2.0", "layer3.1"], 3, "circular", block)
    for name in model.block_names:
        torch.nn.init.normal_(model.block(name).W[1].weight, std=0.1)
    model.about = About(
        "mine", "My own", ("cat", "dog", "tench"), "layer3.1", licence="MIT", trained_on="cats"
    )
    model.prepare = Prepare(Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)), 96)
    return model.eval().requires_grad_(False)


def assert_same(loaded: NonLocalResNet, model: NonLocalResNet, name: str = "mine") -> None:
    assert loaded.about == replace(model.about, name=name)
    assert loaded.prepare == model.prepare and loaded.architecture == model.architecture
    x = torch.randn(1, 3, 48, 40)
    ours, theirs = model.run(x).affinities, loaded.run(x).affinities
    for block in model.block_names:
        row = ours[block].row(3)
        torch.testing.assert_close(
            theirs[block].row(3), row, atol=1e-2 * float(row.abs().max()), rtol=1e-2
        )
        assert abs(float(row.sum()) - 1) > 1e-3


def test_one_file_has_everything(model: NonLocalResNet, tmp_path: Path) -> None:
    saved = save_model(model, tmp_path / "other.safetensors")
    assert saved.file == "other.safetensors" and saved.name == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["other.safetensors"]
    assert_same(load_model(tmp_path / "other.safetensors", "cpu"), model, "other")
    assert load_model(tmp_path / "other.safetensors", "cpu").about.assumptions == ()
    save_model(load_model(tmp_path / "other.safetensors", "cpu"), tmp_path / "mine.safetensors")
    assert_same(load_model(tmp_path / "mine.safetensors", "cpu"), model)


def test_a_folder_has_a_manifest(model: NonLocalResNet, tmp_path: Path) -> None:
    saved = save_model(model, tmp_path)
    assert_same(load_model("mine", "cpu", directory=tmp_path), model)
    assert read_manifest(tmp_path).find("mine") == saved and saved.short_side == 96
    save_model(model, tmp_path, name="again", default=True)
    assert_same(load_model("default", "cpu", directory=tmp_path), model, "again")
    assert_same(load_model(tmp_path / saved.file, "cpu"), model, saved.file[:-12])


def test_what_a_caller_says_of_the_architecture_has_to_be_so(
    model: NonLocalResNet, tmp_path: Path
) -> None:
    for architecture, words in (
        (
            {"depth": 18, "blocks": ["layer2.0", "layer3.1"]},
            "said to have num_classes = 1000, and has 3",
        ),
        (
            {**model.architecture, "padding_mode": "zeros"},
            "padding_mode = 'zeros', and has 'circular'",
        ),
        ({**model.architecture, "block": {}}, "sub_sample = False, and has True"),
        ({**model.architecture, "depth": 7}, "ResNet-7"),
    ):
        for place in (tmp_path, tmp_path / "a.safetensors"):
            with pytest.raises(OptionError, match=words):
                save_model(model, place, ModelInfo("x", architecture=architecture))
    assert not list(tmp_path.iterdir())
    info = ModelInfo("x", architecture={**model.architecture, "blocks": ("layer3.1", "layer2.0")})
    assert save_model(model, tmp_path, info).architecture == model.architecture
    # Said in full or not at all.
    assert save_model(model, tmp_path, ModelInfo("y")).architecture == model.architecture


@pytest.mark.parametrize(
    "name", ["../evil", "my model", "default", "", "a/b", "x" * 65, ".hidden", "/a"]
)
def test_a_name_that_is_none_is_refused_before_anything_is_written(
    model: NonLocalResNet, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(CheckpointError, match="cannot be the name of a model"):
        check_name(name)
    for given in ({"name": name or "default"}, {"info": ModelInfo(name)}):
        with pytest.raises(CheckpointError, match="cannot be the name of a model"):
            save_model(model, folder, **given)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    check_name("a.b-c_9")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"default_block": "layer9.9"}, "none of its blocks"),
    ({"short_side": 0}, "positive 'short_side'"),
    ({"short_side": 1.5}, "'short_side'"),
    ({"card": "../card.md"}, "no bare file name"),
    ({"class_list": "../names.txt"}, "no bare file name"),
    ({"class_list": "missing.txt"}, "missing.txt cannot be read"),
    ({"class_list": "imagenet-1k"}, "tells 3 classes apart, and its list names 1000"),
    ({"classes": ("a", "b")}, "tells 3 classes apart, and its list names 2"),
    ({"classes": ("a", "b", 3)}, "names alone"),
    ({"metrics": {"ap": float("nan")}}, "no number"),
    ({"normalisation": Normalisation((0.0, 0.0, float("inf")))}, "three numbers"),
    ({"normalisation": Normalisation(std=(0.1, 0.1, 0.0))}, "three positive numbers"),
    ({"licence": None}, "'licence'"),
]


@pytest.mark.parametrize(("fields", "words"), BAD)
def test_what_could_not_be_read_is_not_written(
    model: NonLocalResNet, tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        save_model(model, tmp_path / "out", replace(ModelInfo("x"), **fields))
    assert not list(tmp_path.iterdir())


def test_a_manifest_is_kept_small_enough_to_be_read(
    model: NonLocalResNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(model, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    info = ModelInfo("long", trained_on="x" * 2**20)
    with pytest.raises(CheckpointError, match="larger than 1 MiB, more than is read again"):
        save_model(model, tmp_path, info)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_options_of_a_folder_and_other_kinds_of_files(
    model: NonLocalResNet, tmp_path: Path
) -> None:
    for options in ({"default": True}, {"backbone": "base"}):
        with pytest.raises(OptionError, match=r"a\.safetensors is a file"):
            save_model(model, tmp_path / "a.safetensors", **options)  # type: ignore[arg-type]
    for name in ("a.pth", "a.ckpt"):
        with pytest.raises(WritingError, match=r"call it a\.safetensors"):
            save_model(model, tmp_path / name)
    with pytest.raises(WritingError, match="Cannot write"):
        save_model(model, tmp_path / "none" / "a.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(WritingError, match="Cannot make the folder"):
        save_model(model, tmp_path / "file" / "zoo")


def test_what_cannot_be_described_is_not_saved(tmp_path: Path) -> None:
    mixed = NonLocalResNet(18, ["layer2.1", "layer3.1"])
    mixed.block("layer2.1").instantiation = "dot_product"
    with pytest.raises(OptionError, match="differ in instantiation"):
        save_model(mixed, tmp_path)
    broken = NonLocalResNet(18, ["layer2.1"])
    broken.fc.bias.data[0] = float("nan")
    with pytest.raises(CheckpointError, match=r"fc\.bias is beyond the range"):
        save_model(broken, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_list_of_classes_has_a_name_for_each(model: NonLocalResNet, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    saved = save_model(
        model, tmp_path, ModelInfo("x", class_list="names.txt", classes=("p", "q", "r"))
    )
    assert saved.classes is None
    loaded = load_model("x", "cpu", directory=tmp_path)
    assert loaded.about.classes == ("a", "b", "c") and loaded.about.class_list == "names.txt"
    # Elsewhere there is no such list: the names go into the file itself.
    (tmp_path / "apart").mkdir()
    for told in (None, ModelInfo("x", class_list="names.txt")):
        save_model(loaded, tmp_path / "apart" / "a.safetensors", told)
        alone = load_model(tmp_path / "apart" / "a.safetensors", "cpu")
        assert alone.about.classes == ("a", "b", "c")
    save_model(loaded, tmp_path / "one.safetensors")
    assert load_model(tmp_path / "one.safetensors", "cpu").about.classes == ("a", "b", "c")
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(CheckpointError, match="'x' tells 3 classes apart, and its list names 2"):
        load_model("x", "cpu", directory=tmp_path)


def test_names_of_the_entry_are_names() -> None:
    entry = {**ModelInfo("x").entry(), "class_names": ["a", 2]}
    with pytest.raises(CheckpointError, match="names alone as 'class_names'"):
        parse_entry("x", entry, shipped=False)


def test_a_former_name_says_so_and_is_not_given_again(
    model: NonLocalResNet, tmp_path: Path
) -> None:
    save_model(model, tmp_path)
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text()) | {"aliases": {"old": "mine"}}
    path.write_text(json.dumps(document))
    loaded = load_model("old", "cpu", directory=tmp_path)
    assert loaded.about.name == "mine"
    assert loaded.about.assumptions == ("'old' is the former name of 'mine' (My own).",)
    assert load_model("mine", "cpu", directory=tmp_path).about.assumptions == ()
    save_model(model, tmp_path, name="other")
    manifest = read_manifest(tmp_path)
    assert manifest.aliases == {"old": "mine"} and manifest.find("old") == manifest.find("mine")
    assert manifest.has("old") and manifest.has("default") and not manifest.has("older")
    with pytest.raises(CheckpointError, match="'old' is the former name of 'mine'"):
        save_model(model, tmp_path, name="old")
    for aliases in ({"old": "none"}, {"mine": "other"}, {"a b": "mine"}, {"old": 3}, ["old"]):
        path.write_text(json.dumps(document | {"aliases": aliases}))
        with pytest.raises(CheckpointError):
            read_manifest(tmp_path)


def test_a_name_of_the_zoo_comes_before_a_file(
    model: NonLocalResNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(model, tmp_path / "zoo")
    one = replace(model.about, name="file")
    model_file = NonLocalResNet(18, ["layer2.1"], 3)
    model_file.about = one = replace(one, default_block=None)
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "lonely"):
        save_model(model_file, tmp_path / "a.safetensors")
        (tmp_path / "a.safetensors").rename(tmp_path / name)
    assert load_model("mine", "cpu", directory="zoo").block_names == model.block_names
    for file in ("lonely", Path("mine"), "./mine"):
        assert load_model(file, "cpu", directory="zoo").block_names == ("layer2.1",)
    with pytest.raises(
        CheckpointError, match=r"no model 'none' in the zoo and no .* default, mine"
    ):
        load_model("none", "cpu", directory="zoo")
    # Without a list of models a file is a file, and a name is none.
    assert load_model("lonely", "cpu", directory="nowhere").block_names == ("layer2.1",)
    with pytest.raises(NonlocalVizError, match="Cannot read the list of models"):
        load_model("none", "cpu", directory="nowhere")


def test_the_model_that_labels_alone_have_taught() -> None:
    manifest = read_manifest()
    assert manifest.aliases == {"collapsed": "labels_only"}
    about = load_model("collapsed", "cpu").about
    assert about.name == "labels_only" and about.title == manifest.find("labels_only").title
    (sentence,) = about.assumptions
    assert (
        "'collapsed' is the former name of 'labels_only'" in sentence and "no collapse" in sentence
    )
    for info in manifest.models.values():
        for name in (info.file, info.card):
            assert name is not None and (manifest.directory / name).is_file()
