"""The desk without a server or a browser: what it answers, keeps, names and refuses."""

import base64
import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from nonlocal_viz import render
from nonlocal_viz.canvas import canvas_html
from nonlocal_viz.canvas.payload import row_payload
from nonlocal_viz.errors import (
    BusyError,
    GoneError,
    MediaError,
    OptionError,
    QueryError,
    WritingError,
)
from nonlocal_viz.export import suffixes
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import encode_webm
from nonlocal_viz.view import View
from nonlocal_viz.web import desk as desk_module
from nonlocal_viz.web.api import _affinity
from nonlocal_viz.web.asked import pointed, stem, title_of
from nonlocal_viz.web.desk import Desk, inline, progress
from nonlocal_viz.web.views import Views, named

CENTRE = {"block": "layer2.1", "x": 50, "y": 20}


@pytest.fixture
def uploads(tmp_path: Path, picture: np.ndarray) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.roll(picture, i, axis=1)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def model(make_model: Any) -> Any:
    made = make_model(instantiation="dot_product")
    made.about = replace(
        made.about, name="mine", default_block="layer3.1", assumptions=("Its padding was guessed.",)
    )
    return made


@pytest.fixture
def desk(model: Any, uploads: Path) -> Desk:
    return Desk(Views(Lens(model, short_side=64), uploads))


def upload(folder: Path, i: int) -> dict[str, Any]:
    return {"path": str(folder / f"{i}.png")}


def content(file: dict[str, Any]) -> bytes:
    return base64.b64decode(file["url"].partition("base64,")[2])


def saved(desk: Desk, request: dict[str, Any]) -> bytes:
    *_, last = desk.save(request)
    assert last["kind"] == "file"
    return content(last["file"])


def weights_of(table: bytes) -> list[float]:
    return [float(line["weight"]) for line in csv.DictReader(io.StringIO(table.decode()))]


def whole(view: View) -> View:
    """The view with all of its maps computed."""
    for block in view.blocks:
        view.affinity(block)
    return view


def test_what_was_asked_for_last_is_kept_longest(model: Any, uploads: Path) -> None:
    size = Lens(model, short_side=32).open(uploads / "0.png").nbytes
    views = Views(Lens(model, 32, Limits(view_bytes=2 * size)), uploads)
    first, second = whole(views.get(upload(uploads, 0))), whole(views.get(upload(uploads, 1)))
    # Asked for again, the first is no longer the one that makes room.
    assert views.get(upload(uploads, 0)) is first
    whole(views.get(upload(uploads, 2)))
    assert views.get(upload(uploads, 0)) is first
    assert views.get(upload(uploads, 1)) is not second


def test_a_view_says_what_is_assumed_and_shows_the_default_block(desk: Desk, uploads: Path) -> None:
    (found,) = desk.open(upload(uploads, 0), "no such block")
    assert found["about"] == {
        "name": "mine",
        "title": "mine",
        "assumptions": ["Its padding was guessed."],
    }
    assert found["first"]["block"] == "layer3.1"
    (found_too,) = desk.open(upload(uploads, 0), "layer2.1")
    assert found_too["first"]["block"] == "layer2.1"
    view = desk.views.get(upload(uploads, 0))
    assert found["fineness"] == [view.query_grid(name).cells[1:] for name in found["blocks"]]
    assert found["best"] is None
    # Classes would need the whole network, and the page has no use for them.
    assert "classes" not in found
    fresh = Desk(Views(desk.views.models.lens(), uploads))
    assert [kind["kind"] for kind in fresh.open(upload(uploads, 0), "layer2.1")][-1] == "view"
    assert "layer3.1: not asked for yet" in repr(fresh.views.get(upload(uploads, 0)))
    assert found["start"] == [45, 30, 0]
    with Image.open(io.BytesIO(content(found["frames"][0]))) as photo:
        assert photo.size == (90, 60)


def test_a_file_may_be_a_part_of_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    assert inline(path) == {"url": "data:image/png;base64,YWJj", "orig_name": "a.png"}


def test_a_download_of_a_column_is_the_column(desk: Desk, uploads: Path) -> None:
    view = desk.views.get(upload(uploads, 0))
    request = {**CENTRE, "source": upload(uploads, 0), "suffix": "csv"}
    row = weights_of(saved(desk, request))
    column = weights_of(saved(desk, {**request, "direction": "column"}))
    asked = {"x": 50, "y": 20, "block": "layer2.1"}
    np.testing.assert_allclose(row, view.query(**asked).map.ravel(), rtol=1e-6)
    np.testing.assert_allclose(column, view.column(**asked).map.ravel(), rtol=1e-6)
    assert not np.allclose(row, column)
    *_, last = desk.save({**request, "direction": "column"})
    assert last["name"] == "0-mine-layer2.1-column-x50-y20.csv"


def test_a_download_is_painted_as_the_page_paints(desk: Desk, uploads: Path) -> None:
    row = desk.views.get(upload(uploads, 0)).query(50, 20, block="layer2.1")
    request = {**CENTRE, "source": upload(uploads, 0), "suffix": "png"}

    def pixels(**more: Any) -> np.ndarray:
        with Image.open(io.BytesIO(saved(desk, {**request, **more}))) as image:
            return np.asarray(image)

    options: dict[str, Any] = {"cmap": "coolwarm", "alpha": 0.9, "scale": "log", "smooth": True}
    wanted = row.overlay(**options, grey=False)
    np.testing.assert_array_equal(pixels(**options, colour=True), wanted)
    # What is no number is as if nothing was said.
    for alpha in (math.nan, math.inf, "0.2", None):
        np.testing.assert_array_equal(pixels(alpha=alpha), row.overlay(grey=True))
    even = row.overlay(veil=False)
    np.testing.assert_array_equal(pixels(veil=False, colour=True), even)
    with pytest.raises(OptionError, match="from 0 to 1"):
        saved(desk, {**request, "alpha": 1.5})
    with pytest.raises(WritingError, match=r"Downloads are png.* or "):
        saved(desk, {**request, "suffix": "gif"})
    with pytest.raises(WritingError, match=r"use \.png"):
        saved(desk, {**request, "suffix": "webm"})


@pytest.mark.parametrize("alpha", [math.nan, math.inf, -0.1, 1.1])
def test_an_alpha_that_is_no_share_is_refused(picture: np.ndarray, alpha: float) -> None:
    with pytest.raises(OptionError, match="from 0 to 1"):
        render.overlay(picture, np.ones((1, 1)), [0, 90], [0, 60], alpha=alpha)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"example": "café corner"}, "café-corner"),
        ({"path": "/up/../../etc/pass wd?.png"}, "pass-wd-"),
        ({"path": '/up/a"b\\c\n.jpeg'}, "a-b-c"),
        ({"path": "/up/" + "x" * 90 + ".png"}, "x" * 40),
        ({"path": "/up/.jpg"}, "-jpg"),
        ({"path": "/up/v1.2 of it"}, "v1-2-of-it"),
        ({"path": ""}, "picture"),
        ({"path": 3}, "3"),
        (None, "picture"),
    ],
)
def test_names_of_downloads_are_tame(source: Any, name: str) -> None:
    assert stem(title_of(source)) == name


def test_a_picture_is_called_as_its_file_was() -> None:
    assert title_of({"path": "/up/ab12/my rabbit.jpg"}) == "my rabbit.jpg"
    assert title_of({"path": "/up/a\u202egpj.exe\n\x00.png"}) == "agpj.exe.png"
    long = title_of({"path": f"/up/{'x' * 200}.jpeg"})
    assert len(long) == 77 and long.endswith("xx.jpeg") and "\N{HORIZONTAL ELLIPSIS}" in long
    assert title_of({"example": "bunny"}) == "bunny" and title_of([]) == "picture"


def test_the_title_of_an_upload_is_its_name(desk: Desk, uploads: Path) -> None:
    (found,) = desk.open(upload(uploads, 1))
    assert found["title"] == "1.png" and found["alt"].endswith("1.png")


class Said(NamedTuple):
    words: str
    done: float
    total: float


def test_steps_are_told_at_most_five_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(desk_module.time, "monotonic", lambda: now[0])
    taken: list[int] = []

    def steps() -> Iterator[Said]:
        for i in range(11):
            taken.append(i)
            yield Said(f"frame {i}", i, 10)
            now[0] += 0.125

    told = list(progress(steps()))
    assert [t["words"] for t in told] == [f"frame {i}" for i in (0, 2, 4, 6, 8, 10)]
    assert [t["done"] for t in told] == [0, 0.2, 0.4, 0.6, 0.8, 1] and len(taken) == 11
    (unknown,) = progress([Said("reading", 3, 0)])
    assert unknown == {"kind": "progress", "words": "reading", "done": None}


@pytest.mark.parametrize("kind", ["open", "block", "row", "save"])
def test_every_answer_may_come_after_its_progress(
    desk: Desk, uploads: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ended: list[str] = []

    def steps(view: Any, block: str) -> Iterator[Said]:
        try:
            yield Said(f"computing {block}", 1, 2)
        finally:
            ended.append(block)

    monkeypatch.setattr(desk_module, "_steps", steps)
    source, asked = upload(uploads, 0), {**CENTRE, "source": upload(uploads, 0), "suffix": "csv"}

    def answers() -> Iterator[dict[str, Any]]:
        one = desk.open if kind == "open" else desk.block
        return one(source, "layer2.1") if kind in ("open", "block") else getattr(desk, kind)(asked)

    first, last = answers()
    assert first == {"kind": "progress", "words": "computing layer2.1", "done": 0.5}
    assert last["kind"] == {"open": "view", "save": "file"}.get(kind, kind)
    # Whoever stops listening ends the work.
    stopped = answers()
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert ended == ["layer2.1", "layer2.1"]


def test_a_failure_says_what_a_later_try_may_mend(desk: Desk) -> None:
    def fails(error: Exception) -> Any:
        def ask() -> Any:
            raise error
            yield

        return next(desk.answers(ask, {})).get("why")

    assert fails(BusyError("Wait.")) == "busy" and fails(GoneError("Gone.")) == "gone"
    assert fails(MediaError("Broken.")) is None and fails(RuntimeError()) is None


@pytest.mark.parametrize("frame", [0, 2])
def test_a_row_of_one_frame_lies_in_its_frame(
    model: Any, picture: np.ndarray, tmp_path: Path, frame: int
) -> None:
    clip = np.stack([np.roll(picture, 9 * t, axis=1) for t in range(3)])
    view = Lens(model, short_side=64).open(clip, spacetime=False)
    row = view.query(50, 20, frame, block="layer2.1")
    found = row_payload(view.query(50, 20, frame, block="layer2.1"), tmp_path)
    weights = np.frombuffer(found["weights"].read_bytes(), "<f4").reshape(3, *row.map.shape[1:])
    np.testing.assert_array_equal(weights[frame], row.map[0])
    assert np.abs(row.map).max() > 0
    assert not np.delete(weights, frame, axis=0).any()
    assert found["cell"] == [frame, *row.query_cell[1:]]


def test_an_answer_has_the_number_of_its_question(desk: Desk, uploads: Path) -> None:
    def answers(request: dict[str, Any]) -> list[dict[str, Any]]:
        return list(desk.answers(lambda: desk.save(request), request))

    request = {**CENTRE, "source": upload(uploads, 0), "suffix": "csv"}
    (found,) = answers({**request, "question": 7})
    assert found["kind"] == "file" and found["question"] == 7
    (failed,) = answers({**request, "question": 8, "block": "layer9"})
    assert failed["kind"] == "error" and failed["question"] == 8
    assert "layer2.1, layer3.1" in failed["message"] and failed["seq"] > found["seq"]
    for odd in (True, "7", None, 7.0, {"path": "x"}):
        assert "question" not in answers({**request, "question": odd})[0]


def test_a_defect_is_one_sentence_without_its_cause(desk: Desk) -> None:
    def broken() -> Any:
        yield {"kind": "progress"}
        raise RuntimeError("/secret/path")

    first, last = desk.answers(broken, {"question": 1})
    assert first["kind"] == "progress" and last["kind"] == "error" and last["question"] == 1
    assert "secret" not in last["message"]


def test_a_source_holds_plain_values_of_known_names() -> None:
    said = {"path": "a", "frames": 3, "spacetime": False, "perFrame": True, "model": {"path": "x"}}
    assert named(said) == {"path": "a", "frames": 3, "spacetime": False}
    assert named(None) == named([1]) == {}


@pytest.mark.parametrize("odd", [{"x": None}, {"y": "north"}, {"frame": math.inf}, {"block": ...}])
def test_a_place_that_is_none_is_refused(odd: dict[str, Any]) -> None:
    assert pointed({**CENTRE, "frame": None}) == (50, 20, 0, "layer2.1")
    request = {k: v for k, v in {**CENTRE, **odd}.items() if v is not ...}
    with pytest.raises(QueryError, match="point again"):
        pointed(request)


def test_a_picture_that_is_gone_is_said_to_be(desk: Desk) -> None:
    with pytest.raises(GoneError, match="open it again"):
        next(desk.block({"path": "/etc/passwd"}, "layer2.1"))


def test_a_link_of_before_a_model_was_renamed_opens_it_still(desk: Desk) -> None:
    models = desk.views.models
    assert models.called("collapsed") == models.called("labels_only") == "labels_only"
    assert models.called("nobody") is models.called(["mine"]) is None
    assert models.called("mine") == "mine"


def test_the_page_is_told_the_scales_that_there_are(desk: Desk) -> None:
    from nonlocal_viz.web.page import page_config

    config = page_config(desk.views)
    assert config["scales"] == list(render.SCALES) == ["linear", "gamma", "log"]
    assert config["models"][0] == {"name": "mine", "title": "mine", "expect": ""}
    assert set(config["maps"]["diverging"]) == set(render.DIVERGING)


def test_the_page_offers_what_can_be_written_and_every_scale() -> None:
    """The buttons and options are words for people; what they stand for stands once, in Python."""
    html = canvas_html()
    offered = set(re.findall(r'data-save="(\w+)"', html))
    written = {*suffixes(clip=True), ".html"} - {".arrows.png"}
    assert {f".{suffix}" for suffix in offered} == written
    scales = html.split('data-set="scale"')[1].split("</select>")[0]
    assert re.findall(r'<option value="(\w+)"', scales) == list(render.SCALES)


def test_the_endpoint_asks_the_views_of_the_page(
    desk: Desk, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _affinity(
        desk.views, str(uploads / "0.png"), (50, 20, 0), None, "layer2.1", "row", {}, None
    )[0]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(Lens, "open", never)
    again = _affinity(
        desk.views, str(uploads / "0.png"), (9, 9, 0), None, "layer2.1", "column", {}, None
    )[0]
    assert first["picture"] == again["picture"] == "0.png" and again["direction"] == "column"
    column = desk.views.get(upload(uploads, 0)).column(9, 9, block="layer2.1")
    np.testing.assert_allclose(again["weights"], column.map, rtol=1e-6)
    with pytest.raises(GoneError):
        _affinity(desk.views, "/etc/hostname", (9, 9, 0), None, None, "row", {}, None)


def test_what_is_shared_is_the_blocks_that_were_opened(desk: Desk, uploads: Path) -> None:
    request = {**CENTRE, "source": upload(uploads, 0), "suffix": "html"}

    def written(**more: Any) -> str:
        return saved(desk, {**request, **more}).decode()

    both = written(blocks=["layer3.1", "layer2.1", "layer9"])
    one = written(blocks="layer3.1")
    assert both.count('"block": "layer2.1"') == both.count('"block": "layer3.1"') == 1
    assert '"block": "layer3.1"' not in one and len(one) < len(both)


def test_a_video_says_what_it_is_of(desk: Desk, tmp_path: Path, picture: np.ndarray) -> None:
    (desk.views._uploads / "clip.webm").write_bytes(encode_webm([picture] * 3))
    source = {"path": str(desk.views._uploads / "clip.webm"), "frames": 2}
    content = saved(desk, {**CENTRE, "source": source, "suffix": "webm", "frame": 1})
    with av.open(io.BytesIO(content)) as video:
        told = {name.lower(): words for name, words in video.metadata.items()}
    assert "clip.webm through mine" in told["title"]
