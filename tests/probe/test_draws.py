"""Networks that draw random numbers where they run, and tokens that are dropped or shuffled by them."""

import random

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from tests.probe.small import Attends


class Masked(nn.Module):
    """A class token and some of the patches, in an order drawn at random (MAE); ``drops`` in training."""

    def __init__(self, kept: int, drops: bool = False, draws: str = "torch") -> None:
        super().__init__()
        self.stem, self.attend, self.kept = nn.Conv2d(3, 8, 4, 4), Attends(), kept
        self.drop, self.token, self.draws = (
            nn.Dropout(0.1 if drops else 0.0),
            torch.zeros(1, 1, 8),
            draws,
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.stem(x).flatten(2).mT)
        if self.draws == "torch":
            self.order = torch.rand(x.shape[1]).argsort()[: self.kept]
        else:
            self.order = torch.tensor(random.sample(range(x.shape[1]), self.kept))
        x = torch.cat((self.token.expand(len(x), -1, -1), x[:, self.order]), 1)
        self.given = x
        return self.attend(x)

    def rows(self) -> Tensor:
        """(1, 31, 31) of the class token and the cells, in raster order."""
        q, k, _ = self.attend.qkv(self.given).chunk(3, -1)
        wanted, place = torch.zeros(1, 31, 31), torch.cat((torch.zeros(1).long(), self.order + 1))
        wanted[:, place[:, None], place] = (q @ k.mT).softmax(-1)
        return wanted


@pytest.mark.parametrize("at_once", [False, True])
def test_shuffled_tokens_lie_where_they_did_in_the_call(at_once: bool) -> None:
    torch.manual_seed(0)
    net = Masked(kept=30).eval()
    with torch.no_grad(), nv.attach(net, at_once=at_once) as probe:
        net(torch.randn(1, 3, 20, 24))
    wanted = net.rows()
    torch.rand(100)  # draws of its owner's before a map is asked for
    a, state = probe.maps["attend"], torch.get_rng_state()
    assert a.query_grid == (1, 5, 6) and a.key_aside.before == ("class",)
    torch.testing.assert_close(a.rows(range(30), off_grid=True), wanted[:, 1:])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("drops", "draws"), [(True, "torch"), (False, "python")])
def test_other_draws_than_those_of_the_call_place_nothing(drops: bool, draws: str) -> None:
    torch.manual_seed(0)
    random.seed(0)
    net = Masked(30, drops, draws).train(drops)
    with torch.no_grad(), nv.attach(net, at_once=True) as probe:
        net(torch.randn(1, 3, 20, 24))
        state = random.getstate()
    assert not probe.maps and "draws random numbers" in probe.refused["attend"]
    assert random.getstate() == state


def test_patches_of_which_some_are_dropped_are_said_to_be() -> None:
    torch.manual_seed(0)
    net = Masked(kept=12).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 20, 24))
    assert not probe.maps and "12 of the 30 patches" in probe.refused["attend"]
