"""Networks of transformers, diffusers and mmcv: their maps are those that the libraries themselves give."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers as hf
from mmcv.cnn import NonLocal1d, NonLocal2d, NonLocal3d
from torch import Tensor, nn

import nonlocal_viz as nv

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
MLP = {"intermediate_size": 24}
PATCHES = {"image_size": 48, "patch_size": 8}
STAGES = {
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "num_attention_heads": [1, 2],
    "num_encoder_blocks": 2,
}
PICTURE, CLIP = (2, 3, 48, 48), (1, 4, 3, 48, 48)


def made(kind: str, **config: Any) -> Callable[[], nn.Module]:
    """A network of random weights that computes its attention step by step, and so can give it out."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        settings = getattr(
            hf, f"{kind.removesuffix('Vision')}{'Vision' * kind.endswith('Vision')}Config"
        )
        net = getattr(hf, f"{kind}Model")(settings(**config, attn_implementation="eager")).eval()
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.data.mul_(4)  # rows that are not nearly even
        return net

    return build


#: {name: (network, what it is given, tokens before the cells, cells, tokens behind)}; their order is ours.
IN_ORDER: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, tuple[int, ...], int]] = {
    "ViT": (made("ViT", **SMALL, **MLP, **PATCHES), PICTURE, 1, (1, 6, 6), 0),
    "DeiT": (made("DeiT", **SMALL, **MLP, **PATCHES), PICTURE, 2, (1, 6, 6), 0),
    "BEiT": (
        made("Beit", **SMALL, **MLP, **PATCHES, use_relative_position_bias=True), PICTURE, 1, (1, 6, 6), 0,
    ),
    "DINOv2": (
        made("Dinov2WithRegisters", **SMALL, **PATCHES, num_register_tokens=3), PICTURE, 4, (1, 6, 6), 0,
    ),
    "DINOv3": (
        made("DINOv3ViT", **SMALL, **MLP, **PATCHES, num_register_tokens=2), PICTURE, 3, (1, 6, 6), 0,
    ),
    "CLIP": (made("CLIPVision", **SMALL, **MLP, **PATCHES), PICTURE, 1, (1, 6, 6), 0),
    "SigLIP": (made("SiglipVision", **SMALL, **MLP, **PATCHES), PICTURE, 0, (1, 6, 6), 0),
    "YOLOS": (
        made("Yolos", **SMALL, **MLP, image_size=[48, 64], patch_size=8, num_detection_tokens=10),
        (1, 3, 48, 64), 1, (1, 6, 8), 10,
    ),
    "VideoMAE": (
        made("VideoMAE", **SMALL, **MLP, **PATCHES, num_frames=4, tubelet_size=2), CLIP, 0, (2, 6, 6), 0,
    ),
    "ViViT": (
        made("Vivit", **SMALL, **MLP, image_size=48, num_frames=4, tubelet_size=[2, 8, 8]),
        CLIP, 1, (2, 6, 6), 0,
    ),
}  # fmt: skip


def seen(net: nn.Module, *given: Tensor, **more: Any) -> tuple[nv.attach, Any]:
    """A probe of one call, which leaves the call as it was."""
    with torch.inference_mode():
        plain = net(*given, **more)
        with nv.attach(net) as probe:
            found = net(*given, **more)
    first, other = (o if isinstance(o, Tensor) else o[0] for o in (found, plain))
    assert torch.equal(first, other)
    return probe, found


@pytest.mark.parametrize("name", IN_ORDER)
def test_the_maps_are_those_that_the_library_gives_out(name: str) -> None:
    build, shape, before, grid, after = IN_ORDER[name]
    net, x = build(), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    probe, output = seen(net, x, output_attentions=True)
    maps = [a for path, a in probe.maps.items() if not path.startswith("head")]
    assert len(maps) == 2, probe
    for found, theirs in zip(maps, output.attentions, strict=True):
        torch.testing.assert_close(
            found.dense(heads=True, off_grid=True), theirs, atol=2e-5, rtol=1e-4
        )
        assert (found.query_grid, found.key_grid) == (grid, grid)
        assert (len(found.key_aside.before), len(found.key_aside.after)) == (before, after)


def test_a_learnt_query_pools_over_the_cells() -> None:
    net = made("SiglipVision", **SMALL, **MLP, **PATCHES)()
    kept: list[tuple[Tensor, Tensor]] = []
    attention = net.head.attention
    handle = attention.register_forward_pre_hook(lambda _m, given: kept.append(given[:2]))
    probe, _ = seen(net, torch.randn(PICTURE))
    handle.remove()
    found = probe.maps["head.attention"]
    query, key = kept[-1]
    with torch.no_grad():
        theirs = attention(query, key, key, average_attn_weights=False)[1]
    torch.testing.assert_close(found.dense(heads=True, off_grid=True), theirs, atol=2e-5, rtol=1e-4)
    assert (found.query_aside.names, found.key_grid) == (("query 1",), (1, 6, 6))


def test_time_and_space_apart() -> None:
    net = made("Timesformer", **SMALL, **MLP, **PATCHES, num_frames=4)()
    x = torch.randn(CLIP, generator=torch.Generator().manual_seed(1))
    probe, _ = seen(net, x)
    over_time, over_space = (
        probe.maps[f"encoder.layer.0.{name}.attention"]
        for name in ("temporal_attention", "attention")
    )
    for found in (over_time, over_space):
        assert (found.query_grid, found.query_aside.names) == ((4, 6, 6), ())
        assert found.key_aside.names == ("class",)
    row = over_time.row((1, 2, 3))[0].view(4, 36)
    assert bool((row.nonzero()[:, 1] == 15).all()) and torch.isclose(row.sum(), torch.tensor(1.0))
    row = over_space.row((1, 2, 3), off_grid=True)[0]
    assert bool((row[1:].view(4, 36).sum(1) > 0).tolist() == [False, True, False, False])
    assert torch.isclose(row.sum(), torch.tensor(1.0))
    assert any("asks in several groups" in note.lower() for note in over_space.notes)


def test_tokens_of_a_small_grid_are_no_class_token() -> None:
    sizes = {"hidden_sizes": [16, 24, 32], "depths": [1, 1, 1], "key_dim": [8, 8, 8]}
    net = made("Levit", image_size=64, num_attention_heads=[2, 2, 2], **sizes)()
    probe, _ = seen(net, torch.randn(1, 3, 64, 64))
    assert {a.key_grid for a in probe.maps.values()} >= {(1, 4, 4), (1, 2, 2)}
    assert not any(len(a.key_aside) or len(a.query_aside) for a in probe.maps.values())


def test_pooled_keys_of_stages() -> None:
    net = made(
        "Segformer",
        **STAGES,
        sr_ratios=[4, 2],
        patch_sizes=[7, 3],
        strides=[4, 2],
        mlp_ratios=[2, 2],
    )()
    probe, output = seen(net, torch.randn(1, 3, 48, 64), output_attentions=True)
    assert [(a.query_grid, a.key_grid) for a in probe.maps.values()] == [
        ((1, 12, 16), (1, 3, 4)), ((1, 6, 8), (1, 3, 4)),
    ]  # fmt: skip
    for found, theirs in zip(probe.maps.values(), output.attentions, strict=True):
        torch.testing.assert_close(found.dense(heads=True), theirs, atol=2e-5, rtol=1e-4)


def test_neighbourhoods_without_attention_are_none() -> None:
    net = made("PoolFormer", hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1])()
    with pytest.raises(nv.errors.ProbeError, match="No attention over positions"):
        seen(net, torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("mode", ["embedded_gaussian", "gaussian", "dot_product", "concatenation"])
@pytest.mark.parametrize("sub_sample", [False, True])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [(NonLocal1d, (2, 6, 12)), (NonLocal2d, (2, 6, 4, 6)), (NonLocal3d, (1, 6, 2, 4, 6))],
)
def test_blocks_of_mmcv(kind: Any, shape: tuple[int, ...], sub_sample: bool, mode: str) -> None:
    torch.manual_seed(0)
    block = kind(shape[1], mode=mode, sub_sample=sub_sample, reduction=1).eval()
    for weight in block.parameters():
        weight.data.normal_(0, 0.4)
    kept: list[Tensor] = []
    pairwise = getattr(block, mode)
    setattr(block, mode, lambda *given: kept.append(pairwise(*given)) or kept[-1])
    probe, _ = seen(block, torch.randn(shape))
    found = probe.maps[""]
    torch.testing.assert_close(found.dense(), kept[0], atol=2e-5, rtol=1e-4)
    assert found.signed is (mode == "dot_product")


def test_the_attention_of_a_diffusion_model() -> None:
    import diffusers

    torch.manual_seed(0)
    net = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(16, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
    ).eval()  # fmt: skip
    probe, _ = seen(net, torch.randn(1, 3, 8, 8), torch.tensor([5]))
    assert len(probe.maps) == 4 and not probe.refused
    assert {a.key_grid for a in probe.maps.values()} == {(1, 4, 4)}
    assert {a.heads for a in probe.maps.values()} == {2}
