import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, OptionError, QueryError, WritingError
from nonlocal_viz.lens import Lens, View
from nonlocal_viz.limits import Limits


@pytest.fixture(scope="module")
def view(tiny_model: NonLocalResNet, picture: np.ndarray) -> View:
    return Lens(tiny_model, short_side=64).open(picture)


def test_a_query_is_the_row_of_its_cell(view: View) -> None:
    row = view.query(50, 20, block="layer2.1")
    grid = view.query_grid("layer2.1")
    assert grid.cells == (1, 8, 12) and row.map.shape == (1, 8, 12)
    # 90 pixels over 12 cells: 7.5 a cell; 60 over 8.
    assert row.query_cell == (0, 2, 6) and tuple(row.query_rect) == (45, 15, 52.5, 22.5)
    expected = view.affinity("layer2.1").row((2, 6))[0].reshape(1, 8, 12)
    np.testing.assert_allclose(row.map, expected.numpy())
    assert row.map.sum() == pytest.approx(1, abs=1e-5)


def test_the_model_runs_once_and_the_map_is_the_models(
    tiny_model: NonLocalResNet, picture: np.ndarray
) -> None:
    calls = []
    hook = tiny_model.register_forward_hook(lambda m, i, o: calls.append((i[0], o)))
    try:
        view = Lens(tiny_model, short_side=60).open(picture)
        view.query(3, 3)
        view.column(80, 50, block="layer3.1")
    finally:
        hook.remove()
    assert len(calls) == 1
    pixels, (logits, maps) = calls[0]
    assert pixels.shape == (1, 3, 60, 90)  # not resized: the pixels are those of the picture
    expected = (picture[7, 11] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(pixels[0, :, 7, 11].numpy(), expected, atol=1e-5)
    assert torch.equal(view.logits, logits[0])
    assert torch.equal(view.affinity("layer2.1").row(4), maps["layer2.1"].row(4))


def test_a_column_is_who_looks_here(view: View) -> None:
    column = view.column(50, 20, block="layer2.1")
    dense = view.affinity("layer2.1").dense()[0]
    np.testing.assert_allclose(column.map.ravel(), dense[:, 2 * 12 + 6].numpy(), rtol=1e-4)
    assert column.direction == "column" and column.stats.entropy is None


def test_statistics_by_hand(view: View) -> None:
    row = view.query(50, 20, block="layer2.1")
    p = row.map.astype(np.float64).ravel()
    entropy = -(p * np.log(p)).sum()
    assert row.stats.entropy == pytest.approx(entropy)
    assert row.stats.entropy_share == pytest.approx(entropy / np.log(96))
    assert row.stats.support == pytest.approx(np.exp(entropy))
    assert row.stats.top[0].weight == pytest.approx(p.max()) and row.stats.sum == pytest.approx(
        1, abs=1e-5
    )
    assert [k.weight for k in row.stats.top] == sorted(
        (k.weight for k in row.stats.top), reverse=True
    )


@pytest.mark.parametrize("point", [(-1, 5), (90, 5), (5, 60), (float("nan"), 1), (1e9, 1)])
def test_points_outside_are_refused(view: View, point) -> None:
    with pytest.raises(QueryError):
        view.query(*point)


def test_unknown_blocks_and_frames(view: View) -> None:
    with pytest.raises(BlockError, match=r"layer2\.1, layer3\.1"):
        view.query(1, 1, block="layer4.0")
    with pytest.raises(QueryError, match="frame"):
        view.query(1, 1, frame=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (300, 2), (33, 31), (8, 8)])
def test_every_pixel_of_odd_pictures_can_be_asked(
    tiny_model: NonLocalResNet, size: tuple[int, int]
) -> None:
    width, height = size
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    view = Lens(tiny_model, short_side=32, limits=Limits(encode_long_side=256)).open(image)
    for x in {0, width // 2, width - 1}:
        for y in {0, height // 2, height - 1}:
            row = view.query(x + 0.99, y + 0.99)
            assert row.query_rect.contains(x + 0.99, y + 0.99)
            assert row.overlay().shape == image.shape


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_pixels_are_those_of_the_upright_photo(
    tiny_model: NonLocalResNet, picture: np.ndarray, orientation: int
) -> None:
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # stored so that EXIF turns it upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.rot90(picture, turns)).save(buffer, "PNG", exif=exif)
    lens = Lens(tiny_model, short_side=64)
    view = lens.open(buffer.getvalue())
    np.testing.assert_array_equal(view.image, picture)
    np.testing.assert_allclose(view.query(70, 9).map, lens.open(picture).query(70, 9).map)


@pytest.mark.parametrize("instantiation", ["gaussian", "dot_product", "concatenation"])
def test_other_instantiations_and_pooled_keys(
    make_model, picture: np.ndarray, instantiation: str
) -> None:
    view = Lens(make_model(instantiation=instantiation, sub_sample=True), short_side=72).open(
        picture
    )
    row = view.query(50, 20, block="layer2.1")
    assert view.query_grid("layer2.1").cells == (1, 9, 14) and row.map.shape == (1, 4, 7)
    assert row.signed == (instantiation == "dot_product")
    # Nine rows of cells pool to four keys: the last row of the picture belongs to none.
    assert row.grid.y.edges()[-1] == pytest.approx(60 * 8 / 9)
    assert row.overlay().shape == picture.shape
    with pytest.raises(QueryError, match="outside the part"):
        view.column(50, 59, block="layer2.1")


def test_saved_files(view: View, tmp_path: Path) -> None:
    row = view.query(50, 20)
    with Image.open(row.save(tmp_path / "a.png", scale="log", smooth=True)) as png:
        assert png.size == (90, 60)
    with np.load(row.save(tmp_path / "a.npz")) as numbers:
        np.testing.assert_array_equal(numbers["weights"], row.map)
        assert numbers["query_cell"].tolist() == list(row.query_cell)
        assert len(numbers["x_edges"]) == row.map.shape[2] + 1
    with row.save(tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == row.map.size
    assert float(rows[5]["weight"]) == pytest.approx(float(row.map.ravel()[5]), rel=1e-6)
    assert row.save(tmp_path / "a.svg").read_text().startswith("<?xml")
    with pytest.raises(WritingError, match=r"\.png, \.npz"):
        row.save(tmp_path / "a.gif")
    with pytest.raises(WritingError, match="Cannot write"):
        row.save(tmp_path / "none" / "a.png")


def test_words_and_classes(view: View) -> None:
    row = view.query(50, 20)
    assert "looks most at" in row.describe() and "spread evenly" in row.describe()
    assert row.numbers()["query_cell"] == [0, 2, 6]
    names = view.top_classes(3)
    assert len(names) == 3 and names[0][1] >= names[1][1] and names[0][0].startswith("class ")


def test_a_model_without_blocks_is_said(picture: np.ndarray) -> None:
    with pytest.raises(BlockError, match="no non-local block"):
        Lens(NonLocalResNet(18, []), short_side=32).open(picture)


def test_bounds(tiny_model: NonLocalResNet) -> None:
    lens = Lens(tiny_model)
    for size, clip, wanted, encoded in (
        ((640, 480), False, None, (427, 320)),
        ((640, 480), True, None, (299, 224)),
        ((640, 480), True, 120, (160, 120)),
        ((10_000, 500), False, None, (1024, 51)),
        ((1, 4000), False, None, (1, 1024)),
    ):
        assert lens._encoded_size(*size, clip, wanted) == encoded
    with pytest.raises(OptionError):
        Lens(tiny_model, short_side=0)


def test_three_cells_pooled_to_one_leave_the_third_without_a_key(make_model) -> None:
    view = Lens(make_model(sub_sample=True), short_side=24).open(np.zeros((24, 24, 3), np.uint8))
    assert view.query_grid("layer2.1").cells == (1, 3, 3)
    keys = view.key_grid("layer2.1")
    assert keys.cells == (1, 1, 1)
    assert keys.rect(0)[:4] == (0, 0, 16, 16)
    with pytest.raises(QueryError, match="stand for"):
        view.column(20, 20, block="layer2.1")


def test_the_model_is_left_as_it_was(make_model, picture: np.ndarray) -> None:
    """Training goes on after a look: modes, weights and running statistics are the person's."""
    model = make_model().train().requires_grad_(True)
    model.layer1.eval()  # a frozen stage, as people have it
    modes = [m.training for m in model.modules()]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    view = Lens(model, short_side=40).open(picture)
    view.query(3, 3)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())

    def fail(*_: object) -> None:
        raise RuntimeError("a hook of somebody's")

    hook = model.layer4[0].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="somebody"):
        Lens(model, short_side=40).open(picture)
    hook.remove()
    assert [m.training for m in model.modules()] == modes
    model(torch.randn(2, 3, 40, 40)).sum().backward()
