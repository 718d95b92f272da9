"""Modules that are given (images, a, b, features): a map of a x b cells, or a windows of b tokens?"""

import types
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.probe import apart, order
from nonlocal_viz.probe.again import Again

SIDE, WINDOW = 16, 4


class Attention(nn.Module):
    """Heads over the last but one axis, whatever stands before it."""

    def __init__(self, heads: int = 2) -> None:
        super().__init__()
        self.qkv, self.heads = nn.Linear(8, 24), heads

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.moveaxis(-3, 0).transpose(-2, -3)
        self.weights = (q @ k.mT / 2).softmax(-1)
        mixed: Tensor = (self.weights @ v).transpose(-2, -3).flatten(-2)
        return mixed


def parted(x: Tensor, far: bool) -> Tensor:
    """(B, windows, tokens, C) of a map (B, H, W, C); of windows, or of cells ``far`` apart."""
    count = x.shape[1] // WINDOW
    if far:
        x = x.unflatten(1, (WINDOW, count)).unflatten(3, (WINDOW, count)).permute(0, 2, 4, 1, 3, 5)
    else:
        x = x.unflatten(1, (count, WINDOW)).unflatten(3, (count, WINDOW)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


def whole(x: Tensor, far: bool) -> Tensor:
    count = int(x.shape[1] ** 0.5)
    x = x.unflatten(2, (WINDOW, WINDOW)).unflatten(1, (count, count))
    x = x.permute(0, 3, 1, 4, 2, 5) if far else x.transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


class Inline(nn.Module):
    """A network that parts its map itself: no module between is given the map. Its 16 windows of 16
    tokens look like the 16 x 16 cells that they are made of."""

    def __init__(self, far: bool, pooled: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.pool = nn.MaxPool2d(3, 2, 1) if pooled else nn.Identity()
        self.attend, self.far = Attention(), far

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.patch(x)).permute(0, 2, 3, 1)
        return x + whole(self.attend(parted(x, self.far)), self.far)


class Block(nn.Module):
    def __init__(self, far: bool) -> None:
        super().__init__()
        self.attend, self.far = nn.Sequential(nn.LayerNorm(8), Attention()), far

    def forward(self, x: Tensor) -> Tensor:
        y = whole(self.attend(parted(x.permute(0, 2, 3, 1), self.far)), self.far)
        return x + y.permute(0, 3, 1, 2)


def nested(far: bool) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), Block(not far), Block(far))


def dense(network: nn.Module, far: bool) -> Tensor:
    """(heads, cells, cells) of the last attention that ran, by where each token came from."""
    attention = [m for m in network.modules() if isinstance(m, Attention)][-1]
    place = parted(torch.arange(SIDE**2).view(1, SIDE, SIDE, 1), far)[0, ..., 0]
    found = torch.zeros(2, SIDE**2, SIDE**2)
    for window, tokens in enumerate(place):
        found[:, tokens[:, None], tokens] = attention.weights[0, window]
    return found


@pytest.mark.parametrize("far", [False, True], ids=["windows", "far"])
@pytest.mark.parametrize("kind", ["inline", "pooled", "nested"])
def test_windows_on_an_axis_of_their_own_lie_where_their_cells_do(kind: str, far: bool) -> None:
    network = nested(far) if kind == "nested" else Inline(far, kind == "pooled")
    network.eval()
    pixels = 4 * SIDE * (2 if kind == "pooled" else 1)
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(1, 3, pixels, pixels))
    wanted = dense(network, far)
    a = list(probe.maps.values())[-1]
    assert a.query_grid == a.key_grid == (1, SIDE, SIDE)
    torch.testing.assert_close(a.dense(heads=True)[0], wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("off", [0, 1, 5])
@pytest.mark.parametrize("doubtful", [False, True])
def test_an_order_is_held_against_single_cells(off: int, doubtful: bool) -> None:
    """Tokens in raster order by their bits, a few of which cannot be told; single cells say another one."""
    grid, cells = (1, 16, 16), torch.arange(256)
    draw = torch.Generator().manual_seed(0)

    def moved(of: partial[Tensor]) -> Tensor:
        where = of(cells)
        if of.func is order._is_cell:
            return 0.01 + where.roll(off).float()
        noise = torch.rand(256, generator=draw) < (0.03 if doubtful else 0)
        return 0.01 + (where ^ noise).float()

    found = order._order(moved, 256, grid, (16, 16))  # type: ignore[arg-type]
    assert (found is not None) == (off <= (1 if doubtful else 0))


def test_windows_in_an_order_that_nothing_shows_are_no_map() -> None:
    network = Inline(False, False).eval()
    mixing = nn.Linear(SIDE**2, SIDE**2, bias=False)
    torch.nn.init.orthogonal_(mixing.weight)
    network.pool = nn.Sequential(nn.Flatten(2), mixing, nn.Unflatten(2, (SIDE, SIDE)))
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(1, 3, 4 * SIDE, 4 * SIDE))
    assert not any(a.query_grid == (1, SIDE, SIDE) for a in probe.maps.values())


class InMap(nn.Module):
    """Attention within windows, given (B, H, W, C), that become images: (B * windows, tokens, C)."""

    def __init__(self, heads: int = 2, far: bool = False) -> None:
        super().__init__()
        self.inner, self.far = Attention(heads), far

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        if self.far:
            y = self.inner(parted(x, True).flatten(0, 1)).unflatten(0, (b, -1))
            return x + whole(y, True)
        parts = x.view(b, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        y = self.inner(parts).view(b, h // 4, w // 4, 4, 4, c).transpose(2, 3)
        return x + y.reshape(x.shape)


class Last(nn.Module):
    """Features to the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


def test_as_many_positions_by_chance_say_nothing() -> None:
    # 3 colours x 32 rows are as many as the 8 x 12 cells.
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Last(), InMap()).eval()
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(2, 3, 32, 48))
    a = probe.maps["2.inner"]
    assert a.query_grid == (1, 8, 12) and len(a) == 2
    row = a.row((5, 10))[0].view(8, 12)
    assert row[4:, 8:].sum() > 0.999


def test_a_map_with_the_sides_of_heads_is_a_map() -> None:
    # (1, 16, 16, 8): as many rows as windows, as many columns as tokens of one, as wide as its one head.
    torch.manual_seed(0)
    blocks = InMap(heads=1), nn.LayerNorm(8), InMap(heads=1, far=True)
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Last(), *blocks).eval()
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(1, 3, 4 * SIDE, 4 * SIDE))
    for path, far in (("2.inner", False), ("4.inner", True)):
        row = probe.maps[path].row((5, 10))[0]
        place = parted(torch.arange(SIDE**2).view(1, SIDE, SIDE, 1), far)[0, ..., 0]
        mine = place[(place == 5 * SIDE + 10).any(1)][0]
        assert row[mine].sum() > 0.999


def test_queries_given_apart_come_with_keys() -> None:
    capture = types.SimpleNamespace(query=torch.zeros(16, 16, 8), groups=16)
    one, other = torch.zeros(1, 16, 16, 8), torch.ones(1, 16, 16, 8)

    def split(*given: Tensor) -> bool:
        call = types.SimpleNamespace(args=given, kwargs={})
        return apart.is_split(call, capture)  # type: ignore[arg-type]

    assert split(one, other)
    assert not split(one) and not split(one, one)
    assert not split(one.transpose(2, 3), other) and not split(one[:, :8], other)


def test_of_modules_in_each_other_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    run = Again.input

    def counted(self: Again, *given: object, **named: object) -> Tensor:
        runs.append(self.call.path)
        return run(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Again, "input", counted)
    torch.manual_seed(0)
    within = nn.Sequential(nn.Sequential(nn.Sequential(InMap())))
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Last(), within).eval()
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(1, 3, 32, 48))
    assert probe.maps["2.0.0.0.inner"].query_grid == (1, 8, 12)
    # The picture is held against what the outermost is given, and nobody else is asked.
    assert set(runs) == {""}


def test_a_map_that_is_rolled_by_a_cell_does_not_lie_where_it_was() -> None:
    class Rolled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1, 2)

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), Last(), Rolled(), InMap()).eval()
    with nv.attach(network) as probe, torch.inference_mode():
        network(torch.randn(1, 3, 32, 48))
    row = probe.maps["3.inner"].row((0, 0))[0].view(8, 12)
    # The cells that were moved into one window: the picture's first three columns and its last one.
    assert row[:4, [11, 0, 1, 2]].sum() > 0.999 and bool((row[:4, [11, 0, 1, 2]] > 0).all())
