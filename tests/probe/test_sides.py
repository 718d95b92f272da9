"""Tokens that were cut from the picture before, and a grid that the network is told in whole numbers."""

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from tests.probe.small import Attends


def blocks(h: int, w: int, side: int) -> Tensor:
    """(h * w,) the number in raster order of tokens that stand block by block."""
    cells = torch.arange(h * w).view(h // side, side, w // side, side)
    return cells.transpose(1, 2).reshape(-1)


class Turned(nn.Module):
    """Two heads over rows of features (N, 16), turned by their places, in windows one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: Tensor, lengths: list[int], angle: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(len(x), 3, 2, 8).permute(1, 2, 0, 3)
        cos, sin = angle.cos(), angle.sin()
        q, k = (
            torch.cat((a * cos - b * sin, a * sin + b * cos), -1)
            for a, b in (q.chunk(2, -1), k.chunk(2, -1))
        )
        parts = [t.split(lengths, 1) for t in (q, k, v)]
        out = [(a @ b.mT).softmax(-1) @ c for a, b, c in zip(*parts, strict=True)]
        y: Tensor = torch.cat(out, 1).transpose(0, 1).flatten(1)
        return y


class Net(nn.Module):
    """Patches (N, 12) of one picture, 2 x 2 of them after another, and its sides; windows of 4 x 4 in the
    first of two layers, those at the edge smaller."""

    def __init__(self, merged: int = 2, windows: bool = True) -> None:
        super().__init__()
        self.stem, self.merged, self.windows = nn.Linear(12, 16), merged, windows
        self.layers = nn.ModuleList([Turned(), Turned()])

    def forward(self, x: Tensor, sides: Tensor) -> Tensor:
        _, h, w = sides[0].tolist()
        place = blocks(h, w, self.merged)
        window = (place // w // 4) * -(-w // 4) + place % w // 4
        order = torch.argsort(window, stable=True) if self.windows else torch.arange(len(x))
        lengths = window.bincount().tolist() if self.windows else [len(x)]
        place = place[order]
        angle = torch.stack((place // w, place % w, place // w / 3, place % w / 3), -1) * 0.7
        x = self.stem(x)[order]
        for layer, sizes in zip(self.layers, (lengths, [len(x)]), strict=True):
            x = x + layer(x, sizes, angle)
        self.place, self.lengths = place, lengths
        return x


@pytest.mark.parametrize("sides", [(8, 12), (6, 10)])
@pytest.mark.parametrize("windows", [False, True])
def test_tokens_lie_where_their_turns_say(windows: bool, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net, count = Net(windows=windows).eval(), sides[0] * sides[1]
    seen: list[Tensor] = []
    for layer in net.layers:
        layer.qkv.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    x = torch.randn(count, 12)
    with torch.no_grad(), nv.attach(net) as probe:
        net(x, torch.tensor([[1, *sides]]))
    angle = torch.stack(
        (
            net.place // sides[1],
            net.place % sides[1],
            net.place // sides[1] / 3,
            net.place % sides[1] / 3,
        ),
        -1,
    )
    assert len(probe.maps) == 2
    for number, (layer, given) in enumerate(zip(net.layers, seen, strict=False)):
        a = probe.maps[f"layers.{number}"]
        assert a.query_grid == a.key_grid == (1, *sides) and a.heads == 2
        assert not a.notes and not a.key_aside.names
        q, k, _ = layer.qkv(given).view(count, 3, 2, 8).permute(1, 2, 0, 3)
        turn = torch.polar(torch.ones(1), angle * 0.7)
        q, k = (torch.complex(*t.chunk(2, -1)) * turn for t in (q, k))
        scores = (q @ k.mH).real
        if windows and number == 0:
            of = torch.arange(len(net.lengths)).repeat_interleave(torch.tensor(net.lengths))
            scores = scores.masked_fill(of[:, None] != of, -torch.inf)
        wanted = torch.zeros(2, count, count)
        wanted[:, net.place[:, None], net.place] = scores.softmax(-1)
        torch.testing.assert_close(a.dense(heads=True)[0], wanted)


def test_an_order_that_no_turn_shows_is_not_guessed() -> None:
    torch.manual_seed(0)
    net = Net(merged=6, windows=False).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(72, 12), torch.tensor([[1, 6, 12]]))
    assert not probe.maps and "order that it does not show" in probe.refused["layers.0"]


def test_rows_of_which_nothing_says_that_they_are_tokens_are_no_map() -> None:
    net = nn.Sequential(nn.Linear(6, 8), Attends()).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(12, 6))
    assert not probe.maps and "may be images as well" in probe.refused["1"]
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(12, 6))
    assert probe.maps["1"].query_grid == (1, 3, 4)


class Flexible(nn.Module):
    """Patches (B, N, 6) with padding behind, their mask and their sides (SigLIP 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv = nn.Linear(6, 8), nn.Linear(8, 24)

    def forward(self, x: Tensor, mask: Tensor, sides: Tensor) -> Tensor:
        q, k, v = self.qkv(self.stem(x)).chunk(3, -1)
        hidden = (1.0 - mask[:, None].float()) * -1e9
        self.used = (q @ k.mT + hidden + sides.sum() * 0).softmax(-1)
        return self.used @ v


class TwoHeads(Flexible):
    """Whose scores differ from head to head, and by no place."""

    def forward(self, x: Tensor, mask: Tensor, sides: Tensor) -> Tensor:
        q, k, v = self.qkv(self.stem(x)).unflatten(-1, (6, 4)).transpose(1, 2).chunk(3, 1)
        self.used = (q @ k.mT).softmax(-1)
        return self.used @ v


def test_scores_that_differ_from_head_to_head_tell_no_order() -> None:
    torch.manual_seed(0)
    net = TwoHeads().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 15, 6), torch.ones(1, 15).long(), torch.tensor([[3, 5]]))
    assert any("in rows is assumed" in note for note in probe.maps[""].notes)
    torch.testing.assert_close(probe.maps[""].dense(heads=True), net.used)


@pytest.mark.parametrize("padding", [0, 3])
def test_cells_come_before_padding_in_rows(padding: int) -> None:
    torch.manual_seed(0)
    net = Flexible().eval()
    mask = (torch.arange(15 + padding) < 15).long().expand(2, -1)
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(2, 15 + padding, 6), mask, torch.tensor([[3, 5], [3, 5]]))
    a = probe.maps[""]
    assert a.query_grid == (1, 3, 5) and any("in rows is assumed" in note for note in a.notes)
    assert a.key_aside.after == tuple(f"padding {i + 1}" for i in range(padding))
    torch.testing.assert_close(a.dense(), net.used[:, :15, :15])


def test_sides_that_leave_tokens_over_without_a_mask_say_nothing() -> None:
    net = Flexible().eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 18, 6), torch.ones(1, 18).long(), torch.tensor([[3, 5]]))
    assert probe.maps[""].query_grid == (1, 3, 6)
    assert any("was given no picture" in note for note in probe.maps[""].notes)


class Asked(nn.Module):
    """Queries (1, 3, 16) of the network's own over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.k, self.v = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, own: Tensor, x: Tensor) -> Tensor:
        self.used = (own @ self.k(x).mT).softmax(-1)
        return self.used @ self.v(x)


class Summed(Net):
    def __init__(self) -> None:
        super().__init__(windows=False)
        self.own, self.asked = nn.Parameter(torch.randn(1, 3, 16)), Asked()

    def forward(self, x: Tensor, sides: Tensor) -> Tensor:
        return self.asked(self.own, super().forward(x, sides)[None])


def test_keys_of_learnt_queries_lie_in_the_order_that_others_showed() -> None:
    torch.manual_seed(0)
    net = Summed().eval()
    with torch.no_grad(), nv.attach(net, at_once=True) as probe:
        net(torch.randn(48, 12), torch.tensor([[1, 6, 8]]))
    a = probe.maps["asked"]
    assert a.key_grid == (1, 6, 8) and not any("assumed" in note for note in a.notes)
    wanted = torch.zeros(3, 48)
    wanted[:, net.place] = net.asked.used[0]
    found = [a.row(f"query {i + 1}")[0] for i in range(3)]
    torch.testing.assert_close(torch.stack(found), wanted)


def test_images_with_grids_of_their_own_are_refused_by_name() -> None:
    net = Flexible().eval()
    mask = torch.arange(15) < torch.tensor([[15], [12]])
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(2, 15, 6), mask.long(), torch.tensor([[3, 5], [3, 4]]))
    assert not probe.maps and "grids (3 x 5, 3 x 4)" in probe.refused[""]


def test_a_network_of_any_sides_is_given_its_patches_in_rows() -> None:
    pytest.importorskip("transformers")
    few = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    source = nv.load_model(
        "hf:siglip2_vision_model", "cpu", pretrained=False, num_attention_heads=2, patch_size=4,
        num_patches=36, **few,
    )  # fmt: skip
    assert source.prepare.size == (24, 24)
    picture = torch.rand(1, 3, 20, 28)
    seen: list[Tensor] = []
    embeds = source.model.embeddings.patch_embedding
    embeds.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    a = source.run(picture).affinities["encoder.layers.0.self_attn"]
    assert a.query_grid == (1, 5, 7)
    block = picture[0, :, 8:12, 12:16].permute(1, 2, 0).flatten()  # row 2, column 3
    torch.testing.assert_close(seen[0][0, 2 * 7 + 3], block)
