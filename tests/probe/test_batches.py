"""Networks that are called with a batch by names: its tensors are found, and changed in a copy alone."""

from collections import UserDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz.probe.arguments import exchanged, tensors


class Pixels(nn.Module):
    """Attention of a feature map's pixels, handed over in rows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 2, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, batch: Any) -> Tensor:
        picture = batch["image"] if hasattr(batch, "keys") else batch.tensors
        x = self.first(picture).flatten(2).mT
        return self.attention(x, x, x, need_weights=False)[0]


@dataclass
class Batch:
    names: list[str]
    tensors: Tensor


PICTURES = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "batch",
    [
        {"names": ["a", "b"], "image": PICTURES},
        UserDict(image=PICTURES, size=torch.tensor([[8, 12]])),
        Batch(["a", "b"], PICTURES),
        SimpleNamespace(mask=torch.ones(2, 8, 12, dtype=torch.bool), tensors=PICTURES),
    ],
    ids=lambda batch: type(batch).__name__,
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_batch_by_names_is_read_as_a_picture(batch: Any, at_once: bool) -> None:
    torch.manual_seed(1)
    net = Pixels().eval()
    with torch.no_grad(), nv.attach(net, at_once=at_once) as probe:
        net(batch)
    a = probe.maps["attention"]
    assert not probe.refused and (a.heads, a.query_grid) == (2, (1, 4, 6))
    with torch.no_grad():
        x = net.first(PICTURES).flatten(2).mT
        expected = net.attention(x, x, x, average_attn_weights=False)[1]
    torch.testing.assert_close(a.dense(heads=True), expected)
    held = batch["image"] if hasattr(batch, "keys") else batch.tensors
    assert held is PICTURES


def test_only_what_holds_the_tensor_is_copied() -> None:
    one, other = torch.zeros(1, 2, 3), torch.ones(1, 2, 3)
    batch, beside = {"x": one, "again": one, "n": 3}, {"y": other}
    new = exchanged(batch, one, other)
    assert new == {"x": other, "again": other, "n": 3} and batch["x"] is one
    assert exchanged(beside, one, other) is beside and exchanged(one, one, other) is other
    given = tensors((batch, other), {"mask": torch.ones(1, 2), "ids": torch.ones(1, 2, 3).long()})
    assert [at for at, _ in given] == [0, 1] and given[0][1] is one
    assert tensors((nn.Linear(2, 2), [one]), {}) == []
