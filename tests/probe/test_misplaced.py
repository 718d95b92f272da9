"""Tokens that would pass for others: of another image, drawn at random, or between the cells."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe import again
from nonlocal_viz.probe.memory import storage_of
from nonlocal_viz.probe.replay import Place

#: Queries, keys and values (B, N, 8) to what is made of the values (B, N, 8).
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


class Block(nn.Module):
    def __init__(self, mix: Mix) -> None:
        super().__init__()
        self.qkv, self.mix = nn.Linear(8, 24), mix

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(*self.qkv(x).chunk(3, -1))


class Net(nn.Module):
    def __init__(self, mix: Mix, order: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.stem, self.attention, self.order = nn.Conv2d(3, 8, 4, 4), Block(mix), order
        self.special = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        cells = self.stem(x).flatten(2).mT
        if self.order is not None:
            cells = self.order(cells, self.special.expand(len(x), -1, -1))
        y: Tensor = self.attention(cells)
        return y


def all_images(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    y = F.scaled_dot_product_attention(*(t.flatten(0, 1)[None] for t in (q, k, v)))
    return y.view_as(q)


def the_other_image(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k.flip(0), v.flip(0))


def over_the_batch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    y = F.scaled_dot_product_attention(*(t.transpose(0, 1) for t in (q, k, v)))
    return y.transpose(0, 1)


def each_at_all(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    k, v = (t.flatten(0, 1).expand(len(q), -1, -1) for t in (k, v))
    return F.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("mix", [all_images, each_at_all, the_other_image, over_the_batch])
@pytest.mark.parametrize("images", [2, 3])
def test_keys_of_other_images_are_no_cells_of_this_one(mix: Mix, images: int) -> None:
    torch.manual_seed(0)
    net = Net(mix).eval()
    with nv.attach(net) as probe:
        net(torch.randn(images, 3, 16, 24))
    assert not probe.maps
    assert "other images of the batch" in probe.refused["attention"]


def drawn(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    some = torch.randperm(k.shape[1])[:9]
    return F.scaled_dot_product_attention(q, k[:, some], v[:, some])


@pytest.mark.parametrize("at_once", [False, True])
def test_keys_that_are_drawn_are_those_of_the_owners_call(at_once: bool) -> None:
    torch.manual_seed(0)
    net = Net(drawn).eval()
    torch.manual_seed(7)
    with nv.attach(net, at_once=at_once) as probe:
        net(torch.randn(2, 3, 16, 24))
    torch.manual_seed(7)
    torch.randn(2, 3, 16, 24)
    some = torch.randperm(24)[:9]
    looked_at = probe.maps["attention"].dense().amax((0, 1)) > 0
    assert looked_at.nonzero()[:, 0].tolist() == some.sort().values.tolist()


class Dropped(nn.Module):
    """Numbers are drawn before the keys are chosen; run again in eval mode, they are not."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.3)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return drawn(self.drop(q), k, v)


def test_keys_that_are_drawn_behind_a_dropout_are_refused() -> None:
    torch.manual_seed(0)
    net = Net(Dropped()).train()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert "draws random numbers" in probe.refused["attention"]


def test_keys_that_another_generator_draws_are_refused() -> None:
    import numpy as np

    def mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        some = torch.from_numpy(np.random.permutation(24)[:9])
        return F.scaled_dot_product_attention(q, k[:, some], v[:, some])

    torch.manual_seed(0)
    net = Net(mix).eval()
    with nv.attach(net, at_once=True) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert "draws random numbers" in probe.refused["attention"]


@pytest.mark.parametrize("at", [1, 7, 12, 23])
def test_a_token_between_the_cells_is_no_cell(at: int) -> None:
    torch.manual_seed(0)

    def order(cells: Tensor, special: Tensor) -> Tensor:
        return torch.cat([cells[:, :at], special, cells[:, at:]], 1)

    net = Net(F.scaled_dot_product_attention, order).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert "lie on no grid" in probe.refused["attention"]


class Beside(nn.Module):
    """Keys besides those of the cells: zeros, learnt ones, or words that the network is given."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.stem, self.qkv, self.kind = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24), kind
        self.learnt = nn.Parameter(torch.randn(1, 3, 8))

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        cells = self.stem(x).flatten(2).mT
        more = {"padding": 0 * words, "learnt": self.learnt.expand(len(x), -1, -1), "words": words}
        q, _, _ = self.qkv(cells).chunk(3, -1)
        _, k, v = self.qkv(torch.cat([more[self.kind], cells], 1)).chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("padding", "padding", "padding outside"),
        ("learnt", "token", "token 1, token 2, token 3"),
        ("words", "token", "token 1, token 2, token 3"),
    ],
)
def test_keys_that_are_no_cells_are_named_by_what_they_are(kind: str, name: str, said: str) -> None:
    torch.manual_seed(0)
    net = Beside(kind).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24), torch.randn(2, 3, 8))
    found = probe.maps[""]
    assert found.query_grid == found.key_grid == (1, 4, 6)
    assert found.key_aside.names == tuple(f"{name} {i}" for i in (1, 2, 3))
    (note,) = found.notes
    assert said in note
    share = found.dense(off_grid=True)[..., 24:].sum(-1).mean()
    assert f"{100 * float(share):.0f} %" in note


class Stream(nn.Module):
    """Two attentions of one residual stream; between them the tokens may change places."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.between = nn.Conv2d(3, 8, 4, 4), between
        self.one, self.two = (Block(F.scaled_dot_product_attention) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.two(self.between(self.one(self.stem(x).flatten(2).mT)))
        return y


@pytest.mark.parametrize(
    "between",
    [
        lambda t: t.flip(1),
        lambda t: t.roll(5, 1),
        lambda t: t.unflatten(1, (4, 6)).transpose(1, 2).flatten(1, 2),
        lambda t: t[:, torch.randperm(24, generator=torch.Generator().manual_seed(2))],
    ],
)
def test_tokens_that_change_places_between_layers_are_found_where_they_went(
    between: Callable[[Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    net, pictures = Stream(between).eval(), torch.randn(2, 3, 16, 24)
    with torch.no_grad(), nv.attach(net) as probe:
        net(pictures)
        x = between(net.one(net.stem(pictures).flatten(2).mT))
        q, k, _ = net.two.qkv(x).chunk(3, -1)
    assert probe.maps["one"].query_grid == probe.maps["two"].query_grid == (1, 4, 6)
    weights = (q @ k.mT * 8**-0.5).softmax(-1)
    # Token i of the second is the cell order[i].
    order = between(torch.arange(24.0)[None, :, None].expand(1, -1, 8))[0, :, 0].long()
    expected = torch.empty_like(weights)
    expected[:, order[:, None], order[None]] = weights
    torch.testing.assert_close(probe.maps["two"].dense(), expected)


def test_tokens_that_stay_are_where_they_were() -> None:
    torch.manual_seed(0)
    net = Stream(lambda t: t * 3 + 1).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert probe.maps["one"].query_grid == probe.maps["two"].query_grid == (1, 4, 6)


class Flat(nn.Module):
    """Two attentions whose residual goes past them; what both are given is kept by somebody else, too."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.between = nn.Conv2d(3, 8, 4, 4), between
        self.one, self.two = (nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        t = self.stem(x).flatten(2).mT.contiguous()
        t = self.between(t + self.one(t, t, t, need_weights=False)[0])
        y: Tensor = self.two(t, t, t, need_weights=False)[0]
        return y


def test_two_tokens_that_change_places_beside_a_module_are_found() -> None:
    torch.manual_seed(0)
    order = torch.arange(24)
    order[[9, 10]] = order[[10, 9]]
    net, pictures = Flat(lambda t: t[:, order]).eval(), torch.randn(2, 3, 16, 24)
    given: list[Tensor] = []
    handle = net.two.register_forward_pre_hook(lambda _m, args: given.append(args[0]))
    with torch.no_grad(), nv.attach(net) as probe:
        net(pictures)
    handle.remove()
    with torch.no_grad():
        weights = net.two(given[0], given[0], given[0], average_attn_weights=False)[1]
    expected = torch.empty_like(weights)
    expected[:, :, order[:, None], order[None]] = weights
    torch.testing.assert_close(probe.maps["two"].dense(heads=True), expected)


def test_what_was_written_into_is_put_back_and_weights_are_not_written_into() -> None:
    net, x = nn.Sequential(nn.Identity(), nn.Linear(3, 3)), torch.randn(1, 2, 3)
    before, version = x.clone(), x._version
    for weights, goes_past in ((set(), True), ({storage_of(x)}, False)):
        undo = again._changing(net, Place("0", (1, 2, 3), True), lambda t: t + 1, None, weights)
        assert torch.equal(net[0](x), before + 1)
        assert torch.equal(x, before + 1) == goes_past
        undo()
        assert torch.equal(x, before) and x._version == version
    # Numbers that stand for several tokens cannot be changed one by one.
    wide = torch.randn(1, 1, 3).expand(1, 2, 3)
    undo = again._changing(net, Place("0", (1, 2, 3), True), lambda t: t + 1, None, set())
    same = wide.clone()
    assert torch.equal(net[0](wide), same + 1) and torch.equal(wide, same)
    undo()


class Merged(nn.Module):
    """Attention whose tokens hold 2 x 2 cells of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Parameter(torch.randn(24, 32) / 6), nn.Conv2d(8, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_unshuffle(x, 2)
        q, k, v = (self.qkv @ y.flatten(2)).unflatten(1, (3, 2, 4)).mT.unbind(1)
        self.used = (q @ k.mT).softmax(-1)
        z = (self.used @ v).mT.flatten(1, 2).unflatten(2, y.shape[2:])
        return x + F.pixel_shuffle(self.out(z), 2)


@pytest.mark.parametrize("images", [1, 2, 3])
def test_tokens_of_several_cells_are_placed_in_every_image(images: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 2, 2), Merged()).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(images, 3, 12, 16))
    a = probe.maps["1"]
    assert a.query_grid == a.key_grid == (1, 3, 4)
    torch.testing.assert_close(a.dense(heads=True), net[1].used)


class Turning(nn.Module):
    """A picture that is changed before it becomes cells."""

    def __init__(self, turn: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.turn = Net(F.scaled_dot_product_attention), turn

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(self.turn(x))
        return y


@pytest.mark.parametrize(
    "turn", [lambda x: x.rot90(1, (2, 3)), lambda x: x.flip(3), lambda x: x.roll((8, 8), (2, 3))]
)
def test_a_picture_that_is_turned_on_the_way_is_said_to_be(
    turn: Callable[[Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    net = Turning(turn).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 24, 24))
    assert not probe.maps
    assert "turned, or put together anew" in probe.refused["net.attention"]


def test_a_picture_that_only_gets_other_colours_is_where_it_was() -> None:
    torch.manual_seed(0)
    net = Turning(lambda x: 1 - x.flip(1)).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 24, 24))
    assert probe.maps["net.attention"].query_grid == (1, 6, 6)
