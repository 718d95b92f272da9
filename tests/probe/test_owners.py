"""What an owner keeps beside a call, calls in parts, or gives apart: caches, pieces, queries and keys."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe.patches import in_parts
from nonlocal_viz.probe.records import UnprovenError


class Cache:
    """Keys and values from call to call."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def both(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.kept:
            k, v = torch.cat([self.kept[0], k], 1), torch.cat([self.kept[1], v], 1)
        self.kept = [k, v]
        return k, v


class Read(Cache):
    """Made once, and read ever after: nothing is written by who comes later."""

    def both(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.kept = self.kept or [k, v]
        return self.kept[0], self.kept[1]


class Caching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        if cache is not None:
            k, v = cache.both(k, v)
        return F.scaled_dot_product_attention(q, k, v)


class Patches(nn.Module):
    """A picture as tokens, a class token in front."""

    def __init__(self, attention: nn.Module, special: int = 0) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(3, 8, 4, 4), attention
        self.second, self.between_the_two = Caching(), nn.Identity()
        self.special = nn.Parameter(torch.randn(1, special, 8))

    def tokens(self, x: Tensor) -> Tensor:
        cells = self.stem(x).flatten(2).mT
        return torch.cat([self.special.expand(len(x), -1, -1), cells], 1)

    def features(self, x: Tensor) -> Tensor:
        """What people call in place of the whole network."""
        tokens: Tensor = self.second(self.attention(self.between_the_two(self.tokens(x))))
        return tokens

    def forward(self, x: Tensor, **more: object) -> Tensor:
        y: Tensor = self.attention(self.tokens(x), **more)
        return y


@pytest.mark.parametrize("kind", [Cache, Read])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_cache_of_the_owner_is_left_alone(kind: type[Cache], at_once: bool) -> None:
    torch.manual_seed(0)
    net, cache, x = Patches(Caching()).eval(), kind(), torch.randn(2, 3, 16, 24)
    with nv.attach(net, at_once=at_once) as probe:
        net(x, cache=cache)
    found = probe.maps["attention"]
    assert cache.kept[0].shape == (2, 24, 8)
    assert found.query_grid == found.key_grid == (1, 4, 6)
    t = net.tokens(x)
    wanted = (net.attention.q(t) @ net.attention.k(t).mT * 8**-0.5).softmax(-1)  # type: ignore[operator]
    assert torch.allclose(found.dense(), wanted, atol=1e-5)


def test_earlier_keys_of_a_cache_are_no_map_of_this_call() -> None:
    torch.manual_seed(0)
    net, cache, x = Patches(Caching()).eval(), Cache(), torch.randn(2, 3, 16, 24)
    net(x, cache=cache)
    with nv.attach(net) as probe:
        net(x, cache=cache)
    assert "attention" not in probe.maps
    assert cache.kept[0].shape == (2, 48, 8)


class Masked(Caching):
    """A mask for as many keys as there are in the first call."""

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        assert cache is not None
        k, v = cache.both(self.k(x), self.v(x))
        if k.shape[1] != x.shape[1]:
            raise ValueError("the mask is too short")
        return F.scaled_dot_product_attention(
            self.q(x), k, v, attn_mask=torch.ones(24, 24).tril().log()
        )


class MadeWithin(nn.Module):
    """Makes the cache itself, so that what it is given in its own call is new."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MaskedIfAny()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x, cache=Cache())
        return y


class MaskedIfAny(Masked):
    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        return super().forward(x, Cache() if cache is None else cache)


def test_a_mask_that_fits_the_first_call_alone_is_no_obstacle() -> None:
    torch.manual_seed(0)
    net = Patches(MadeWithin()).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert probe.maps["attention.inner"].query_grid == (1, 4, 6)


class Writes(Caching):
    """Writes into a second thing that it is given."""

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:  # type: ignore[override]
        seen += 1
        return super().forward(x + seen)


def test_what_a_module_writes_into_is_written_once() -> None:
    torch.manual_seed(0)
    net, seen = Patches(Writes()).eval(), torch.zeros(1, 1, 8)
    with nv.attach(net, at_once=True) as probe:
        net(torch.randn(2, 3, 16, 24), seen=seen)
    assert probe.maps["attention"].query_grid == (1, 4, 6)
    assert torch.equal(seen, torch.ones(1, 1, 8))


@pytest.mark.parametrize("special", [0, 1])
def test_parts_that_are_called_one_by_one_have_the_cells_of_the_convolution(special: int) -> None:
    # 25 tokens are no 5 x 5 cells: they are one, and 4 x 6.
    torch.manual_seed(0)
    net = Patches(Caching(), special).eval()
    with nv.attach(net) as probe:
        net.features(torch.randn(2, 3, 16, 24))
    for path in ("attention", "second"):
        found = probe.maps[path]
        assert found.query_grid == (1, 4, 6)
        assert found.query_aside.before == ("class",)[:special]
        assert any("one by one" in note for note in found.notes)


def test_parts_whose_tokens_fit_no_convolution_are_refused() -> None:
    torch.manual_seed(0)
    net = Patches(Caching(), 11).eval()
    with nv.attach(net) as probe:
        net.features(torch.randn(2, 3, 16, 24))
    assert not probe.maps
    assert "one by one" in probe.refused["attention"]


def test_of_two_grids_that_fit_none_is_taken() -> None:
    assert in_parts(25, [(4, 6), (5, 5)]).grid == (1, 5, 5)
    for grids in ([(4, 6), (3, 8)], [], [(9, 9)]):
        with pytest.raises(UnprovenError, match="one by one"):
            in_parts(25, grids)


class Apart(nn.Module):
    """Makes queries, keys and values of one thing, and gives them to another module."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.inner = nn.MultiheadAttention(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        y: Tensor = self.inner(self.q(x), self.k(x), self.v(x))[0]
        return y


def test_queries_and_keys_given_apart_are_of_what_the_parent_was_given() -> None:
    torch.manual_seed(0)
    net = Patches(Apart()).eval()
    with nv.attach(net) as probe:
        net(torch.randn(1, 3, 16, 24))
    found = probe.maps["attention.inner"]
    assert found.query_grid == found.key_grid == (1, 4, 6)


class Slots(nn.Module):
    """Learnt tokens look at what is given, then at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.randn(1, 5, 8))
        self.across = nn.MultiheadAttention(8, 2, batch_first=True)
        self.among = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        slots = self.slots.expand(len(x), -1, -1)
        slots = slots + self.across(slots, x, x)[0]
        y: Tensor = self.among(slots, slots, slots)[0]
        return y


def test_slots_among_themselves_are_no_cells_though_no_picture_is_given() -> None:
    torch.manual_seed(0)
    net = Slots().eval()
    with nv.attach(net, grid=(4, 6)) as probe:
        net(torch.randn(2, 24, 8))
    assert probe.maps["across"].key_grid == (1, 4, 6)
    assert "objects" in probe.refused["among"]


class Product(nn.Module):
    """Given queries, keys and values; heads are mixed before the softmax, if there are weights for that."""

    def __init__(self, mixes: bool) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2, 2, 1, bias=False) if mixes else nn.Identity()

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        y: Tensor = self.mix(q @ k.mT).softmax(-1) @ v
        return y


class Makes(nn.Module):
    def __init__(self, parts: nn.ModuleList) -> None:
        super().__init__()
        self.qkv, self.parts = nn.Linear(8, 24), parts

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        for part in self.parts:
            v = part(q, k, v)
        return v


@pytest.mark.parametrize("mixes", [False, True])
def test_who_makes_queries_and_keys_is_a_second_name_of_the_map(mixes: bool) -> None:
    torch.manual_seed(0)
    net = Patches(Makes(nn.ModuleList([Product(mixes)]))).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert list(probe.maps) == ["attention.parts.0"]
    assert probe.maps["attention"] is probe.maps["attention.parts.0"] is probe.maps.get("attention")
    assert "attention" in probe.maps
    assert "attention" not in probe.refused
    assert len(probe.calls["attention"]) == 1
    for path in ("attention.qkv", "stem", ""):
        assert path not in probe.maps
        assert probe.maps.get(path) is None
        with pytest.raises(KeyError):
            probe.maps[path]


def test_who_makes_several_maps_is_the_name_of_none() -> None:
    torch.manual_seed(0)
    net = Patches(Makes(nn.ModuleList([Product(False), Product(False)]))).eval()
    with nv.attach(net) as probe:
        net(torch.randn(2, 3, 16, 24))
    assert set(probe.maps) == {"attention.parts.0", "attention.parts.1"}
    assert "attention" not in probe.maps


class Stage(nn.Module):
    """Halves what it is given, by a convolution, and attends."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.attention = nn.Conv2d(8, 8, 2, 2), Caching()

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y: Tensor = x + self.attention(x.flatten(2).mT).mT.reshape(x.shape)
        return y


class Stages(nn.Module):
    """A picture with more parts than its own network calls."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.extra = nn.Conv2d(3, 8, 2, 2), nn.Identity()
        self.stages = nn.Sequential(Stage(), Stage())

    def features(self, x: Tensor) -> Tensor:
        x = self.extra(self.stem(x).flatten(2)).reshape(-1, 8, 12, 16)
        y: Tensor = self.stages(x)
        return y


def test_stages_that_are_called_alone_are_placed_by_the_map_that_they_are_given() -> None:
    torch.manual_seed(0)
    net = Stages().eval()
    with nv.attach(net) as probe:
        net.features(torch.randn(2, 3, 24, 32))
    grids = {path: found.query_grid for path, found in probe.maps.items()}
    assert grids == {"stages.0.attention": (1, 6, 8), "stages.1.attention": (1, 3, 4)}
