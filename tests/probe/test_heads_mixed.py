"""Heads that a linear map mixes, before the softmax or after it: the map that was used is the mixed one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv

_WAYS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "einsum": lambda m, x: torch.einsum("bhij,hg->bgij", x, m.weight.T),
    "the other way round": lambda m, x: torch.einsum("gh,bhij->bgij", m.weight, x),
    "a linear layer": lambda m, x: m(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
    "a product": lambda m, x: (x.permute(0, 2, 3, 1) @ m.weight.T).permute(0, 3, 1, 2),
    "a convolution": lambda m, x: torch.conv2d(x, m.weight[..., None, None], m.bias),
}


class Mixes(nn.Module):
    def __init__(self, way: str, before: bool, after: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 3)
        self.mixed, self.before, self.after = _WAYS[way], before, after

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (3, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        a = q @ k.mT * 0.5
        a = (self.mixed(self.first, a) if self.before else a).softmax(-1)
        self.used = self.mixed(self.last, a) if self.after else a
        z: Tensor = self.proj((self.used @ v).transpose(1, 2).flatten(2))
        return z


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("way", _WAYS)
def test_the_mixed_map_is_shown(way: str, before: bool, after: bool) -> None:
    net = nn.Sequential(Mixes(way, before, after)).eval()
    with torch.no_grad(), nv.attach(net, grid=(2, 5)) as probe:
        net(torch.randn(2, 10, 12))
    a = probe.maps["0"]
    assert a.capture.softmax  # or products of other kinds would be shown beside it
    torch.testing.assert_close(a.dense(heads=True), net[0].used)
    assert a.signed == after and a.is_distribution != after
    assert ("mixed after their softmax" in " ".join(a.notes)) == after
    torch.testing.assert_close(a.head(2).row(3)[0], net[0].used[0, 2, 3])
    assert set(a.proof) == {"weights", "output"} and max(a.proof.values()) < 1e-5


def test_features_mixed_by_a_large_matrix_are_no_heads() -> None:
    class Wide(Mixes):
        def forward(self, x: Tensor) -> Tensor:
            weights = (x @ x.mT).softmax(-1)
            return (self.proj(weights @ x) @ self.proj.weight).softmax(-1) @ x.mT

    probe = nv.attach(Wide("einsum", False, False).eval(), grid=(2, 5))
    with torch.no_grad(), probe:
        probe.model(torch.randn(1, 10, 12))
    assert "" not in probe.maps and probe.refused[""]


def test_one_query_by_einsum() -> None:
    """A class token asks alone: an axis of length 1 is the row, wherever einsum puts it."""

    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.kv = nn.Linear(12, 12), nn.Linear(12, 24)

        def forward(self, x: Tensor) -> Tensor:
            parts = self.q(x[:, :1]), *self.kv(x).chunk(2, -1)
            q, k, v = (t.unflatten(-1, (3, 4)).transpose(1, 2) for t in parts)
            self.used = torch.einsum("bhid,bhjd->bhij", q, k).softmax(-1)
            y = torch.einsum("bhij,bhjd->bhid", self.used, v)
            return y.transpose(1, 2).flatten(2)

    net = nn.Sequential(Asks()).eval()
    with torch.no_grad(), nv.attach(net, grid=(4, 5)) as probe:
        net(torch.randn(2, 21, 12))
    a = probe.maps["0"]
    torch.testing.assert_close(a.dense(heads=True, off_grid=True), net[0].used)
    assert a.query_aside.names == ("class",) and a.key_grid == (1, 4, 5)
