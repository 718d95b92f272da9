"""Tokens placed by those of a module shortly before: the same ones, reordered, or pooled in units."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe.positions import Positions, each_once
from nonlocal_viz.probe.relay import units

WIDTH = 16


class Attention(nn.Module):
    """Two heads over the last but one axis; queries are the greatest of ``pool`` tokens each."""

    def __init__(self, pool: int = 1) -> None:
        super().__init__()
        self.qkv, self.pool = nn.Linear(WIDTH, 3 * WIDTH), pool

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, -1)).movedim(-3, 0).transpose(-2, -3)
        if self.pool > 1:
            q = q.unflatten(-2, (self.pool, -1)).amax(-3)
        self.weights = (q @ k.mT / 2).softmax(-1)
        y: Tensor = (self.weights @ v).transpose(-2, -3).flatten(-2)
        return y


class Block(nn.Module):
    """A block before the norm; its attention sees the tokens in an order of its own."""

    def __init__(self, order: Tensor | None = None) -> None:
        super().__init__()
        self.norm, self.attend, self.order = nn.LayerNorm(WIDTH), Attention(), order

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        y = self.attend(y if self.order is None else y[:, self.order])
        return x + (y if self.order is None else y[:, self.order.argsort()])


class Reorder(nn.Module):
    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order]


class Tokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mT


def seen(net: nn.Module, *size: int) -> nv.attach:
    with nv.attach(net.eval()) as probe, torch.inference_mode():
        net(torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(5)))
    return probe


@pytest.mark.parametrize("where", ["between", "within", "before"])
def test_as_many_tokens_are_not_the_same_tokens(where: str) -> None:
    torch.manual_seed(0)
    order = torch.randperm(70)
    inside = order if where == "within" else None
    blocks = [Block(), Block(inside), Block(), Block()]
    if where != "within":
        blocks.insert(1 if where == "between" else 0, Reorder(order))
    net = nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), Tokens(), nn.Sequential(*blocks))
    probe = seen(net, 28, 40)
    moved = inside is None and where == "before"
    for number, block in enumerate(blocks):
        if isinstance(block, Reorder):
            moved = True
            continue
        a = probe.maps[f"2.{number}.attend"]
        wanted = block.attend.weights[0]
        if moved or block.order is not None:
            wanted = wanted[:, order.argsort()][:, :, order.argsort()]
        assert a.query_grid == (1, 7, 10)
        torch.testing.assert_close(a.dense(heads=True)[0], wanted, atol=1e-6, rtol=0)


class Units(nn.Module):
    """Tokens in units of 4 x 4 cells, a unit every so many tokens; a stage pools the four of each 2 x 2."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, WIDTH, 4, 4)
        self.stages = nn.ModuleList(Stage(pool) for pool in (1, 4, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        self.order = ordered(torch.arange(x[0, 0].numel()).view(1, 1, *x.shape[-2:]))[0, :, 0]
        self.units = x[0, 0].numel() // 16
        x = ordered(x)
        for stage in self.stages:
            x = stage(x, self.units)
        return x


class Stage(nn.Module):
    def __init__(self, pool: int) -> None:
        super().__init__()
        self.norm, self.attend, self.pool = nn.LayerNorm(WIDTH), Within(pool), pool

    def forward(self, x: Tensor, units: int) -> Tensor:
        y = self.attend(self.norm(x), units)
        return x.unflatten(1, (self.pool, -1)).amax(1) + y


class Within(Attention):
    def forward(self, x: Tensor, units: int) -> Tensor:
        y: Tensor = super().forward(x.unflatten(1, (-1, units)).transpose(1, 2))
        return y.transpose(1, 2).flatten(1, 2)


def ordered(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, tokens, C): places in 2 x 2, then in 4 x 4, then the units."""
    x = x.unflatten(2, (-1, 2, 2)).unflatten(5, (-1, 2, 2))  # B, C, h, a, b, w, c, d
    return x.permute(0, 4, 7, 3, 6, 2, 5, 1).flatten(1, 6)


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_queries_pooled_in_units_of_an_own_order(size: tuple[int, int]) -> None:
    net = Units()
    probe = seen(net, *size)
    height, width = size[0] // 4, size[1] // 4
    row, column = net.order // width, net.order % width
    for number, stage in enumerate(net.stages):
        keys = row * width + column
        key_grid = (1, height, width)
        if stage.pool > 1:
            row, column = (place.view(4, -1)[0] // 2 for place in (row, column))
            height, width = height // 2, width // 2
        queries = row * width + column
        parts = stage.attend.weights[0]  # units, heads, queries, keys
        wanted = torch.zeros(2, len(queries), len(keys))
        for unit, part in enumerate(parts):
            mine = queries.view(-1, net.units)[:, unit], keys.view(-1, net.units)[:, unit]
            wanted[:, mine[0][:, None], mine[1]] = part
        a = probe.maps[f"stages.{number}.attend"]
        assert (a.query_grid, a.key_grid, a.heads) == ((1, height, width), key_grid, 2)
        torch.testing.assert_close(a.dense(heads=True)[0], wanted, atol=1e-6, rtol=0)


class Halved(nn.Module):
    """(B, H, W, C) in padded windows of 6 x 6, whose queries are the greatest of 2 x 2 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        x = F.pad(x, (0, 0, 0, -width % 6, 0, -height % 6))
        rows, columns = x.shape[1] // 6, x.shape[2] // 6
        parts = x.unflatten(2, (columns, 6)).unflatten(1, (rows, 6)).transpose(2, 3)
        q, k, v = self.qkv(parts.flatten(3, 4).flatten(0, 2)).chunk(3, -1)
        q = F.max_pool2d(q.mT.unflatten(2, (6, 6)), 2).flatten(2)
        q, k, v = (t.unflatten(-1, (2, -1)).transpose(1, 2) for t in (q.mT, k, v))
        self.weights = (q @ k.mT / 2).softmax(-1)
        y = (self.weights @ v).transpose(1, 2).flatten(2).view(1, rows, columns, 3, 3, -1)
        y = y.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return y[:, : height // 2, : width // 2]


class Rows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


def test_queries_pooled_in_padded_windows() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), Rows(), Halved())
    a = seen(net, 32, 56).maps["2"]  # 8 x 14 cells, padded to 12 x 18
    assert (a.query_grid, a.key_grid, a.heads) == ((1, 4, 7), (1, 8, 14), 2)
    wanted = torch.zeros(2, 4, 7, 8, 14)
    for window, part in enumerate(net[2].weights):
        top, left = window // 3 * 6, window % 3 * 6
        for query, weights in enumerate(part.transpose(0, 1)):
            y, x = top // 2 + query // 3, left // 2 + query % 3
            if y < 4 and x < 7:
                here = weights.view(2, 6, 6)[:, : 8 - top, : 14 - left]
                wanted[:, y, x, top : top + 6, left : left + 6] = here
    torch.testing.assert_close(
        a.dense(heads=True)[0], wanted.flatten(3).flatten(1, 2), atol=1e-6, rtol=0
    )


class Coarse(nn.Module):
    """Eight heads over cells of a coarser map: 8 x 49 slots are as many as two heads of 14 x 14 have."""

    def __init__(self) -> None:
        super().__init__()
        self.less = nn.Conv2d(WIDTH, WIDTH, 3, 2, 1)
        self.q, self.k, self.v = (nn.Conv2d(WIDTH, 8 * 8, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.less(x)
        q, k, v = (f(x).unflatten(1, (8, 8)).flatten(3).mT for f in (self.q, self.k, self.v))
        self.weights = (q @ k.mT / 2).softmax(-1)
        return (self.weights @ v).mT.flatten(1, 2)


def test_keys_have_as_many_heads_as_queries() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), Coarse())
    probe = seen(net, 56, 56)
    a = probe.maps["1"]
    assert (a.query_grid, a.key_grid, a.heads) == ((1, 7, 7), (1, 7, 7), 8)
    torch.testing.assert_close(a.dense(heads=True)[0], net[1].weights[0], atol=1e-6, rtol=0)


class Looked(nn.Module):
    """Cells (B, H, W, C) that look at prompts (B, points, tokens, C), as a decoder of masks has it."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, queries: Tensor, prompts: Tensor) -> Tensor:
        cells = queries.flatten(1, 2)[:, None]
        weights = (self.q(cells) @ self.k(prompts).mT).softmax(-1)
        y: Tensor = weights @ self.v(prompts)
        return y


class Prompted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.look = nn.Conv2d(3, WIDTH, 4, 4), Looked()
        self.prompts = nn.Parameter(torch.randn(1, 1, 7, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.look(self.patch(x).permute(0, 2, 3, 1), self.prompts)
        return y


def test_prompts_are_no_row_of_cells() -> None:
    probe = seen(Prompted(), 32, 40)
    assert not probe.maps and "no feature map" in probe.refused["look"]


def test_a_group_of_a_map_has_each_token_once() -> None:
    assert each_once(torch.tensor([[3, 1, 2], [3, -1, -1]]))
    assert not each_once(torch.tensor([[3, 1, 2], [1, 0, 1]]))


def test_units_behind_tokens_that_were_put_in_front_on_the_way() -> None:
    cells = [2, 2, 3, 3, 2, 2, 3, 3]
    coarse = Positions((1, 1, 2), ("class", "register 1"))
    assert units(Positions((1, 2, 4)), coarse).tolist() == cells
    assert units(Positions((1, 2, 4), ("class",)), coarse).tolist() == [0, *cells]
