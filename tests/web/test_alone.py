"""Answers in one html file: opened from disk, without a server and a network, and within a notebook."""

import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbconvert
import nbformat
import numpy as np
import pytest
from PIL import Image

import nonlocal_viz as nv
from nonlocal_viz.canvas import document
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, OptionError, QueryError, WritingError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import Limits
from nonlocal_viz.resources import assets_dir
from nonlocal_viz.view import View
from tests.web.conftest import Visit
from tests.web.rows import painted_right


@pytest.fixture(scope="module")
def lens(tiny_model: NonLocalResNet) -> Lens:
    return Lens(tiny_model, short_side=48)


@pytest.fixture
def view(lens: Lens, picture: np.ndarray, tmp_path: Path) -> View:
    # A name that would end the script, were it written as it is.
    path = tmp_path / "a < b & c.png"
    Image.fromarray(picture).save(path)
    return lens.open(path, lazy=True)


@pytest.fixture
def offline(chromium: Any) -> Iterator[Any]:
    contexts = []

    def open_file(path: Path, canvas: int = 0, **options: Any) -> Visit:
        context = chromium.new_context(
            viewport={"width": 1300, "height": 900}, offline=True, **options
        )
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.on(
            "console", lambda m: visit.errors.append(m.text) if m.type == "error" else None
        )
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.goto(path.as_uri())
        return visit

    yield open_file
    for context in contexts:
        context.close()


@pytest.mark.browser
def test_a_view_is_a_file_that_works_alone(offline: Any, view: View, tmp_path: Path) -> None:
    seen = offline(view.save(tmp_path / "view.html", x=31, y=20))
    seen.wait("tool.ready")
    answer = seen.answer()
    assert (answer["x"], answer["y"], answer["block"]) == (31, 20, view.default_block)
    painted_right(view, answer)
    for block in view.blocks:
        seen.page.locator("[data-set=block]").select_option(block)
        for direction in ("row", "column"):
            seen.page.locator("[data-set=direction]").select_option(direction)
            for place in ((0.1, 0.2), (0.9, 0.6)):
                seen.hover(*place)
                answer = seen.answer()
                assert (answer["block"], answer["direction"]) == (block, direction)
                painted_right(view, answer)
    seen.hover(0.5, 0.5)
    seen.page.mouse.down()
    seen.page.mouse.up()
    seen.page.keyboard.press("p")
    assert seen.tool("held") and seen.tool("pins") == 1
    # What needs a server is not offered; nothing was fetched.
    for hidden in (".nlv-examples", ".nlv-saves", ".nlv-model"):
        assert not seen.page.locator(hidden).is_visible()
    outside = [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == [] and seen.errors == []
    assert seen.page.title() == "a < b & c.png - nonlocal_viz"


@pytest.mark.browser
def test_a_clip_in_a_file(offline: Any, lens: Lens, picture: np.ndarray, tmp_path: Path) -> None:
    frames = np.stack([np.roll(picture, 7 * t, 1) for t in range(3)])
    for spacetime in (True, False):
        view = lens.open(frames, frames=3, spacetime=spacetime)
        seen = offline(view.save(tmp_path / "clip.html", ["layer3.1"], frame=1, x=40, y=30))
        seen.wait("tool.ready")
        answer = seen.answer()
        assert answer["t"] == 1 and answer["grid"][0] == 3
        row = view.query(40, 30, frame=1, block="layer3.1")
        got = np.array(answer["weights"]).reshape(answer["grid"])
        np.testing.assert_allclose(
            got[row.first_frame : row.first_frame + len(row.map)], row.map, rtol=1e-3, atol=1e-6
        )
        assert seen.page.locator("[data-set=block] option").count() == 1 and seen.errors == []


@pytest.mark.browser
@pytest.mark.parametrize("direction", ["row", "column"])
def test_a_row_is_one_answer(offline: Any, view: View, tmp_path: Path, direction: str) -> None:
    ask = view.query if direction == "row" else view.column
    row = ask(31, 20, block="layer2.1")
    path = tmp_path / "row.html"
    path.write_text(document.of_row(row), encoding="utf-8")
    seen = offline(path)
    seen.wait("tool.ready")
    answer = seen.answer()
    assert answer["direction"] == direction and answer["cell"] == list(row.query_cell)
    np.testing.assert_allclose(answer["weights"], row.map.ravel(), rtol=1e-6)
    seen.hover(0.9, 0.9)
    seen.page.mouse.down()
    seen.page.mouse.up()
    seen.page.keyboard.press("ArrowRight")
    assert seen.answer() == answer and seen.errors == []
    assert not seen.page.locator(".nlv-notice").is_visible()


@pytest.mark.browser
def test_compared_views_share_a_pointer(
    offline: Any, view: View, lens: Lens, picture: np.ndarray, tmp_path: Path
) -> None:
    mirrored = lens.open(np.repeat(np.repeat(picture[:, ::-1], 2, 0), 2, 1))
    both = nv.compare(view, mirrored)
    seen = offline(both.save(tmp_path / "both.html", ["layer2.1"]))
    seen.page.wait_for_function(
        "[...document.querySelectorAll('.nlv')].length === 2 && "
        "[...document.querySelectorAll('.nlv')].every((root) => root.nonlocalViz.ready)"
    )
    box = seen.page.locator(".nlv-picture").nth(0).bounding_box()
    seen.page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.4 * box["height"])
    seen.settled()

    def answers() -> list[dict[str, Any]]:
        return seen.page.evaluate(
            "[...document.querySelectorAll('.nlv')].map((root) => root.nonlocalViz.answer)"
        )

    first, second = answers()
    assert second["x"] == pytest.approx(2 * first["x"], abs=0.02) and first["x"] < 30
    for one, answer in zip(both.views, (first, second), strict=True):
        painted_right(one, answer)
    rows = both.query(first["x"], first["y"], block="layer2.1")
    assert [list(row.query_cell) for row in rows] == [first["cell"], second["cell"]]
    seen.page.mouse.down()
    seen.page.mouse.up()
    held = seen.page.evaluate(
        "[...document.querySelectorAll('.nlv')].map((root) => root.nonlocalViz.held)"
    )
    assert all(held) and seen.errors == []
    seen.page.mouse.move(0, 0)
    seen.settled()
    assert answers() == [first, second]


@pytest.mark.browser
def test_the_last_line_of_a_cell_is_the_canvas(
    offline: Any, view: View, tmp_path: Path, picture: np.ndarray
) -> None:
    cell = (
        "import pathlib, pickle\n"
        f"view = pickle.loads(pathlib.Path({str(tmp_path / 'view.pickle')!r}).read_bytes())\n"
    )
    (tmp_path / "view.pickle").write_bytes(pickle.dumps(view))
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(cell + "view"),
            nbformat.v4.new_code_cell("view.query(31, 20)"),
            nbformat.v4.new_code_cell("import nonlocal_viz as nv\nnv.compare(view, view)"),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}
        },
    )
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for ran in notebook.cells:
        assert set(ran.outputs[0]["data"]) == {"text/plain", "text/html", "image/jpeg"}
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    path = tmp_path / "notebook.html"
    path.write_text(page, encoding="utf-8")
    seen = offline(path)
    frames = seen.page.locator("iframe")
    assert frames.count() == 3
    for i in range(3):
        frame = frames.nth(i).element_handle().content_frame()
        frame.wait_for_function("document.querySelector('.nlv')?.nonlocalViz?.ready")
        answer = frame.evaluate("document.querySelector('.nlv').nonlocalViz.answer")
        painted_right(view, answer)
    assert (answer["x"], answer["y"]) == (45, 30)
    # Where frames are taken out, as of a notebook that nobody trusts, the picture is left.
    still = re.sub(r"<iframe.*?</iframe>", "", page, flags=re.DOTALL)
    path.write_text(still, encoding="utf-8")
    seen = offline(path)
    pictures = seen.page.locator("img[src^='data:image/jpeg']")
    assert pictures.count() == 3 and pictures.nth(0).is_visible()
    assert pictures.nth(0).evaluate("(image) => image.naturalWidth") == 90


@pytest.mark.browser
def test_the_page_shares_itself_as_a_file(
    visit: Any, offline: Any, shipped_lens: Lens, tmp_path: Path
) -> None:
    seen = visit(query="?example=astronaut")
    seen.page.locator("[data-set=block]").select_option(index=1)
    seen.wait("tool.answer.block === 'layer3.1'")
    seen.page.locator(".nlv-picture").click(position={"x": 90, "y": 120})
    said = seen.page.locator('[data-save="html"]').inner_text()
    with seen.page.expect_download() as waiting:
        seen.page.locator('[data-save="html"]').click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name.startswith("astronaut-embedded_gaussian-layer3.1-row-x")
    size = float(re.search(r"\((\d+\.\d) MB\)", said).group(1))
    assert size == pytest.approx(path.stat().st_size / 1e6, abs=0.15)
    alone = offline(path)
    alone.wait("tool.ready")
    assert alone.page.locator("[data-set=block] option").count() == 2
    here, there = seen.answer(), alone.answer()
    assert (here["index"], here["block"]) == (there["index"], there["block"])
    view = shipped_lens.open(assets_dir() / "photos" / "astronaut.jpg")
    alone.hover(0.2, 0.7)
    painted_right(view, alone.answer())
    assert alone.errors == []


def test_what_cannot_be_written_is_refused(view: View, lens: Lens, tmp_path: Path) -> None:
    with pytest.raises(WritingError, match=r"as \.html, not as \.png"):
        view.save(tmp_path / "view.png")
    with pytest.raises(WritingError, match=r"\.html"):
        nv.compare(view, view).save(tmp_path / "both.png")
    with pytest.raises(BlockError, match="no block 'layer9'"):
        view.html(["layer9"])
    with pytest.raises(QueryError):
        view.html(x=1e6)
    with pytest.raises(OptionError, match=r"layer2\.1 cannot go into a file"):
        document.of_views([view], limits=Limits(factor_bytes=10))
    with pytest.raises(OptionError, match="one view at least"):
        document.of_views([])
    for given in ((view,), (view, "photo.jpg")):
        with pytest.raises(OptionError, match="two views or more"):
            nv.compare(*given)
    assert list(tmp_path.glob("*.html")) == []


def test_what_a_notebook_is_given_where_a_canvas_would_be_too_large(
    view: View,
) -> None:
    def refuse() -> str:
        return document.of_views([view], limits=Limits(factor_bytes=10))

    given = document.bundle("words\nmore", refuse, view.image)
    assert set(given) == {"text/plain", "image/jpeg"} and given["text/plain"] == "words\nmore"


def test_nothing_in_the_file_ends_its_script(view: View) -> None:
    text = view.html()
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2 and "<" not in scripts[0]
    held = json.loads(scripts[0])
    assert held["view"]["title"] == "a < b & c.png"
    assert "<title>a &lt; b &amp; c.png" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
