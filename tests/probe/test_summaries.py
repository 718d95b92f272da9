"""A token that is made of all cells, before them: it asks, and is looked at, beside the cells."""

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv


class Pool(nn.Module):
    """Attention over cells and what is made of all of them; ``partly``: of half of them."""

    def __init__(self, cells: int, partly: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.place = nn.Parameter(torch.randn(cells + 1, 16) / 4)
        self.qkv, self.partly = nn.Linear(16, 48), partly

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).mT
        whole = x[:, : x.shape[1] // 2] if self.partly else x
        x = torch.cat([whole.mean(1, keepdim=True), x], 1) + self.place
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        self.weights = (q @ k.mT / 2).softmax(-1)
        y: Tensor = (self.weights @ v).transpose(1, 2).flatten(2)[:, 0]
        return y


@pytest.mark.parametrize("images", [1, 2])
def test_the_mean_of_all_cells_is_a_token_beside_them(images: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 4, 4), Pool(35)).eval()
    with nv.attach(net) as probe, torch.inference_mode():
        net(torch.randn(images, 3, 20, 28))
    a = probe.maps["1"]
    assert a.query_grid == a.key_grid == (1, 5, 7) and a.heads == 2
    assert a.key_aside.before == a.query_aside.before == ("of all",)
    found = torch.stack([a.row("of all", heads=True), a.row((2, 3), heads=True)], 2)
    wanted = net[1].weights[:, :, [0, 1 + 2 * 7 + 3]]
    assert found.shape[-1] == 35
    torch.testing.assert_close(found, wanted[..., 1:], atol=1e-6, rtol=0)
    assert any("of all" in note for note in a.notes)


def test_a_mean_of_some_cells_is_not_said_to_be_of_all() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 4, 4), Pool(35, partly=True)).eval()
    with nv.attach(net) as probe, torch.inference_mode():
        net(torch.randn(1, 3, 20, 28))
    assert not probe.maps and "1" in probe.refused
