"""How pictures of a network are prepared of which nobody said so: by what it tells, or takes."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.commands.arguments import ArgumentError, add_model, open_model
from nonlocal_viz.core.fitting import Normalisation
from nonlocal_viz.errors import OptionError, ProbeError
from nonlocal_viz.probe.prepared import prepare_of

PHOTO = np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)


class Tokens(nn.Module):
    """Attention over patches of 16 pixels, with one learnt position each of a picture of one size."""

    def __init__(self, rows: int, columns: int, **told: Any) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 16, 16)
        self.positions = nn.Parameter(torch.randn(1, (rows // 16) * (columns // 16), 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        vars(self).update(told)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT + self.positions
        return x + self.attention(x, x, x, need_weights=False)[0]


class Anything(nn.Module):
    """A network whose sides have to be multiples of ``step``."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step, self.seen = step, nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[-2] % self.step == 0 and x.shape[-1] % self.step == 0
        return self.seen(x)


def called(network: nn.Module, x: Tensor) -> Any:
    return network(x)


@pytest.mark.parametrize("step", [1, 8, 14, 16, 32, 64])
def test_sides_are_multiples_of_what_the_network_needs_and_no_more(step: int) -> None:
    network = Anything(step)
    prepare, said = prepare_of(network, called)
    assert (prepare.size, prepare.multiple) == (None, step)
    assert len(said) == 1 and "ImageNet" in said[0]
    # It was tried on a twin.
    assert network.training and int(network.seen.num_batches_tracked) == 0
    assert network.seen.running_mean is not None and not network.seen.running_mean.is_meta


@pytest.mark.parametrize(
    ("told", "size", "why"),
    [
        ({}, (224, 224), "the first of the usual sizes"),
        ({"img_size": 224}, (224, 224), "the size that the network names"),
        ({"img_size": (96, 224)}, (224, 224), "the first of the usual sizes"),
        ({"image_size": True}, (224, 224), "the first of the usual sizes"),
        ({"img_size": "no size"}, (224, 224), "the first of the usual sizes"),
    ],
)
def test_a_network_of_one_size_is_given_that(told: dict, size: tuple, why: str) -> None:
    prepare, said = prepare_of(Tokens(224, 224, **told), called)
    assert (prepare.size, prepare.crop) == (size, None)
    assert "ImageNet" in said[0] and "squashed to 224 x 224" in said[1] and why in said[1]


def test_a_size_that_only_the_network_knows_is_its_own() -> None:
    prepare, said = prepare_of(Tokens(48, 80, image_size=(48, 80)), called)
    assert prepare.size == (48, 80) and "squashed to 80 x 48" in said[1]
    inside = nn.Sequential(nn.Identity(), Tokens(48, 80, input_size=[3, 48, 80]))
    assert prepare_of(inside, called)[0].size == (48, 80)
    # No usual size either: whoever opens a picture is told what is wrong.
    lost, _ = prepare_of(Tokens(48, 80), called)
    assert (lost.size, lost.multiple) == (None, 1)
    with pytest.raises(ProbeError, match=r"does not take a picture .* --size"):
        nv.Lens(nv.attach(Tokens(48, 80).eval())).open(PHOTO)


def test_a_network_of_timm_in_ones_own_code_is_prepared_as_timm_says() -> None:
    net = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1, embed_dim=24, num_heads=3)

    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = net

        def forward(self, x: Tensor) -> Any:
            return self.backbone(x)

    lens = nv.Lens(nv.attach(Head().eval()))
    config = timm.data.resolve_model_data_config(net)
    prepare = lens.source.prepare
    assert prepare.normalisation == Normalisation(config["mean"], config["std"])
    assert prepare.normalisation != Normalisation()
    assert (prepare.size, prepare.resample) == ((64, 64), "bicubic")
    view = lens.open(PHOTO)
    assert view.blocks == ("backbone.blocks.0.attn",)
    assert not any("ImageNet" in said for said in view.about.assumptions)
    # Of the size that its weights were trained at, they are cut as timm cuts.
    whole = timm.create_model("vit_tiny_patch16_224", depth=1, embed_dim=24, num_heads=3)
    prepare, said = prepare_of(whole, called)
    assert (prepare.size, prepare.crop, said) == ((224, 224), config["crop_pct"], ())


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224"])
def test_it_is_as_with_the_name_of_timm(name: str) -> None:
    options = {"depths": (1, 1, 1, 1)} if name.startswith("swin") else {}
    by_name = nv.load_model(f"timm:{name}", "cpu", pretrained=False, **options).prepare
    own, said = prepare_of(timm.create_model(name, **options), called)
    assert (own.normalisation, own.size, own.crop) == (
        by_name.normalisation,
        by_name.size,
        by_name.crop,
    )
    assert own.short_side == by_name.short_side and not said


def test_a_network_is_tried_as_its_owner_calls_it() -> None:
    class Dict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Tokens(64, 64)
            self.calls = 0

        def forward(self, batch: dict) -> Tensor:
            self.calls += 1
            return self.inner(batch["image"])

    net = Dict().eval()
    source = nv.attach(net, call=lambda network, x: network({"image": x}))
    assert source.prepare.size == (64, 64) and net.calls == 0
    before = torch.get_rng_state()
    assert nv.Lens(source).open(PHOTO).blocks == ("inner.attention",)
    assert torch.equal(before, torch.get_rng_state())


def test_numbers_that_a_network_keeps_beside_its_weights_are_shapes_as_well() -> None:
    class Scaled(Tokens):
        def __init__(self) -> None:
            super().__init__(64, 64)
            self.table = torch.ones(1, 16, 8)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * self.table

    net = Scaled()
    assert prepare_of(net, called)[0].size == (64, 64)
    assert not net.table.is_meta


def test_what_cannot_be_tried_is_believed() -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if bool(x.sum() > 0) else x

    assert prepare_of(Asks(), called)[0] == nv.Prepare()

    class Uncopied(nn.Module):
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("not to be copied")

        def forward(self, x: Tensor) -> Tensor:
            return x

    assert prepare_of(Uncopied(), called)[0] == nv.Prepare()


def test_what_a_person_says_goes_before_all() -> None:
    grey = Normalisation((0.5,) * 3, (0.5,) * 3)
    prepare, said = prepare_of(Tokens(64, 64), called, size=(64, 64), colours=grey)
    assert (prepare.size, prepare.normalisation, said) == ((64, 64), grey, ())
    clips, _ = prepare_of(Tokens(64, 64), called, clips=True)
    assert clips == nv.Prepare()
    told = nv.load_model(
        "timm:vit_tiny_patch16_224",
        "cpu",
        pretrained=False,
        img_size=64,
        depth=1,
        size=(64, 64),
        normalisation=((0.1, 0.2, 0.3), (1, 1, 1)),
    ).prepare
    assert told.normalisation.mean == (0.1, 0.2, 0.3) and (told.size, told.crop) == ((64, 64), None)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Opens the model that a command's line names, with one network of one's own beside it."""
    code = "from tests.probe.test_prepared import Tokens\n\ndef net():\n    return Tokens(48, 80)\n"
    (tmp_path / "own_code_of_a_person.py").write_text(code)
    monkeypatch.chdir(tmp_path)

    def opened(words: str) -> Any:
        parser = ArgumentParser()
        add_model(parser)
        return open_model(parser.parse_args(words.split()))

    return opened


def test_a_line_says_size_and_colours(line: Callable[[str], Any], monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.path", [str(Path(__file__).parents[2]), *sys.path])
    own = "--module own_code_of_a_person:net --device cpu"
    source = line(f"{own} --size 48x80 --mean .5,.4,.3 --std .2,.2,.1")
    assert source.prepare.size == (48, 80)
    assert source.prepare.normalisation == Normalisation((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert source.about.assumptions == ()
    assert nv.Lens(source).open(PHOTO).blocks == ("attention",)
    assert any("ImageNet" in said for said in line(f"{own} --size 48X80").about.assumptions)
    assert line(f"{own} --size 64").prepare.size == (64, 64)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--mean .5,.5,.5", "go together"),
        ("--mean .5,.5 --std .2,.2,.2", "three numbers"),
        ("--mean a,b,c --std .2,.2,.2", "--mean takes a number"),
        ("--mean .5,.5,.5 --std 0,.2,.2", "std that is positive"),
        ("--size 48", "other networks read any size"),
        ("--size 1x2x3 --module a:b", "HEIGHTxWIDTH"),
        ("--size 0x3 --module a:b", "at least 1"),
        ("--size x --module a:b", "whole number"),
    ],
)
def test_a_line_that_says_it_wrong_is_told_so(
    line: Callable[[str], Any], words: str, sentence: str
) -> None:
    with pytest.raises((ArgumentError, OptionError), match=sentence):
        line(words)
