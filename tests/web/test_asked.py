"""What an address asks for, of the server: a source that is here, whatever it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.lens import Lens
from nonlocal_viz.web.views import Views, examples, named

FIRST = {"example": examples()[0].name}


@pytest.fixture
def views(tiny_model: Any, tmp_path: Path) -> Views:
    folder = tmp_path / "uploads" / "ab12"
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "my photo.png")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "secret.png")
    return Views(Lens(tiny_model), tmp_path / "uploads")


def test_an_upload_is_found_by_its_place_among_the_uploads(views: Views) -> None:
    source = views.asked({"upload": "ab12/my photo.png"})
    assert source == {"upload": "ab12/my photo.png"} == named(source)
    assert views.get(source).size == (30, 20)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"example": "zebra"},
        {"example": "zebra", "upload": "ab12/my photo.png"},
        {"upload": "../secret.png"},
        {"upload": "ab12/../../secret.png"},
        {"upload": "ab12"},
        {"upload": ""},
        {"upload": "\0"},
        {"upload": "x" * 5000},
        {"path": "ab12/my photo.png"},
        {"frames": "x", "start": "-1", "stride": "nan", "spacetime": "1", "model": "nobody"},
        {"frames": "65"},
        {"frames": "0"},
    ],
)
def test_what_is_not_here_is_the_first_example(views: Views, query: dict[str, str]) -> None:
    assert views.asked(query) == FIRST


def test_how_a_clip_is_sampled_and_who_looks(views: Views) -> None:
    query = {"frames": "16", "start": "1.5", "stride": "0.25", "spacetime": "0", "block": "b"}
    assert views.asked(query | FIRST) == {
        **FIRST,
        "frames": 16,
        "start": 1.5,
        "stride": 0.25,
        "spacetime": False,
    }
    # A model as it was once called, and the page's own where it is named.
    assert views.asked({"model": "collapsed"})["model"] == "labels_only"
    own = views.models.own
    assert views.asked({"model": own})["model"] == own
