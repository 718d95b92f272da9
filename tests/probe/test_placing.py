"""Where tokens lie: known layouts, strided queries, deep stages, causal masks, what lies on no cell."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.known import MIXED, NOWHERE, Layouts
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.windows import tables
from tests.probe.small import Attends


def rolled_windows(height: int, width: int, side: int, shift: int, padded_first: bool) -> Tensor:
    """The window slots of a plane by plain tensor code, as networks write it."""
    plane = torch.arange(height * width).view(height, width)
    pad = (0, -width % side, 0, -height % side)
    steps = [lambda x: F.pad(x, pad, value=-1), lambda x: x.roll((-shift, -shift), (0, 1))]
    for step in steps if padded_first else steps[::-1]:
        plane = step(plane)
    return plane.unfold(0, side, side).unfold(1, side, side).reshape(-1, side * side)


@pytest.mark.parametrize("padded_first", [True, False])
@pytest.mark.parametrize("shift", [0, 2])
def test_shifted_windows_are_among_the_known_layouts(shift: int, padded_first: bool) -> None:
    wanted = rolled_windows(7, 10, 4, shift, padded_first)
    both = torch.stack([wanted, torch.where(wanted >= 0, wanted + 70, -1)])
    within = both[:, :, None].expand(-1, -1, 3, -1).reshape(-1, 16)
    outside = both[:, None].expand(-1, 3, -1, -1).reshape(-1, 16)
    first = both[None].expand(3, -1, -1, -1).reshape(-1, 16)
    for layout in (within, outside, first):
        assert any(torch.equal(t, layout) for t in tables(len(layout), 16, 2, (7, 10)))


def test_grids_and_whole_sequences_are_among_them() -> None:
    plane = torch.arange(48).view(6, 8)
    far = torch.stack([plane[i::3, j::4].reshape(-1) for i in range(3) for j in range(4)])
    assert any(torch.equal(t, far) for t in tables(12, 4, 1, (6, 8)))
    heads = torch.arange(7).repeat(6, 1) + 7 * (torch.arange(6) // 3)[:, None]
    assert torch.equal(next(iter(tables(6, 7, 2, (7,)))), heads)
    assert not list(tables(5, 7, 2, (7,)))


class Windows(nn.Module):
    """Shifted windows of 4 over (B, H, W, C), two heads, as Swin has them."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shift, self.patch = shift, nn.Conv2d(3, 8, 4, 4)
        self.attend = Block(shift)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attend(self.patch(x).permute(0, 2, 3, 1))
        return y


class Block(nn.Module):
    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift, self.inner = shift, Inner()

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        x = x.roll((-self.shift, -self.shift), (1, 2))
        x = x.view(b, h // 4, 4, w // 4, 4, c).transpose(2, 3).reshape(-1, 16, c)
        x = self.inner(x).view(b, h // 4, w // 4, 4, 4, c).transpose(2, 3).reshape(b, h, w, c)
        return x.roll((self.shift, self.shift), (1, 2))


class Inner(nn.Module):
    def __init__(self, causal: bool = False, step: int = 1) -> None:
        super().__init__()
        self.qkv, self.causal, self.step = nn.Linear(8, 24), causal, step

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        q = q[:, :, :: self.step] if self.step > 1 else q
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return y.transpose(1, 2).flatten(2)


def test_windows_are_placed_by_a_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    plain = Placing.run
    monkeypatch.setattr(
        Placing, "run", lambda self, change: (runs.append(1), plain(self, change))[1]
    )
    net = Windows(2).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 48, 64))
    a = probe.maps["attend.inner"]
    assert a.query_grid == (1, 12, 16) and a.heads == 2
    # Bit by bit it would be 16 runs for each reading of the axes.
    assert len(runs) <= 14
    x = net.patch(torch.zeros(1, 3, 48, 64))
    assert x.shape[2:] == (12, 16)
    allowed = torch.zeros(192, 192, dtype=torch.bool)
    for window in rolled_windows(12, 16, 4, 2, True):
        allowed[window[:, None], window] = True
    torch.testing.assert_close(a.dense()[0] > 0, allowed)


def test_a_causal_mask_is_a_mask() -> None:
    torch.manual_seed(0)
    module = Inner(causal=True).eval()
    with torch.no_grad(), nv.attach(module, grid=(3, 4)) as probe:
        module(torch.randn(1, 12, 8))
    dense = probe.maps[""].dense()[0]
    assert torch.equal(dense > 0, torch.ones(12, 12).tril().bool())
    assert torch.allclose(dense.sum(-1), torch.ones(12))


class Strided(nn.Module):
    """Queries are every second row and column, as where LeViT halves its grid."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.attend = nn.Conv2d(3, 8, 4, 4), Halving()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attend(self.patch(x).flatten(2).mT)
        return y


class Halving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        # As LeViT's: it returns nothing.
        super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        few = x.unflatten(1, (6, 8))[:, ::2, ::2].flatten(1, 2)
        return (self.q(few) @ self.k(x).mT).softmax(-1) @ self.v(x)


def test_queries_that_are_every_second_cell_are_a_grid() -> None:
    torch.manual_seed(0)
    net = Strided()
    net.attend.train(False)
    net.patch.eval()
    x = torch.randn(1, 3, 24, 32)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x)
        tokens = net.patch(x).flatten(2).mT
        few = tokens.unflatten(1, (6, 8))[:, ::2, ::2].flatten(1, 2)
        expected = (net.attend.q(few) @ net.attend.k(tokens).mT).softmax(-1)
    a = probe.maps["attend"]
    assert a.query_grid == (1, 3, 4) and a.key_grid == (1, 6, 8)
    torch.testing.assert_close(a.dense(), expected, atol=1e-6, rtol=1e-5)


def test_a_deep_stage_behind_strided_convolutions_lies_where_these_say() -> None:
    """Padded, overlapping convolutions move a cell by half of one, and every stage mixes neighbours."""
    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 8, 7, 4, 3), *(nn.Conv2d(8, 8, 3, 2, 1) for _ in range(2))]

    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm, self.attend = nn.Sequential(*stem), nn.LayerNorm(8), Inner()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.attend(self.norm(self.stem(x).flatten(2).mT))
            return y

    net = Deep().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 96, 160))
    assert probe.maps["attend"].query_grid == (1, 6, 10)


def test_what_lies_on_no_cell_is_said() -> None:
    torch.manual_seed(0)
    module = Inner().eval()
    x = torch.randn(1, 14, 8)
    with torch.no_grad(), nv.attach(module, grid=(3, 4)) as probe:
        module(x)
    a = probe.maps[""]
    share = a.dense(off_grid=True)[0, :, :2].sum(-1).mean()
    said = f"On average {100 * float(share):.0f} % of a row lies on tokens that are no cells"
    assert a.notes == (f"{said} (class, register 1).",)


def test_tokens_of_a_feature_map_lie_as_it_does() -> None:
    """Where the picture moves every token alike, the map that a block is given tells."""
    torch.manual_seed(0)

    class Everywhere(nn.Module):
        """Features that every pixel moves, from one that is everywhere."""

        def __init__(self) -> None:
            super().__init__()
            self.give, self.block = nn.Conv2d(3, 8, 4, 4), Flat()

        def forward(self, x: Tensor) -> Tensor:
            x = self.give(x)
            mean = x.mean((2, 3), keepdim=True) * torch.linspace(1, 50, 24).view(1, 1, 4, 6)
            y: Tensor = self.block((x * 0 + mean).mT)
            return y

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = Inner()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.attend(x.flatten(2).mT)
            return y

    net = Everywhere().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 16, 24))
    assert probe.maps["block.attend"].query_grid == (1, 6, 4)


def test_what_comes_after_a_place_is_not_run_again() -> None:
    ran: list[str] = []

    class Tell(nn.Identity):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, x: Tensor) -> Tensor:
            ran.append(self.name)
            return x

    net = nn.Sequential(Tell("before"), Tell("there"), Tell("after"))
    again = Again(Call("", net, (torch.ones(1, 3, 2),), {}))
    assert torch.equal(again.input(lambda x: x + 1, "1"), torch.full((1, 3, 2), 2.0))
    assert ran == ["before"]


class Scattered(nn.Module):
    """Attention within groups of tokens that lie nowhere near each other, in an order of its own."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.inner = Inner()
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> Tensor:
        parts = x[:, self.order].unflatten(1, (8, -1)).flatten(0, 1)
        back = self.inner(parts).unflatten(0, (len(x), 8)).flatten(1, 2)
        moved: Tensor = x + back[:, self.order.argsort()]
        return moved


def test_a_layout_that_was_searched_for_is_tried_in_the_next_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    order, other = torch.randperm(64), torch.randperm(64)
    runs: list[str] = []
    run = Again.captures

    def counted(self: Again, change: object, path: str, enough: object) -> object:
        runs.append(self.call.path)
        return run(self, change, path, enough)  # type: ignore[arg-type]

    monkeypatch.setattr(Again, "captures", counted)
    network = nn.Sequential(Scattered(order), Scattered(order), Scattered(other)).eval()
    with nv.attach(network, grid=(8, 8)) as probe, torch.inference_mode():
        network(torch.randn(1, 64, 8))
    first, second, third = (runs.count(str(i)) for i in range(3))
    # Six bits, with and without; the third has another one, which is found all the same.
    assert second == first - 12 and third == first
    for path, table in (("0", order), ("1", order), ("2", other)):
        a = probe.maps[f"{path}.inner"]
        row = a.row(int(table[0]))[0]
        assert set(row.nonzero()[:, 0].tolist()) == set(table[:8].tolist())


def test_a_layout_that_mixes_positions_is_not_remembered() -> None:
    layouts = Layouts()
    plain, mixed = torch.tensor([[0, 1], [2, NOWHERE]]), torch.tensor([[0, 1], [2, MIXED]])
    for table in (plain, mixed, plain.clone()):
        layouts.keep(table, 4)
    assert [t.tolist() for t in layouts.like(2, 2, 4)] == [plain.tolist()]
    assert layouts.like(2, 2, 5) == []


def test_a_share_that_rounds_to_nothing_is_less_than_one_percent() -> None:
    class Tokens(nn.Module):
        """The first token takes nothing that could be shown, and a little all the same."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.inner = Inner()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.inner(x)
            return out

    with nv.attach(Tokens().eval(), grid=(16, 16)) as probe, torch.inference_mode():
        probe.model(torch.randn(1, 257, 8))
    assert "On average less than 1 % of a row lies on" in " ".join(probe.maps["inner"].notes)


class Reshaped(nn.Module):
    """Patches cut by a reshape, and a convolution over their grid before they attend (CPVT's encoding)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.place = nn.Linear(48, 8), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.attend = Attends()

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        patches = x.view(b, 3, h // 4, 4, w // 4, 4).permute(0, 2, 4, 1, 3, 5).flatten(3)
        x = self.stem(patches).movedim(-1, 1)
        return self.attend((x + 0.1 * self.place(x)).flatten(2).mT)


def test_a_convolution_over_patches_does_not_say_where_they_lie() -> None:
    torch.manual_seed(0)
    probe = nv.attach(Reshaped().eval())
    with torch.no_grad(), probe:
        probe.model(torch.randn(1, 3, 20, 24))
    assert probe.maps["attend"].query_grid == (1, 5, 6) and not probe._lattices
    encoded = probe.run(torch.randn(1, 3, 20, 24))
    assert not encoded.lattices


class Registers(nn.Module):
    """Windows of 2 x 2 cells, padded at the edge, or two registers in each."""

    def __init__(self, padded: bool) -> None:
        super().__init__()
        self.stem, self.attend, self.padded = nn.Conv2d(3, 8, 4, 4), Attends(), padded
        self.own = nn.Parameter(torch.randn(1, 2, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(self.stem(x), (0, 1, 0, 0) if self.padded else (0, 0, 0, 0))
        b, c, h, w = x.shape
        x = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
        x = x if self.padded else torch.cat((self.own.expand(len(x), -1, -1), x), 1)
        return self.attend(x)


@pytest.mark.parametrize("padded", [True, False])
def test_registers_in_windows_do_not_pass_for_padding(padded: bool) -> None:
    torch.manual_seed(0)
    net = Registers(padded).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 16, 20 if padded else 24))
    a = probe.maps["attend"]
    assert all(name.startswith("padding" if padded else "token") for name in a.key_aside.names)
    assert len(a.key_aside) == (4 if padded else 12) and a.key_grid == (1, 4, 5 if padded else 6)
    (note,) = (note for note in a.notes if "of a row lies on" in note)
    assert ("padding outside" if padded else "no cells (token 1") in note


class Overlapping(nn.Module):
    """A class token and patches of 8 x 8 pixels, every 4, cut without a convolution (PiT)."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.stem, self.attend = nn.Unfold(8, stride=4), nn.Linear(192, 8), Attends()

    def forward(self, x: Tensor) -> Tensor:
        self.given = F.pad(self.stem(self.cut(x).mT), (0, 0, 1, 0))
        return self.attend(self.given)


def test_overlapping_patches_that_are_cut_lie_where_they_were() -> None:
    torch.manual_seed(0)
    net = Overlapping().eval()
    probe = nv.attach(net)
    encoded = probe.run(torch.randn(1, 3, 40, 48))
    a, lattice = encoded.affinities["attend"], encoded.lattices["attend"]
    assert a.query_grid == a.key_grid == (1, 9, 11) and lattice.offset == (2.0, 2.0)
    with torch.inference_mode():
        q, k, _ = net.attend.qkv(net.given).chunk(3, -1)
    torch.testing.assert_close(a.dense(), (q @ k.mT).softmax(-1)[:, 1:, 1:])
