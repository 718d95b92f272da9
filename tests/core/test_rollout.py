"""Rollout and flow against dense algebra and against flows that can be counted by hand."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

import nonlocal_viz as nv
from nonlocal_viz.core.maxflow import widest_flow
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.errors import MapTooLargeError, OptionError, QueryError, ShapeError

ASIDE = OffGrid(("class",), ("extra",))


def layer(
    seed: int, images: int = 2, grid: tuple[int, int, int] = (1, 2, 3), **more: object
) -> nv.Factored:
    """Two heads over 2 x 3 cells, a token before them and one after."""
    draw = torch.Generator().manual_seed(seed)
    tokens = grid[0] * grid[1] * grid[2] + 2
    query, key = (2 * torch.randn(images, 2, tokens, 4, generator=draw) for _ in range(2))
    sides = {"query_aside": ASIDE, "key_aside": ASIDE, **more}
    pairwise = nv.INSTANTIATIONS["embedded_gaussian"]
    return nv.Factored(pairwise, query, key, grid, grid, **sides)


def dense(maps: list[nv.Factored], residual: float) -> Tensor:
    """The product of all layers, (B, N, N)."""
    product = torch.eye(8).expand(2, 8, 8)
    for affinity in maps:
        whole = affinity.dense(heads=True, off_grid=True).mean(1)
        product = ((1 - residual) * whole + residual * torch.eye(8)) @ product
    return product


@pytest.mark.parametrize("residual", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("query", "token"), [("class", 0), (4, 5), ((1, 0), 4), ("extra", 7)])
def test_a_rollout_is_the_product_of_the_layers(query: object, token: int, residual: float) -> None:
    maps = [layer(seed) for seed in range(4)]
    found = nv.rollout(maps, query, residual=residual)
    torch.testing.assert_close(found, dense(maps, residual)[:, token])
    torch.testing.assert_close(found.sum(1), torch.ones(2))


def test_rows_are_made_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = [layer(seed) for seed in range(3)]
    whole = nv.rollout(maps, 2)
    asked: list[int] = []
    weights = nv.Factored._weights

    def counted(self: nv.Factored, queries: Tensor) -> Tensor:
        asked.append(len(queries))
        return weights(self, queries)

    monkeypatch.setattr("nonlocal_viz.core.affinity.CHUNK_SCORES", 2 * 2 * 8 * 3)
    monkeypatch.setattr(nv.Factored, "_weights", counted)
    torch.testing.assert_close(nv.rollout(maps, 2), whole)
    assert asked == [1, 3, 3, 2, 3, 3, 2]  # the last layer has one row to give


def test_a_flow_through_one_layer_is_its_row() -> None:
    maps = [layer(5)]
    found = nv.attention_flow(maps, 3, residual=0)
    torch.testing.assert_close(found, maps[0].row(3, off_grid=True))
    some = nv.attention_flow(maps, 3, ["class", (0, 1)], residual=0)
    torch.testing.assert_close(some, found[:, [0, 2]])


def test_a_flow_through_two_layers_is_the_sum_of_what_each_way_lets_through() -> None:
    maps = [layer(6), layer(7)]
    first, last = (a.dense(off_grid=True) for a in maps)
    found = nv.attention_flow(maps, "class", residual=0)
    wanted = torch.minimum(last[:, 0, :, None], first).sum(1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def cut(layers: list[np.ndarray], source: int, sink: int) -> float:
    """The least that has to be cut to part the two, of all ways to cut: what flows, by a theorem."""
    tokens = len(layers[0])
    inner = [(n, t) for n in range(1, len(layers)) for t in range(tokens)]
    best = np.inf
    for side in itertools.product([False, True], repeat=len(inner)):
        with_source = {(0, source), *(node for node, on in zip(inner, side, strict=True) if on)}
        best = min(
            best,
            sum(
                layers[n][a, b]
                for n, t in with_source
                for a, b in ((t, b) for b in range(tokens))
                if (n + 1, b) not in with_source and (n + 1 < len(layers) or b == sink)
            ),
        )
    return float(best)


@pytest.mark.parametrize("seed", range(6))
def test_a_flow_is_as_large_as_the_narrowest_cut(seed: int) -> None:
    draw = np.random.default_rng(seed)
    layers = [draw.random((3, 3)) * (draw.random((3, 3)) < 0.7) for _ in range(4)]
    for source, sink in itertools.product(range(3), repeat=2):
        assert widest_flow(layers, source, sink) == pytest.approx(
            cut(layers, source, sink), abs=1e-5
        )


def test_what_was_sent_can_be_taken_back() -> None:
    # The widest way goes first, through what both others need: a part of it is led elsewhere.
    layers = [
        np.array([[1.0, 0.9], [0, 0]]),
        np.array([[1.0, 0.9], [0.95, 0]]),
        np.array([[1.0, 0], [0.9, 0]]),
    ]
    assert widest_flow(layers, 0, 0) == pytest.approx(1.9)
    assert np.array_equal(layers[0], [[1.0, 0.9], [0, 0]])  # nobody's numbers are changed


@pytest.mark.parametrize("go", [nv.rollout, nv.attention_flow])
def test_what_cannot_be_gone_through_is_said(go: object) -> None:
    maps = [layer(0), layer(1)]
    pooled = layer(2, key_aside=OffGrid(("class", "other")))
    signed = nv.Factored(
        nv.INSTANTIATIONS["dot_product"],
        torch.randn(2, 1, 6, 2),
        torch.randn(2, 1, 6, 2),
        (1, 2, 3),
        (1, 2, 3),
    )
    for given, error, words in (
        ([], ShapeError, "no map"),
        (
            [pooled],
            ShapeError,
            "Map 0 is not square: its queries are 1 x 2 x 3 cells and class, extra",
        ),
        ([*maps, layer(3, grid=(1, 3, 2))], ShapeError, "Map 2 is over 1 x 3 x 2 cells"),
        ([*maps, layer(3, images=1)], ShapeError, "of 1 images, the first over"),
        ([signed], OptionError, "negative"),
    ):
        with pytest.raises(error, match=words):
            go(given, 0)
    with pytest.raises(OptionError, match="residual"):
        go(maps, 0, residual=1.5)
    with pytest.raises(QueryError, match="nobody"):
        go(maps, "nobody")


def test_a_flow_through_a_large_network_is_refused() -> None:
    with pytest.raises(MapTooLargeError, match="ask for the rollout"):
        nv.attention_flow([layer(0, images=1, grid=(1, 20, 30))] * 12, 0)
