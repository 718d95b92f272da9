"""A call that is only glanced at: nothing changes, and a map is shown where a second run is that call."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as global_hooks

import nonlocal_viz as nv
from nonlocal_viz.errors import ProbeError
from nonlocal_viz.probe import again, glance
from nonlocal_viz.probe.again import Again, Allowance
from nonlocal_viz.probe.records import UnprovenError
from nonlocal_viz.probe.watch import Watch


class Net(nn.Module):
    """One attention over cells, the given tensor and a step of its own kept where they are asked for."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.noise, self.steps, self.keeps = noise, 0, False
        nn.init.normal_(self.attn.in_proj_weight)

    def forward(self, x: Tensor, scale: float = 1.0, *, shift: Tensor | None = None) -> Any:
        self.steps += 1
        t = self.patch(x).flatten(2).mT * scale
        t = t + self.noise * torch.randn_like(t) + (self.steps if self.keeps else 0)
        t = t if shift is None else t + shift
        y, _ = self.attn(t, t, t, need_weights=False)
        return {"y": y, "more": [t]}


@pytest.fixture
def watches(monkeypatch: pytest.MonkeyPatch) -> list[Watch]:
    """Every watch that is entered to record."""
    seen: list[Watch] = []
    enter = Watch.__enter__
    monkeypatch.setattr(Watch, "__enter__", lambda self: seen.append(self) or enter(self))
    return seen


@pytest.fixture(autouse=True)
def _no_hooks_left() -> Iterator[None]:
    yield
    assert not global_hooks._global_forward_hooks and not global_hooks._global_forward_pre_hooks


def attended(net: Net, x: Tensor, **given: Any) -> Tensor:
    """The network's own map (B, H, N, N)."""
    kept: list[Tensor] = []
    handle = net.attn.register_forward_pre_hook(lambda _m, args: kept.append(args[0]))
    with torch.no_grad():
        net(x, **given)
        handle.remove()
        weights: Tensor = net.attn(kept[0], kept[0], kept[0], average_attn_weights=False)[1]
    return weights


def test_nothing_is_recorded_before_somebody_asks(watches: list[Watch]) -> None:
    net, x = Net().eval(), torch.randn(2, 3, 8, 12)
    wanted = attended(net, x, scale=2.0, shift=torch.ones(8))
    shift = torch.ones(8)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x, scale=2.0, shift=shift)
    assert not watches
    # What its owner writes afterwards is not what it was given.
    x.zero_(), shift.zero_()
    found = probe.maps["attn"]
    assert watches and found.query_grid == (1, 2, 3)
    torch.testing.assert_close(found.dense(heads=True), wanted, atol=1e-5, rtol=1e-4)
    assert len(probe.calls["attn"]) == 1 and not probe.refused
    count = len(watches)
    assert str(probe) and probe.maps["attn"] is found and len(watches) == count


def test_calls_in_order_and_through_a_part_of_the_network() -> None:
    net = Net().eval()
    some = [torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 12)]
    with torch.inference_mode(), nv.attach(net) as probe:
        for x in some:
            net(x)
    assert [a.query_grid for a in probe.calls["attn"]] == [(1, 2, 2), (1, 2, 3)]
    t = torch.randn(1, 6, 8)
    with torch.no_grad(), nv.attach(net) as probe:
        net.attn(t, t, t)
    assert list(probe.maps) == ["attn"]


def test_what_was_drawn_is_drawn_again_and_nothing_besides() -> None:
    net, x = Net(noise=1.0).eval(), torch.randn(1, 3, 8, 8)
    torch.manual_seed(3)
    wanted = attended(net, x)
    torch.manual_seed(3)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x)
    drawn = torch.get_rng_state()
    torch.testing.assert_close(probe.maps["attn"].dense(heads=True), wanted, atol=1e-5, rtol=1e-4)
    assert torch.equal(drawn, torch.get_rng_state())


def _in_place(net: Net) -> None:
    with torch.no_grad():
        net.attn.in_proj_weight.mul_(1 + 1e-7)


def _through_data(net: Net) -> None:
    net.attn.in_proj_weight.data.mul_(1.5)


def _another(net: Net) -> None:
    net.attn.in_proj_weight = nn.Parameter(net.attn.in_proj_weight.detach().clone())


@pytest.mark.parametrize("change", [_in_place, _through_data, _another])
def test_of_weights_that_were_changed_since_nothing_is_shown(change: Callable[[Net], None]) -> None:
    net, x = Net().eval(), torch.randn(1, 3, 8, 8)
    nn.init.zeros_(net.attn.out_proj.weight)  # the output tells nothing
    with torch.no_grad(), nv.attach(net) as probe:
        net(x)
    change(net)
    assert not probe.maps and "its weights are others by now" in probe.refused["attn"]


@pytest.mark.parametrize("at_once", [False, True])
def test_what_keeps_something_from_call_to_call(at_once: bool) -> None:
    net, x = Net().eval(), torch.randn(1, 3, 8, 8)
    net.keeps = True
    with torch.no_grad(), nv.attach(net, grid=(2, 2), at_once=at_once) as probe:
        net(x)
    assert ("attn" in probe.maps) is at_once
    assert at_once or "gave out something else" in probe.refused["attn"]


class Places(Net):
    """Makes a buffer in its first call, or in each."""

    def __init__(self, each: bool) -> None:
        super().__init__()
        self.each = each
        self.register_buffer("place", torch.zeros(1))

    def forward(self, x: Tensor, *given: Any, **more: Any) -> Any:
        if self.each or len(self.place) == 1:
            self.place = torch.zeros(x.shape[-1])
        return super().forward(x, *given, **more)


@pytest.mark.parametrize("each", [False, True])
def test_a_buffer_may_be_made_in_the_first_call_alone(each: bool) -> None:
    net, x = Places(each).eval(), torch.randn(1, 3, 8, 8)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x)
        net(x)
    assert ("attn" in probe.maps) is not each
    assert not each or "others by now" in probe.refused["attn"]


def test_what_raises_in_the_second_run_is_a_sentence() -> None:
    net, x = Net().eval(), torch.randn(1, 3, 8, 8)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x)
    net.noise = "none"  # type: ignore[assignment]
    assert "raised TypeError" in probe.refused["attn"]


def _training(net: Net) -> None:
    net.attn.train()


def _hooked(net: Net) -> None:
    net.attn.register_forward_hook(lambda *_: None)


def _patched(net: Net) -> None:
    net.forward = net.forward  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [_training, _hooked, _patched])
def test_what_would_be_a_gamble_is_recorded_at_once(
    change: Callable[[Net], None], watches: list[Watch]
) -> None:
    net = Net().eval()
    assert glance.plain(net)
    change(net)
    assert not glance.plain(net)
    with torch.no_grad(), nv.attach(net):
        net(torch.randn(1, 3, 8, 8))
    assert watches


def test_what_does_not_plainly_attend_is_recorded_at_once() -> None:
    assert not glance.plain(nn.Sequential(nn.Conv2d(3, 4, 1)).eval())
    net = Net().eval()
    with pytest.raises(ProbeError, match="No attention over positions"), nv.attach(net):
        pass


def test_an_exception_that_its_owner_catches_is_no_call() -> None:
    net = Net().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        with pytest.raises(RuntimeError):
            net(torch.randn(1, 5, 8, 8))
        net(torch.randn(1, 3, 8, 12))
    assert [a.query_grid for a in probe.calls["attn"]] == [(1, 2, 3)]


def test_one_map_leaves_time_for_others() -> None:
    allowance = Allowance(100.0)
    allowance.begin()
    allowance.spend(24.0)
    allowance.check()
    allowance.spend(1.5)
    with pytest.raises(UnprovenError, match=r"100 seconds.*give grid="):
        allowance.check()
    allowance.begin()
    allowance.check()
    allowance.spend(80.0)
    allowance.begin()
    with pytest.raises(UnprovenError):
        allowance.check()


def test_runs_on_changed_input_are_few_and_end_where_enough_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []
    ends: list[int] = []
    run = again.Again.run

    def counted(self: Again, change: Callable[[Tensor], Tensor]) -> None:
        runs.append(self.call.path)
        run(self, change)
        ends.append(1)  # the run went on to the end of the module

    monkeypatch.setattr(again.Again, "run", counted)
    net = Net().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 40, 40))
    assert probe.maps["attn"].query_grid == (1, 10, 10)
    assert len(runs) < 24 and not ends


def test_a_spent_allowance_refuses_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Allowance, "spend", lambda self, _: setattr(self, "_of_one", -1.0))
    net = Net().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 8, 8))
    assert not probe.maps and "seconds that runs on changed input may take" in probe.refused["attn"]
