"""A block is any nn.Module: whatever people do to modules works on it, and its gradients have gradients."""

import copy
import pickle
import warnings

import pytest
import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn.utils import parametrizations

from nonlocal_viz.core.attention import fused_attention
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.pairwise import INSTANTIATIONS

# torch.func's own import warns of what it uses itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*jit.*:FutureWarning", "ignore:There is a perf")


def make(instantiation: str = "concatenation", **options) -> NonLocalBlock:
    torch.manual_seed(4)
    block = NonLocalBlock(4, instantiation=instantiation, sub_sample=False, **options).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.5)
    return block.eval()


def example() -> torch.Tensor:
    return torch.randn(2, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_hand(block: NonLocalBlock, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The concatenation map with w_f given: the ReLU of w_f . [theta_i, phi_j] over M."""
    theta, phi, _ = (t.flatten(2).transpose(1, 2) for t in block.project(x))
    pairs = torch.cat(
        [
            theta.unsqueeze(2).expand(-1, -1, phi.shape[1], -1),
            phi.unsqueeze(1).expand(-1, theta.shape[1], -1, -1),
        ],
        dim=-1,
    )
    return (pairs @ weight.flatten()).relu() / phi.shape[1]


@pytest.mark.parametrize("dress", ["weight_norm", "spectral_norm", "prune", "old_spectral_norm"])
def test_what_hangs_on_the_pair_weight_is_honoured(dress: str) -> None:
    block, x = make(), example()
    conv = block.concat_project[0]
    if dress == "weight_norm":
        parametrizations.weight_norm(conv)
        with torch.no_grad():
            conv.parametrizations.weight.original0.mul_(3)
    elif dress == "spectral_norm":
        parametrizations.spectral_norm(conv)
    elif dress == "prune":
        torch.nn.utils.prune.l1_unstructured(conv, "weight", amount=0.5)
    else:
        torch.nn.utils.spectral_norm(conv)
        with torch.no_grad():
            conv.weight_orig.mul_(2)  # it is brought to norm 1 when the module is called
    block.eval()
    z, nl_map = block(x, return_nl_map=True)
    torch.testing.assert_close(nl_map, by_hand(block, conv.weight, x))
    assert (z - x).abs().sum() > 0
    plain = make()(x, return_nl_map=True)[1]
    assert not torch.allclose(nl_map, plain)


def test_weights_given_from_outside_are_used() -> None:
    block, x = make(), example()
    other = {name: 2 * value for name, value in block.state_dict().items()}
    found = torch.func.functional_call(block, other, (x,), {"return_nl_map": True})[1]
    doubled = copy.deepcopy(block)
    doubled.load_state_dict(other)
    torch.testing.assert_close(found, doubled(x, return_nl_map=True)[1])


def test_hooks_of_the_pair_weight_fire_and_may_change_what_it_gives() -> None:
    block, x = make(), example()
    seen: list[str] = []
    for name, module in (("whole", block.concat_project), ("convolution", block.concat_project[0])):
        module.register_forward_hook(lambda *_, name=name: seen.append(name))
    before = block(x, return_nl_map=True)[1]
    assert seen == ["convolution", "whole"]
    block.concat_project.register_forward_hook(lambda _m, _i, out: (out[0] + 1, out[1]))
    assert (block(x, return_nl_map=True)[1] > before).any()


def test_the_pair_weight_is_still_the_public_codes_convolution() -> None:
    block, x = make(), example()
    theta, phi, _ = block.project(x)
    n = 9
    pairs = torch.cat(
        [
            theta.flatten(2).unsqueeze(3).expand(-1, -1, n, n),
            phi.flatten(2).unsqueeze(2).expand(-1, -1, n, n),
        ],
        dim=1,
    )
    wanted = block.concat_project(pairs)[:, 0] / n
    torch.testing.assert_close(block(x, return_nl_map=True)[1], wanted)


def test_replicas_of_data_parallel_work() -> None:
    block, x = make(), example()
    # What torch.nn.parallel.replicate does to a module: parameters become plain tensors.
    replica = copy.deepcopy(block)
    for module in replica.modules():
        for name, parameter in list(module._parameters.items()):
            del module._parameters[name]
            if parameter is not None:
                setattr(module, name, parameter.detach())
    torch.testing.assert_close(replica(x), block(x))


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_on_meta_tensors_shapes_come_out(instantiation: str) -> None:
    with torch.device("meta"):
        block = NonLocalBlock(4, instantiation=instantiation)
        z, nl_map = block(torch.empty(2, 4, 6, 6), return_nl_map=True)
    assert z.shape == (2, 4, 6, 6) and nl_map.shape == (2, 36, 9) and z.is_meta


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_a_block_can_be_copied_and_pickled(instantiation: str) -> None:
    block, x = make(instantiation), example()
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(other(x), block(x))
    again = NonLocalBlock(4, **block.options).double().eval()
    again.load_state_dict(block.state_dict())
    assert torch.equal(again(x), block(x)) and again.options == block.options


def test_options_are_those_that_the_block_was_made_with() -> None:
    given = {
        "inter_channels": 3,
        "dimension": 1,
        "sub_sample": True,
        "bn_layer": False,
        "instantiation": "dot_product",
        "use_scale": True,
        "pool_first": True,
    }
    assert NonLocalBlock(8, **given).options == given


@pytest.mark.parametrize("instantiation", ["gaussian", "embedded_gaussian"])
def test_second_derivatives_and_forward_mode_exist(instantiation: str) -> None:
    block = make(instantiation, use_scale=True)
    x = example()[:1, :, :2].requires_grad_()
    assert torch.autograd.gradcheck(block, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(block, (x,), check_fwd_over_rev=True)
    # A gradient penalty, as people write it.
    (grad,) = torch.autograd.grad(block(x).square().sum(), x, create_graph=True)
    grad.norm().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    moved = torch.func.jvp(block, (x.detach(),), (torch.ones_like(x),))[1]
    step = 1e-6
    slope = (block(x.detach() + step) - block(x.detach() - step)) / (2 * step)
    torch.testing.assert_close(moved, slope, atol=1e-6, rtol=1e-6)


def test_derivatives_of_attention_of_unequal_widths() -> None:
    torch.manual_seed(0)
    sizes = ((5, 3), (4, 3), (4, 6))
    given = [torch.randn(2, n, c, dtype=torch.double, requires_grad=True) for n, c in sizes]

    def attend(*factors: torch.Tensor) -> torch.Tensor:
        return fused_attention(*factors, 0.7)

    assert torch.autograd.gradcheck(attend, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(attend, given, check_fwd_over_rev=True)
    plain = [t.detach() for t in given]
    hessian = torch.func.hessian(lambda q: attend(q, *plain[1:]).square().sum())(plain[0])
    assert hessian.shape == (2, 5, 3, 2, 5, 3)
    q, k, v = plain
    torch.testing.assert_close(attend(q, k, v), (0.7 * q @ k.mT).softmax(-1) @ v)
    each = torch.func.vmap(lambda q, k, v: attend(q[None], k[None], v[None])[0])(q, k, v)
    torch.testing.assert_close(each, attend(q, k, v))


def test_an_ordinary_step_keeps_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dense derivative is for those who ask for it: a training step runs the fused kernel's own."""
    from nonlocal_viz.core import attention

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("an N x M map was built")

    monkeypatch.setattr(attention, "_gradients", refuse)
    monkeypatch.setattr(attention, "_tangent", refuse)
    block, x = make("embedded_gaussian"), example().requires_grad_()
    block(x).sum().backward()
    assert x.grad is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        block(x).square().mean().backward()


def test_hooks_on_a_block_within_a_network_fire() -> None:
    from nonlocal_viz.core.resnet import NonLocalResNet

    model = NonLocalResNet(18, ["layer2.0", "layer3.1"]).eval()
    seen: list[tuple[str, tuple[int, ...]]] = []
    for name in model.block_names:
        model.block(name).register_forward_hook(
            lambda _m, _i, out, name=name: seen.append((name, tuple(out[0].shape)))
        )
    with torch.no_grad():
        model(torch.randn(2, 3, 3, 32, 32))
    assert seen == [("layer2.0", (6, 128, 4, 4)), ("layer3.1", (6, 256, 2, 2))]
    block, x = make("embedded_gaussian"), example()
    z, affinity = block(x, "factored", 2)
    assert affinity.query_grid == (2, 3, 3) and torch.equal(z, block.attend(x, 2)[0])
