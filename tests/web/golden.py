"""golden.json: what the Python side answers, for the tests of the page's JavaScript to agree with.

``python -m tests.web.golden FILE`` writes it; it is made afresh whenever those tests run.
"""

import base64
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nonlocal_viz.canvas.factors import Wire, aside_of, factor_file, pairwise_of, span_of
from nonlocal_viz.core.factored import EVERYBODY, Factored, PlaceBias, Reach
from nonlocal_viz.core.geometry import Axis, Grid
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.regions import sizes_of
from nonlocal_viz.render import DIVERGING, SCALES, SEQUENTIAL, lookup, normalise, ticks
from nonlocal_viz.render.scales import colour_index, solidity
from nonlocal_viz.row import Row

_draw = torch.Generator().manual_seed(1)
GRID, POOLED = (1, 3, 5), (1, 1, 2)


def packed(numbers: Any, kind: str = "<f4") -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).astype(kind).tobytes()).decode()


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=_draw) * 0.8


def pairwises() -> Iterator[Pairwise]:
    """Every combination of fields, with scales that are not 1."""
    for score, rectify, normalise_ in itertools.product(
        ("product", "sum"), (False, True), ("softmax", "count", "sum")
    ):
        yield Pairwise(score, rectify, normalise_, 0.6 if score == "product" else 1.0)  # type: ignore[arg-type]


def plain(pairwise: Pairwise, heads: int, frames: int, pooled: bool) -> Factored:
    keys = POOLED if pooled else GRID
    width = 1 if pairwise.score == "sum" else 3
    if heads > 1 and pairwise.score == "product":
        pairwise = replace(pairwise, scale=torch.tensor([0.25, 1.5][:heads]))
    query = random(frames, heads, GRID[1] * GRID[2], width)
    key = random(frames, heads, keys[1] * keys[2], width)
    return Factored(pairwise, query, key, GRID, keys, instantiation="some_form")


def with_extras(pairwise: Pairwise, heads: int, extras: frozenset[str]) -> Factored:
    """Off-grid tokens, windows, a bias and a unary row, as far as they are asked for."""
    before, after = (("class", "register"), ("padding",)) if "aside" in extras else ((), ())
    n, width = 15 + len(before), 1 if pairwise.score == "sum" else 3
    k = n + len(after)
    affinity = Factored(
        pairwise,
        random(1, heads, n, width),
        random(1, heads, k, width),
        GRID,
        GRID,
        OffGrid(before),
        OffGrid(before, after),
    )
    if "reach" in extras:
        query = torch.arange(n) % 3
        query[-1] = 7  # a query that no key is meant for but those for everybody
        key = torch.arange(k) % 3
        if "aside" in extras:
            query[0], key[0], key[-1] = EVERYBODY, EVERYBODY, 5
        affinity = replace(affinity, reach=Reach(query, key))
    if "bias" in extras or "head bias" in extras:
        table = torch.randn(heads if "head bias" in extras else 1, 4, 6, generator=_draw)
        places = PlaceBias(table, (torch.arange(n) * 3) % 4, (torch.arange(k) * 5 + 1) % 6)
        affinity = replace(affinity, bias=places)
    if "unary" in extras:
        affinity = replace(affinity, unary=torch.rand(1, heads, k, generator=_draw))
    return affinity


def cases() -> Iterator[tuple[str, Factored]]:
    for pairwise in pairwises():
        name = f"{pairwise.score}{', rectified' if pairwise.rectify else ''}, {pairwise.normalise}"
        for heads, frames, pooled in itertools.product((1, 2), (1, 3), (False, True)):
            words = f"{heads} heads, {frames} frames{', pooled' if pooled else ''}"
            yield f"{name}, {words}", plain(pairwise, heads, frames, pooled)
        for extras in (
            {"aside"},
            {"reach"},
            {"bias"},
            {"unary"},
            {"aside", "reach", "bias", "unary"},
            {"aside", "reach", "head bias"},
        ):
            words = ", ".join(sorted(extras))
            yield f"{name}, {words}", with_extras(pairwise, 2, frozenset(extras))
            if len(extras) > 2:
                yield f"{name}, one head, {words}", with_extras(pairwise, 1, frozenset(extras))


def others() -> Iterator[dict[str, Any]]:
    """Blocks that are sent in other ways: as halves, without normalisers, a factor that is both."""
    few = Limits(normaliser_scores=0)
    for normalise_ in ("softmax", "count", "sum"):
        form = Pairwise("product", normalise_ == "sum", normalise_, 0.6)  # type: ignore[arg-type]
        for extras in (set(), {"aside", "reach", "bias", "unary"}):
            kept = with_extras(form, 2, frozenset(extras))
            words = f"{normalise_}{', extras' if extras else ''}"
            yield case(f"halves, {words}", kept, "float16")
            yield case(f"no normalisers, {words}", kept, "float32", few)
        framed = plain(form, 1, 3, True)
        yield case(f"no normalisers, {normalise_}, 3 frames", framed, "float32", few)
    one = plain(Pairwise(), 1, 1, False)
    yield case("one factor", replace(one, key=one.query))
    for times in (4, 30):
        large = plain(Pairwise(), 1, 1, False)
        yield case(f"features {times} times as large", replace(large, query=large.query * times))


def case(
    name: str, affinity: Factored, wire: Wire = "float32", limits: Limits = LIMITS
) -> dict[str, Any]:
    """One block as the page gets it, and its rows by the core: of the network's own numbers, unless
    halves are sent, which are then taken as they are."""
    frames, file = len(affinity), factor_file(affinity, wire, limits)
    if wire == "float16":
        affinity = replace(
            affinity, query=affinity.query.half().float(), key=affinity.key.half().float()
        )
    whole = affinity if frames == 1 else affinity.framed()
    weights = whole.to(torch.float64).dense(heads=True, off_grid=True)[0]  # (H, N', K)
    queries, keys = whole.queries.on_grid, whole.keys.on_grid
    aside = [k for k in range(weights.shape[2]) if not keys.start <= k < keys.stop]
    others = [q for q in range(weights.shape[1]) if not queries.start <= q < queries.stop]
    return {
        "name": name,
        "meta": {
            **meta(whole),
            "sections": file.sections,
            "factors": {"url": ""},
        },
        "bytes": base64.b64encode(file.content).decode(),
        "heads": packed(weights[:, queries, keys]),
        "aside": packed(weights[:, queries][..., aside].mean(0)),
        "asideNames": list(whole.key_aside.names),
        "tokens": packed(weights[:, others][..., keys]),
    }


def meta(affinity: Factored) -> dict[str, Any]:
    def grid(cells: tuple[int, int, int]) -> dict[str, Any]:
        return shown(Grid.build((50, 30), cells))

    return {
        "block": "layer2.1",
        "instantiation": affinity.instantiation,
        "pairwise": pairwise_of(affinity),
        "about": {"input": 8, "inner": 3, "embedded": True, "scaled": False},
        "signed": affinity.signed,
        "distribution": affinity.is_distribution,
        "heads": affinity.heads,
        "channels": affinity.query.shape[3],
        "span": span_of(affinity),
        "pooled": affinity.query_grid != affinity.key_grid,
        "queries": grid(affinity.query_grid),
        "keys": grid(affinity.key_grid),
        "aside": aside_of(affinity),
    }


def shown(grid: Grid) -> dict[str, Any]:
    return {"cells": list(grid.cells), "x": borders(grid.x), "y": borders(grid.y)}


def borders(axis: Axis) -> dict[str, Any]:
    numerators, denominator = axis.borders()
    return {"numerators": list(numerators), "denominator": denominator}


def grids() -> list[dict[str, Any]]:
    """Cells under pixels: broken ones, those on borders, and all whole pixels of both sides."""
    rng = np.random.default_rng(3)
    found = []
    for size, cells, resize in (
        ((800, 600), (32, 43), (341, 256)),
        ((4032, 3024), (32, 43), (341, 256)),
        ((4032, 3024), (16, 24), None),
        ((800, 600), (3, 4), None),
        ((97, 61), (7, 9), (150, 94)),
        ((5, 3), (9, 16), None),
    ):
        for grid in (
            Grid.build(size, cells, resize=resize),
            Grid.build(size, cells, resize=resize).pooled((2, 2)),
        ):
            side = (
                [grid.x.find(x) for x in range(size[0])],
                [grid.y.find(y) for y in range(size[1])],
            )
            points = rng.random((300, 2)) * size
            points = np.concatenate((points, [(e, f) for e, f in zip(*edges(grid), strict=False)]))
            inside = [(grid.x.find(x), grid.y.find(y)) for x, y in points.tolist()]
            found.append(
                {
                    "grid": shown(grid),
                    "edges": [list(grid.x.edges()), list(grid.y.edges())],
                    "x": packed([-1 if c is None else c for c in side[0]], "<i4"),
                    "y": packed([-1 if c is None else c for c in side[1]], "<i4"),
                    "points": points.tolist(),
                    "cells": [
                        -1 if None in (w, h) else grid.flat((0, h or 0, w or 0)) for w, h in inside
                    ],
                }
            )
    return found


def edges(grid: Grid) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return grid.x.edges(), grid.y.edges()


def uneven() -> dict[str, Any]:
    """Axes with even cells, and with cells that are not: the first and the last are larger."""
    even = Grid.build((64, 48), (6, 8))
    odd = Grid.build((64, 48), (5, 7), stride=8, offset=(4, 2))
    return {"even": shown(even), "odd": shown(odd)}


def rows() -> list[dict[str, Any]]:
    """Rows in numbers, by nonlocal_viz.Row."""
    rng = np.random.default_rng(5)
    found = []
    for cells in ((1, 7, 9), (3, 6, 5), (1, 1, 12), (2, 9, 1)):
        for kind in ("softmax", "signed", "ties", "zeros", "one"):
            weights = rng.standard_normal(cells)
            if kind == "softmax":
                weights = np.exp(2 * weights) / np.exp(2 * weights).sum()
            elif kind == "ties":
                weights = np.round(weights * 2) / 2
            elif kind in ("zeros", "one"):
                weights = np.zeros(cells)
                if kind == "one":
                    weights.flat[3] = 1.0
            found.append(row(weights.astype(np.float32), kind in ("softmax", "one")))
    return found + [row(weights, False) for weights in maps(rng)]


def maps(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of every shape that regions are found in: noise, blobs, plateaus, sinks, both signs."""
    for cells in ((1, 1, 1), (1, 1, 7), (1, 6, 1), (1, 12, 17), (4, 6, 7), (3, 5, 5)):
        for _ in range(3):
            noise = rng.standard_normal(cells)
            yield np.abs(noise).astype(np.float32)
            yield np.exp(4 * noise).astype(np.float32)
            yield np.round(noise).astype(np.float32)  # plateaus, both signs
            yield (noise > 0.6).astype(np.float32)
            yield blobs(rng, cells)
            yield (blobs(rng, cells) - blobs(rng, cells)).astype(np.float32)
            sink = np.full(cells, 0.5 / noise.size)
            sink.flat[rng.integers(noise.size)] += 0.5
            yield sink.astype(np.float32)
            yield np.full(cells, 0.1, np.float32)
            if noise.size > 1:
                broken = np.abs(noise).astype(np.float32)
                broken.flat[rng.integers(noise.size)] = np.nan
                yield broken


def blobs(rng: np.random.Generator, cells: tuple[int, int, int]) -> np.ndarray:
    t, h, w = np.indices(cells)
    found = np.zeros(cells)
    for centre in rng.random((3, 3)) * cells:
        far = ((t - centre[0]) ** 2 + (h - centre[1]) ** 2 + (w - centre[2]) ** 2) / 4
        found += np.exp(-far)
    return found.astype(np.float32)


def row(weights: np.ndarray, distribution: bool) -> dict[str, Any]:
    grid = Grid.build((90, 70), weights.shape[1:])
    frames_axis = Axis(len(weights), Fraction(0), Fraction(1), Fraction(0), Fraction(len(weights)))
    grid = replace(grid, t=frames_axis)
    frames = np.zeros((len(weights), 70, 90, 3), np.uint8)
    answer = Row(
        block="b",
        x=0,
        y=0,
        query_cell=(0, 0, 0),
        query_rect=grid.rect(0),
        map=weights,
        grid=grid,
        direction="row",
        frames=frames,
        times=tuple(map(float, range(len(weights)))),
        is_distribution=distribution,
    )
    stats = answer.stats
    sizes = np.sort(sizes_of(weights).ravel())[::-1]
    total = sizes.sum()
    return {
        "grid": shown(grid),
        "weights": packed(weights),
        "distribution": distribution,
        "entropy": stats.entropy,
        "share": stats.entropy_share,
        "support": stats.support,
        "top": float(np.nanmax(np.abs(weights))),
        "broken": bool(np.isnan(weights).any()),
        "regions": [
            {**vars(region), "key": grid.flat(region.key.cell)} for region in answer.regions(1000)
        ],
        "strongest": [grid.flat(key.cell) for key in answer.strongest(20)],
        "peaks": [grid.flat(key.cell) for key in answer.peaks(5)],
        "shares": list(answer.shares),
        "half": int((sizes.cumsum() < total / 2).sum()) + 1 if total else 1,
    }


def colours() -> list[dict[str, Any]]:
    """Brightness, colours and the marks of the bar, of every scale."""
    found = []
    for scale, signed, veil in itertools.product(SCALES, (False, True), (False, True)):
        x = np.linspace(-1 if signed else 0, 1, 83).astype(np.float32) * np.float32(0.02)
        level = normalise(x, scale, signed, 0.02)
        cmap = (DIVERGING if signed else SEQUENTIAL)[0]
        found.append(
            {
                "scale": scale,
                "signed": signed,
                "cmap": cmap,
                "weights": packed(x),
                "levels": level.tolist(),
                "veil": veil,
                "rgb": lookup(cmap)[colour_index(level, signed, veil)].tolist(),
                "solid": solidity(level, veil).tolist(),
                "ticks": ticks(0.02, scale, signed),
            }
        )
    return found


def main(path: Path) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    golden = {
        "cases": [*(case(name, affinity) for name, affinity in cases()), *others()],
        "grids": grids(),
        "uneven": uneven(),
        "rows": rows(),
        "colours": colours(),
        "maps": {
            "sequential": {name: lookup(name).tobytes().hex() for name in SEQUENTIAL},
            "diverging": {name: lookup(name).tobytes().hex() for name in DIVERGING},
        },
        "halves": packed(halves),
    }
    path.write_text(json.dumps(golden), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
