"""What a bare state dict proves, what its owner says, and what is assumed and said to be."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import Normalisation
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.zoo import load_model, save_model
from nonlocal_viz.zoo.foreign import foreign_blocks, sentence_on

GUESSED = ("instantiation", "use_scale", "padding_mode", "dilations", "normalisation")


def bare(folder: Path, **architecture: Any) -> tuple[NonLocalResNet, Path]:
    """A network whose blocks do something, and its state dict alone in a file."""
    torch.manual_seed(0)
    model = NonLocalResNet(
        **{"depth": 18, "blocks": ["layer2.1"], "num_classes": 3, **architecture}
    )
    for name in model.block_names:
        torch.nn.init.normal_(
            model.block(name).g.weight
            if not model.block(name).sub_sample
            else model.block(name).g[0].weight
        )
        last = model.block(name).W
        torch.nn.init.normal_((last[1] if model.block(name).bn_layer else last).weight, std=0.1)
    torch.save(model.state_dict(), folder / "mine.pth")
    return model.eval().requires_grad_(False), folder / "mine.pth"


def settled(model: NonLocalResNet) -> set[str]:
    """The arguments that would settle what is assumed."""
    found = (re.search(r"(\w+)=", sentence) for sentence in model.about.assumptions)
    return {match[1] for match in found if match}


def test_each_guess_is_a_sentence_with_its_argument(tmp_path: Path) -> None:
    loaded = load_model(bare(tmp_path)[1], "cpu")
    assert settled(loaded) == set(GUESSED)
    assert len(loaded.about.assumptions) == len(GUESSED)
    assert all(sentence.endswith(".") for sentence in loaded.about.assumptions)
    assert any("dot product" in sentence for sentence in loaded.about.assumptions)
    assert loaded.about.name == "mine" and loaded.about.default_block is None


@pytest.mark.parametrize(
    ("architecture", "guessed"),
    [
        ({"block": {"instantiation": "gaussian"}}, {"use_scale"}),
        ({"block": {"instantiation": "concatenation"}}, set()),
        ({"block": {"sub_sample": True}}, {"instantiation", "use_scale", "pool_first"}),
        ({"depth": 50, "blocks": ["layer3.1"]}, {"instantiation", "use_scale", "output_stride"}),
    ],
)
def test_what_keys_prove_is_no_guess(
    tmp_path: Path, architecture: dict[str, Any], guessed: set[str]
) -> None:
    loaded = load_model(bare(tmp_path, **architecture)[1], "cpu")
    assert settled(loaded) == guessed | {"padding_mode", "dilations", "normalisation"}
    # A dot product has no scale to guess.
    if guessed == {"instantiation", "use_scale", "pool_first"}:
        told = load_model(tmp_path / "mine.pth", "cpu", instantiation="dot_product")
        assert settled(told) == {"pool_first", "padding_mode", "dilations", "normalisation"}


TOLD: list[dict[str, Any]] = [
    {"block": {"instantiation": "dot_product"}},
    {"block": {"use_scale": True}},
    {"block": {"sub_sample": True, "pool_first": True}},
    {"padding_mode": "circular"},
    {"dilations": {"layer2.1": [4, 3]}},
    {"depth": 50, "output_stride": 8, "blocks": ["layer3.1"]},
]


@pytest.mark.parametrize("architecture", TOLD)
def test_what_is_told_is_obeyed(tmp_path: Path, architecture: dict[str, Any]) -> None:
    model, path = bare(tmp_path, **architecture)
    # Laid out in memory as a loaded one, or the last bits differ.
    model.to(memory_format=torch.channels_last)
    x = torch.randn(1, 3, 48, 40)
    block = model.block_names[0]
    wrong = load_model(path, "cpu").run(x).affinities[block]
    inner = {k: v for k, v in architecture.items() if k not in ("block", "depth", "blocks")}
    told = {**inner, **architecture.get("block", {})}
    for given in (told, model.architecture):
        right = load_model(path, "cpu", **given)
        expected, found = model.run(x), right.run(x)
        assert torch.equal(expected.affinities[block].row(3), found.affinities[block].row(3))
        assert expected.logits is not None and found.logits is not None
        assert torch.equal(expected.logits, found.logits)
        assert not settled(right) & set(given)
    row = model.run(x).affinities[block].row(3)
    assert wrong.row(3).shape != row.shape or not torch.allclose(wrong.row(3), row, atol=1e-6)


def test_a_normalisation_is_told_three_ways(tmp_path: Path) -> None:
    _, path = bare(tmp_path)
    wanted = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    for given in (wanted, (wanted.mean, wanted.std), [list(wanted.mean), list(wanted.std)]):
        loaded = load_model(path, "cpu", normalisation=given)
        assert loaded.prepare.normalisation == wanted
        assert "normalisation" not in settled(loaded)
    for bad in (
        3,
        "ab",
        ((0, 0), (1, 1)),
        ((0, 0, 0), (1, 1, 0)),
        ((float("nan"), 0, 0), (1, 1, 1)),
    ):
        with pytest.raises(OptionError, match="normalisation="):
            load_model(path, "cpu", normalisation=bad)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"instantation": "gaussian"}, "no option 'instantation'.*instantiation.*pool_first"),
        ({"device_": "cpu"}, "there are depth, .*normalisation"),
        ({"block": {"dimension": 3}}, "no option 'dimension'"),
        ({"block": 3}, "block= takes the options"),
        ({"use_scale": 1}, "'use_scale' cannot be 1"),
        ({"depth": True}, "'depth' cannot be True"),
        ({"instantiation": "softmax"}, "softmax.*embedded_gaussian"),
        ({"instantiation": "gaussian"}, r"show instantiation = 'embedded_gaussian or dot_product'"),
        ({"instantiation": "concatenation"}, r"show instantiation = .*'concatenation' was given"),
        ({"sub_sample": True}, "show sub_sample = False, and True was given"),
        ({"bn_layer": False}, "show bn_layer = True, and False was given"),
        ({"inter_channels": 8}, "show inter_channels = None, and 8 was given"),
        ({"depth": 34}, "show depth = 18, and 34 was given"),
        ({"blocks": "5-block"}, r"show blocks = \['layer2.1'\]"),
        ({"padding_mode": "mirror"}, "mirror"),
        ({"output_stride": 8}, "output stride"),
        ({"dilations": {"layer2.1": 3}}, "No network can be built so"),
        ({"dilations": {"layer9.1": [1]}}, r"layer9\.1"),
    ],
)
def test_what_contradicts_the_weights_is_refused(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        load_model(bare(tmp_path)[1], "cpu", **given)


def test_concatenation_is_not_told_away(tmp_path: Path) -> None:
    _, path = bare(tmp_path, block={"instantiation": "concatenation"})
    with pytest.raises(OptionError, match="show instantiation = 'concatenation'"):
        load_model(path, "cpu", instantiation="dot_product")


def test_a_model_that_describes_itself_is_not_told_otherwise(tmp_path: Path) -> None:
    model, _ = bare(tmp_path, padding_mode="replicate", block={"instantiation": "dot_product"})
    save_model(model, tmp_path / "it.safetensors")
    save_model(model, tmp_path / "zoo", name="it")
    for place in (
        {"name_or_path": tmp_path / "it.safetensors"},
        {"name_or_path": "it", "directory": tmp_path / "zoo"},
    ):
        for given in (
            {},
            {"padding_mode": "replicate", "instantiation": "dot_product"},
            {"output_stride": 32, "normalisation": Normalisation()},
            model.architecture,
        ):
            loaded = load_model(**place, device="cpu", **given)
            assert loaded.about.assumptions == () and loaded.architecture == model.architecture
        with pytest.raises(
            OptionError, match="'it' describes itself and has instantiation = 'dot_p"
        ):
            load_model(**place, device="cpu", instantiation="embedded_gaussian")
        with pytest.raises(
            OptionError, match="has padding_mode = 'replicate'; leave padding_mode="
        ):
            load_model(**place, device="cpu", padding_mode="zeros")
        with pytest.raises(OptionError, match="has another normalisation"):
            load_model(**place, device="cpu", normalisation=((0, 0, 0), (1, 1, 1)))
        with pytest.raises(OptionError, match="no option 'scale'"):
            load_model(**place, device="cpu", scale=2)


def test_blocks_of_two_kinds_or_three_dimensions_are_refused(tmp_path: Path) -> None:
    model, path = bare(tmp_path, blocks=["layer2.1", "layer3.1"])
    state = model.state_dict()
    torch.save({k: v for k, v in state.items() if "layer3_1.theta" not in k}, path)
    with pytest.raises(CheckpointError, match=r"'layer2\.1' and 'layer3\.1' of mine\.pth are of"):
        load_model(path)
    key = "nl.layer3_1.g.weight"
    torch.save({**state, key: state[key].unsqueeze(-1)}, path)
    with pytest.raises(CheckpointError, match=r"'layer3\.1' of mine\.pth has no g of 1x1"):
        load_model(path)
    torch.save({k: v for k, v in state.items() if not k.startswith("fc.")}, path)
    with pytest.raises(CheckpointError, match="ResNet-18 without a classifier"):
        load_model(path)
    torch.save({k: v for k, v in state.items() if k.startswith("nl.")}, path)
    with pytest.raises(
        CheckpointError, match=r"holds the non-local blocks layer2\.1, layer3\.1, and"
    ):
        load_model(path)


NAMES = {
    "nl3.{theta,phi,g,W}.weight": "nl3",
    "layer2.1.nl.{theta,phi,g}.weight": "TSM or pytorch-resnet3d",
    "module.nl_1.{g.0,W.0,W.1,theta,phi.0}.weight": "AlexHex7/Non-local_pytorch",
    "nl_2.{g,W}.weight": "AlexHex7/Non-local_pytorch",
    "decode_head.nl_block.{g,theta,phi}.conv.weight": "mmsegmentation",
    "backbone.layer2.1.non_local_block.{g.0,theta,phi.0}.conv.weight": "mmaction2",
    "backbone.layer2.1.non_local_block.{g.0,conv_out}.conv.weight": "mmaction2",
    "s3.pathway0_nonlocal1.conv_{theta,phi,g,out}.weight": "SlowFast or PyTorchVideo",
    "nonlocal_conv3_1_{theta,phi,g,out}_w": "Caffe2's video-nonlocal-net",
    "layer3.0.nl.{t,p,g,z}.weight": "timm's NonLocalAttn",
    "pam.{query_conv,key_conv,value_conv}.weight": "a Transformer",
    "blocks.0.attn.{qkv}.weight": "a Transformer",
    "encoder.self_attn.{in_proj_weight}": "a Transformer",
    "object_context.{f_key.0,f_value}.weight": "object_context",
    "{theta,phi,g}.weight": "theta.weight",
}


def spelled(names: str) -> list[str]:
    before, inner, after = re.split(r"[{}]", names)
    return [before + part + after for part in inner.split(",")]


@pytest.mark.parametrize("names", NAMES)
def test_blocks_under_other_names_are_named(names: str) -> None:
    found = foreign_blocks(["conv1.weight", *spelled(names), "fc.bias", "bn1.running_var"])
    assert [sorted(keys) for keys in found.values()] == [sorted(spelled(names))]
    sentence = sentence_on(found)
    assert NAMES[names] in sentence and spelled(names)[0] in sentence


def test_ours_and_a_plain_network_hold_none_under_other_names() -> None:
    state = NonLocalResNet(50, "10-block", block={"instantiation": "concatenation"}).state_dict()
    assert foreign_blocks(state) == {}
    assert foreign_blocks(torchvision.models.vgg11(weights=None).state_dict()) == {}


def resnet(_: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return torchvision.models.resnet18(weights=None).state_dict()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("around", "words"),
    [
        (resnet, "is a ResNet-18 that holds"),
        (lambda state: {"conv1.weight": torch.ones(1)}, "It is no state dict of a ResNet-18"),
    ],
)
@pytest.mark.parametrize("names", list(NAMES)[:4])
def test_a_file_with_such_a_block_is_not_told_that_it_has_none(
    tmp_path: Path, names: str, around: Callable[..., Any], words: str, legacy: bool
) -> None:
    state = {key: torch.ones(2) for key in spelled(names)}
    path = tmp_path / "net.pth"
    torch.save({**around(state), **state}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    sentence = str(caught.value)
    assert words in sentence and NAMES[names] in sentence and "without" not in sentence
    assert spelled(names)[0].removeprefix("module.") in sentence


def test_unknown_weights_beside_a_resnet_are_named(tmp_path: Path) -> None:
    torch.save({**resnet({}), "layer2.1.mixer.a": torch.ones(1)}, tmp_path / "a.pth")
    with pytest.raises(
        CheckpointError, match=r"1 weights that are not known .*layer2\.1\.mixer\.a"
    ):
        load_model(tmp_path / "a.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "b.pth")
    with pytest.raises(
        CheckpointError, match=r"b\.pth is no state dict of .*2 weights are weight, bias"
    ):
        load_model(tmp_path / "b.pth")
