"""One model that differs from the shipped one in everything, through Python and the files.

What the shipped softmax model with default options never exercises is held here against loops and
against numbers worked out without our code.
"""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nonlocal_viz import render
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.lens import Lens
from nonlocal_viz.view import View


@pytest.fixture(scope="module")
def view(unusual_model: NonLocalResNet, picture: np.ndarray) -> View:
    return Lens(unusual_model).open(picture)


def by_hand(model: NonLocalResNet, picture: np.ndarray, name: str) -> torch.Tensor:
    """The dense map of a block, from the modules alone and in float64."""
    pixels = torch.from_numpy(np.asarray(_resized(picture), np.float64) / 255)
    pixels = (pixels - torch.tensor([0.2, 0.4, 0.6])) / torch.tensor([0.5, 0.4, 0.3])
    x = pixels.permute(2, 0, 1)[None].float()
    seen = {}
    block = model.block(name)
    hook = model.get_submodule(name).register_forward_hook(lambda _m, _i, out: seen.update(x=out))
    with torch.no_grad():
        model(x)
    hook.remove()
    theta = block.theta(seen["x"]).double()
    if name == "layer3.1":
        phi = block.phi[0](torch.nn.functional.max_pool2d(seen["x"], 2)).double()
        score = theta.flatten(2).mT @ phi.flatten(2) / 128**0.5
        return score.softmax(-1)[0]
    phi = torch.nn.functional.max_pool2d(block.phi[0](seen["x"]), 2).double()
    score = theta.flatten(2).mT @ phi.flatten(2)
    return score[0] / score.shape[2]


def _resized(picture: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(picture, (108, 72), interpolation=cv2.INTER_LINEAR)


def test_the_default_block_is_the_one_named(view: View) -> None:
    assert view.default_block == "layer3.1" and view.blocks == ("layer2.0", "layer3.1")
    assert view.query(3, 3).block == "layer3.1"


@pytest.mark.parametrize("block", ["layer2.0", "layer3.1"])
def test_rows_and_columns_are_those_by_hand(
    unusual_model: NonLocalResNet, picture: np.ndarray, view: View, block: str
) -> None:
    dense = by_hand(unusual_model, picture, block).numpy()
    # 108 x 72 pixels: 14 x 9 cells of stride 8, 7 x 5 of 16; keys 7 x 4 and 3 x 2.
    grid = {"layer2.0": (9, 14), "layer3.1": (5, 7)}[block]
    keys = grid[0] // 2, grid[1] // 2
    row = view.query(50, 20, block=block)
    cell = int(20 * grid[0] / 60), int(50 * grid[1] / 90)
    assert row.query_cell == (0, *cell) and row.map.shape == (1, *keys)
    wanted = dense[cell[0] * grid[1] + cell[1]].reshape(keys)
    np.testing.assert_allclose(row.map[0], wanted, atol=2e-4 * np.abs(wanted).max())
    assert row.signed == (block == "layer2.0") == bool((row.map < 0).any())
    assert (row.stats.entropy is None) == (block == "layer2.0")
    column = view.column(50, 20, block=block)
    key = int(20 * grid[0] / 60) // 2, int(50 * grid[1] / 90) // 2
    assert column.query_cell == (0, *key) and column.map.shape == (1, *grid)
    wanted = dense[:, key[0] * keys[1] + key[1]].reshape(grid)
    np.testing.assert_allclose(column.map[0], wanted, atol=2e-4 * np.abs(wanted).max())
    # Nine rows of cells pool to four keys: where the last lies, there is none.
    assert row.grid.y.edges()[-1] == pytest.approx(60 * 2 * keys[0] / grid[0])


def test_classes_come_best_first_by_their_names(view: View) -> None:
    found = view.top_classes()
    assert [name for name, _ in found] == ["quince", "medlar", "apple"]
    assert found[0][1] > found[1][1] > found[2][1]
    assert sum(p for _, p in found) == pytest.approx(1, abs=1e-5)
    assert view.top_classes(1) == found[:1] and view.top_classes(0) == []


def test_assumptions_are_told(unusual_model: NonLocalResNet, view: View) -> None:
    for words in (repr(view), repr(Lens(unusual_model))):
        assert "Its colours are guessed." in words


def test_files_carry_the_signed_pooled_numbers(view: View, tmp_path: Path) -> None:
    row = view.column(50, 20, block="layer2.0")
    with np.load(row.save(tmp_path / "c.npz")) as numbers:
        np.testing.assert_array_equal(numbers["weights"], row.map)
        np.testing.assert_allclose(numbers["x_edges"], np.arange(15) * 90 / 14)
        np.testing.assert_allclose(numbers["y_edges"], np.arange(10) * 60 / 9)
        assert str(numbers["direction"]) == "column" and str(numbers["block"]) == "layer2.0"
        assert str(numbers["instantiation"]) == "dot_product"
        assert numbers["picture_size"].tolist() == [90, 60]
    path = view.query(50, 20, block="layer2.0").save(tmp_path / "r.csv")
    lines = list(csv.DictReader(path.read_text().splitlines()))
    assert len(lines) == 28 and min(float(line["weight"]) for line in lines) < 0
    assert [lines[8][k] for k in ("frame", "row", "column")] == ["0", "1", "1"]
    assert float(lines[8]["left"]) == pytest.approx(2 * 90 / 14, abs=1e-3)


def test_frame_by_frame_each_frame_is_its_own(
    unusual_model: NonLocalResNet, picture: np.ndarray
) -> None:
    frames = np.stack([picture, picture[:, ::-1], picture[::-1]])
    view = Lens(unusual_model).open(frames, spacetime=False)
    for t, frame in enumerate(frames):
        for ask in ("query", "column"):
            row = getattr(view, ask)(50, 20, frame=t, block="layer2.0")
            alone = getattr(Lens(unusual_model).open(frame), ask)(50, 20, block="layer2.0")
            assert row.first_frame == t and row.query_cell[0] == t
            np.testing.assert_allclose(row.map, alone.map, rtol=1e-4, atol=1e-6)
            assert row.strongest(1)[0].cell[0] == t
        row = view.query(50, 20, frame=t, block="layer2.0")
        single = Lens(unusual_model).open(frame).query(50, 20, block="layer2.0")
        # The own frame is shown with all of the row, and no other with any of it.
        np.testing.assert_array_equal(row.overlay(), single.overlay())
        bare = replace(single, map=np.zeros_like(single.map), query_cell=(1, 0, 0))
        for other in range(3):
            if other != t:
                empty = replace(bare, frames=frames[other][None]).overlay(frame=0)
                np.testing.assert_array_equal(row.overlay(frame=other), empty)
        told = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                render,
                "strip",
                lambda _o, _t, shares, marked, told=told: told.append((shares, marked)),
            )
            row.strip()
        assert told == [([float(i == t) for i in range(3)], t)]
    whole = Lens(unusual_model).open(frames, frames=3).query(50, 20, frame=1, block="layer2.0")
    assert whole.map.shape == (3, 4, 7)
