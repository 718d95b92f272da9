import pytest
import torch
import torchvision

from nonlocal_viz.core.layouts import layout
from nonlocal_viz.core.residual import ResNet
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, ShapeError


@pytest.fixture(scope="module")
def model() -> NonLocalResNet:
    torch.manual_seed(0)
    net = NonLocalResNet(18, ["layer2.1", "layer3.1"]).eval()
    for name in net.block_names:
        torch.nn.init.normal_(net.block(name).W[1].weight)  # a block that does something
    return net.requires_grad_(False)


def test_layouts_are_those_of_the_paper() -> None:
    assert layout(50, "1-block") == ("layer3.4",)
    assert layout(50, "5-block") == ("layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5")
    assert len(layout(50, "10-block")) == 10
    assert layout(101, "5-block") == ("layer2.1", "layer2.3", "layer3.6", "layer3.13", "layer3.20")
    assert len(layout(101, "10-block")) == 10
    assert layout(18, "5-block") == ("layer2.1", "layer3.1")
    with pytest.raises(ShapeError):
        layout(50, "2-block")


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_every_depth_and_preset_builds_and_takes_torchvision_weights(depth: int) -> None:
    plain = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    net = NonLocalResNet(depth, "10-block")
    missing, unexpected = net.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and all(key.startswith("nl.") for key in missing)
    assert set(net.block_names) == set(layout(depth, "10-block"))


@pytest.mark.parametrize("depth", [18, 50])
def test_the_same_seed_gives_torchvisions_weights(depth: int) -> None:
    torch.manual_seed(3)
    plain = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=7).eval()
    torch.manual_seed(3)
    ours = NonLocalResNet(depth, [], num_classes=7).eval()
    theirs = plain.state_dict()
    assert list(ours.state_dict()) == list(theirs)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.state_dict().items())
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(ResNet.forward(ours, x), plain(x))


def test_a_network_on_the_meta_device_draws_no_random_numbers() -> None:
    torch.manual_seed(4)
    before = torch.get_rng_state()
    with torch.device("meta"):
        assert NonLocalResNet(18, []).conv1.weight.is_meta
    assert torch.equal(torch.get_rng_state(), before)


def test_with_fresh_blocks_it_is_torchvisions_network() -> None:
    torch.manual_seed(1)
    plain = torchvision.models.resnet18(weights=None).eval()
    net = NonLocalResNet(18, "5-block").eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 3, 64, 48)
    torch.testing.assert_close(net(x), plain(x))


def test_maps_are_those_of_the_blocks(model: NonLocalResNet) -> None:
    x = torch.randn(2, 3, 64, 96)
    logits, maps = model(x, return_nl_map=True)
    torch.testing.assert_close(model(x), logits)
    assert list(maps) == ["layer2.1", "layer3.1"]
    assert maps["layer2.1"].query_grid == (1, 8, 12) and maps["layer3.1"].query_grid == (1, 4, 6)
    seen = {}
    hook = model.layer2[1].register_forward_hook(lambda m, i, out: seen.setdefault("x", out))
    model(x)
    hook.remove()
    expected = model.block("layer2.1")(seen["x"], return_nl_map=True)[1]
    torch.testing.assert_close(maps["layer2.1"].dense(), expected)


def test_clips(model: NonLocalResNet) -> None:
    clip = torch.randn(2, 3, 3, 48, 64)
    logits, maps = model(clip, return_nl_map=True)
    assert logits.shape == (2, 1000)
    a = maps["layer2.1"]
    assert a.shape == (2, 3 * 6 * 8, 3 * 6 * 8) and a.query_grid == (3, 6, 8)
    torch.testing.assert_close(a.row(0).sum(-1), torch.ones(2))
    # The second clip is answered as if it were alone, and a clip of one frame is its image.
    alone = model(clip[1:], return_nl_map=True)[1]["layer2.1"]
    torch.testing.assert_close(alone.row(5), a[1].row(5), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(clip[:, :, :1]), model(clip[:, :, 0]))
    within = model(clip, return_nl_map=True, spacetime=False)[1]["layer2.1"]
    assert within.shape == (6, 48, 48)
    image = model(clip[:, :, 1], return_nl_map=True)[1]["layer2.1"]
    torch.testing.assert_close(within[1].row(7), image[0].row(7), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (33, 31), (225, 97)])
def test_any_size_survives(model: NonLocalResNet, size: tuple[int, int]) -> None:
    logits, maps = model(torch.randn(1, 3, *size), return_nl_map=True)
    assert torch.isfinite(logits).all()
    assert maps["layer2.1"].query_grid == (1, -(-size[0] // 8), -(-size[1] // 8))


def test_padding_mode_reaches_every_padded_convolution() -> None:
    net = NonLocalResNet(18, "5-block", padding_mode="replicate").eval()
    flat = torch.full((1, 3, 64, 64), 0.5)
    features = net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(flat)))))
    # A constant picture has constant features, at the border too.
    torch.testing.assert_close(
        features, features.mean((2, 3), keepdim=True).expand_as(features), atol=1e-4, rtol=1e-4
    )


def test_misuse_is_answered_with_a_sentence(model: NonLocalResNet) -> None:
    with pytest.raises(BlockError, match=r"layer2\.1, layer3\.1"):
        model.block("layer9.0")
    with pytest.raises(BlockError, match="no residual block"):
        NonLocalResNet(18, ["layer2.7"])
    for bad in (torch.randn(3, 8, 8), torch.randn(1, 4, 8, 8), torch.randn(1, 3, 0, 8)):
        with pytest.raises(ShapeError):
            model(bad)
    with pytest.raises(ShapeError):
        NonLocalResNet(20)
    with pytest.raises(ShapeError):
        NonLocalResNet(18, padding_mode="mirror")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_equals_cpu(model: NonLocalResNet) -> None:
    import copy

    x = torch.randn(1, 3, 64, 64)
    on_gpu = copy.deepcopy(model).cuda()(x.cuda(), return_nl_map=True)[1]["layer2.1"]
    on_cpu = model(x, return_nl_map=True)[1]["layer2.1"]
    torch.testing.assert_close(on_gpu.row(9).cpu(), on_cpu.row(9), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("output_stride", "dilated", "grids"),
    [
        (32, [False, False, False], (8, 4)),
        (16, [False, False, True], (8, 4)),
        (8, [False, True, True], (8, 8)),
    ],
)
def test_an_output_stride_is_torchvisions_dilation(
    output_stride: int, dilated: list[bool], grids: tuple[int, int]
) -> None:
    torch.manual_seed(2)
    plain = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=dilated).eval()
    net = NonLocalResNet(50, ["layer2.3", "layer3.5"], output_stride=output_stride).eval()
    net.load_state_dict(plain.state_dict(), strict=False)
    assert net.output_stride == output_stride
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        logits, maps = net(x, return_nl_map=True)
        torch.testing.assert_close(logits, plain(x))
        _, clip = net(torch.randn(1, 3, 2, 64, 64), return_nl_map=True)
    assert [maps[name].query_grid for name in net.block_names] == [(1, g, g) for g in grids]
    assert [clip[name].query_grid for name in net.block_names] == [(2, g, g) for g in grids]


@pytest.mark.parametrize(("depth", "stride"), [(18, 8), (34, 16), (50, 4), (50, 12)])
def test_an_output_stride_that_there_is_not(depth: int, stride: int) -> None:
    with pytest.raises(ShapeError, match="output stride"):
        NonLocalResNet(depth, [], output_stride=stride)


def test_a_dilated_block_sees_further_with_the_same_weights() -> None:
    torch.manual_seed(3)
    plain = NonLocalResNet(18, ["layer2.1"], padding_mode="replicate").eval().double()
    wide = NonLocalResNet(
        18, ["layer2.1"], padding_mode="replicate", dilations={"layer2.1": (4, 3)}
    )
    wide.eval().double().load_state_dict(plain.state_dict())
    # One step is what every network has.
    same = NonLocalResNet(
        18, ["layer2.1"], padding_mode="replicate", dilations={"layer2.1": [1, 1]}
    )
    same.eval().double().load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 256, 256, dtype=torch.double)
    assert torch.equal(same(x), plain(x))
    assert wide(x).shape == plain(x).shape and not torch.equal(wide(x), plain(x))
    # 99 px without: 43 from layer1, 24 through layer2.0, 32 through layer2.1.
    assert [_seen(net, x) for net in (plain, wide)] == [99, 67 + 16 * (4 + 3)]


def _seen(net: NonLocalResNet, x: torch.Tensor) -> int:
    """The side in pixels of what a cell of layer2.1 in the middle of x depends on."""
    found: list[torch.Tensor] = []
    handle = net.layer2[1].register_forward_hook(lambda _m, _i, output: found.append(output))
    x = x.clone().requires_grad_()
    net(x)
    handle.remove()
    (gradient,) = torch.autograd.grad(found[0][0, :, 16, 16].sum(), x)
    columns = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
    return int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize("steps", [(4,), (4, 3, 2), (0, 1), (1, 65), (1.0, 2), (True, 1), ()])
def test_dilations_that_do_not_fit(steps: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="2 convolutions of 3x3"):
        NonLocalResNet(18, [], dilations={"layer2.1": steps})
    with pytest.raises(BlockError, match=r"layer2\.5"):
        NonLocalResNet(18, [], dilations={"layer2.5": (2, 2)})


def test_a_bottleneck_has_one_convolution_to_dilate() -> None:
    net = NonLocalResNet(50, [], dilations={"layer2.1": (2,)})
    assert net.layer2[1].conv2.dilation == net.layer2[1].conv2.padding == (2, 2)
    assert net.dilations == {"layer2.1": (2,)}
