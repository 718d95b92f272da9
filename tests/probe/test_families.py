"""Modules whose family reads them itself."""

import pytest
import torch
from torch import nn

import nonlocal_viz as nv
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.probe.families import families, family_of, global_context
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
