"""Keys whose windows overlap, in order on a coarser grid or in another."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe.halves import _parted


class Coarse(nn.Module):
    """Keys of every second cell and those around it; a class token is left as it is."""

    def __init__(
        self, pool: nn.Module, grid: tuple[int, int], turn: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.pool, self.grid, self.turn = pool, grid, turn
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 16)

    def keys(self, x: Tensor) -> Tensor:
        front = x.shape[1] - self.grid[0] * self.grid[1]
        cells = self.pool(x[:, front:].mT.unflatten(-1, self.grid))
        return torch.cat([x[:, :front], self.turn(cells).mT], 1)

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.kv(self.keys(x)).chunk(2, -1)
        return F.scaled_dot_product_attention(self.q(x), k, v)


class Net(nn.Module):
    def __init__(self, attention: nn.Module, special: int) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(3, 8, 4, 4), attention
        self.special = nn.Parameter(torch.randn(1, special, 8))

    def forward(self, x: Tensor) -> Tensor:
        cells = self.stem(x).flatten(2).mT
        y: Tensor = self.attention(torch.cat([self.special.expand(len(x), -1, -1), cells], 1))
        return y


def rows(x: Tensor) -> Tensor:
    return x.flatten(2)


def columns(x: Tensor) -> Tensor:
    return x.mT.flatten(2)


def backwards(x: Tensor) -> Tensor:
    return x.flatten(2).flip(2)


POOLS = {
    "max": lambda: nn.MaxPool2d(3, 2, 1),
    "convolution": lambda: nn.Conv2d(8, 8, 3, 2, 1, groups=8),
    "one after another": lambda: nn.Sequential(
        nn.Conv2d(8, 8, 3, 1, 1), nn.AvgPool2d(2, ceil_mode=True)
    ),
}


@pytest.mark.parametrize("special", [0, 1])
@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("seed", [0, 1])
def test_keys_of_windows_that_overlap_lie_on_a_coarser_grid(
    kind: str, special: int, seed: int
) -> None:
    torch.manual_seed(seed)
    net = Net(Coarse(POOLS[kind](), (7, 9), rows), special).eval()
    seen: list[Tensor] = []
    net.attention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 28, 36))
    found = probe.maps["attention"]
    assert found.query_grid == (1, 7, 9)
    assert found.key_grid == (1, 4, 5)
    x, block = seen[0], net.attention
    assert isinstance(block, Coarse)
    k = block.kv(block.keys(x))[..., :8]
    wanted = (block.q(x) @ k.mT * 8**-0.5).softmax(-1)
    assert torch.allclose(found.dense(off_grid=True), wanted, atol=1e-5)


@pytest.mark.parametrize("turn", [columns, backwards])
@pytest.mark.parametrize("kind", POOLS)
def test_keys_in_another_order_are_refused(kind: str, turn: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    net = Net(Coarse(POOLS[kind](), (8, 8), turn), 0).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 32, 32))
    assert "attention" not in probe.maps
    assert "keys mix positions" in probe.refused["attention"]


class Runs(nn.Module):
    """Means of runs of cells, which end within rows, or mixtures of all cells."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.mix: nn.Module = nn.Linear(60, 15) if whole else nn.AvgPool1d(5, 4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mix(x.flatten(2)).unflatten(2, (3, 5))
        return y


@pytest.mark.parametrize("whole", [False, True])
def test_keys_of_runs_and_of_everything_are_refused(whole: bool) -> None:
    torch.manual_seed(0)
    net = Net(Coarse(Runs(whole), (6, 10), rows), 0).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 24, 40))
    assert "attention" not in probe.maps
    said = "keys mix positions" if whole else "15 runs of a raster"
    assert said in probe.refused["attention"]


def moved(*rows: str) -> Tensor:
    return torch.tensor([[c == "x" for c in row] for row in rows])


@pytest.mark.parametrize(
    ("above", "below", "cut", "parted"),
    [
        (("xx", "xx", "..", ".."), ("..", "..", "xx", "xx"), 2, True),
        (("xx", "xx", "..", ".."), ("..", "xx", "xx", "xx"), 1.5, True),
        # Of a key on both sides all may come from one.
        (("xx", "x.", "..", ".."), ("..", "xx", "xx", "xx"), 1.5, True),
        (("xx", "x.", "..", ".."), ("..", "x.", "xx", "xx"), 1.5, False),
        (
            ("xx", "x.", "..", ".."),
            ("..", ".x", "xx", "xx"),
            1.5,
            False,
        ),  # each with one half alone
        (("xx", "..", "..", ".."), ("..", "..", "xx", "xx"), 1.5, False),  # one moves with nothing
        (("xx", "xx", "xx", "xx"), ("xx", "xx", "xx", "xx"), 2, False),  # all with everything
        (("xx", "..", "xx", ".."), ("..", "xx", "..", "xx"), 2, False),  # every second
        (("..", "..", "xx", "xx"), ("xx", "xx", "..", ".."), 2, False),  # backwards
        (("xx", "xx", "xx", ".."), ("..", "..", "..", "xx"), 1, False),  # cut elsewhere
        (("xx", "xx"), ("xx", "xx"), 1, False),
    ],
)
def test_a_cut_parts_rows_of_keys(
    above: tuple[str, ...], below: tuple[str, ...], cut: float, parted: bool
) -> None:
    assert _parted(moved(*above), moved(*below), cut) is parted


def test_keys_that_are_picked_evenly_lie_on_a_coarser_grid() -> None:
    torch.manual_seed(0)
    net = Net(Coarse(nn.MaxPool2d(1, 2), (7, 9), rows), 0).eval()
    seen: list[Tensor] = []
    net.attention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 28, 36))
    found, block = probe.maps["attention"], net.attention
    assert isinstance(block, Coarse)
    assert found.key_grid == (1, 4, 5)
    k = block.kv(block.keys(seen[0]))[..., :8]
    wanted = (block.q(seen[0]) @ k.mT * 8**-0.5).softmax(-1)
    assert torch.allclose(found.dense(), wanted, atol=1e-5)
