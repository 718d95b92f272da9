"""Keys of two inputs: a class token and the patches it is told, and words beside a picture."""

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from tests.probe.small import Attends


class Told(nn.Module):
    """Two heads of the tokens x over themselves and a context."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        k, v = self.kv(torch.cat((x, context), 1)).unflatten(-1, (4, 4)).transpose(1, 2).chunk(2, 1)
        q = self.q(x).unflatten(-1, (2, 4)).transpose(1, 2)
        self.used = (q @ k.mT).softmax(-1)
        return (self.used @ v).transpose(1, 2).flatten(2)


class Asks(nn.Module):
    """A class token that asks at the end, twice, of patches in rows, or in columns."""

    def __init__(self, columns: bool = False, attends: bool = True) -> None:
        super().__init__()
        self.stem, self.columns = nn.Conv2d(3, 8, 4, 4), columns
        self.patches = Attends() if attends else nn.Identity()
        self.token, self.ask = nn.Parameter(torch.randn(1, 1, 8)), nn.ModuleList([Told(), Told()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        rows, columns = x.shape[2:]
        x = x.flatten(2).mT
        x = x + 0.3 * self.patches(x)
        x = x.unflatten(1, (rows, columns)).transpose(1, 2).flatten(1, 2) if self.columns else x
        token = self.token.expand(len(x), -1, -1)
        for ask in self.ask:
            token = token + ask(token, context=x)
        return token


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("attends", [False, True])
def test_a_class_token_and_the_patches_that_it_is_told(images: int, attends: bool) -> None:
    torch.manual_seed(0)
    net = Asks(attends=attends).eval()
    with torch.no_grad(), nv.attach(net, at_once=True) as probe:
        net(torch.randn(images, 3, 20, 24))
    for number, ask in enumerate(net.ask):
        a = probe.maps[f"ask.{number}"]
        assert a.query_aside.names == a.key_aside.before == ("class",) and a.key_grid == (1, 5, 6)
        torch.testing.assert_close(a.row("class", heads=True, off_grid=True), ask.used[:, :, 0])


def test_patches_in_another_order_are_not_taken_for_those_before() -> None:
    torch.manual_seed(0)
    net = Asks(columns=True).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 20, 24))
    assert [*probe.maps] == ["patches"]
    assert "not seen to move as those do" in probe.refused["ask.0"]


class Among(nn.Module):
    """Tokens of a picture and words that look at all of both."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.picture, self.words, self.first = nn.Linear(8, 24), nn.Linear(6, 24), first

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        ours, theirs = self.picture(x), self.words(words)
        q, k, v = torch.cat((ours, theirs) if self.first else (theirs, ours), 1).chunk(3, -1)
        self.used = (q @ k.mT).softmax(-1)
        return self.used @ v


class Joint(nn.Module):
    def __init__(self, first: bool) -> None:
        super().__init__()
        self.stem, self.among = nn.Conv2d(3, 8, 4, 4), Among(first)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        return self.among(self.stem(x).flatten(2).mT, words)


@pytest.mark.parametrize("first", [True, False])
def test_words_and_a_picture_that_look_at_all_of_both(first: bool) -> None:
    torch.manual_seed(0)
    net, words = Joint(first).eval(), tuple(f"token {i + 1}" for i in range(7))
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(2, 3, 20, 24), torch.randn(2, 7, 6))
    a = probe.maps["among"]
    assert a.query_grid == a.key_grid == (1, 5, 6) and a.key_aside.after == words
    places = torch.arange(37) if first else torch.arange(37).roll(-7)
    wanted = net.among.used[:, places][:, :, places]
    torch.testing.assert_close(a.rows(range(30), off_grid=True), wanted[:, :30])


def test_of_two_inputs_without_a_picture_neither_is_taken_for_cells() -> None:
    net = nn.ModuleDict({"among": Among(True)}).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net["among"](torch.randn(1, 12, 8), torch.randn(1, 6, 6))
    assert not probe.maps and "look at all of both" in probe.refused["among"]
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net["among"](torch.randn(1, 12, 8), torch.randn(1, 6, 6))
    a = probe.maps["among"]
    assert a.key_grid == (1, 3, 4) and len(a.key_aside.after) == 6
    torch.testing.assert_close(a.dense(off_grid=True), net["among"].used)
