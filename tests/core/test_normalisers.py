"""log C(x) of all queries at once, as the fused kernel finds it on its way."""

import pytest
import torch

from nonlocal_viz.core import factored
from nonlocal_viz.core.attention import log_normalisers
from nonlocal_viz.core.factored import Factored, Reach
from nonlocal_viz.core.pairwise import INSTANTIATIONS


def drawn(channels: int = 5, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return tuple(3 * torch.randn(2, 3, n, channels, dtype=dtype) for n in (7, 11))


def by_hand(query: torch.Tensor, key: torch.Tensor, scale: float) -> torch.Tensor:
    return (scale * query.double() @ key.double().mT).logsumexp(-1)


@pytest.mark.parametrize("channels", [1, 5, 8, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_they_are_the_sums_of_the_exponentials(channels: int, dtype: torch.dtype) -> None:
    query, key = drawn(channels, dtype)
    found = log_normalisers(query, key, 0.7)
    assert found is not None and found.dtype == dtype
    torch.testing.assert_close(found.double(), by_hand(query, key, 0.7), rtol=1e-5, atol=1e-4)


def test_who_wants_gradients_or_has_no_kernel_finds_them_otherwise() -> None:
    query, key = drawn()
    assert log_normalisers(query.requires_grad_(), key) is None
    with torch.no_grad():
        assert log_normalisers(query, key) is not None
    assert log_normalisers(*drawn(dtype=torch.bfloat16)) is None
    assert log_normalisers(query.to("meta"), key.to("meta")) is None


@pytest.mark.parametrize("scale", [0.3, torch.tensor([0.3, 1.0, 2.0])])
@pytest.mark.parametrize("windows", [False, True])
def test_a_column_is_the_same_either_way(
    scale: float | torch.Tensor, windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, key = drawn()
    pairwise = INSTANTIATIONS["embedded_gaussian"].__class__(scale=scale)
    reach = Reach(torch.arange(7) % 2, torch.arange(11) % 2) if windows else None
    column, asked = [], []
    for way in (log_normalisers, lambda *_: None):
        monkeypatch.setattr(
            factored, "log_normalisers", lambda *given, way=way: asked.append(1) or way(*given)
        )
        affinity = Factored(pairwise, query, key, (1, 1, 7), (1, 1, 11), reach=reach)
        column.append(affinity.column(4))
        torch.testing.assert_close(
            affinity.column(4), affinity.dense()[:, :, 4], rtol=1e-4, atol=1e-6
        )
    torch.testing.assert_close(*column, rtol=1e-4, atol=1e-6)
    assert len(asked) == (2 if isinstance(scale, float) and not windows else 0)
