"""What a network says of itself, read off its modules."""

import copy
import inspect
import io
import json
import pickle
from typing import Any

import pytest
import torch

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.options import BLOCK_OPTIONS, NETWORK_OPTIONS, OUTPUT_STRIDES
from nonlocal_viz.core.resnet import (
    BLOCKS_PREFIX,
    NonLocalResNet,
    block_key,
    block_name,
)
from nonlocal_viz.core.source import About, BlockAbout, Normalisation, Prepare, Source
from nonlocal_viz.errors import OptionError, ShapeError


def parameters(made: type) -> set[str]:
    return set(inspect.signature(made).parameters)


def test_the_lists_of_options_are_those_of_the_constructors() -> None:
    assert set(BLOCK_OPTIONS) == parameters(NonLocalBlock) - {"in_channels", "dimension"}
    assert set(NETWORK_OPTIONS) == parameters(NonLocalResNet) - {"device"}
    for stride in OUTPUT_STRIDES:
        assert NonLocalResNet(50, [], output_stride=stride).output_stride == stride


ARCHITECTURES: list[dict[str, Any]] = [
    {},
    {"depth": 18, "blocks": []},
    {
        "depth": 34,
        "blocks": ["layer3.4", "layer2.0"],
        "num_classes": 7,
        "padding_mode": "reflect",
        "block": {"instantiation": "dot_product", "bn_layer": False, "sub_sample": True},
        "dilations": {"layer2.1": [4, 3], "layer1.0": [1, 1]},
    },
    {
        "depth": 50,
        "blocks": "10-block",
        "padding_mode": "circular",
        "block": {"inter_channels": 16, "use_scale": True, "pool_first": True, "sub_sample": True},
        "output_stride": 8,
        "dilations": {"layer4.1": [1], "layer2.3": [5]},
    },
    {
        "depth": 101,
        "blocks": "1-block",
        "output_stride": 16,
        "block": {"instantiation": "gaussian"},
    },
]


@pytest.mark.parametrize("given", ARCHITECTURES)
def test_it_tells_what_builds_it_again(given: dict[str, Any]) -> None:
    model = NonLocalResNet(**given)
    told = model.architecture
    assert json.loads(json.dumps(told)) == told
    again = NonLocalResNet(**told)
    again.load_state_dict(model.state_dict())
    assert again.architecture == told
    with torch.inference_mode():
        x = torch.randn(1, 3, 64, 64)
        ours, our_maps = model.eval()(x, return_nl_map=True)
        theirs, their_maps = again.eval()(x, return_nl_map=True)
    assert torch.equal(ours, theirs) and our_maps.keys() == their_maps.keys()
    for name, affinity in our_maps.items():
        assert torch.equal(affinity.row(5), their_maps[name].row(5))
    for key, value in given.items():
        if key not in ("blocks", "block", "dilations"):
            assert told[key] == value
    for key, value in given.get("block", {}).items():
        assert told["block"][key] == value
    steps = {k: v for k, v in given.get("dilations", {}).items() if k != "layer1.0"}
    assert told.get("dilations", {}) == steps


def test_it_tells_what_is_there_and_not_what_was_asked_for() -> None:
    model = NonLocalResNet(18, ["layer2.1"], padding_mode="replicate")
    model.nl["layer2_1"] = NonLocalBlock(128, 32, instantiation="dot_product", sub_sample=False)
    model.nl["layer3_0"] = NonLocalBlock(256, 32, instantiation="dot_product", sub_sample=False)
    model.fc = torch.nn.Linear(512, 4)
    told = model.architecture
    assert told["blocks"] == ["layer2.1", "layer3.0"] == list(model.block_names)
    assert told["block"]["instantiation"] == "dot_product" and told["num_classes"] == 4
    assert told["block"]["inter_channels"] == 32
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.padding_mode = "zeros"
    assert model.architecture["padding_mode"] == "zeros"


def other_scale(model: NonLocalResNet) -> None:
    model.block("layer3.1").use_scale = True


def other_class(model: NonLocalResNet) -> None:
    class Mine(NonLocalBlock):
        pass

    model.nl["layer2_1"] = Mine(128, sub_sample=False)


def other_padding(model: NonLocalResNet) -> None:
    model.layer1[0].conv1.padding_mode = "circular"


def other_stride(model: NonLocalResNet) -> None:
    model.layer3[0].conv1.stride = (1, 1)


def other_width(model: NonLocalResNet) -> None:
    model.conv1 = torch.nn.Conv2d(4, 64, 7, 2, 3, bias=False)


def other_names(model: NonLocalResNet) -> None:
    torch.nn.utils.parametrizations.weight_norm(model.block("layer2.1").theta)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_scale, "'layer2.1' and 'layer3.1' of this network differ in use_scale"),
        (other_class, "'layer2.1' of this network is a Mine"),
        (other_padding, r"padded in several ways \(circular, zeros\)"),
        (other_stride, r"'layer3\.0\.conv1' of this network has been changed"),
        (other_width, r"'conv1\.weight' of this network"),
        (other_names, r"layer2_1\.theta"),
    ],
)
def test_what_arguments_cannot_say_is_refused(change: Any, words: str) -> None:
    model = NonLocalResNet(18, ["layer2.1", "layer3.1"])
    assert model.architecture
    change(model)
    with pytest.raises(OptionError, match=words):
        _ = model.architecture


def test_names_of_blocks_and_their_keys() -> None:
    model = NonLocalResNet(18, ["layer3.1"])
    assert block_name(block_key("layer3.1")) == "layer3.1"
    assert BLOCKS_PREFIX + block_key("layer3.1") + ".theta.weight" in model.state_dict()
    assert [name for name, _ in model.places()][:3] == ["layer1.0", "layer1.1", "layer2.0"]
    assert len(list(model.places())) == 8
    x = model.eval().stem(torch.randn(1, 3, 64, 32))
    assert x.shape == (1, 64, 16, 8)
    for _, residual_block in model.places():
        x = residual_block(x)
    assert x.shape == (1, 512, 2, 1)


def test_what_it_says_of_itself() -> None:
    model = NonLocalResNet(34, ["layer2.1", "layer3.1"], block={"use_scale": True})
    assert isinstance(model, Source)
    assert model.about.name == "resnet34" and model.prepare == Prepare()
    assert model.about.blocks == {
        "layer2.1": BlockAbout(128, 64, embedded=True, use_scale=True, stride=8),
        "layer3.1": BlockAbout(256, 128, embedded=True, use_scale=True, stride=16),
    }
    model.about = About("mine", classes=("cat",), blocks={"wrong": BlockAbout(1, 1)})
    assert model.about.name == "mine" and list(model.about.blocks) == ["layer2.1", "layer3.1"]
    raw = NonLocalResNet(18, ["layer2.1"], block={"instantiation": "gaussian"})
    assert raw.about.blocks["layer2.1"] == BlockAbout(
        128, 64, embedded=False, use_scale=False, stride=8
    )
    # A dot product is never divided, whatever its option says.
    dot = {"instantiation": "dot_product", "use_scale": True}
    assert not NonLocalResNet(18, ["layer2.1"], block=dot).about.blocks["layer2.1"].use_scale


def test_a_run_leaves_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    model = NonLocalResNet(18, ["layer2.1"]).double().train()
    model.layer1.eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    logits, maps, *_ = model.run(torch.randn(1, 3, 64, 48))
    assert logits is not None and logits.shape == (1000,) and logits.dtype == torch.float32
    assert maps["layer2.1"].query_grid == (1, 8, 6)
    # Both may be part of somebody's loss, and cost no graph.
    for tensor in (logits, maps["layer2.1"].query):
        assert not tensor.is_inference() and not tensor.requires_grad
    assert not logits.requires_grad
    with pytest.raises(ShapeError):
        model.run(torch.randn(1, 4, 8, 8))
    assert [module.training for module in model.modules()] == modes
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    clip = torch.randn(1, 3, 2, 32, 32)
    assert model.run(clip).affinities["layer2.1"].query_grid == (2, 4, 4)
    assert len(model.run(clip, spacetime=False).affinities["layer2.1"]) == 2


def through_torch(model: NonLocalResNet) -> Any:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def averaged(model: NonLocalResNet) -> Any:
    return torch.optim.swa_utils.AveragedModel(model).module


def quantised(model: NonLocalResNet) -> Any:
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear})


@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization", "ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), through_torch, averaged, quantised],
    ids=["deepcopy", "pickle", "torch.save", "AveragedModel", "quantize_dynamic"],
)
def test_it_stays_a_module(copied: Any) -> None:
    torch.manual_seed(0)
    model = NonLocalResNet(18, ["layer2.1"], num_classes=3).eval()
    model.about = About("mine", classes=("a", "b", "c"), assumptions=("It is assumed.",))
    model.prepare = Prepare(Normalisation((0.5,) * 3, (0.2,) * 3), 100)
    other = copied(model)
    assert other.about == model.about and other.prepare == model.prepare
    assert other.device == model.device
    x = torch.randn(1, 3, 40, 40)
    ours, theirs = model.run(x), other.run(x)
    assert torch.equal(ours.affinities["layer2.1"].row(3), theirs.affinities["layer2.1"].row(3))
    assert ours.logits is not None and theirs.logits is not None
    torch.testing.assert_close(ours.logits, theirs.logits, atol=0.05, rtol=0.05)


def _tell(model: NonLocalResNet, queue: Any) -> None:
    queue.put((model.about.name, model.architecture))


def test_it_goes_to_another_process() -> None:
    import torch.multiprocessing as mp

    model = NonLocalResNet(18, ["layer2.1"])
    context = mp.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_tell, args=(model, queue))
    process.start()
    try:
        assert queue.get(timeout=120) == ("resnet18", model.architecture)
    finally:
        process.join()
        queue.close()
