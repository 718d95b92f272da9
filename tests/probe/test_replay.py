"""What lies before the place of a change is computed once, and only where that is the same."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.replay import Place


class Counted(nn.Linear):
    """A layer that counts its runs, over all copies of it."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.runs: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Counted":
        new = Counted()
        new.load_state_dict(self.state_dict())
        new.runs = self.runs
        return new

    def forward(self, x: Tensor) -> Tensor:
        self.runs.append(1)
        return super().forward(x)


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.add_(1)
        return x * 2


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Net(nn.Module):
    """Something, of whose input a later layer is given what is left of it; then two layers."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.before, self.first = Counted(), first
        self.middle, self.last = nn.Sequential(nn.Linear(4, 4), Noisy()), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y: Tensor = self.last(self.middle(self.first(x)) + x)
        return y


def again_of(net: nn.Module, x: Tensor) -> Again:
    return Again(Call("", net.eval(), (x,), {}))


@pytest.mark.parametrize("first", [nn.Linear(4, 4), InPlace(), Noisy(), nn.Identity()])
def test_runs_that_are_replayed_are_the_runs(first: nn.Module) -> None:
    torch.manual_seed(0)
    net, x = Net(first), torch.randn(2, 5, 4)
    place = Place("middle", (2, 5, 4), given=True)
    changes = [lambda t: t, lambda t: t + 1, lambda t: t * torch.arange(4.0)]
    again = again_of(net, x)
    torch.manual_seed(1)
    found = [again.input(change, "last", (2, 5, 4), place) for change in changes]
    ran = len(net.before.runs)
    wanted = []
    for change in changes:
        once = again_of(net, x)
        once._replays = False
        torch.manual_seed(1)
        wanted.append(once.input(change, "last", (2, 5, 4), place))
    assert all(map(torch.equal, found, wanted))
    assert ran == 1


def test_a_later_place_takes_over_what_was_noted() -> None:
    torch.manual_seed(0)
    layers = [Counted() for _ in range(4)]
    net, x = nn.Sequential(*layers), torch.randn(1, 3, 4)
    again = again_of(net, x)
    for number in (1, 2, 3):
        for _ in range(3):
            place = Place(str(number - 1), (1, 3, 4))
            again.input(lambda t: t + 1, str(number), (1, 3, 4), place)
    # Each once to be noted; where it is changed, in every run.
    assert [len(layer.runs) for layer in layers] == [4, 4, 3, 0]


def test_what_comes_to_its_place_changed_is_run_again() -> None:
    class Turning(nn.Module):
        """Gives something else each time, which no state of a generator says."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.times = nn.Linear(4, 4), nn.Linear(4, 4), [0]

        def forward(self, x: Tensor) -> Tensor:
            self.times[0] += 1
            y: Tensor = self.last(self.first(x) * self.times[0])
            return y

    x = torch.randn(1, 3, 4)
    again = again_of(nn.Sequential(Turning(), nn.Linear(4, 4)), x)
    run = partial(again.input, lambda t: t, "1", (1, 3, 4), Place("0.last", (1, 3, 4), given=True))
    one, two = run(), run()
    assert not torch.equal(one, two) and not again._replays
