"""The fast paths of nn.MultiheadAttention and nn.TransformerEncoder: masks, padding, nested tensors."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv

CAUSAL = torch.ones(12, 12, dtype=torch.bool).triu(1)
PADDED = torch.zeros(2, 12, dtype=torch.bool)
PADDED[1, 8:] = True


@pytest.mark.parametrize("need", [True, False])
@pytest.mark.parametrize(
    "masks",
    [
        {},
        {"attn_mask": CAUSAL},
        {"key_padding_mask": PADDED},
        {"attn_mask": CAUSAL, "key_padding_mask": PADDED},
        {"attn_mask": torch.randn(12, 12)},
        {"attn_mask": torch.randn(8, 12, 12)},
    ],
)
def test_the_rows_are_those_of_the_slow_path(masks: dict[str, Tensor], need: bool) -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    x = 3 * torch.randn(2, 12, 16)
    with torch.inference_mode():
        plain = attention(x, x, x, need_weights=need, **masks)[0]
        with nv.attach(attention, grid=(3, 4)) as probe:
            found = attention(x, x, x, need_weights=need, **masks)[0]
    assert torch.equal(plain, found)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        wanted = attention(x, x, x, average_attn_weights=False, **masks)[1].detach()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    torch.testing.assert_close(probe.maps[""].dense(heads=True), wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("first", [False, True])
def test_padding_of_an_encoder(first: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=first)
    net, x = (
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval(),
        torch.randn(2, 12, 16),
    )
    probe = called(net, x)
    for found in probe.maps.values():
        padded = found.dense(heads=True)[1, ..., 8:]
        assert len(probe.maps) == 2 and not padded.any()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_leave_the_call_alone_and_are_said() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    probe = called(nn.TransformerEncoder(layer, 2).eval(), torch.randn(2, 12, 16))
    assert not probe.maps
    assert (
        all("nested" in sentence for sentence in probe.refused.values()) and len(probe.refused) == 2
    )


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_of_whole_images_are_read() -> None:
    torch.manual_seed(0)
    layer, x = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), torch.randn(2, 12, 16)
    nested, plain = (
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=on).eval() for on in (True, False)
    )
    plain.load_state_dict(nested.state_dict())
    none = torch.zeros_like(PADDED)
    for found, wanted in zip(
        called(nested, x, none).maps.values(), called(plain, x, none).maps.values(), strict=True
    ):
        torch.testing.assert_close(found.dense(heads=True), wanted.dense(heads=True))


def called(net: nn.Module, x: Tensor, padded: Tensor = PADDED) -> Any:
    with torch.inference_mode():
        plain = net(x, src_key_padding_mask=padded)
        with nv.attach(net, grid=(3, 4)) as probe:
            found = net(x, src_key_padding_mask=padded)
    assert torch.equal(plain, found)
    return probe


@pytest.mark.parametrize("bias", [False, True])
def test_a_product_with_a_trainable_matrix_keeps_its_bits(bias: bool) -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(16, 48, bias)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x.transpose(0, 1)).transpose(0, 1).chunk(3, -1)
            return (q @ k.mT).softmax(-1) @ v

    torch.manual_seed(0)
    net, x = Turned(), 3 * torch.randn(2, 12, 16)
    with torch.inference_mode():
        plain = net(x)
        with nv.attach(net, grid=(3, 4)) as probe:
            found = net(x)
    assert torch.equal(plain, found) and probe.maps


class Lengths(nn.Module):
    """Tokens of two pictures of different sizes in one nested tensor, (N, 8) each."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, *tokens: Tensor) -> Tensor:
        x = torch.nested.nested_tensor(list(tokens))
        weights = (self.q(x) @ self.k(x).transpose(1, 2)).softmax(-1)
        return torch.stack([one.sum(0) for one in (weights @ x).unbind()])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_products_of_nested_tensors_are_left_alone_and_said(mode: Any) -> None:
    torch.manual_seed(0)
    net, given = nn.ModuleDict({"a": Lengths()}).eval(), (torch.randn(6, 8), torch.randn(9, 8))
    with mode():
        plain = net["a"](*given)
        with nv.attach(net) as probe:
            found = net["a"](*given)
    assert torch.equal(plain, found) and not probe.maps and "nested" in probe.refused["a"]
