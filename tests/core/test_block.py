import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nonlocal_viz.core.aggregate import linear_aggregate
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.errors import MapTooLargeError, ShapeError

_spec = importlib.util.spec_from_file_location(
    "reference", Path(__file__).with_name("reference.py")
)
assert _spec and _spec.loader
_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_reference)
reference_map, randomise = _reference.reference_map, _reference.randomise

SIZES = {
    1: [(7,), (1,), (6,)],
    2: [(5, 7), (1, 1), (4, 6), (1, 5)],
    3: [(3, 5, 4), (1, 1, 1), (2, 4, 3)],
}


def options() -> list[dict]:
    names = ("instantiation", "dimension", "sub_sample", "pool_first", "bn_layer")
    values = (INSTANTIATIONS, (1, 2, 3), (False, True), (False, True), (False, True))
    return [
        dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)
    ]


@pytest.mark.parametrize("option", options(), ids=lambda o: "-".join(map(str, o.values())))
def test_output_and_map_equal_the_loops_of_the_paper(option: dict) -> None:
    for size in SIZES[option["dimension"]]:
        block = randomise(NonLocalBlock(6, **option))
        x = torch.randn(2, 6, *size, generator=torch.Generator().manual_seed(1))
        z, nl_map = block(x, return_nl_map=True)
        expected_z, expected_map = reference_map(block, x)
        np.testing.assert_allclose(nl_map.detach().numpy(), expected_map, atol=1e-5, rtol=5e-6)
        np.testing.assert_allclose(z.detach().numpy(), expected_z, atol=1e-5, rtol=5e-6)
        assert torch.equal(block(x), z)


@pytest.mark.parametrize("instantiation", ["gaussian", "embedded_gaussian"])
def test_use_scale_divides_by_the_root_of_the_width(instantiation: str) -> None:
    block = randomise(NonLocalBlock(6, instantiation=instantiation, use_scale=True))
    x = torch.randn(1, 6, 4, 5)
    np.testing.assert_allclose(
        block(x, return_nl_map=True)[1].detach().numpy(), reference_map(block, x)[1], atol=1e-5
    )
    assert block.scale == pytest.approx(6**-0.5 if instantiation == "gaussian" else 3**-0.5)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
@pytest.mark.parametrize("sub_sample", [False, True])
def test_gradients_equal_those_of_the_dense_form(instantiation: str, sub_sample: bool) -> None:
    block = randomise(NonLocalBlock(5, instantiation=instantiation, sub_sample=sub_sample)).double()
    x = torch.randn(2, 5, 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 5, 5, 4, dtype=torch.float64)
    inputs = [x, *block.parameters()]
    fused = torch.autograd.grad((block(x) * weight).sum(), inputs, allow_unused=True)
    z, affinity = block.attend(x)
    g = block.project(x).g.flatten(2).transpose(1, 2)
    dense = block.W((affinity.dense() @ g).transpose(1, 2).reshape(2, -1, 5, 4)) + x
    torch.testing.assert_close(z, dense)
    for got, expected in zip(
        fused, torch.autograd.grad((dense * weight).sum(), inputs, allow_unused=True), strict=True
    ):
        assert got is not None and expected is not None
        torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_near_float32(instantiation: str, dtype: torch.dtype) -> None:
    block = randomise(NonLocalBlock(6, instantiation=instantiation))
    x = torch.randn(2, 6, 6, 5)
    with torch.autocast("cpu", dtype):
        z, nl_map = block(x, return_nl_map=True)
    exact_z, exact_map = block(x, return_nl_map=True)
    tolerance = 5e-2 if dtype == torch.bfloat16 else 1e-2
    torch.testing.assert_close(z.float(), exact_z, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(nl_map.float(), exact_map, atol=tolerance, rtol=tolerance)
    assert torch.isfinite(z).all()


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
@pytest.mark.parametrize("bn_layer", [False, True])
def test_a_fresh_block_is_the_identity(instantiation: str, bn_layer: bool) -> None:
    block = NonLocalBlock(4, instantiation=instantiation, bn_layer=bn_layer)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), x)


KEYS = {
    (True, True): {"g.0", "W.0", "W.1", "theta", "phi.0"},
    (False, True): {"g", "W.0", "W.1", "theta", "phi"},
    (True, False): {"g.0", "W", "theta", "phi.0"},
    (False, False): {"g", "W", "theta", "phi"},
}


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
@pytest.mark.parametrize(("sub_sample", "bn_layer"), KEYS)
def test_state_dict_keys_are_those_of_the_public_code(
    instantiation: str, sub_sample: bool, bn_layer: bool
) -> None:
    block = NonLocalBlock(4, sub_sample=sub_sample, bn_layer=bn_layer, instantiation=instantiation)
    expected = set(KEYS[sub_sample, bn_layer])
    if instantiation == "gaussian":
        expected -= {"theta", "phi", "phi.0"}
    if instantiation == "concatenation":
        expected.add("concat_project.0")
        assert block.concat_project[0].weight.shape == (1, 4, 1, 1)
    assert {key.rpartition(".")[0] for key in block.state_dict()} == expected


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_state_dict_of_the_public_layout_gives_its_map(dimension: int) -> None:
    """Built from plain torch modules in the public code's layout, which shares nothing with ours."""
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    pool = (nn.MaxPool1d(2), nn.MaxPool2d(2), nn.MaxPool3d((1, 2, 2)))[dimension - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dimension - 1]
    torch.manual_seed(dimension)
    public = nn.ModuleDict(
        {
            "g": nn.Sequential(conv(8, 4, 1), pool),
            "W": nn.Sequential(conv(4, 8, 1), norm(8)),
            "theta": conv(8, 4, 1),
            "phi": nn.Sequential(conv(8, 4, 1), pool),
        }
    ).eval()
    block = NonLocalBlock(8, dimension=dimension).eval()
    block.load_state_dict(public.state_dict(), strict=True)
    x = torch.randn(2, 8, *((6,), (6, 5), (3, 6, 5))[dimension - 1])
    theta = public["theta"](x).flatten(2).transpose(1, 2)
    phi, g = public["phi"](x).flatten(2), public["g"](x).flatten(2).transpose(1, 2)
    expected = (theta @ phi).softmax(-1)
    y = (expected @ g).transpose(1, 2).reshape(2, 4, *x.shape[2:])
    z, nl_map = block(x, return_nl_map=True)
    torch.testing.assert_close(nl_map, expected, atol=1e-5, rtol=5e-6)
    torch.testing.assert_close(z, public["W"](y) + x, atol=1e-5, rtol=5e-6)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_frames_relate_all_positions_of_a_clip(instantiation: str) -> None:
    flat = randomise(NonLocalBlock(4, instantiation=instantiation, sub_sample=True))
    solid = NonLocalBlock(4, dimension=3, instantiation=instantiation, sub_sample=True).eval()
    solid.load_state_dict(
        {
            k: v.unsqueeze(-1) if v.ndim == 4 and not k.startswith("concat") else v
            for k, v in flat.state_dict().items()
        }
    )
    clip = torch.randn(2, 4, 3, 5, 4)
    z, nl_map = solid(clip, return_nl_map=True)
    images = clip.transpose(1, 2).flatten(0, 1)
    z_images, affinity = flat.attend(images, frames=3)
    assert affinity.query_grid == (3, 5, 4) and affinity.key_grid == (3, 2, 2)
    torch.testing.assert_close(affinity.dense(), nl_map, atol=1e-5, rtol=5e-6)
    torch.testing.assert_close(z_images.unflatten(0, (2, 3)).transpose(1, 2), z)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_a_large_input_is_aggregated_and_its_map_refused(instantiation: str) -> None:
    """N = 40,000: the map would take 6 GB; the output must not need it."""
    block = NonLocalBlock(4, instantiation=instantiation, sub_sample=False).eval()
    x = torch.randn(1, 4, 200, 200)
    with torch.no_grad():
        assert block(x).shape == x.shape
        with pytest.raises(MapTooLargeError, match="MiB"):
            block(x, return_nl_map=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NonLocalBlock(4, dimension=4),
        lambda: NonLocalBlock(4, instantiation="cosine"),
        lambda: NonLocalBlock(0),
        lambda: NonLocalBlock(4)(torch.randn(2, 3, 5, 5)),
        lambda: NonLocalBlock(4)(torch.randn(4, 5, 5)),
        lambda: NonLocalBlock(4)(torch.randn(2, 4, 0, 5)),
        lambda: NonLocalBlock(4).attend(torch.randn(3, 4, 5, 5), frames=2),
    ],
)
def test_misuse_is_answered_with_a_sentence(make) -> None:
    with pytest.raises(ShapeError, match=r"\."):
        make()


def test_inner_channels_are_half_and_at_least_one() -> None:
    assert NonLocalBlock(64).inter_channels == 32
    assert NonLocalBlock(1).inter_channels == 1
    assert NonLocalBlock(8, inter_channels=3).inter_channels == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dot_products_of_many_positions_are_summed_in_float32(dtype: torch.dtype) -> None:
    """phi^T g sums over all positions: in half precision small terms would be lost, large sums overflow."""
    torch.manual_seed(2)
    query, key, value = (torch.rand(1, 4096, 4) * 8 for _ in range(3))
    given = [t.to(dtype) for t in (query, key, value)]
    exact = linear_aggregate(*(t.double() for t in given))
    found = linear_aggregate(*given)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.double(), exact, rtol=2e-2 if dtype == torch.bfloat16 else 3e-3, atol=0
    )
    # A value over the number of keys is below what float16 holds; the mean is not.
    ones = torch.ones(1, 65_536, 1, dtype=dtype)
    mean = linear_aggregate(ones[:, :2], ones, 1e-3 * ones)
    torch.testing.assert_close(mean, 1e-3 * ones[:, :2])
