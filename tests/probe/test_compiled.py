"""Compiled parts, and operators that take functions: the owner's call is what it was without us."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

import nonlocal_viz as nv
from tests.probe.small import Attends


class Net(nn.Module):
    def __init__(self, attends: nn.Module) -> None:
        super().__init__()
        self.attends = attends

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attends(x)


class Flexible(Attends):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        return flex_attention(q, k, v, score_mod=lambda s, *_: s / 2)[:, 0]


class Branching(Attends):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 1e9, lambda x: x + 1, super().forward, (x,))


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("kind", "said"), [(Flexible, "flex_attention"), (Branching, "cond")])
@pytest.mark.filterwarnings("ignore")
def test_operators_that_take_functions_run_as_without_us(
    kind: type[nn.Module], said: str, at_once: bool
) -> None:
    torch.manual_seed(0)
    net, x = Net(kind()).eval().requires_grad_(False), torch.randn(2, 12, 8)
    wanted = net(x)
    with nv.attach(net, grid=(3, 4), at_once=at_once) as probe:
        found = net(x)
    assert torch.equal(found, wanted)
    assert not probe.maps
    assert said in probe.refused["attends"]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("ran", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_what_its_owner_compiled_is_seen_as_it_was_written(whole: bool, ran: bool) -> None:
    torch.manual_seed(0)
    attends, x = Attends().eval(), torch.randn(2, 12, 8)
    net = Net(torch.compile(attends, backend="eager", fullgraph=whole)).eval()
    with torch.no_grad():
        if ran:
            net(x)
        with nv.attach(net, grid=(3, 4)) as probe:
            found = net(x)
        assert torch.equal(found, net(x))
        q, k, _ = attends.qkv(x).chunk(3, -1)
    a = probe.maps["attends._orig_mod"]
    torch.testing.assert_close(a.dense(), (q @ k.mT).softmax(-1))


@pytest.mark.filterwarnings("ignore")
def test_compiling_goes_on_afterwards() -> None:
    net = Net(Attends()).eval()
    net.compile(backend="eager")
    with torch.no_grad(), nv.attach(net, grid=(3, 4)):
        net(torch.randn(1, 12, 8))
    counted: list[int] = []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> torch.fx.GraphModule:
        counted.append(1)
        return graph

    with torch.no_grad():
        torch.compile(lambda x: x * 2, backend=backend)(torch.ones(2))
    assert counted
