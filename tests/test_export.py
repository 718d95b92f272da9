"""What files say of themselves, and what they are named after."""

import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from nonlocal_viz import __version__
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.export import caption
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import open_image


@pytest.fixture(scope="module")
def lens(tiny_model: NonLocalResNet) -> Lens:
    return Lens(tiny_model, short_side=32)


@pytest.fixture
def photo(tmp_path: Path, picture: np.ndarray) -> Path:
    path = tmp_path / "my cat.png"
    Image.fromarray(picture).save(path)
    return path


def test_a_row_knows_what_it_is_of(lens: Lens, photo: Path, picture: np.ndarray) -> None:
    model = lens.source.about.name
    with photo.open("rb") as file:
        for source in (photo, str(photo), file):
            row = lens.open(source).query(31, 20, block="layer2.1")
            assert (row.picture, row.model) == ("my cat.png", model)
    assert caption(row) == (
        f"my cat.png through {model}: row of pixel (31, 20), layer2.1 (embedded gaussian)"
    )
    bare = lens.open(picture).column(31.25, 20)
    assert bare.picture == "" and caption(bare).startswith(f"picture through {model}: column of")
    clip = lens.open(np.stack([picture] * 3), frames=3).query(3, 4, frame=2)
    assert "clip through" in caption(clip) and "(3, 4) in frame 2, " in caption(clip)


@pytest.mark.parametrize("name", ["a\nb.png", "\udcff.png", "a\x1b[31mb.png"])
def test_a_name_that_cannot_be_printed_is_not(lens: Lens, picture: np.ndarray, name: str) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    file.seek(0)
    file.name = name  # type: ignore[attr-defined]
    row = lens.open(file).query(3, 3)
    assert row.picture.isprintable() and "?" in row.picture


def test_every_file_says_what_it_is(lens: Lens, photo: Path, tmp_path: Path) -> None:
    row = lens.open(photo).query(31, 20, block="layer2.1")
    wanted = {
        "picture": "my cat.png",
        "model": lens.source.about.name,
        "block": "layer2.1",
        "direction": "row",
        "x": 31.0,
        "y": 20.0,
        "frame": 0,
        "version": __version__,
    }

    def png(path: Path) -> Any:
        return Image.open(io.BytesIO(path.read_bytes())).info

    for options in ({}, {"caption": True}):
        said = png(row.save(tmp_path / "a.png", **options))
        assert json.loads(said["Description"]) == wanted and said["Title"] == caption(row)
    assert str(wanted["picture"]) in row.save(tmp_path / "a.svg").read_text("utf-8")
    assert b"my cat.png" in row.save(tmp_path / "a.pdf").read_bytes()
    with np.load(row.save(tmp_path / "a.npz")) as numbers:
        assert {str(numbers[k]) for k in ("picture", "model", "version")} == {
            wanted["picture"],
            wanted["model"],
            __version__,
        }
    clip = lens.open(np.stack([open_image(photo)] * 2), frames=2).query(3, 3)
    with av.open(str(clip.save(tmp_path / "a.webm"))) as video:
        told = {name.lower(): words for name, words in video.metadata.items()}
    assert told["title"] == caption(clip)
    assert json.loads(png(clip.save(tmp_path / "b.png"))["Description"])["frame"] == 0
    assert row.numbers()["picture"] == "my cat.png" and row.numbers()["model"] == wanted["model"]


def test_a_caption_stands_under_a_photo_alone(lens: Lens, photo: Path, tmp_path: Path) -> None:
    row = lens.open(photo).query(31, 20)
    with Image.open(row.save(tmp_path / "plain.png")) as plain:
        assert plain.size == (90, 60)
    with Image.open(row.save(tmp_path / "captioned.png", caption=True, cmap="viridis")) as made:
        assert 500 < made.size[0] < 1000  # one picture with its bar, not two
    assert (
        row.save(tmp_path / "again.png", caption=True, cmap="viridis").read_bytes()
        == (tmp_path / "captioned.png").read_bytes()
    )
    assert (
        row.save(tmp_path / "other.png", caption=True).read_bytes()
        != (tmp_path / "captioned.png").read_bytes()
    )
