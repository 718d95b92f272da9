"""Modules whose family reads them itself."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import OptionError
from nonlocal_viz.probe import families as listed
from nonlocal_viz.probe.families import (
    criss_cross,
    differential,
    families,
    family_of,
    gated_positional,
    global_context,
    rectified_linear,
    talking_heads,
)
from nonlocal_viz.probe.families import nonlocal_block as family
from nonlocal_viz.probe.records import Call, UnprovenError

FORMS = tuple(nv.INSTANTIATIONS)


@pytest.mark.parametrize("each", families(), ids=lambda each: each.__name__)
def test_every_family_reads_its_own_example(each) -> None:
    module, x = each.example()
    assert each.recognises(module) and not each.recognises(nn.Linear(2, 2))
    assert family_of(module) is each and family_of(nn.Linear(2, 2)) is None
    with torch.no_grad(), nv.attach(module) as probe:
        module(x)
    assert set(probe.maps) == {""} and not probe.refused
    assert 0 <= max(probe.maps[""].proof.values()) < 1e-4 and "family" in repr(probe)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_our_own_blocks_are_seen_in_all_forms(form: str, training: bool) -> None:
    torch.manual_seed(0)
    block = nv.NonLocalBlock(6, instantiation=form).train(training)
    nn.init.ones_(block.get_parameter("W.1.weight"))
    x = torch.randn(2, 6, 6, 4)
    plain = nv.NonLocalBlock(6, instantiation=form).train(training)
    plain.load_state_dict(block.state_dict())
    fired: list[int] = []
    block.theta and block.theta.register_forward_hook(lambda *_: fired.append(1))
    with nv.attach(block) as probe:
        z = block(x)
    assert torch.equal(z, plain(x)) and len(fired) == (block.theta is not None)
    for name, value in plain.state_dict().items():
        # BatchNorm has counted the batch once: reading the block counts nothing.
        assert torch.equal(block.state_dict()[name], value), name
    a = probe.maps[""]
    assert (a.query_grid, a.key_grid) == ((1, 6, 4), (1, 3, 2)) and a.instantiation == form
    torch.testing.assert_close(a.dense(), plain.attend(x)[1].dense())
    assert set(a.proof) == {"output", "rows"} and not a.dense().requires_grad and not a.notes


def test_blocks_of_a_clip_in_a_network_are_known_by_name() -> None:
    model = NonLocalResNet(18, ["layer2.0", "layer3.1"], block={"instantiation": "concatenation"})
    with torch.no_grad(), nv.attach(model.eval()) as probe:
        _, maps = model(torch.randn(1, 3, 2, 64, 48), return_nl_map=True)
    assert set(probe.maps) == {"nl.layer2_0", "nl.layer3_1"}
    for name, a in maps.items():
        found = probe.maps["nl." + name.replace(".", "_")]
        assert found.query_grid == a.query_grid == (2, *a.query_grid[1:])
        torch.testing.assert_close(found.dense(), a.dense())
        assert "adds nothing" in found.notes[0]


def test_autocast_is_allowed_for() -> None:
    torch.manual_seed(0)
    block = nv.NonLocalBlock(8, instantiation="dot_product").eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), nv.attach(block) as probe:
        block(torch.randn(1, 8, 4, 4))
    assert set(probe.maps) == {""}


def test_what_does_not_come_out_again_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    block, x = family.example()
    with torch.no_grad():
        z = block(x)
    call = Call("", block, (x,), {})
    assert family.read(call, z).shape == (2, 48, 12)
    with pytest.raises(UnprovenError, match="output made again"):
        family.read(call, 1.01 * z)
    monkeypatch.setattr(nv.Pairwise, "weights", lambda _self, score, _may=None: score / 7)
    with pytest.raises(UnprovenError, match="rows made again"):
        family.read(call, z)


def test_a_global_context_block_has_one_map_for_all_queries() -> None:
    module, x = global_context.example()
    with torch.no_grad(), nv.attach(nn.Sequential(nn.Identity(), module)) as probe:
        probe.model(x)
    a = probe.maps["1"]
    row = module.conv_mask(x).flatten(2).softmax(-1)
    torch.testing.assert_close(a.dense(), row.expand(-1, 30, -1))
    torch.testing.assert_close(a.column((2, 3)), row[..., 15].expand(-1, 30))
    assert "one map" in a.notes[0] and a.query_grid == a.key_grid == (1, 5, 6)
    call = Call("", module, (x,), {})
    with torch.no_grad(), pytest.raises(UnprovenError, match="output made again"):
        global_context.read(call, 1.01 * module(x))

    class Mean(type(module)):
        """Looks the same, and pools evenly: the mask is not what it mixes by."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.channel_add_conv(x.mean((2, 3), keepdim=True)) + 0 * self.conv_mask(x)

    even = Mean()
    with torch.no_grad(), nv.attach(even) as probe:
        even(x)
    assert not probe.maps and "context" in probe.refused[""]
    assert not global_context.recognises(nn.Conv2d(2, 1, 1))


def rows_of_talking_heads(m, x):
    q, k, _ = (p.unflatten(-1, (2, -1)).transpose(1, 2) for p in m.qkv(x).chunk(3, 2))
    e = torch.einsum("gh,bhnm->bgnm", m.proj_l.weight, q @ k.mT * m.scale)
    a = (e + m.proj_l.bias.view(1, -1, 1, 1)).softmax(-1)
    return torch.einsum("gh,bhnm->bgnm", m.proj_w.weight, a) + m.proj_w.bias.view(1, -1, 1, 1)


def rows_of_gated_positional(m, x):
    q, k = (p.unflatten(-1, (2, -1)).transpose(1, 2) for p in m.qk(x).chunk(2, 2))
    gate = m.gating_param.sigmoid().view(1, -1, 1, 1)
    place = m.pos_proj(m.rel_indices).permute(0, 3, 1, 2).softmax(-1)
    return (1 - gate) * (q @ k.mT * m.scale).softmax(-1) + gate * place


def rows_of_differential(m, x):
    q, k, _ = m.qkv(x).chunk(3, 2)
    q = q.unflatten(-1, (4, -1)).transpose(1, 2)
    k = m.k_norm(k.unflatten(-1, (4, -1)).transpose(1, 2))
    a = (q @ k.mT * m.scale).softmax(-1)
    return a[:, 0::2] - 0.6 * a[:, 1::2]


def rows_of_criss_cross(m, x):
    q, k = (f(x).flatten(2).mT for f in (m.query_conv, m.key_conv))
    cell = torch.arange(30)
    cross = (cell[:, None] // 6 == cell // 6) | (cell[:, None] % 6 == cell % 6)
    return (q @ k.mT).masked_fill(~cross, -torch.inf).softmax(-1)[:, None]


def rows_of_rectified_linear(m, x):
    qkv = m.qkv(x)
    parts = torch.cat([qkv, m.aggreg[0](qkv)], 1).unflatten(1, (-1, 9)).flatten(3).mT
    q, k, _ = parts.chunk(3, -1)
    a = q.relu() @ k.relu().mT
    return a / (a.sum(-1, keepdim=True) + m.eps)


@pytest.mark.parametrize(
    ("each", "reference"),
    [
        (talking_heads, rows_of_talking_heads),
        (gated_positional, rows_of_gated_positional),
        (differential, rows_of_differential),
        (criss_cross, rows_of_criss_cross),
        (rectified_linear, rows_of_rectified_linear),
    ],
    ids=lambda each: each.__name__.split(".")[-1],
)
def test_a_family_shows_what_its_module_computes(each, reference) -> None:
    module, x = each.example()
    fired: list[nn.Module] = []
    for part in module.children():
        part.register_forward_hook(lambda m, _given, _out: fired.append(m))
    with torch.no_grad():
        module(x)
        often, expected = len(fired), reference(module, x)
        fired.clear()
        with nv.attach(module, grid=(3, 4)) as probe:
            module(x)
    assert len(fired) == often
    a = probe.maps[""]
    found = a.dense(heads=True)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(a.dense(), expected.mean(1), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(a.column(5, heads=True), found[..., 5], atol=1e-6, rtol=1e-5)
    last = a.head(a.heads - 1)[1]
    assert last.shape == (1, *a.shape[1:]) and last.heads == 1
    torch.testing.assert_close(last.row(2), expected[1:, -1, 2], atol=1e-6, rtol=1e-5)
    assert a.signed == bool((expected < 0).any())
    # Sums are a little below 1 where a small number is added to them.
    assert a.is_distribution == (not a.signed and each is not rectified_linear)
    with pytest.raises(nv.errors.QueryError, match="no head 9"):
        a.head(9)
    # What is made again and is not what came out, and rows that are not what was used, are not shown.
    call = Call("", module, (x,), {})
    told = (lambda _x: (a, ()),) if getattr(each, "TOKENS", False) else ()
    with torch.no_grad(), pytest.raises(UnprovenError, match="output made again"):
        each.read(call, 1.01 * module(x), *told)


def test_a_network_of_talking_heads_lies_on_its_picture() -> None:
    torch.manual_seed(0)
    net = timm.models.cait.Cait(
        img_size=(32, 48), patch_size=8, embed_dim=16, depth=1, num_heads=2, depth_token_only=1
    ).eval()
    with torch.no_grad(), nv.attach(net) as probe:
        net(torch.randn(1, 3, 32, 48))
    a = probe.maps["blocks.0.attn"]
    assert a.query_grid == (1, 4, 6) and a.heads == 2 and "negative" in a.notes[0]
    assert probe.maps["blocks_token_only.0.attn"].query_aside.names == ("class",)


def test_a_criss_cross_that_adds_nothing_is_shown_and_said() -> None:
    module, x = criss_cross.example()
    with torch.no_grad():
        module.gamma.zero_()
        with nv.attach(module) as probe:
            module(x)
    assert "adds nothing" in probe.maps[""].notes[0]
    assert float(module.gamma.detach()) == 0


def test_a_family_called_with_a_mask_is_not_shown() -> None:
    class Masked(type(talking_heads.example()[0])):
        def forward(self, x, mask=None):
            return super().forward(x)

    torch.manual_seed(0)
    module = Masked().eval()
    with torch.no_grad(), nv.attach(module) as probe:
        module(torch.randn(1, 12, 8), torch.ones(12, 12))
    assert not probe.maps and "nothing else" in probe.refused[""]


class ByRank(nn.Module):
    """Weights that fall with the distance of queries and keys: no product that could be seen."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x) for f in (self.q, self.k, self.v))
        made: Tensor = (-(torch.cdist(q, k) ** 2)).softmax(-1) @ v * self.scale
        return made


class OfRank:
    """A family of one's own."""

    @staticmethod
    def recognises(module: nn.Module) -> bool:
        return isinstance(module, ByRank)

    @staticmethod
    def read(call: Call, output: Tensor) -> nv.Affinity:
        block, x = call.module, call.args[0]
        q, k, v = (part(x)[:, None] for part in (block.q, block.k, block.v))
        query = torch.cat([2 * q, torch.ones_like(q[..., :1])], -1)
        key = torch.cat([k, -k.square().sum(-1, keepdim=True)], -1)
        grid = (1, 1, x.shape[1])
        found = nv.Factored(nv.INSTANTIATIONS["embedded_gaussian"], query, key, grid, grid)
        return nv.proven(found, x.dtype, output=(found.dense() @ v[:, 0], output))

    @staticmethod
    def example() -> tuple[nn.Module, Tensor]:
        torch.manual_seed(0)
        return ByRank().eval(), torch.randn(2, 6, 4)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "_REGISTERED", [])
    nv.register_family(OfRank)


def test_a_family_of_ones_own_is_asked_first_and_once(registered: None) -> None:
    nv.register_family(OfRank)
    assert families()[0] is OfRank and families().count(OfRank) == 1
    module, x = OfRank.example()
    with torch.no_grad(), nv.attach(module) as probe:
        output = module(x)
    a = probe.maps[""]
    assert not probe.refused and a.proof["output"] < 1e-5
    assert isinstance(module, ByRank)
    torch.testing.assert_close(a.dense() @ module.v(x), output)


def test_the_newest_family_is_asked_before_others(registered: None) -> None:
    class Newer(OfRank):
        pass

    nv.register_family(Newer)
    assert families()[:2] == (Newer, OfRank) and family_of(ByRank()) is Newer


def test_a_map_that_its_family_cannot_prove_is_refused(registered: None) -> None:
    torch.manual_seed(0)
    module = ByRank(scale=1.01).eval()
    with torch.no_grad(), nv.attach(module) as probe:
        module(torch.randn(2, 6, 4))
    assert not probe.maps and "output made again differs by 1e-02" in probe.refused[""].replace(
        "9.9e-03", "1e-02"
    )


def test_a_family_that_lacks_a_part_is_told_so() -> None:
    with pytest.raises(OptionError, match="lacks recognises, example"):
        nv.register_family(SimpleNamespace(read=print))  # type: ignore[arg-type]


def test_families_of_other_packages_are_asked_and_broken_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def named(value: str) -> EntryPoint:
        return EntryPoint(value.rpartition(":")[2] or value, value, listed.GROUP)

    points = [
        named("tests.probe.test_families:OfRank"),
        named("no_such_package.of_anybody:Family"),
        named("tests.probe.test_families:ByRank"),
    ]
    monkeypatch.setattr(
        listed, "entry_points", lambda group: points if group == listed.GROUP else []
    )
    listed._installed.cache_clear()
    try:
        with pytest.warns(UserWarning, match="family") as said:
            found = families()
        assert found[-1].__name__ == "OfRank"  # type: ignore[attr-defined]
        sentences = [str(one.message) for one in said]
        assert len(sentences) == 2
        assert "no_such_package" in sentences[0] and "is no family" in sentences[1]
    finally:
        listed._installed.cache_clear()
