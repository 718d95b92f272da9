"""The door as a newcomer finds it from Python: what opens, what is refused, what things say."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import nonlocal_viz as nv
from nonlocal_viz.cli import main
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import (
    CheckpointError,
    DeviceError,
    MediaError,
    NonlocalVizError,
    OptionError,
)
from tests.web.conftest import free_port


@pytest.fixture(scope="module")
def lens(tiny_model: NonLocalResNet) -> nv.Lens:
    return nv.Lens(tiny_model, short_side=32)


@pytest.fixture(scope="module")
def row(lens: nv.Lens, picture: np.ndarray) -> nv.Row:
    return lens.open(picture).query(31, 20, block="layer2.1")


def test_a_lens_takes_a_name_a_file_and_a_wrapped_model(
    tiny_model: NonLocalResNet, tmp_path: Path
) -> None:
    assert nv.Lens("default").source.about.name == "embedded_gaussian"
    nv.save_model(tiny_model, tmp_path / "own.safetensors")
    for name in (tmp_path / "own.safetensors", str(tmp_path / "own.safetensors")):
        assert nv.Lens(name).source.about.blocks.keys() == {"layer2.1", "layer3.1"}
    assert nv.Lens(nn.DataParallel(tiny_model)).source is tiny_model
    with pytest.raises(CheckpointError, match="no model 'larg'"):
        nv.Lens("larg")
    with pytest.raises(OptionError, match="'Linear' is none"):
        nv.Lens(nn.Linear(1, 1))
    for side in (0, -1, float("nan"), 2.5):
        with pytest.raises(OptionError, match="whole number"):
            nv.Lens(tiny_model, short_side=side)  # type: ignore[arg-type]


def test_a_model_is_ready_to_be_fine_tuned() -> None:
    plain = nv.load_model("default", "cpu")
    assert not plain.training and not any(p.requires_grad for p in plain.parameters())
    tuned = nv.load_model("default", "cpu", num_classes=3, train=True)
    assert tuned.training and all(p.requires_grad for p in tuned.parameters())
    logits = tuned(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert tuned.conv1.weight.grad is not None
    torch.testing.assert_close(tuned.conv1.weight, plain.conv1.weight, check_stride=False)
    # What it says of itself is what it is.
    assert tuned.about.classes is None and "3 classes" in tuned.about.assumptions[-1]
    same = nv.load_model("default", "cpu", num_classes=1000)
    assert same.about == plain.about and torch.equal(same.fc.weight, plain.fc.weight)
    for bad in (0, -1, True, 2.5):
        with pytest.raises(OptionError, match="at least 1"):
            nv.load_model("default", "cpu", num_classes=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["mps", "tpu", "xla", "cuda:99", 7, "meta"])
def test_a_device_that_is_none_here_gets_a_sentence(device: Any) -> None:
    with pytest.raises(DeviceError, match=r"\.$"):
        nv.load_model("default", device)


def test_a_network_without_weights_gets_a_sentence(picture: np.ndarray) -> None:
    with torch.device("meta"):
        empty = NonLocalResNet(18, ["layer2.1"])
    for lazy in (False, True):
        with pytest.raises(DeviceError, match="no weights"):
            nv.Lens(empty).open(picture, lazy=lazy).query(1, 1)


def test_tensors_and_arrays_either_way_round(lens: nv.Lens, picture: np.ndarray) -> None:
    tensor = torch.from_numpy(picture).permute(2, 0, 1)
    usual = lens.open(picture)
    for source in (
        tensor,
        tensor[None],
        tensor / 255,
        (tensor / 255).requires_grad_(),
        picture.transpose(2, 0, 1),
        picture[None],
        Image.fromarray(picture),
    ):
        np.testing.assert_array_equal(lens.open(source).image, usual.image)
    grey = tensor[:1]
    assert lens.open(grey).image.shape == picture.shape
    # As PyTorch has them, channels come first, even where the picture is three pixels wide.
    assert lens.open(torch.zeros(3, 40, 3)).size == (3, 40)
    assert lens.open(np.zeros((3, 40, 3), np.uint8)).size == (40, 3)
    assert lens.open((tensor / 255).bfloat16()).image.shape == picture.shape
    with pytest.raises(MediaError, match="within 0 and 1"):
        lens.open(torch.randn(3, 40, 40) * 9)


def test_a_batch_is_a_batch(lens: nv.Lens, picture: np.ndarray) -> None:
    pictures = np.stack([picture, picture[::-1]])
    tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    for several in (pictures, tensor):
        with pytest.raises(MediaError, match=r"2 pictures: open_batch .* frames=2"):
            lens.open(several)
    for batch in (pictures, tensor, list(pictures), [Image.fromarray(p) for p in pictures]):
        views = lens.open_batch(batch)
        assert [view.frames.shape for view in views] == [(1, 60, 90, 3)] * 2
        np.testing.assert_array_equal(views[1].image, pictures[1])
    # Three channels are likelier than one, also where there is one frame.
    assert lens.open(torch.zeros(1, 3, 40, 50), frames=1).frames.shape == (1, 40, 50, 3)
    assert lens.open(torch.zeros(3, 1, 40, 50), frames=1).frames.shape == (1, 40, 50, 3)
    # A batch of three grey pictures is no clip of one.
    assert len(lens.open_batch(torch.zeros(3, 1, 40, 50))) == 3
    for wrong in ("photo.jpg", Path("photo.jpg"), b"bytes", 3):
        with pytest.raises(MediaError, match="batch is a list"):
            lens.open_batch(wrong)  # type: ignore[arg-type]


def test_an_array_is_a_clip_when_somebody_says_so(lens: nv.Lens, picture: np.ndarray) -> None:
    clip = np.stack([np.roll(picture, 9 * t, 1) for t in range(4)])
    tensor = torch.from_numpy(clip)
    for source in (
        clip,
        tensor.permute(0, 3, 1, 2),
        tensor.permute(3, 0, 1, 2),
        tensor.permute(3, 0, 1, 2)[None],
    ):
        view = lens.open(source, frames=4)
        np.testing.assert_array_equal(view.frames, clip)
        assert view.times == (0, 1, 2, 3)
        half = lens.open(source, frames=2)
        assert half.times == (1, 3)
        np.testing.assert_array_equal(half.frames, clip[[1, 3]])
    for options in ({"start": 1.0}, {"stride": 1.0}):
        with pytest.raises(MediaError, match="no times"):
            lens.open(clip, frames=4, **options)
        with pytest.raises(OptionError, match="no time"):
            lens.open(picture, **options)


def test_what_is_cut_is_said(tiny_model: NonLocalResNet) -> None:
    wide = np.zeros((10, 100, 3), np.uint8)
    limits = nv.limits.Limits(encode_long_side=200)
    view = nv.Lens(tiny_model, 40, limits).open(wide)
    assert view.notes == (
        "Encoded at a short side of 20 pixels, not 40: the long side is 200 pixels at most.",
    )
    assert view.notes[0] in repr(view)
    assert nv.Lens(tiny_model, 20, limits).open(wide).notes == ()
    assert nv.Lens(tiny_model, None, limits).open(wide).notes == ()


def test_a_row_is_an_array_and_a_picture(row: nv.Row) -> None:
    np.testing.assert_array_equal(np.asarray(row), row.map)
    assert np.asarray(row, np.float64).dtype == np.float64
    image = row.image(scale="log")
    assert isinstance(image, Image.Image)
    np.testing.assert_array_equal(np.asarray(image), row.overlay(scale="log"))


def test_a_row_on_axes(row: nv.Row) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert row.plot(axes, cmap="viridis") is axes
    np.testing.assert_array_equal(axes.images[0].get_array(), row.overlay(cmap="viridis"))
    bar = axes.figure.axes[1]
    assert float(bar.get_yticklabels()[-1].get_text()) == pytest.approx(row.stats.max, rel=0.01)
    bare = Figure().subplots()
    row.plot(bare, bar=False)
    assert len(bare.figure.axes) == 1
    with pytest.raises(OptionError, match="colour map"):
        row.plot(bare, cmap="mango")


def _own(array: np.ndarray) -> bool:
    """Whether keeping the array keeps nothing but it: no tensor, no larger array."""
    base = array.base
    return base is None or (
        isinstance(base, np.ndarray) and base.base is None and base.nbytes == array.nbytes
    )


def test_a_row_costs_its_own_bytes(lens: nv.Lens, picture: np.ndarray) -> None:
    view = lens.open(picture)
    row = view.query(31, 20, block="layer2.1")
    assert _own(row.map)
    column = view.column(31, 20, block="layer2.1")
    assert _own(column.map)
    clip = lens.open(np.stack([picture] * 3), frames=3, spacetime=False)
    assert _own(clip.query(3, 3, frame=1).map)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.npz", {"scale": "log"}, "'scale' changes nothing in a .npz of a photo; it takes none"),
        ("a.csv", {"cmap": "magma"}, "'cmap'"),
        ("a.png", {"colour": "red"}, "'colour' changes nothing in a .png"),
        ("a.png", {"frame": 0}, "'frame'"),
        ("a.svg", {"caption": True}, "'caption'"),
    ],
)
def test_an_option_without_effect_is_refused(
    row: nv.Row, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        row.save(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []
    row.save(tmp_path / name, cmap=None)


def test_of_a_clip_other_options_have_no_effect(
    lens: nv.Lens, picture: np.ndarray, tmp_path: Path
) -> None:
    row = lens.open(np.stack([picture] * 2), frames=2).query(3, 3)
    for name, options in (("a.svg", {"scale": "log"}), ("a.png", {"caption": True})):
        with pytest.raises(OptionError, match="of a clip"):
            row.save(tmp_path / name, **options)
    row.save(tmp_path / "a.png", frame=1, scale="log")


def test_what_comes_out_may_be_part_of_a_loss(lens: nv.Lens, picture: np.ndarray) -> None:
    for lazy in (False, True):
        view = lens.open(picture, lazy=lazy)
        assert view.logits is not None
        scale = torch.ones((), requires_grad=True)
        for found in (view.logits, view.affinity("layer2.1").row(3), view.affinity().query):
            assert not found.is_inference() and not found.requires_grad
            (found * scale).sum().backward()
        assert scale.grad is not None


def test_diagnostics_in_a_training_loop_keep_no_graph(monkeypatch) -> None:
    block = nv.NonLocalBlock(8, instantiation="embedded_gaussian", sub_sample=False)
    x = torch.randn(1, 8, 6, 7, requires_grad=True)
    z, affinity = block(x, "factored")
    assert affinity.query.requires_grad
    monkeypatch.setattr(type(affinity), "dense", lambda *_, **__: pytest.fail("a dense map"))
    seen: list[torch.Tensor] = []
    chunks = type(affinity).row_chunks

    def watched(self: Any) -> Any:
        for chunk in chunks(self):
            seen.append(chunk)
            yield chunk

    monkeypatch.setattr(type(affinity), "row_chunks", watched)
    nv.diagnostics.map_stats(affinity)
    centres = torch.zeros(42, 2)
    nv.diagnostics.attention_distance(affinity, centres, centres)
    nv.diagnostics.block_stats(x, z)
    assert seen and not any(chunk.requires_grad for chunk in seen)
    z.sum().backward()
    assert x.grad is not None


def test_names_of_models() -> None:
    assert nv.list_models("*") == nv.list_models()
    assert nv.list_models()[0] == nv.zoo.read_manifest().default
    assert set(nv.list_models()) == set(nv.zoo.read_manifest().models)
    assert nv.list_models("*gaussian") == ["embedded_gaussian", "gaussian"]
    assert nv.list_models("none*") == []


def test_the_names_of_the_classes_are_torchvisions() -> None:
    from torchvision.models import ResNet18_Weights

    classes = nv.load_model("default", "cpu").about.classes
    assert list(classes or ()) == ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def test_things_say_in_a_few_lines_what_they_are(lens: nv.Lens, picture: np.ndarray) -> None:
    models = [nv.load_model(name, "cpu") for name in ("gaussian", "dot_product")]
    view = lens.open(picture)
    manifest = nv.zoo.read_manifest()
    pairs: list[tuple[Any, Any]] = [
        (models[0], models[1]),
        (models[0].block("layer2.1"), models[1].block("layer2.1")),
        (nv.NonLocalBlock(8), nv.NonLocalBlock(8, sub_sample=False)),
        (nv.NonLocalBlock(8), nv.NonLocalBlock(8, pool_first=True)),
        (models[0].about, models[1].about),
        (nv.Lens(models[0]), nv.Lens(models[0], 99)),
        (view, lens.open(picture[:, :60])),
        (view.query(1, 1), view.query(1, 9)),
        (view.query_grid("layer2.1"), view.query_grid("layer3.1")),
        (view.affinity("layer2.1"), view.affinity("layer3.1")),
        (manifest.find("gaussian"), manifest.find("dot_product")),
        (manifest, None),
        (nv.media.open_video(np.stack([picture] * 2)), None),
    ]
    for one, other in pairs:
        assert 1 <= len(repr(one).splitlines()) <= 6 and len(repr(one)) < 600, repr(one)
        assert repr(one) != repr(other)
    assert "1000 named classes" in repr(models[0].about) and "goldfish" not in repr(models[0].about)
    told = nv.About("x", assumptions=tuple(f"Number {i}." for i in range(20)))
    assert len(repr(told).splitlines()) == 6 and "and 16 more" in repr(told)


def test_every_refusal_is_one_of_ours(lens: nv.Lens) -> None:
    for source in (None, 3, object(), "", torch.zeros(3), torch.zeros(2, 3, 4, 5, 6), np.zeros(3)):
        with pytest.raises(NonlocalVizError, match=r"\.$"):
            lens.open(source)


@pytest.mark.parametrize(
    ("name", "kept"), [("a.png", {"scale", "caption"}), ("a.svg", {"scale"}), ("a.npz", set())]
)
def test_of_a_whole_look_what_is_of_use_is_taken(row: nv.Row, name: str, kept: set[str]) -> None:
    from nonlocal_viz.export import useful

    look = {"scale": "log", "caption": True, "colour": "red"}
    assert useful(name, False, look).keys() == kept


def test_serving_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr("nonlocal_viz.web.launch", lambda _model, **options: told.update(options))
    people = tmp_path / "people.txt"
    people.write_text("# who may come in\nann:a:b\n\n ben :c\n", "utf-8")
    words = ["serve", "--quiet", "--port", str(free_port()), "--root-path", "viz/"]
    assert main([*words, "--auth", str(people), "--allow-host", "a.org,*.b.org"]) == 0
    assert told["auth"] == [("ann", "a:b"), ("ben", "c")]
    assert (told["root_path"], told["hosts"]) == ("/viz", ["a.org", "*.b.org"])
    for content in ("", "ann\n", ":secret\n", "ann:\n"):
        people.write_text(content, "utf-8")
        assert main([*words, "--auth", str(people)]) == 2
        assert "NAME:PASSWORD" in capsys.readouterr().err
    assert main([*words, "--auth", str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_taken_port_is_said_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def never(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("nonlocal_viz.commands.serve.open_model", never)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port]) == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_a_sentence_does_not_repeat_all_that_somebody_sent() -> None:
    said = str(MediaError("x" * 9000 + " is no picture."))
    assert len(said) < 1600 and said.endswith("x is no picture.") and " ... " in said
    assert str(MediaError("x" * 1500)) == "x" * 1500
