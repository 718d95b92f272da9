import numpy as np
import pytest
import torch

from nonlocal_viz.core import affinity as module
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.errors import MapTooLargeError, QueryError, ShapeError


def make(instantiation: str, batch: int = 2, dtype: torch.dtype = torch.float32) -> Affinity:
    generator = torch.Generator().manual_seed(3)
    width = 1 if instantiation == "concatenation" else 5
    query = torch.randn(batch, 24, width, generator=generator).to(dtype)
    key = torch.randn(batch, 6, width, generator=generator).to(dtype)
    return Affinity(instantiation, query, key, (2, 3, 4), (1, 2, 3), scale=0.7)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_rows_and_columns_are_those_of_the_dense_map(instantiation: str) -> None:
    a = make(instantiation)
    dense = a.dense()
    assert a.shape == dense.shape == (2, 24, 6)
    for q in (0, 7, 23):
        torch.testing.assert_close(a.row(q), dense[:, q])
    torch.testing.assert_close(a.rows([3, 3, 11]), dense[:, [3, 3, 11]])
    torch.testing.assert_close(a.rows(torch.tensor([5, 1])), dense[:, [5, 1]])
    for k in range(6):
        torch.testing.assert_close(a.column(k), dense[:, :, k])
    torch.testing.assert_close(a[1].row(4), dense[1:, 4])
    torch.testing.assert_close(a[-1].row(4), dense[1:, 4])
    torch.testing.assert_close(torch.cat(list(a.row_chunks()), 1), dense)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_chunks_are_the_whole(instantiation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(instantiation).dense()
    monkeypatch.setattr(module, "_CHUNK_SCORES", 30)
    a = make(instantiation)
    assert len(list(a.row_chunks())) > 5
    torch.testing.assert_close(torch.cat(list(a.row_chunks()), 1), whole)
    torch.testing.assert_close(a.column(2), whole[:, :, 2])


def test_cells_may_be_named_by_place() -> None:
    a = make("embedded_gaussian")
    torch.testing.assert_close(a.row((1, 2, 3)), a.row(23))
    torch.testing.assert_close(a.row((2, 3)), a.row(11))
    torch.testing.assert_close(a.column((0, 1, 2)), a.column(5))


def test_softmax_rows_sum_to_one_and_permuting_keys_permutes_them() -> None:
    a = make("gaussian")
    torch.testing.assert_close(a.dense().sum(-1), torch.ones(2, 24))
    order = torch.tensor([4, 2, 0, 5, 3, 1])
    shuffled = Affinity("gaussian", a.query, a.key[:, order], a.query_grid, a.key_grid, a.scale)
    torch.testing.assert_close(shuffled.row(9), a.row(9)[:, order])


def test_large_scores_do_not_overflow() -> None:
    query = torch.full((1, 2, 4), 40.0)
    a = Affinity("embedded_gaussian", query, torch.randn(1, 3, 4) * 40, (1, 1, 2), (1, 1, 3))
    assert torch.isfinite(a.dense()).all() and torch.isfinite(a.column(0)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_factors_are_scored_in_float32(dtype: torch.dtype) -> None:
    a = make("embedded_gaussian", dtype=dtype)
    assert a.row(0).dtype == torch.float32
    exact = a.to(torch.float64).row(0)
    torch.testing.assert_close(a.row(0).double(), exact, atol=1e-6, rtol=1e-5)


def test_dense_refuses_what_is_too_large() -> None:
    a = make("dot_product")
    with pytest.raises(MapTooLargeError, match="ask for rows"):
        a.dense(max_bytes=100)
    assert a.dense(max_bytes=2 * 24 * 6 * 4).shape == a.shape


@pytest.mark.parametrize("bad", [-1, 24, (2, 0, 0), (0, 3, 0), (0, 0, -1), (1,)])
def test_unknown_cells_are_refused(bad) -> None:
    with pytest.raises(QueryError):
        make("gaussian").row(bad)


def test_factors_have_to_fit_the_grids() -> None:
    x = torch.zeros(1, 6, 2)
    with pytest.raises(ShapeError):
        Affinity("gaussian", x, x, (1, 2, 2), (1, 2, 3))
    with pytest.raises(ShapeError):
        Affinity("gaussian", x, torch.zeros(1, 6, 3), (1, 2, 3), (1, 2, 3))
    with pytest.raises(ShapeError):
        Affinity("cosine", x, x, (1, 2, 3), (1, 2, 3))


def test_only_softmax_has_a_normaliser() -> None:
    with pytest.raises(ShapeError):
        make("dot_product").log_normaliser()
    a = make("gaussian")
    expected = (0.7 * a.query @ a.key.transpose(1, 2)).logsumexp(-1)
    torch.testing.assert_close(a.log_normaliser(), expected)


def test_gradients_flow_through_a_row() -> None:
    query = torch.randn(1, 4, 3, requires_grad=True)
    a = Affinity("gaussian", query, torch.randn(1, 4, 3), (1, 2, 2), (1, 2, 2))
    a.row(1)[0, 2].backward()
    assert query.grad is not None and query.grad[0, 1].abs().sum() > 0
    assert query.grad[0, 0].abs().sum() == 0
    assert not a.detach().row(1).requires_grad


def test_cells_are_whole_numbers_of_any_kind() -> None:
    factor = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0))
    a = Affinity("embedded_gaussian", factor, factor, (1, 3, 4), (1, 3, 4))
    for same in (np.int64(6), torch.tensor(6), (1, 2), np.array([1, 2]), torch.tensor([0, 1, 2])):
        torch.testing.assert_close(a.row(same), a.row(6))
    torch.testing.assert_close(a.rows(np.array([[1, 2], [0, 1]])), a.rows([6, 1]))
    for wrong in (1.5, (1.5, 2), "3", None, float("nan"), (0, "a"), (0, 0, 0, 0), 12, -1):
        with pytest.raises(QueryError):
            a.row(wrong)
