"""Scores that are written into, as a whole or in part, and weights without what is no number."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv


class Scores(nn.Module):
    """Two heads; ``change`` does something to the scores (B, H, N, N), ``after`` to the weights."""

    def __init__(
        self, change: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.qkv, self.change, self.after = nn.Linear(8, 24), change, after

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        self.used = self.after(self.change(q @ k.mT).softmax(-1))
        y: Tensor = self.used @ v
        return y


class Net(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(3, 8, 4, 4), attention
        self.special = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        cells = self.stem(x).flatten(2).mT
        y: Tensor = self.attention(torch.cat([self.special.expand(len(x), -1, -1), cells], 1))
        return y


def bias(*sides: int) -> Tensor:
    return torch.randn(*sides, generator=torch.Generator().manual_seed(3))


def added(s: Tensor) -> Tensor:
    s[:, :, 1:, 1:] += bias(2, 24, 24)
    return s


def added_by_place(s: Tensor) -> Tensor:
    part = s[:, :, 1:, 1:].view(2, 2, 4, 6, 4, 6)
    part.add_(bias(1, 2, 4, 1, 4, 1)).sub_(bias(2, 2, 1, 6, 1, 6), alpha=0.5)
    return s


def scaled(s: Tensor) -> Tensor:
    s[..., 0] *= 3
    s[:, 1] /= 2
    return s


def one_head(s: Tensor) -> Tensor:
    s[:, 1].add_(1.5 * bias(25, 25))
    return s.mul_(0.5)


def same(s: Tensor) -> Tensor:
    return s


def none_where_nothing(s: Tensor) -> Tensor:
    mask = torch.zeros(25, 25)
    mask[3] = -math.inf
    return s + mask


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (added, same),
        (added_by_place, same),
        (scaled, same),
        (one_head, same),
        (none_where_nothing, torch.nan_to_num),
    ],
)
def test_what_is_written_into_scores_is_in_the_map(
    change: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    net = Net(Scores(change, after)).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert isinstance(net.attention, Scores)
    found = probe.maps["attention"]
    assert found.query_grid == (1, 4, 6)
    assert torch.allclose(found.dense(heads=True, off_grid=True), net.attention.used, atol=1e-5)


def test_what_is_set_into_scores_and_not_followed_is_refused() -> None:
    def exchanged(s: Tensor) -> Tensor:
        s[:, :, 1:, 1:] = bias(2, 2, 24, 24)
        return s

    torch.manual_seed(0)
    net = Net(Scores(exchanged, same)).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert "differ from the network's own" in probe.refused["attention"]


class Sink(nn.Module):
    """A learnt logit a head beside the scores; its share of a row is thrown away, or kept."""

    def __init__(self, cut: str, front: bool) -> None:
        super().__init__()
        self.qkv, self.cut, self.front = nn.Linear(8, 24), cut, front
        self.sink = nn.Parameter(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        scores = q @ k.mT / 2
        sink = self.sink.expand(*scores.shape[:3], 1)
        whole = torch.cat([sink, scores] if self.front else [scores, sink], -1).softmax(-1)
        cuts = {
            "sink": whole[..., 1:] if self.front else whole[..., :-1],
            "key": whole[..., :-1] if self.front else whole[..., 1:],
            "every second": whole[..., ::2],
        }
        self.used = cuts[self.cut]
        y: Tensor = self.used @ v[:, :, : self.used.shape[-1]]
        return y


@pytest.mark.parametrize("front", [False, True])
def test_a_sink_beside_the_keys_takes_its_share(front: bool) -> None:
    torch.manual_seed(0)
    net = Net(Sink("sink", front)).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert isinstance(net.attention, Sink)
    found = probe.maps["attention"]
    assert found.query_grid == found.key_grid == (1, 4, 6)
    assert torch.allclose(found.dense(heads=True, off_grid=True), net.attention.used, atol=1e-5)
    assert not found.is_distribution
    assert any("sink" in note for note in found.notes)


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize("cut", ["key", "every second"])
def test_another_cut_through_a_softmax_is_refused(cut: str, front: bool) -> None:
    torch.manual_seed(0)
    net = Net(Sink(cut, front)).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert probe.refused["attention"]
