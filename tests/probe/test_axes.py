"""Softmaxes over other axes than the keys: shown as what they are, in numbers and in words."""

import torch
from torch import Tensor, nn

import nonlocal_viz as nv


class Pairs(nn.Module):
    """Pixels whose weights add up over ``over``: the queries (1), or all pairs (None)."""

    def __init__(self, over: int | None, scrambled: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v = (nn.Conv2d(4, c, 1) for c in (3, 3, 4))
        self.over, self.scrambled = over, scrambled

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.q, self.k, self.v))
        scores = q.mT @ k
        flat = scores if self.over is not None else scores.view(len(x), -1)
        self.used = flat.softmax(1).view_as(scores)
        y = self.used @ v.mT
        z: Tensor = x + (y.reshape(x.shape) if self.scrambled else y.mT.reshape(x.shape))
        return z


def seen(net: nn.Module, x: Tensor) -> nv.attach:
    with torch.no_grad(), nv.attach(net.eval()) as probe:
        net(x)
    return probe


def test_one_softmax_over_all_pairs() -> None:
    net = Pairs(None)
    a = seen(net, torch.randn(2, 4, 3, 5)).maps[""]
    torch.testing.assert_close(a.dense(), net.used)
    torch.testing.assert_close(a.dense().sum((1, 2)), torch.ones(2))
    assert not a.is_distribution and not a.signed and a.query_grid == (1, 3, 5)
    assert "all pairs" in a.notes[0] and len(a.notes) == 1
    assert max(a.proof.values()) < 1e-5


def test_an_output_that_is_not_put_back_is_said() -> None:
    notes = seen(Pairs(None, scrambled=True), torch.randn(1, 4, 3, 5)).maps[""].notes
    assert any("without a transpose" in note for note in notes)
    notes = seen(Pairs(1, scrambled=True), torch.randn(1, 4, 3, 5)).maps[""].notes
    assert any("without a transpose" in note for note in notes)


def test_a_softmax_over_the_queries() -> None:
    net = Pairs(1)
    a = seen(net, torch.randn(2, 4, 3, 5)).maps[""]
    torch.testing.assert_close(a.dense(), net.used)
    torch.testing.assert_close(a.column((1, 2)).sum(-1), torch.ones(2))
    assert not a.is_distribution and not a.signed
    assert "over the queries" in a.notes[0] and len(a.notes) == 1


def test_a_query_that_no_key_may_be_given_by_has_no_weight() -> None:
    class Masked(Pairs):
        def forward(self, x: Tensor) -> Tensor:
            q, k, v = (f(x).flatten(2) for f in (self.q, self.k, self.v))
            barred = torch.zeros(15, 15, dtype=torch.bool)
            barred[:7, 4] = True
            scores = (q.mT @ k).masked_fill(barred, -torch.inf)
            self.used = scores.softmax(1)
            return x + (self.used @ v.mT).mT.reshape(x.shape)

    net = Masked(1)
    a = seen(net, torch.randn(1, 4, 3, 5)).maps[""]
    torch.testing.assert_close(a.dense(), net.used)
    assert not bool(a.dense()[0, :7, 4].any())


class Banks(nn.Module):
    """Tokens that share themselves out among learnt banks: pooling, not attention."""

    def __init__(self) -> None:
        super().__init__()
        self.banks = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: Tensor) -> Tensor:
        shares = (x @ self.banks.mT).softmax(-1)
        return shares.mT @ x


def test_tokens_shared_out_among_banks_are_not_shown() -> None:
    probe = nv.attach(Banks().eval())
    try:
        with probe, torch.no_grad():
            probe.model(torch.randn(2, 12, 6))
    except nv.errors.ProbeError:
        return
    assert not probe.maps
