"""What lies between x and z, the block as torch's attention, and its ancestor."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.core.tokens import grid_of, laid_out, tokens_of
from nonlocal_viz.errors import OptionError, ShapeError

SHAPES = {1: (2, 6, 7), 2: (2, 6, 4, 5), 3: (2, 6, 2, 4, 3)}


def trained(block: NonLocalBlock) -> NonLocalBlock:
    """With weights and statistics as after training: nothing in it is 0 or 1."""
    generator = torch.Generator().manual_seed(3)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    for module in block.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2.0, generator=generator)
    return block.eval().requires_grad_(False)


def given(dimension: int) -> Tensor:
    return torch.randn(*SHAPES[dimension], generator=torch.Generator().manual_seed(5))


def options(**values: tuple[object, ...]) -> list[dict]:
    return [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]


@pytest.mark.parametrize(
    "option",
    options(
        instantiation=tuple(INSTANTIATIONS),
        dimension=(1, 2, 3),
        sub_sample=(False, True),
        pool_first=(False, True),
        bn_layer=(False, True),
    ),
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_every_tensor_follows_from_those_before(option: dict) -> None:
    block, x = trained(NonLocalBlock(6, **option)), given(option["dimension"])
    a = block.anatomy(x)
    close = {"rtol": 1e-4, "atol": 1e-5}
    cells, keys = math.prod(x.shape[2:]), a.affinity.shape[2]
    assert a.x.shape == (2, cells, 6) and a.g.shape == (2, keys, 3) and a.y.shape == (2, cells, 3)
    torch.testing.assert_close(a.x, x.flatten(2).mT)
    torch.testing.assert_close(a.y, a.affinity.dense() @ a.g, **close)
    convolution = block.W[0] if option["bn_layer"] else block.W
    weight, bias = convolution.weight.flatten(1), convolution.bias
    torch.testing.assert_close(a.projected, a.y @ weight.T + bias, **close)
    torch.testing.assert_close(a.added, a.y @ a.weight.T + a.bias, **close)
    if not option["bn_layer"]:
        torch.testing.assert_close(a.added, a.projected)
    assert torch.equal(a.z, block(x).flatten(2).mT)
    torch.testing.assert_close(a.z, a.x + a.added)
    if option["instantiation"] == "gaussian":
        assert torch.equal(a.theta, a.x)
    elif option["instantiation"] != "concatenation":
        assert torch.equal(a.theta, a.affinity.query[:, 0])
        assert torch.equal(a.phi, a.affinity.key[:, 0])
    torch.testing.assert_close(a.sizes(), (a.g @ a.weight.T).square().sum(-1).sqrt())


def test_frames_of_a_clip_are_one_row_of_tokens() -> None:
    block = trained(NonLocalBlock(6, sub_sample=False))
    x = torch.randn(6, 6, 4, 5, generator=torch.Generator().manual_seed(1))  # two clips of three
    a = block.anatomy(x, frames=3)
    assert a.x.shape == (2, 60, 6) and a.affinity.query_grid == (3, 4, 5)
    assert torch.equal(laid_out(a.z, x, 3), block(x, frames=3))
    assert torch.equal(tokens_of(x, 3)[1, 20:40], x[4].flatten(1).T)
    assert grid_of(x, 3) == (3, 4, 5)


def test_an_image_of_a_batch() -> None:
    block, x = trained(NonLocalBlock(6)), given(2)
    a = block.anatomy(x)
    for i, one in ((1, a[1]), (-1, a[-1])):
        assert len(one) == 1 and torch.equal(one.z[0], a.z[i]) and torch.equal(one.weight, a.weight)
        assert torch.equal(one.affinity.dense()[0], a.affinity.dense()[i])
    with pytest.raises(IndexError):
        a[2]
    assert a.nbytes > 4 * (a.x.numel() + a.z.numel() + a.g.numel())
    assert repr(a) == "Anatomy(2 images, N 20 queries, M 4 keys, C 6, D 3)"


def test_a_foreign_w_is_refused_in_a_sentence() -> None:
    for w in (nn.Identity(), nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6))):
        block = NonLocalBlock(6)
        block.W = w
        with pytest.raises(OptionError, match="1x1 convolution"):
            block.output_map()
    for norm in (nn.GroupNorm(2, 6), nn.BatchNorm2d(6, track_running_stats=False)):
        block = NonLocalBlock(6)
        block.W = nn.Sequential(nn.Conv2d(3, 6, 1), norm)
        with pytest.raises(OptionError, match="cannot be folded"):
            block.output_map()


def test_a_norm_without_gamma_and_a_convolution_without_bias_are_folded() -> None:
    block = trained(NonLocalBlock(6))
    norm = nn.BatchNorm2d(6, affine=False).eval()
    norm.running_mean, norm.running_var = torch.arange(6.0), torch.arange(1.0, 7.0)
    block.W = nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), norm)
    a = block.anatomy(given(2))
    torch.testing.assert_close(a.added, a.y @ a.weight.mT + a.bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "option",
    options(
        instantiation=("gaussian", "embedded_gaussian"),
        dimension=(1, 2, 3),
        inter_channels=(3, 6, 9),
        use_scale=(False, True),
        bn_layer=(False, True),
        pool_first=(False, True),
    ),
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_a_block_is_torchs_attention_with_one_head(option: dict) -> None:
    block = trained(NonLocalBlock(6, sub_sample=option["pool_first"], **option)).double()
    x = given(option["dimension"]).double()
    heads = nv.as_attention(block)
    assert heads.num_heads == 1 and not heads.training
    t = x.flatten(2).mT
    u = block.pool(x).flatten(2).mT if option["pool_first"] else t
    added, weights = heads(t, u, u)
    z, nl_map = block(x, return_nl_map=True)
    torch.testing.assert_close(weights, nl_map, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(t + added, z.flatten(2).mT, rtol=1e-9, atol=1e-10)


def test_the_shipped_weights_are_torchs_attention() -> None:
    model = nv.load_model("default")
    view = nv.Lens(model).open(nv.examples()["astronaut"])
    for name in view.blocks:
        a, heads = view.anatomy(name), nv.as_attention(model.block(name)).requires_grad_(False)
        added, weights = heads(a.x, a.x, a.x)
        assert float((weights - a.affinity.dense()).abs().max()) < 1e-5
        assert float((a.x + added - a.z).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"instantiation": "dot_product", "sub_sample": False}, "no softmax"),
        ({"instantiation": "concatenation", "sub_sample": False}, "no softmax"),
        ({"sub_sample": True}, "pools its keys"),
        ({"sub_sample": False}, "training"),
    ],
)
def test_what_is_no_head_of_a_transformer_is_refused(option: dict, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        nv.as_attention(NonLocalBlock(6, **option))


def test_without_a_batch_norm_training_changes_nothing() -> None:
    block = trained(NonLocalBlock(6, sub_sample=False, bn_layer=False)).train()
    t = given(2).flatten(2).mT
    assert torch.allclose(
        t + nv.as_attention(block)(t, t, t)[0], block(given(2)).flatten(2).mT, atol=1e-5
    )


def means_by_loops(
    image: np.ndarray, grid: tuple[int, int, int], patch: int, h: float
) -> np.ndarray:
    """The map of non-local means, cell by cell."""
    _, rows, columns = grid
    cells = np.zeros((*grid, 3))
    for t, r, c in itertools.product(*map(range, grid)):
        top, bottom = r * image.shape[1] // rows, -(-(r + 1) * image.shape[1] // rows)
        left, right = c * image.shape[2] // columns, -(-(c + 1) * image.shape[2] // columns)
        cells[t, r, c] = image[t, top:bottom, left:right].reshape(-1, 3).mean(0) / 255
    reach = range(-(patch // 2), patch // 2 + 1)
    patches = [
        [
            cells[t, min(max(r + dr, 0), rows - 1), min(max(c + dc, 0), columns - 1)]
            for dr in reach
            for dc in reach
        ]
        for t, r, c in itertools.product(*map(range, grid))
    ]
    p = np.array(patches).reshape(len(patches), -1)
    f = np.exp(-((p[:, None] - p[None]) ** 2).sum(-1) / (p.shape[1] * h**2))
    return f / f.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("grid", "patch", "h"), [((1, 5, 7), 3, 0.2), ((2, 4, 3), 1, 0.1), ((1, 1, 6), 5, 0.5)]
)
def test_non_local_means_equal_the_loops(grid: tuple[int, int, int], patch: int, h: float) -> None:
    image = np.random.default_rng(2).integers(0, 256, (grid[0], 21, 30, 3), np.uint8)
    a = nv.nonlocal_means(torch.from_numpy(image), grid, patch, h)
    expected = means_by_loops(image, grid, patch, h)
    np.testing.assert_allclose(a.dense()[0].numpy(), expected, atol=2e-6)
    floats = nv.nonlocal_means(torch.from_numpy(image / 255.0), grid, patch, h)
    np.testing.assert_allclose(floats.dense()[0].numpy(), expected, atol=2e-6)
    assert a.is_distribution and a.query_grid == grid and a.instantiation == "nonlocal_means"


def test_non_local_means_refuse_what_they_cannot_take() -> None:
    image = torch.zeros(8, 8, 3)
    for wrong in (torch.zeros(8, 8), torch.zeros(3, 8, 8), torch.zeros(2, 8, 8, 3)):
        with pytest.raises(ShapeError):
            nv.nonlocal_means(wrong, (1, 4, 4))
    for patch in (0, 2):
        with pytest.raises(ShapeError, match="odd"):
            nv.nonlocal_means(image, (1, 4, 4), patch)
    for h in (0.0, -1.0, math.nan):
        with pytest.raises(OptionError, match="above 0"):
            nv.nonlocal_means(image, (1, 4, 4), h=h)
