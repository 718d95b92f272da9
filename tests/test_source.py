"""A Lens looks through anything that says what it is, what it reads and what it saw."""

import gc
import pickle
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

import nonlocal_viz as nv
from nonlocal_viz.core.affinity import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.source import About, Encoded, Normalisation, Prepare, Source
from nonlocal_viz.core.tokens import OffGrid
from nonlocal_viz.errors import BlockError, OptionError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.row import Row


class Patches:
    """No network: the mean colour of every 8 x 8 patch looks at those alike, with two heads and a class
    token; the second block pools its keys by 3."""

    about = About("patches", default_block="coarse", assumptions=("The patch is guessed.",))
    prepare = Prepare(Normalisation((0.1, 0.2, 0.3), (0.5, 1.0, 2.0)), short_side=40)

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def run(self, pixels: torch.Tensor, *, spacetime: bool = True) -> Encoded:
        self.seen.append(pixels)
        cells = torch.nn.functional.avg_pool2d(pixels, 8)
        tokens = cells.flatten(2).mT.unsqueeze(1)
        tokens = torch.cat([tokens.mean(2, keepdim=True), tokens], dim=2).repeat(1, 2, 1, 1)
        grid = (1, cells.shape[2], cells.shape[3])
        aside = OffGrid(("class",))
        scale = torch.tensor([1.0, 3.0])
        fine = Factored(Pairwise(scale=scale), tokens, tokens, grid, grid, aside, aside)
        pooled = torch.nn.functional.max_pool2d(cells, 3)
        keys = pooled.flatten(2).mT.unsqueeze(1).repeat(1, 2, 1, 1)
        coarse = Factored(
            Pairwise(normalise="count", scale=0.5),
            tokens[:, :, 1:],
            keys,
            grid,
            (1, *pooled.shape[2:]),
            instantiation="patch product",
        )
        return Encoded(None, {"fine": fine, "coarse": coarse})


def test_any_source_is_looked_through(picture: np.ndarray) -> None:
    source = Patches()
    assert isinstance(source, Source)
    view = Lens(source).open(picture)
    assert source.seen[0].shape == (1, 3, 40, 60)
    assert view.blocks == ("fine", "coarse") and view.default_block == "coarse"
    assert view.top_classes() == [] and view.about.assumptions == ("The patch is guessed.",)
    assert "The patch is guessed." in repr(view) and "The patch is guessed." in repr(Lens(source))
    row = view.query(50, 20)
    # 60 x 40 pixels make 7 x 5 patches of 8; a fill of the last reaches the border. Keys: 3 x 3 patches.
    assert row.block == "coarse" and row.map.shape == (1, 1, 2) and row.signed
    assert row.instantiation == "patch product" and row.stats.entropy is None
    affinity = view.affinity("coarse")
    np.testing.assert_array_equal(
        row.map.ravel(), affinity.row(view.query_grid("coarse").index(50, 20))[0].numpy()
    )


def test_pictures_are_prepared_as_the_source_says() -> None:
    source = Patches()
    flat = np.full((40, 60, 3), (51, 102, 255), np.uint8)
    Lens(source).open(flat)
    expected = ((0.2 - 0.1) / 0.5, (0.4 - 0.2) / 1.0, (1.0 - 0.3) / 2.0)
    np.testing.assert_allclose(source.seen[0][0, :, 3, 5].numpy(), expected, atol=1e-6)
    # What a person asks for goes before what the source does, and that before the bounds.
    Lens(source, short_side=24).open(flat)
    assert source.seen[1].shape[2:] == (24, 36)
    source.prepare = replace(Patches.prepare, short_side=None)
    Lens(source, limits=replace(LIMITS, encode_short_side=56)).open(flat)
    assert source.seen[2].shape[2:] == (56, 84)


def test_a_row_that_gives_some_to_the_class_token_has_no_entropy(picture: np.ndarray) -> None:
    row = Lens(Patches()).open(picture).query(50, 20, block="fine")
    assert 0 < row.map.sum() < 1 and not row.is_distribution and row.stats.entropy is None


def test_what_is_no_source_is_refused_in_a_sentence() -> None:
    for wrong in (torch.nn.Linear(2, 2), None, 3):
        with pytest.raises(OptionError, match=r"Source .*\."):
            Lens(wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="at least 1 pixel"):
        Lens(Patches(), short_side=0)

    class Nothing(Patches):
        def run(self, pixels: torch.Tensor, *, spacetime: bool = True) -> Encoded:
            return Encoded(None, {})

    with pytest.raises(BlockError, match="no non-local block"):
        Lens(Nothing()).open(np.zeros((8, 8, 3), np.uint8))


def test_a_row_keeps_no_factors_alive(picture: np.ndarray) -> None:
    view = Lens(Patches()).open(picture)
    factors = weakref.ref(view.affinity("fine").query)
    row = view.query(50, 20)
    del view
    gc.collect()
    assert factors() is None
    assert row.overlay().shape == picture.shape


def test_views_and_rows_can_be_pickled(picture: np.ndarray) -> None:
    view = Lens(Patches()).open(picture)
    row = view.query(50, 20)
    again = pickle.loads(pickle.dumps(view)).query(50, 20)
    np.testing.assert_array_equal(again.map, row.map)
    copied = pickle.loads(pickle.dumps(row))
    assert copied.numbers() == row.numbers()
    np.testing.assert_array_equal(copied.overlay(), row.overlay())
    assert nv.Row is Row


def test_strongest_is_the_plain_order_and_peaks_lie_apart() -> None:
    weights = np.zeros((2, 6, 8), np.float32)
    weights[0, 1, 1], weights[0, 1, 2], weights[0, 3, 2] = -9, 8, 7
    weights[0, 1, 5], weights[0, 3, 7] = 5, 5
    weights[1, 1, 1], weights[1, 5, 7] = 6, 6
    grid = nv.Grid.build((80, 60), (2, 6, 8))
    row = Row(
        "b",
        0,
        0,
        (0, 0, 0),
        grid.rect(0),
        weights,
        grid,
        "row",
        np.zeros((2, 60, 80, 3), np.uint8),
        (0, 1),
        signed=True,
    )
    order = [(0, 1, 1), (0, 1, 2), (0, 3, 2), (1, 1, 1), (1, 5, 7), (0, 1, 5), (0, 3, 7)]
    assert [key.cell for key in row.strongest(7)] == order
    assert [key.weight for key in row.strongest(3)] == [-9, 8, 7]
    # (1, 2) and (3, 2) lie within two cells of (1, 1), and (3, 7) within two of its equal (1, 5).
    assert [key.cell for key in row.peaks(4)] == [(0, 1, 1), (1, 1, 1), (1, 5, 7), (0, 1, 5)]
    assert row.peaks(1)[0].rect == grid.rect((0, 1, 1))
    by_loops = []
    sizes = np.abs(weights)
    for t, h, w in np.ndindex(sizes.shape):
        around = [
            (-sizes[t, r, c], r, c)
            for r in range(max(0, h - 2), min(6, h + 3))
            for c in range(max(0, w - 2), min(8, w + 3))
        ]
        if min(around)[1:] == (h, w):
            by_loops.append((-sizes[t, h, w], t, h, w))
    assert [key.cell for key in row.peaks(100)] == [p[1:] for p in sorted(by_loops)]


def test_what_is_not_said_is_left_to_the_bounds() -> None:
    """A source that asks for no size gets that of limits.py, and ImageNet's normalisation."""
    assert Prepare() == Prepare(Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), None)
    assert About().assumptions == () and About().default_block is None
