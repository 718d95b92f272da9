"""The numbers of core/diagnostics.py against the dense map, pair by pair, and by hand."""

import math
from dataclasses import replace

import pytest
import torch

from nonlocal_viz.core import affinity as affinity_module
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.diagnostics import (
    attention_distance,
    block_stats,
    cell_centres,
    map_stats,
    mean_cosine_distance,
)
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.core.pairwise import INSTANTIATIONS, Pairwise
from nonlocal_viz.errors import ShapeError


def make(instantiation: str, keys: tuple[int, int, int] = (1, 2, 2)) -> Affinity:
    generator = torch.Generator().manual_seed(5)
    pairwise = INSTANTIATIONS[instantiation]
    width = 1 if pairwise.score == "sum" else 3
    query = torch.randn(1, 1, 20, width, generator=generator)
    key = torch.randn(1, 1, math.prod(keys), width, generator=generator)
    return Factored(pairwise, query, key, (1, 4, 5), keys)


def pairwise_distance(vectors: torch.Tensor) -> float:
    """Mean of 1 - cos over all pairs of vectors (N, D), one pair at a time."""
    cosines = [torch.cosine_similarity(a, b, dim=0) for a in vectors for b in vectors]
    return float(1 - torch.stack(cosines).mean())


def test_mean_cosine_distance_is_that_of_all_pairs() -> None:
    vectors = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    found = mean_cosine_distance(vectors).tolist()
    assert found == pytest.approx([pairwise_distance(v) for v in vectors], abs=1e-6)


@pytest.mark.parametrize("instantiation", ["embedded_gaussian", "dot_product"])
def test_map_stats_are_those_of_the_dense_map(
    instantiation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity_module, "CHUNK_SCORES", 12 * 3)  # chunks of 3 rows, and a rest
    a = make(instantiation, (1, 3, 4))
    dense, stats = a.dense()[0], map_stats(a)
    assert stats.query_dependence == pytest.approx(pairwise_distance(dense), abs=1e-5)
    column = dense.mean(0)
    assert stats.largest_column == pytest.approx(float(column.max()) * 12, rel=1e-5)
    border = [k for k in range(12) if k not in (5, 6)]
    assert stats.border_share == pytest.approx(float(column[border].mean() / column.mean()), 1e-4)
    if instantiation == "dot_product":
        assert math.isnan(stats.entropy_share)
    else:
        nats = -(dense * dense.log()).sum(1).mean()
        assert stats.entropy_share == pytest.approx(float(nats) / math.log(12), abs=1e-5)


def test_cell_centres_by_hand() -> None:
    grid = Grid.build((8, 4), (1, 2, 2))
    assert cell_centres(grid).tolist() == [[2, 1], [6, 1], [2, 3], [6, 3]]
    assert cell_centres(grid.pooled((1, 2))).tolist() == [[4, 1], [4, 3]]
    clip = cell_centres(Grid.build((8, 4), (2, 1, 2)))
    assert clip.tolist() == [[2, 2], [6, 2], [2, 2], [6, 2]]


def test_attention_distance_by_hand() -> None:
    centres = torch.tensor([[0.0, 0.0], [30.0, 40.0], [30.0, 0.0]])
    one_hot = torch.eye(3)[None, None]
    # Each query looks at the one key that its factor points at: 0 -> 1, 1 -> 1, 2 -> 0.
    looks = Factored(Pairwise(), 1e3 * one_hot[:, :, [1, 1, 0]], one_hot, (1, 1, 3), (1, 1, 3))
    assert attention_distance(looks, centres, centres) == pytest.approx((50 + 0 + 30) / 3)
    even = Factored(Pairwise(), 0 * one_hot, one_hot, (1, 1, 3), (1, 1, 3))
    assert attention_distance(even, centres, centres) == pytest.approx(2 * (50 + 30 + 40) / 9)


@pytest.mark.parametrize("instantiation", INSTANTIATIONS)
def test_attention_distance_is_that_of_the_dense_map(
    instantiation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affinity_module, "CHUNK_SCORES", 4 * 3)
    a = make(instantiation)
    grid = Grid.build((50, 40), (4, 5))
    queries, keys = cell_centres(grid), cell_centres(grid.pooled((2, 2)))
    found = attention_distance(a, queries, keys)
    if instantiation == "dot_product":
        assert math.isnan(found)
        return
    dense = a.dense()[0]
    if instantiation == "concatenation":
        # Some queries look at nothing, which is what makes this case worth testing.
        empty = dense.sum(1) == 0
        assert 0 < int(empty.sum()) < 20
        dense, queries = dense[~empty], queries[~empty]
    away = (queries[:, None] - keys[None]).norm(dim=-1)
    expected = ((dense * away).sum(1) / dense.sum(1)).mean()
    assert found == pytest.approx(float(expected), rel=1e-5)


def test_attention_distance_wants_the_centres_of_its_cells() -> None:
    a, centres = make("embedded_gaussian"), torch.zeros(20, 2)
    with pytest.raises(ShapeError, match=r"\(20, 2\) and \(4, 2\)"):
        attention_distance(a, centres, centres)


def test_block_stats_by_hand() -> None:
    x = torch.randn(1, 6, 3, 4, generator=torch.Generator().manual_seed(1))
    same = torch.randn(1, 6, 1, 1, generator=torch.Generator().manual_seed(2)).expand_as(x)
    collapsed = block_stats(x, x + same)
    assert collapsed.output_distance == pytest.approx(0, abs=1e-5)
    assert collapsed.input_distance == pytest.approx(pairwise_distance(x[0].flatten(1).T) / 2, 1e-4)
    assert collapsed.residual_share == pytest.approx(float(same.norm() / x.norm()), rel=1e-5)
    echo = block_stats(x, 1.5 * x)
    assert echo.output_distance == pytest.approx(echo.input_distance, abs=1e-5)
    assert echo.residual_share == pytest.approx(0.5, rel=1e-5)


def test_a_dead_block_adds_nothing() -> None:
    x = torch.randn(1, 6, 3, 4)
    dead = block_stats(x, x.clone())
    assert dead.residual_share == 0 and math.isnan(dead.output_distance)


@pytest.mark.parametrize(("x", "z"), [((2, 6, 3), (2, 6, 3)), ((1, 6, 3), (1, 6, 4))])
def test_block_stats_are_of_one_image(x: tuple[int, ...], z: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="one image"):
        block_stats(torch.zeros(x), torch.zeros(z))


def test_a_dead_map_has_no_query_dependence() -> None:
    """All-zero rows point nowhere: they are neither alike nor different."""
    a = make("concatenation")
    dead = replace(a, query=a.query - 1e3)
    assert not dead.dense().any()
    stats = map_stats(dead)
    assert math.isnan(stats.query_dependence) and stats.largest_column == 0
    # Of a map with some dead rows the others alone count.
    some, rows = map_stats(a), a.dense()[0]
    alive = rows[rows.any(1)]
    assert 0 < len(alive) < 20
    assert some.query_dependence == pytest.approx(pairwise_distance(alive), abs=1e-5)
    zeros = torch.zeros(1, 3, 4)
    assert math.isnan(float(mean_cosine_distance(zeros)))
    given = torch.cat([torch.randn(1, 5, 4), zeros], dim=1)
    assert float(mean_cosine_distance(given)) == pytest.approx(
        pairwise_distance(given[0, :5]), abs=1e-5
    )
