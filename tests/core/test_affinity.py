import importlib.util
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nonlocal_viz.core import affinity as module
from nonlocal_viz.core.factored import EVERYBODY, Factored, PlaceBias, Reach
from nonlocal_viz.core.pairwise import INSTANTIATIONS, Pairwise
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.errors import MapTooLargeError, QueryError, ShapeError

_spec = importlib.util.spec_from_file_location("loops", Path(__file__).with_name("loops.py"))
assert _spec and _spec.loader
loops = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(loops)


def make(instantiation: str, batch: int = 2, dtype: torch.dtype = torch.float32) -> Factored:
    generator = torch.Generator().manual_seed(3)
    pairwise = replace(INSTANTIATIONS[instantiation], scale=0.7)
    width = 1 if pairwise.score == "sum" else 5
    query = torch.randn(batch, 1, 24, width, generator=generator).to(dtype)
    key = torch.randn(batch, 1, 6, width, generator=generator).to(dtype)
    return Factored(pairwise, query, key, (2, 3, 4), (1, 2, 3), instantiation=instantiation)


def flat(factor: torch.Tensor, grid: tuple[int, int, int] | None = None, **more) -> Factored:
    """A softmax of one head with the same tokens as queries and keys."""
    grid = grid or (1, 1, factor.shape[-2])
    return Factored(Pairwise(), factor[None, None], factor[None, None], grid, grid, **more)


@st.composite
def affinities(draw: st.DrawFn) -> Factored:
    """Any map that a Factored can say."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))

    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    def labels(count: int, top: int, least: int = 0) -> torch.Tensor:
        return torch.randint(least, top, (count,), generator=generator)

    score = draw(st.sampled_from(["product", "sum"]))
    rectify = draw(st.booleans())
    # The sum of signed scores can be anything, 0 included: nobody divides by it.
    kinds = ["softmax", "count", "sum"] if rectify else ["softmax", "count"]
    batch, heads = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    scale: float | torch.Tensor = draw(st.sampled_from([1.0, 0.35, -1.5]))
    if draw(st.booleans()):
        scale = randn(heads)
    grids = [tuple(draw(st.integers(1, 3)) for _ in range(3)) for _ in range(2)]
    asides = [
        OffGrid(
            ("class", "register")[: draw(st.integers(0, 2))], ("pad",)[: draw(st.integers(0, 1))]
        )
        for _ in range(2)
    ]
    n, k = (int(np.prod(g)) + len(o) for g, o in zip(grids, asides, strict=True))
    width = 1 if score == "sum" else draw(st.integers(1, 4))
    reach = Reach(labels(n, 2), labels(k, 2, EVERYBODY)) if draw(st.booleans()) else None
    bias = None
    if draw(st.booleans()):
        table = randn(draw(st.sampled_from([1, heads])), 4, 3)
        bias = PlaceBias(table, labels(n, 4), labels(k, 3))
    return Factored(
        Pairwise(score, rectify, draw(st.sampled_from(kinds)), scale),
        randn(batch, heads, n, width),
        randn(batch, heads, k, width),
        *grids,
        *asides,
        reach=reach,
        bias=bias,
        unary=randn(batch, heads, k) if draw(st.booleans()) else None,
        value=randn(batch, heads, k, 2),
        output=(randn(5, 2 * heads), randn(5)) if draw(st.booleans()) else None,
    )


@settings(max_examples=250, deadline=None)
@given(affinities())
def test_every_map_is_that_of_the_loops(a: Factored) -> None:
    wanted = torch.from_numpy(loops.dense(a))
    rows, columns = a.queries.on_grid, a.keys.on_grid

    def same(found: torch.Tensor, expected: torch.Tensor) -> None:
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)

    same(a.dense(heads=True, off_grid=True), wanted)
    same(a.dense(off_grid=True), wanted.mean(1))
    same(a.dense(heads=True), wanted[:, :, rows, columns])
    same(a.dense(), wanted.mean(1)[:, rows, columns])
    same(torch.cat(list(a.row_chunks()), 1), wanted.mean(1)[:, rows, columns])
    last = a.queries.cells - 1
    same(a.row(last), wanted.mean(1)[:, rows][:, last, columns])
    same(a.rows([last, 0], heads=True), wanted[:, :, rows][:, :, [last, 0]][..., columns])
    same(a.row(last, off_grid=True, heads=True), wanted[:, :, rows][:, :, last])
    for name in a.query_aside.names:
        token = (a.query_aside.before + ("",) * a.queries.cells + a.query_aside.after).index(name)
        same(a.row(name, off_grid=True), wanted.mean(1)[:, token])
    for k in range(a.keys.cells):
        same(a.column(k), wanted.mean(1)[:, rows, columns][..., k])
        same(a.column(k, heads=True, off_grid=True), wanted[..., columns][..., k])
    for name in a.key_aside.names:
        token = (a.key_aside.before + ("",) * a.keys.cells + a.key_aside.after).index(name)
        same(a.column(name), wanted.mean(1)[:, rows, token])
    for h in range(a.heads):
        same(a.head(h).dense(off_grid=True), wanted[:, h])
    same(a[-1].dense(off_grid=True), wanted[-1:].mean(1))
    mixed = (wanted @ a.value.double()).transpose(1, 2).flatten(2)
    if a.output is not None:
        mixed = mixed @ a.output[0].double().T + a.output[1].double()
    same(a.rebuilt(), mixed)


@given(affinities())
@settings(max_examples=60, deadline=None)
def test_what_a_map_says_of_its_rows_holds(a: Factored) -> None:
    whole = a.dense(heads=True, off_grid=True)
    if not a.signed and a.unary is None:
        assert (whole >= 0).all()
    if a.is_distribution:
        sums = whole.sum(-1)
        # A query that reaches no key, or only scores of 0, has no weight at all.
        assert ((sums - 1).abs().lt(1e-4) | sums.eq(0)).all()
    copied = pickle.loads(pickle.dumps(a))
    assert torch.equal(copied.dense(off_grid=True), a.dense(off_grid=True))
    narrow = a.to(torch.float64)
    assert narrow.dense().dtype == torch.float64
    assert narrow.nbytes > a.nbytes
    torch.testing.assert_close(narrow.dense().float(), a.dense(), atol=1e-5, rtol=1e-4)


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


def test_the_four_instantiations_say_what_the_paper_says() -> None:
    said = {
        name: (p.score, p.rectify, p.normalise, p.scale, p.is_distribution, p.signed)
        for name, p in INSTANTIATIONS.items()
    }
    assert said == {
        "gaussian": ("product", False, "softmax", 1.0, True, False),
        "embedded_gaussian": ("product", False, "softmax", 1.0, True, False),
        "dot_product": ("product", False, "count", 1.0, False, True),
        "concatenation": ("sum", True, "count", 1.0, False, False),
    }


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_chunks_are_the_whole(instantiation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(instantiation).dense()
    monkeypatch.setattr(module, "CHUNK_SCORES", 30)
    a = make(instantiation)
    chunks = list(a.row_chunks())
    assert len(chunks) > 5 and max(chunk.shape[1] for chunk in chunks) * 2 * 6 <= 30
    torch.testing.assert_close(torch.cat(chunks, 1), whole)
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
    shuffled = replace(a, key=a.key[:, :, order])
    torch.testing.assert_close(shuffled.row(9), a.row(9)[:, order])


def test_large_scores_do_not_overflow() -> None:
    query = torch.full((1, 1, 2, 4), 40.0)
    a = Factored(Pairwise(), query, torch.randn(1, 1, 3, 4) * 40, (1, 1, 2), (1, 1, 3))
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
    enough = 2 * 24 * 6 * 4
    assert a.dense(max_bytes=enough).shape == a.shape
    with pytest.raises(MapTooLargeError):
        a.dense(max_bytes=enough - 1)
    with pytest.raises(MapTooLargeError):
        a.to(torch.float64).dense(max_bytes=2 * enough - 1)
    two = replace(a, query=a.query.expand(-1, 2, -1, -1), key=a.key.expand(-1, 2, -1, -1))
    with pytest.raises(MapTooLargeError, match="2 heads"):
        two.dense(max_bytes=2 * enough - 1)
    aside = Factored(a.pairwise, a.query, a.key, (2, 3, 3), (1, 2, 3), OffGrid(("class",) * 6))
    with pytest.raises(MapTooLargeError):
        aside.dense(max_bytes=enough - 1)


@pytest.mark.parametrize("bad", [-1, 24, (2, 0, 0), (0, 3, 0), (0, 0, -1), (1,), "class"])
def test_unknown_cells_are_refused(bad) -> None:
    with pytest.raises(QueryError):
        make("gaussian").row(bad)


def test_tokens_off_the_grid_are_known_by_name() -> None:
    a = flat(
        torch.randn(8, 3),
        (1, 2, 2),
        query_aside=OffGrid(("class",), ("a", "b", "c")),
        key_aside=OffGrid(("class", "r"), ("a", "b")),
    )
    whole = a.dense(off_grid=True)
    torch.testing.assert_close(a.row("class", off_grid=True), whole[:, 0])
    torch.testing.assert_close(a.row("b"), whole[:, 6, 2:6])
    torch.testing.assert_close(a.row(0), whole[:, 1, 2:6])
    torch.testing.assert_close(a.column("a"), whole[:, 1:5, 6])
    with pytest.raises(QueryError, match="class, r, a, b"):
        a.column("c")
    # What goes to the tokens beside the grid is left out, never shared out.
    assert (a.row(0).sum() < 1).all()


def test_factors_have_to_fit_the_grids_and_each_other() -> None:
    x = torch.zeros(1, 1, 6, 2)
    good = Factored(Pairwise(), x, x, (1, 2, 3), (1, 2, 3))
    labels = torch.zeros(5, dtype=torch.long)
    places = torch.zeros(6, dtype=torch.long)
    wrong: list[dict] = [
        {"query_grid": (1, 2, 2)},
        {"key_aside": OffGrid(("class",))},
        {"key": torch.zeros(1, 1, 6, 3)},
        {"key": torch.zeros(1, 2, 6, 2)},
        {"query": torch.zeros(1, 6, 2)},
        {"pairwise": Pairwise("sum")},
        {"pairwise": Pairwise(scale=torch.ones(2))},
        {"reach": Reach(labels, places)},
        {"reach": Reach(places, labels)},
        {"bias": PlaceBias(torch.zeros(2, 1, 1), places, places)},
        {"bias": PlaceBias(torch.zeros(1, 1), places, places)},
        {"bias": PlaceBias(torch.zeros(1, 1, 1), labels, places)},
        {"bias": PlaceBias(torch.zeros(1, 1, 1), places, labels)},
        {"unary": torch.zeros(1, 1, 5)},
        {"value": torch.zeros(1, 1, 5, 2)},
    ]
    for change in wrong:
        with pytest.raises(ShapeError):
            replace(good, **change)
    with pytest.raises(ShapeError, match="not kept"):
        good.rebuilt()
    with pytest.raises(QueryError, match="head"):
        good.head(1)
    with pytest.raises(IndexError):
        good[1]


def test_the_normaliser_turns_scores_into_weights() -> None:
    a = make("gaussian")
    expected = (0.7 * a.query @ a.key.mT).logsumexp(-1)
    torch.testing.assert_close(a.normalisers(), expected)
    torch.testing.assert_close(make("dot_product").normalisers(), torch.full((2, 1, 24), 6.0))


def test_images_of_one_frame_become_a_clip_that_looks_within_its_frames() -> None:
    whole = make("embedded_gaussian", batch=3)
    images = replace(whole, query=whole.query[:, :, :12], query_grid=(1, 3, 4))
    clip = images.framed()
    assert clip.query_grid == (3, 3, 4) and clip.key_grid == (3, 2, 3) and len(clip) == 1
    dense = clip.dense()[0].unflatten(0, (3, 12)).unflatten(2, (3, 6))
    for t in range(3):
        torch.testing.assert_close(dense[t, :, t], images[t].dense()[0])
        assert not dense[t][:, [o for o in range(3) if o != t]].any()
    torch.testing.assert_close(clip.column((2, 1, 0))[0, 24:], images[2].column((1, 0))[0])
    with pytest.raises(ShapeError):
        whole.framed()
    for beside in ({"unary": torch.zeros(3, 1, 6)}, {"value": torch.zeros(3, 1, 6, 1)}):
        with pytest.raises(ShapeError):
            replace(images, **beside).framed()
    with pytest.raises(ShapeError):
        flat(
            torch.randn(3, 2), (1, 1, 2), query_aside=OffGrid(("c",)), key_aside=OffGrid(("c",))
        ).framed()


def test_a_query_that_can_look_at_nothing_has_no_weight() -> None:
    two = torch.zeros(2, dtype=torch.long)
    for normalise in ("softmax", "count", "sum"):
        a = Factored(
            Pairwise(rectify=True, normalise=normalise),
            torch.randn(1, 1, 2, 3),
            torch.randn(1, 1, 2, 3),
            (1, 1, 2),
            (1, 1, 2),
            reach=Reach(torch.tensor([0, 5]), two),
        )
        assert not a.row(1).any() and a.dense().isfinite().all() and a.column(0)[0, 1] == 0


def test_gradients_flow_through_a_row() -> None:
    query = torch.randn(1, 1, 4, 3, requires_grad=True)
    a = Factored(Pairwise(), query, torch.randn(1, 1, 4, 3), (1, 2, 2), (1, 2, 2))
    a.row(1)[0, 2].backward()
    assert query.grad is not None and query.grad[0, 0, 1].abs().sum() > 0
    assert query.grad[0, 0, 0].abs().sum() == 0
    assert not a.detach().row(1).requires_grad


def test_cells_are_whole_numbers_of_any_kind() -> None:
    a = flat(torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), (1, 3, 4))
    for same in (np.int64(6), torch.tensor(6), (1, 2), np.array([1, 2]), torch.tensor([0, 1, 2])):
        torch.testing.assert_close(a.row(same), a.row(6))
    torch.testing.assert_close(a.rows(np.array([[1, 2], [0, 1]])), a.rows([6, 1]))
    for wrong in (1.5, (1.5, 2), "3", None, float("nan"), (0, "a"), (0, 0, 0, 0), 12, -1):
        with pytest.raises(QueryError):
            a.row(wrong)


def test_a_map_says_what_it_is_in_a_line() -> None:
    assert repr(make("gaussian")) == (
        "Factored(gaussian, 2 x 24 queries (2, 3, 4) x 6 keys (1, 2, 3))"
    )
    a = flat(torch.randn(4, 2), (1, 1, 3), query_aside=OffGrid(("c",)), key_aside=OffGrid(("c",)))
    assert "beside them 1 queries and 1 keys" in repr(a)
