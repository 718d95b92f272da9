"""attach: maps of small networks against their own weights, what changes (nothing), what is refused."""

import contextlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.errors import ProbeError
from nonlocal_viz.probe.reading import Reader
from nonlocal_viz.probe.records import Capture
from nonlocal_viz.probe.watch import Watch


class PixelAttention(nn.Module):
    """Queries, keys and values by 1x1 convolutions; the map that it used is kept."""

    def __init__(self, column_major: bool = False, softmax: bool = True) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(6, c, 1) for c in (4, 4, 6))
        self.column_major, self.softmax = column_major, softmax
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        order = "b c (w h)" if self.column_major else "b c (h w)"
        assert order
        q, k, v = (
            (t.mT if self.column_major else t).flatten(2) for t in (self.q(x), self.k(x), self.v(x))
        )
        scores = torch.einsum("bcn,bcm->bnm", q, k) * 0.7
        a = scores.softmax(-1) if self.softmax else scores / k.shape[-1]
        self.used = a.detach().clone()
        y = torch.einsum("bnm,bcm->bcn", self.drop(a), v)
        b, c, h, w = x.shape
        return x + (y.view(b, c, w, h).mT if self.column_major else y.view(b, c, h, w))


class Tokens(nn.Module):
    """A patch embedding, class and register tokens, then an attention over them."""

    def __init__(self, fused: bool, extra: int = 3) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.extra = nn.Parameter(torch.randn(1, extra, 8))
        self.place = nn.Parameter(torch.randn(1, extra + 6, 8))
        self.block = Heads(fused)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).mT
        return self.block(torch.cat([self.extra.expand(len(x), -1, -1), x], 1) + self.place)


class Heads(nn.Module):
    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.qkv, self.out, self.fused = nn.Linear(8, 24), nn.Linear(8, 8), fused

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        a = (q @ k.mT * 0.5).softmax(-1)
        self.used = a.detach().clone()
        y = F.scaled_dot_product_attention(q, k, v) if self.fused else a @ v
        return self.out(y.transpose(1, 2).flatten(2))


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def seen(model: nn.Module, x: Tensor) -> tuple["nv.probe.Probe", Tensor]:
    """The probe of one call, whose result is held to the one without it."""
    state = torch.random.get_rng_state()
    plain = model(x)
    torch.random.set_rng_state(state)
    before = hooks(model), [m.training for m in model.modules()]
    with nv.attach(model) as probe:
        out = model(x)
    assert torch.equal(plain, out)
    assert before == (hooks(model), [m.training for m in model.modules()])
    return probe, out


@pytest.mark.parametrize("softmax", [True, False])
def test_an_attention_over_pixels(softmax: bool) -> None:
    torch.manual_seed(0)
    model = PixelAttention(softmax=softmax).eval()
    probe, _ = seen(model, torch.randn(2, 6, 3, 5))
    a = probe.maps[""]
    assert a.query_grid == a.key_grid == (1, 3, 5)
    assert a.is_distribution is softmax and a.signed is not softmax
    torch.testing.assert_close(a.dense(), model.used)
    assert max(a.proof.values()) < 1e-5
    assert "captured" in repr(probe) and "3 x 5" in repr(probe)


def test_columns_first_are_put_in_raster_order() -> None:
    torch.manual_seed(0)
    model = PixelAttention(column_major=True).eval()
    probe, _ = seen(model, torch.randn(1, 6, 3, 5))
    order = torch.arange(15).view(5, 3).T.flatten()
    torch.testing.assert_close(probe.maps[""].dense(), model.used[:, order][:, :, order])


@pytest.mark.parametrize("fused", [True, False])
def test_tokens_with_a_class_and_registers(fused: bool) -> None:
    torch.manual_seed(0)
    model = Tokens(fused).eval()
    probe, _ = seen(model, torch.randn(2, 3, 8, 12))
    a = probe.maps["block"]
    assert a.query_grid == (1, 2, 3) and a.heads == 2
    assert a.query_aside.before == ("class", "register 1", "register 2")
    torch.testing.assert_close(a.dense(heads=True, off_grid=True), model.block.used)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(batch_first: bool, training: bool) -> None:
    torch.manual_seed(0)
    model = nn.MultiheadAttention(8, 2, batch_first=batch_first).train(training)
    x = torch.randn(2, 6, 8) if batch_first else torch.randn(6, 2, 8)
    _, wanted = model(x, x, x, average_attn_weights=False)
    with nv.attach(model, grid=(2, 3)) as probe, torch.set_grad_enabled(training):
        model(x, x, x, need_weights=False)
    a = probe.maps[""]
    torch.testing.assert_close(a.dense(heads=True, off_grid=True), wanted)


def test_the_fast_path_of_an_encoder_layer() -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(2, 6, 8)
    wanted = model.self_attn(x, x, x, average_attn_weights=False)[1]
    with torch.inference_mode():
        probe, _ = seen(model, x)
    torch.testing.assert_close(probe.maps["self_attn"].dense(heads=True, off_grid=True), wanted)
    assert probe.maps["self_attn"].notes  # no picture: its grid is assumed


def test_dropout_shows_the_clean_row_and_says_so() -> None:
    torch.manual_seed(0)
    model = PixelAttention()
    model.drop.p = 0.4
    probe, _ = seen(model, torch.randn(2, 6, 3, 5))
    torch.testing.assert_close(probe.maps[""].dense(), model.used)
    assert any("Dropout" in note for note in probe.maps[""].notes)
    assert max(probe.maps[""].proof.values()) < 1e-4


class Windows(nn.Module):
    """Attention in 2 x 2 windows, shifted by one cell, of a 4 x 6 plane."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Heads(fused=False)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.roll((-1, -1), (2, 3)).view(b, c, h // 2, 2, w // 2, 2)
        x = self.attention(x.permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c))
        x = x.view(b, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return x.roll((1, 1), (2, 3))


def test_shifted_windows() -> None:
    torch.manual_seed(0)
    model = Windows().eval()
    probe, _ = seen(model, torch.randn(2, 8, 4, 6))
    a = probe.maps["attention"]
    assert a.query_grid == a.key_grid == (1, 4, 6)
    window = torch.arange(24).view(4, 6).roll((-1, -1), (0, 1)).view(2, 2, 3, 2)
    cells = window.permute(0, 2, 1, 3).reshape(6, 4)
    wanted = torch.zeros(2, 2, 24, 24)
    used = model.attention.used.view(2, 6, 2, 4, 4)
    for at, held in enumerate(cells):
        wanted[:, :, held[:, None], held] = used[:, at]
    torch.testing.assert_close(a.dense(heads=True), wanted)


class Masked(nn.Module):
    """Heads that share their keys, a relative bias and a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 8)
        self.bias = nn.Parameter(torch.randn(2, 6, 6))

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (2, 4)).transpose(1, 2)
        k, v = self.kv(x).unsqueeze(1).chunk(2, -1)
        later = torch.ones(6, 6, dtype=torch.bool).triu(1)
        a = ((q @ k.mT) / 2 + self.bias).masked_fill(later, -torch.inf).softmax(-1)
        self.used = a.detach().clone()
        return (a @ v).transpose(1, 2).flatten(2)


def test_masks_biases_and_shared_keys() -> None:
    torch.manual_seed(0)
    model = Masked().eval()
    probe, _ = seen(model, torch.randn(2, 6, 8))
    torch.testing.assert_close(probe.maps[""].dense(heads=True, off_grid=True), model.used)


def test_autocast_is_compared_in_its_own_type_and_shown_in_float32() -> None:
    torch.manual_seed(0)
    model = PixelAttention().eval()
    with torch.autocast("cpu", torch.bfloat16):
        probe, _ = seen(model, torch.randn(1, 6, 3, 5))
    a = probe.maps[""].dense()
    assert a.dtype == torch.float32
    torch.testing.assert_close(a, model.used.float(), atol=2e-2, rtol=2e-2)


def test_every_call_is_kept() -> None:
    block = PixelAttention().eval()
    probe, _ = seen(nn.Sequential(block, block), torch.randn(1, 6, 3, 4))
    assert len(probe.calls["0"]) == 2
    torch.testing.assert_close(probe.maps["0"].dense(), block.used)


def test_gradients_are_those_without_it() -> None:
    model, x = PixelAttention(), torch.randn(1, 6, 3, 4)
    model(x).square().sum().backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    with nv.attach(model):
        model(x).square().sum().backward()
    assert all(map(torch.equal, wanted, [p.grad for p in model.parameters()]))


def test_an_exception_passes_and_leaves_nothing() -> None:
    model = nn.Sequential(PixelAttention(), nn.Linear(99, 1))
    with pytest.raises(RuntimeError), nv.attach(model):
        model(torch.randn(1, 6, 3, 4))
    seen(PixelAttention(), torch.randn(1, 6, 3, 4))
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


class Call(nn.Module):
    """A function as a module, with a weight for each shape."""

    def __init__(self, function: Callable[..., Tensor], *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList([torch.randn(*shape) for shape in shapes])

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.weights)


LOOKALIKES: dict[str, tuple[Call, tuple[int, ...]]] = {
    "squeeze and excitation": (
        Call(lambda x, w: x * (x.mean((2, 3)) @ w).sigmoid()[:, :, None, None], (6, 6)), (2, 6, 3, 4)),
    "spatial gate": (Call(lambda x: x * x.mean(1, keepdim=True).sigmoid()), (2, 6, 3, 4)),
    "classifier": (Call(lambda x, w: (x.mean((2, 3)) @ w).softmax(-1), (6, 5)), (2, 6, 3, 4)),
    "soft prototypes": (Call(lambda x, w, v: (x @ w).softmax(-1) @ v, (8, 5), (5, 8)), (2, 6, 8)),
    "softmax pooling": (Call(lambda x, w: (x @ w).softmax(1).mT @ x, (8, 1)), (2, 6, 8)),
    "mixer": (Call(lambda x, w: w @ x, (6, 6)), (2, 6, 8)),
    "linear maps": (
        Call(lambda x, w, v: x.bmm(w.expand(2, 8, 5)).bmm(v.expand(2, 5, 8)), (8, 5), (5, 8)), (2, 6, 8)),
    "channel attention": (
        Call(lambda x: (x.flatten(2) @ x.flatten(2).mT).softmax(-1) @ x.flatten(2)), (2, 6, 3, 4)),
    "projected channels": (
        Call(lambda x, w: ((x @ w).mT @ x).softmax(-1) @ x.mT, (8, 8)), (2, 6, 8)),
    "channels of tokens": (Call(lambda x: (x.mT @ x).softmax(-1) @ x.mT), (2, 6, 8)),
    "gmlp": (Call(lambda x, w: x * (w @ x), (6, 6)), (2, 6, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_looks_like_attention_is_not_shown(name: str) -> None:
    torch.manual_seed(0)
    model, shape = LOOKALIKES[name]
    probe = nv.attach(model)
    with contextlib.suppress(ProbeError), probe:
        model(torch.randn(*shape))
    assert not probe.maps
    assert all(len(sentence) > 20 for sentence in probe.refused.values())


def test_no_attention_at_all_lists_what_was_looked_for() -> None:
    probe = nv.attach(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    with pytest.raises(ProbeError, match="scaled dot product attention, and no product"), probe:
        probe.model(torch.randn(2, 4))


@pytest.mark.parametrize("spoil", ["scale", "roll", "swap"])
def test_a_spoiled_capture_is_refused(spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    add = Watch._add

    def spoiled(self: Watch, capture: Capture, weights: Tensor | None, y: Tensor) -> None:
        if spoil == "scale":
            capture.query = capture.query * 1.02
        elif spoil == "roll":
            capture.key = capture.key.roll(1, 1)
        else:
            capture.query, capture.key = capture.key, capture.query
        add(self, capture, weights, y)

    monkeypatch.setattr(Watch, "_add", spoiled)
    for model in (PixelAttention().eval(), Heads(fused=True).eval()):
        x = torch.randn(1, 6, 3, 4) if isinstance(model, PixelAttention) else torch.randn(1, 6, 8)
        with nv.attach(model) as probe:
            model(x * 3)
        assert not probe.maps and "differ from the network's own" in probe.refused[""]


class MixedHeads(Heads):
    def __init__(self) -> None:
        super().__init__(fused=False)
        self.mix = nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        a = self.mix((q @ k.mT).softmax(-1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.out((a @ v).transpose(1, 2).flatten(2))


def test_weights_that_are_normalised_over_heads_are_refused_by_name() -> None:
    probe, _ = seen(MixedHeads().eval(), torch.randn(1, 6, 8))
    assert not probe.maps and "normalised over heads" in probe.refused[""]


def test_what_breaks_while_reading_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise IndexError("odd")

    monkeypatch.setattr(Reader, "read", broken)
    probe, _ = seen(PixelAttention().eval(), torch.randn(1, 6, 3, 4))
    assert not probe.maps and "IndexError: odd" in probe.refused[""]


def test_what_breaks_while_watching_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise IndexError("odd")

    monkeypatch.setattr(Watch, "_add", broken)
    probe, _ = seen(PixelAttention().eval(), torch.randn(1, 6, 3, 4))
    assert not probe.maps and "IndexError: odd" in probe.refused[""]


def test_graphs_without_modules_are_refused() -> None:
    with pytest.raises(ProbeError, match="graph module"):
        nv.attach(torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2))))


class InTurn(nn.Module):
    """Heads of a map (B, 8, H, W), each of some channels and of what the head before it gave out."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(4, 12, 1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        found: list[Tensor] = []
        self.used: list[Tensor] = []
        for head, part in zip(self.heads, x.chunk(2, 1), strict=True):
            given = part + found[-1] if found else part
            q, k, v = head(given).flatten(2).chunk(3, 1)
            self.used.append((q.mT @ k).softmax(-1))
            found.append((v @ self.used[-1].mT).view_as(given))
        return torch.cat(found, 1)


def test_heads_that_are_computed_in_turn_are_one_map() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), InTurn()).eval()
    with torch.no_grad(), nv.attach(net, at_once=True) as probe:
        net(torch.randn(1, 3, 24, 32))
    a = probe.maps["1"]
    assert a.query_grid == a.key_grid == (1, 6, 8)
    torch.testing.assert_close(a.dense(heads=True)[0], torch.cat(net[1].used))
