"""Published checkpoints, as files of their layout: what is read computes what the peers' own modules do."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import cnn as mmcv
from timm.layers.non_local_attn import NonLocalAttn
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.zoo import load_blocks
from nonlocal_viz.zoo.families import FAMILIES


def trained(module: nn.Module, seed: int = 0) -> Any:
    """With weights as after training, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            assert part.running_mean is not None and part.running_var is not None
            nn.init.normal_(part.running_mean, generator=generator)
            nn.init.uniform_(part.running_var, 0.5, 2.0, generator=generator)
        if hasattr(part, "weight_u"):
            # Where the power iteration of a spectral norm ends; from anywhere else the norm is none.
            left, _, right = torch.linalg.svd(part.weight_orig.detach().flatten(1))
            part.weight_u.copy_(left[:, 0])
            part.weight_v.copy_(right[0])
    return module.eval().requires_grad_(False)


class SlowFastNonlocal(nn.Module):
    """As slowfast/models/nonlocal_helper.py computes it."""

    def __init__(self, channels: int, inner: int, pool: Any, softmax: bool, norm: str = "bn"):
        super().__init__()
        self.softmax, self.norm_name = softmax, norm
        self.conv_theta = nn.Conv3d(channels, inner, 1)
        self.conv_phi = nn.Conv3d(channels, inner, 1)
        self.conv_g = nn.Conv3d(channels, inner, 1)
        self.conv_out = nn.Conv3d(inner, channels, 1)
        setattr(self, norm, nn.BatchNorm3d(channels))
        self.pool = nn.MaxPool3d(pool, pool) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pool(x)
        theta, phi, g = self.conv_theta(x), self.conv_phi(pooled), self.conv_g(pooled)
        scores = torch.einsum("nctp,ncg->ntpg", theta.flatten(3), phi.flatten(2))
        if self.softmax:
            weights = (scores * theta.shape[1] ** -0.5).softmax(-1)
        else:
            weights = scores / scores.shape[-1]
        y = torch.einsum("ntpg,ncg->nctp", weights, g.flatten(2)).reshape(theta.shape)
        return x + getattr(self, self.norm_name)(self.conv_out(y))


class ResNet3dNonlocal(nn.Module):
    """As Tushar-N/pytorch-resnet3d's models/resnet.py computes it."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv3d(channels, inner, 1) for _ in range(3))
        self.out, self.bn = nn.Conv3d(inner, channels, 1), nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool3d(x, (1, 2, 2))
        theta, phi, g = (
            conv(t).flatten(2)
            for conv, t in ((self.theta, x), (self.phi, pooled), (self.g, pooled))
        )
        weights = (theta.mT @ phi * theta.shape[1] ** -0.5).softmax(-1)
        y = (weights @ g.mT).mT.reshape(x.shape[0], -1, *x.shape[2:])
        return x + self.bn(self.out(y))


class BigGanAttention(nn.Module):
    """As ajbrock/BigGAN-PyTorch's layers.py computes it; with torch's spectral norm where asked."""

    def __init__(self, channels: int, spectral: bool = False):
        super().__init__()
        wrap = nn.utils.spectral_norm if spectral else (lambda conv: conv)
        self.theta, self.phi = (
            wrap(nn.Conv2d(channels, channels // 8, 1, bias=False)) for _ in range(2)
        )
        self.g = wrap(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.o = wrap(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).flatten(2)
        phi, g = (F.max_pool2d(conv(x), 2).flatten(2) for conv in (self.phi, self.g))
        beta = (theta.mT @ phi).softmax(-1)
        return self.gamma * self.o((g @ beta.mT).unflatten(2, x.shape[2:])) + x


class PositionAttention(nn.Module):
    """As junfu1115/DANet's PAM computes it."""

    def __init__(self, channels: int):
        super().__init__()
        self.query_conv, self.key_conv = (nn.Conv2d(channels, channels // 8, 1) for _ in range(2))
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv)
        )
        weights = (query.mT @ key).softmax(-1)
        return self.gamma * (value @ weights.mT).view_as(x) + x


def peers() -> dict[str, tuple[nn.Module, tuple[int, ...], dict[str, Any]]]:
    """{name: (their module, the shape of an input, what the owner says)}."""
    plane, volume = (2, 16, 6, 5), (2, 16, 2, 6, 4)
    found: dict[str, tuple[nn.Module, tuple[int, ...], dict[str, Any]]] = {}
    for mode in ("gaussian", "embedded_gaussian", "dot_product", "concatenation"):
        for pooled in (False, True):
            said = {"instantiation": mode} if mode == "dot_product" else {}
            block = mmcv.NonLocal2d(16, mode=mode, sub_sample=pooled, norm_cfg={"type": "BN"})
            found[f"mmcv 2d {mode} {pooled}"] = block, plane, said
    found["mmcv 3d"] = mmcv.NonLocal3d(16, sub_sample=True), volume, {}
    found["mmcv 1d"] = mmcv.NonLocal1d(16), (2, 16, 7), {}
    found["mmcv without scale"] = mmcv.NonLocal2d(16, use_scale=False), plane, {"use_scale": False}
    found["slowfast"] = SlowFastNonlocal(16, 8, (1, 2, 2), True), volume, {}
    found["pytorchvideo"] = SlowFastNonlocal(16, 8, (1, 2, 2), True, "norm"), volume, {}
    found["slowfast unpooled dot"] = (
        SlowFastNonlocal(16, 4, None, False),
        volume,
        {"instantiation": "dot_product", "sub_sample": False},
    )
    found["biggan"] = BigGanAttention(16), plane, {}
    found["sagan"] = BigGanAttention(16, spectral=True), plane, {}
    found["danet"] = PositionAttention(16), plane, {}
    found["timm"] = NonLocalAttn(16, rd_channels=6), plane, {}
    for kind in ("gaussian", "embedded_gaussian", "concatenation"):
        block = nv.NonLocalBlock(16, instantiation=kind)
        found[f"alexhex7 {kind}"] = block, plane, {}
    found["alexhex7 plain"] = (
        nv.NonLocalBlock(16, dimension=3, sub_sample=False, bn_layer=False),
        volume,
        {},
    )
    return found


PEERS = peers()


@pytest.mark.parametrize("around", ["", "module.head.nl_block."])
@pytest.mark.parametrize("name", PEERS)
def test_a_block_computes_what_its_own_code_computes(
    tmp_path: Path, name: str, around: str
) -> None:
    module, shape, said = PEERS[name]
    trained(module)
    path = tmp_path / "theirs.pth"
    state = {f"{around}{key}": value for key, value in module.state_dict().items()}
    torch.save({"state_dict": {**state, "other.weight": torch.ones(3)}, "epoch": 3}, path)
    blocks = load_blocks(path, **said)
    assert list(blocks) == [around.rstrip(".")]
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(4))
    expected = module(x)
    assert float((expected - x).abs().max()) > 0.1
    torch.testing.assert_close(next(iter(blocks.values()))(x), expected, rtol=1e-4, atol=1e-5)
    assert blocks.family in repr(blocks) and repr(blocks).startswith("1 blocks of ")


def test_the_resnet3d_of_videos(tmp_path: Path) -> None:
    module = trained(ResNet3dNonlocal(16, 8))
    state = {f"layer2.1.nl.{key}": value for key, value in module.state_dict().items()}
    torch.save(state, tmp_path / "i3d.pth")
    blocks = load_blocks(tmp_path / "i3d.pth")
    x = torch.randn(1, 16, 2, 6, 4)
    torch.testing.assert_close(blocks["layer2.1.nl"](x), module(x), rtol=1e-4, atol=1e-5)
    assert blocks.family.startswith("pytorch-resnet3d") and blocks.notes == ()


def test_what_is_assumed_is_said_until_it_is_told(tmp_path: Path) -> None:
    module = trained(SlowFastNonlocal(16, 8, (1, 2, 2), True))
    torch.save(module.state_dict(), tmp_path / "a.pyth")
    notes = " ".join(load_blocks(tmp_path / "a.pyth").notes)
    assert "instantiation='dot_product'" in notes and "sub_sample=False" in notes
    told = load_blocks(tmp_path / "a.pyth", instantiation="embedded_gaussian", sub_sample=True)
    assert told.notes == ()
    with pytest.raises(OptionError, match="no option 'scale'"):
        load_blocks(tmp_path / "a.pyth", scale=2)
    with pytest.raises(OptionError, match="cannot be 'yes'"):
        load_blocks(tmp_path / "a.pyth", use_scale="yes")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("i3d_nl-dot-product_8xb8", "dot_product"),
        ("i3d_nl-embedded-gaussian_8xb8", "embedded_gaussian"),
        ("mine", "embedded_gaussian"),
    ],
)
def test_mmaction2_says_the_form_in_the_name_of_the_file(
    tmp_path: Path, name: str, form: str
) -> None:
    kind = {"mode": form, "use_scale": False, "norm_cfg": {"type": "BN3d"}}
    module = trained(mmcv.NonLocal3d(16, sub_sample=True, **kind))
    at = "backbone.layer2.1.non_local_block."
    path = tmp_path / f"{name}.pth"
    torch.save({at + key: value for key, value in module.state_dict().items()}, path)
    blocks = load_blocks(path)
    x = torch.randn(1, 16, 2, 6, 4)
    torch.testing.assert_close(blocks[at[:-1]](x), module(x), rtol=1e-4, atol=1e-5)
    assert ("name of the file" in " ".join(blocks.notes)) == (form == "dot_product")


RELATIVES = {
    "DNL": ["decode_head.dnl_block.g.conv.weight", "decode_head.dnl_block.conv_mask.weight"],
    "DNL ": ["a.theta.conv.weight", "a.conv_out.conv.weight", "a.conv_mask.weight"],
    "GCNet": ["layer3.1.context_block.conv_mask.weight", "channel_add_conv.0.weight"],
    "OCNet": ["context.f_key.0.weight", "context.f_key.1.weight", "context.W.weight"],
    "CCNet": ["head.cca.query_conv.weight", "head.cca.value_conv.weight"],
}


@pytest.mark.parametrize("family", RELATIVES)
def test_relatives_are_refused_by_name(tmp_path: Path, family: str) -> None:
    torch.save({key: torch.ones(4, 4, 1, 1) for key in RELATIVES[family]}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=rf"a block of {family.strip()}.*nv\.attach"):
        load_blocks(tmp_path / "a.pth")


def test_a_file_without_a_block_says_what_it_has(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.ones(4, 4, 1, 1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"no non-local block .*\(its 1 weights are conv"):
        load_blocks(tmp_path / "a.pth")
    torch.save(
        {"theta.weight": torch.ones(4, 4, 3, 3), "W.weight": torch.ones(4)}, tmp_path / "b.pth"
    )
    with pytest.raises(CheckpointError, match="no non-local block"):
        load_blocks(tmp_path / "b.pth")
    broken = trained(nv.NonLocalBlock(16)).state_dict() | {"W.0.weight": torch.ones(4, 4, 1, 1)}
    torch.save(broken, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match="do not fit each other"):
        load_blocks(tmp_path / "c.pth")


def slowfast_names(key: str) -> str:
    """torchvision's name of a weight of a bottleneck ResNet, as SlowFast has it."""
    head, _, kind = key.rpartition(".")
    if head in ("conv1", "bn1", "fc"):
        return {
            "conv1": "s1.pathway0_stem.conv",
            "bn1": "s1.pathway0_stem.bn",
            "fc": "head.projection",
        }[head] + f".{kind}"
    layer, index, part = head.split(".", 2)
    at = f"s{int(layer[5]) + 1}.pathway0_res{index}"
    if part.startswith("downsample"):
        return f"{at}.branch1{'_bn' if part.endswith('1') else ''}.{kind}"
    letter = "abc"[int(part[-1]) - 1]
    return f"{at}.branch2.{letter}{'_bn' if part.startswith('bn') else ''}.{kind}"


def mmaction_names(key: str) -> str:
    """As mmaction2 has it."""
    head, _, kind = key.rpartition(".")
    if head == "fc":
        return f"cls_head.fc_cls.{kind}"
    if head in ("conv1", "bn1"):
        return f"backbone.conv1.{'conv' if head == 'conv1' else 'bn'}.{kind}"
    layer, index, part = head.split(".", 2)
    if part.startswith("downsample"):
        return (
            f"backbone.{layer}.{index}.downsample.{'bn' if part.endswith('1') else 'conv'}.{kind}"
        )
    inner = "bn" if part.startswith("bn") else "conv"
    return f"backbone.{layer}.{index}.conv{part[-1]}.{inner}.{kind}"


@pytest.fixture(scope="module")
def c2d() -> NonLocalResNet:
    """What the files below are of: keys pooled first, scaled, as SlowFast's."""
    torch.manual_seed(0)
    block = {"sub_sample": True, "pool_first": True, "use_scale": True}
    model = NonLocalResNet(50, ["layer2.1", "layer3.1"], num_classes=7, block=block)
    for name in model.block_names:
        trained(model.block(name))
    return model.eval().requires_grad_(False)


def in_slowfast(model: NonLocalResNet) -> dict[str, Tensor]:
    """The state dict as SlowFast writes it: kernels with a time of one frame."""
    found = {}
    for key, value in model.state_dict().items():
        wide = value[:, :, None] if value.ndim == 4 else value
        if not key.startswith("nl."):
            found[slowfast_names(key)] = wide
            continue
        _, place, part = key.split(".", 2)
        at = f"s{int(place[5]) + 1}.pathway0_nonlocal{place[7:]}"
        names = {
            "g.0": "conv_g",
            "phi.0": "conv_phi",
            "theta": "conv_theta",
            "W.0": "conv_out",
            "W.1": "bn",
        }
        head, _, kind = part.rpartition(".")
        found[f"{at}.{names[head]}.{kind}"] = wide
    return found


def test_a_c2d_of_slowfast_opens_whole(
    tmp_path: Path, c2d: NonLocalResNet, picture: np.ndarray
) -> None:
    path = tmp_path / "C2D_NLN.pyth"
    torch.save({"model_state": in_slowfast(c2d), "cfg": "MODEL: C2D"}, path)
    model = nv.load_model(path, "cpu")
    assert isinstance(model, NonLocalResNet) and model.block_names == c2d.block_names
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(x), c2d(x), rtol=1e-4, atol=1e-4)
    said = " ".join(model.about.assumptions)
    for words in ("SlowFast", "instantiation='dot_product'", "sub_sample=False", "clips"):
        assert words in said
    # What the family knows is not guessed a second time.
    assert "use_scale=" not in said and "pool_first=" not in said
    assert nv.Lens(model, short_side=64).open(picture).query(20, 20).map.shape[1:] == (4, 6)
    told = nv.load_model(path, "cpu", instantiation="dot_product", sub_sample=False)
    assert isinstance(told, NonLocalResNet)
    block = told.block("layer2.1")
    assert (block.instantiation, block.sub_sample) == ("dot_product", False)
    assert not any("instantiation=" in said for said in told.about.assumptions)


def test_an_i3d_keeps_its_network_and_gives_its_blocks(tmp_path: Path, c2d: NonLocalResNet) -> None:
    state = in_slowfast(c2d)
    deep = "s3.pathway0_res0.branch2.a.weight"
    state[deep] = state[deep].expand(-1, -1, 3, -1, -1).clone()
    torch.save({"model_state": state}, tmp_path / "I3D_NLN.pyth")
    with pytest.raises(
        CheckpointError, match=r"2 non-local blocks of SlowFast.*over 3 frames.*nv\.attach"
    ):
        nv.load_model(tmp_path / "I3D_NLN.pyth")
    assert list(load_blocks(tmp_path / "I3D_NLN.pyth")) == [
        "s3.pathway0_nonlocal1",
        "s4.pathway0_nonlocal1",
    ]


def test_a_network_of_mmaction2_opens_whole(tmp_path: Path) -> None:
    torch.manual_seed(1)
    block = {"sub_sample": True, "instantiation": "dot_product"}
    own = NonLocalResNet(50, ["layer2.1", "layer3.5"], num_classes=5, block=block)
    state = {}
    for key, value in own.state_dict().items():
        if not key.startswith("nl."):
            state[mmaction_names(key)] = value
    for name in own.block_names:
        trained(own.block(name))
        # conv_out has no bias where a norm follows.
        nn.init.zeros_(own.block(name).W[0].bias)
        theirs = mmcv.NonLocal2d(
            own.block(name).in_channels,
            mode="dot_product",
            sub_sample=True,
            norm_cfg={"type": "BN"},
        )
        names = {"g.0": "g.0.conv", "phi.0": "phi.0.conv", "theta": "theta.conv"}
        names |= {"W.0": "conv_out.conv", "W.1": "conv_out.bn"}
        for key, value in own.block(name).state_dict().items():
            head, _, kind = key.rpartition(".")
            state[f"backbone.{name}.non_local_block.{names[head]}.{kind}"] = value
        state.pop(f"backbone.{name}.non_local_block.conv_out.conv.bias")
        theirs.load_state_dict(
            {
                k.removeprefix(f"backbone.{name}.non_local_block."): v
                for k, v in state.items()
                if k.startswith(f"backbone.{name}.non_local_block.")
            }
        )
    own.eval()
    state["backbone.extra.weight"] = torch.ones(2)
    path = tmp_path / "tsn_nl-dot-product.pth"
    torch.save({"state_dict": state, "meta": {"epoch": 3}}, path)
    model = nv.load_model(path, "cpu")
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(x), own(x), rtol=1e-4, atol=1e-4)
    said = " ".join(model.about.assumptions)  # type: ignore[union-attr]
    assert "name of the file" in said and "1 other weights" in said and "backbone.extra" in said


def test_a_shifted_network_is_not_read_as_one_that_is_not(
    tmp_path: Path, c2d: NonLocalResNet
) -> None:
    state = {}
    for key, value in c2d.state_dict().items():
        if key.startswith("nl."):
            _, place, part = key.split(".", 2)
            key = f"{place.replace('_', '.')}.nl.{part}"
        elif ".conv1." in key and key.startswith("layer"):
            key = key.replace(".conv1.", ".conv1.net.")
        state[f"module.base_model.{key}"] = value
    torch.save({"state_dict": state}, tmp_path / "tsm.pth")
    with pytest.raises(CheckpointError, match=r"TSM.*other weights are not those"):
        nv.load_model(tmp_path / "tsm.pth")
    assert len(load_blocks(tmp_path / "tsm.pth")) == 2


def test_every_family_is_tried_here() -> None:
    names = {family.NAME for family in FAMILIES}
    assert len(names) == len(FAMILIES) == 7
    assert math.prod(hasattr(family, "torchvision_name") for family in FAMILIES)
