"""The page as people use it, in Chromium: what is painted is what Affinity.row says."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.lens import View
from nonlocal_viz.render import SEQUENTIAL
from nonlocal_viz.web.views import examples
from tests.web.rows import coloured_right, expected, painted_right

pytestmark = pytest.mark.browser

FIRST = examples()[0]


@pytest.fixture(scope="module")
def view(shipped_lens) -> View:
    """The first example, encoded by the test itself."""
    return shipped_lens.open(FIRST.path)


def test_the_first_second_shows_a_row(visit, view: View) -> None:
    seen = visit()
    answer = seen.answer()
    assert (answer["x"], answer["y"]) == FIRST.query and answer["block"] == view.default_block
    cell = view.query(*FIRST.query).query_cell
    assert tuple(answer["cell"]) == cell
    painted_right(view, answer)
    assert seen.page.locator(".nlv-query").is_visible()
    assert seen.page.locator(".nlv-thumbs button").count() >= 3
    seen.page.wait_for_function("document.querySelector('.nlv-photo').naturalWidth > 100")
    assert seen.errors == []


def test_nothing_leaves_the_machine(visit, address: str) -> None:
    seen = visit()
    seen.hover(0.5, 0.5)
    outside = [u for u in seen.requests if not u.startswith((address, "data:", "blob:"))]
    assert outside == []


@pytest.mark.parametrize("place", [(0.02, 0.03), (0.5, 0.5), (0.985, 0.97), (0.31, 0.72)])
def test_hover_paints_the_row_of_that_cell(visit, view: View, place: tuple[float, float]) -> None:
    seen = visit()
    seen.hover(*place)
    answer = seen.answer()
    width, height = view.size
    assert answer["x"] == pytest.approx(place[0] * width, abs=1.5 * width / 900)
    assert answer["y"] == pytest.approx(place[1] * height, abs=1.5 * height / 600)
    assert tuple(answer["cell"]) == view.query(answer["x"], answer["y"]).query_cell
    painted_right(view, answer)
    # What is on the canvas are those weights in the colours of the Python side.
    coloured_right(seen.painted(), answer["weights"], SEQUENTIAL[0])


@pytest.mark.parametrize("scale", ["gamma", "log"])
def test_scales_are_those_of_python(visit, scale: str) -> None:
    seen = visit()
    seen.page.locator('[data-set="scale"]').select_option(scale)
    seen.settled()
    answer = seen.answer()
    cmap = seen.page.locator('[data-set="cmap"]').input_value()
    coloured_right(seen.painted(), answer["weights"], cmap, scale)


def test_keys_move_pin_and_speak(visit, view: View) -> None:
    seen = visit()
    seen.page.locator(".nlv-sheet").focus()
    t, h, w = seen.answer()["cell"]
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("ArrowDown")
    answer = seen.answer()
    assert answer["cell"] == [t, h + 1, w + 1]
    painted_right(view, answer)
    spoken = seen.page.locator(".nlv-spoken").inner_text()
    assert f"row {h + 1}, column {w + 1}" in spoken and "weight" in spoken
    seen.page.keyboard.press("p")
    assert seen.page.locator(".nlv-pin").count() == 1
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("PageUp")
    assert seen.answer()["cell"] == [0, 0, 0]
    seen.page.keyboard.press("ArrowLeft")
    assert seen.answer()["cell"] == [0, 0, 0]
    seen.page.keyboard.press("?")
    assert seen.page.locator("dialog.nlv-keys").is_visible()


def test_another_block_and_the_column(visit, view: View) -> None:
    seen = visit()
    other = next(name for name in view.blocks if name != view.default_block)
    seen.page.locator('[data-set="block"]').select_option(other)
    seen.wait(f"tool.answer.block === {json.dumps(other)}")
    painted_right(view, seen.answer())
    seen.page.locator('[data-set="direction"]').select_option("column")
    seen.settled()
    answer = seen.answer()
    assert answer["direction"] == "column"
    painted_right(view, answer)
    assert seen.errors == []


def test_downloads_asked_for_in_one_breath_all_arrive(visit) -> None:
    seen = visit()
    names: list[str] = []
    seen.page.on("download", lambda download: names.append(download.suggested_filename[-3:]))
    seen.page.evaluate(
        "() => ['png', 'npz', 'csv'].forEach("
        "kind => document.querySelector(`[data-save=${kind}]`).click())"
    )
    for _ in range(80):
        if len(names) == 3:
            break
        seen.page.wait_for_timeout(250)
    assert sorted(names) == ["csv", "npz", "png"]


def test_downloads(visit, view: View) -> None:
    seen = visit()
    seen.click(0.4, 0.6)
    answer = seen.answer()

    def saved(suffix: str) -> bytes:
        with seen.page.expect_download() as waiting:
            seen.page.locator(f'[data-save="{suffix}"]').click()
        assert waiting.value.suggested_filename.endswith("." + suffix)
        return waiting.value.path().read_bytes()

    assert Image.open(io.BytesIO(saved("png"))).size == view.size
    arrays = np.load(io.BytesIO(saved("npz")))
    np.testing.assert_allclose(arrays["weights"].ravel(), expected(view, answer), atol=1e-6)
    assert saved("csv").decode().count("\n") >= len(answer["weights"])


def upload(seen: Any, name: str, content: bytes) -> None:
    seen.page.locator('input[type="file"]').set_input_files(
        {"name": name, "mimeType": "image/jpeg", "buffer": content}
    )


def test_odd_files_get_the_right_picture_or_one_sentence(visit, odd_files) -> None:
    seen = visit()
    for name, (path, size) in odd_files.items():
        content, before = path.read_bytes(), seen.answer()
        if size is not None:
            draws = seen.page.evaluate("document.querySelector('.nlv').nonlocalViz.draws")
            upload(seen, name, content)
            seen.wait(f"tool.draws > {draws} && tool.ready")
            seen.settled()
            photo = "document.querySelector('.nlv-photo')"
            seen.page.wait_for_function(f"{photo}.naturalWidth === {size[0]}")
            assert seen.page.evaluate(f"{photo}.naturalHeight") == size[1], name
            assert seen.page.locator(".nlv-error").is_hidden(), name
            assert sum(seen.answer()["weights"]) == pytest.approx(1, abs=1e-3), name
            continue
        upload(seen, name, content)
        seen.page.locator(".nlv-error:not([hidden])").wait_for()
        words = seen.page.locator(".nlv-error").inner_text()
        assert words.endswith(".") and "Traceback" not in words and "/" not in words
        assert seen.answer() == before  # nothing is lost
        seen.page.evaluate("document.querySelector('.nlv-error').hidden = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(visit, scheme: str) -> None:
    seen = visit(390, 844, color_scheme=scheme, has_touch=True, is_mobile=True)
    size = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert size[0] <= size[1]
    box = seen.page.locator(".nlv-sheet").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    before = seen.answer()["index"]
    seen.page.touchscreen.tap(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    seen.settled()
    assert seen.answer()["index"] != before
    assert seen.errors == []


def test_dark_is_dark_and_light_is_light(visit) -> None:
    def ground(scheme: str) -> int:
        seen = visit(color_scheme=scheme)
        image = Image.open(io.BytesIO(seen.page.screenshot())).convert("L")
        return int(np.median(np.asarray(image)[-40:, -40:]))

    assert ground("dark") < 60 and ground("light") > 200


def test_the_lesson_has_live_numbers(visit) -> None:
    seen = visit()
    seen.page.locator(".nlv-lesson summary").click()
    body = seen.page.locator(".nlv-lessonbody")
    seen.settled()
    before = body.inner_text()
    assert "softmax" in before and "\N{GREEK SMALL LETTER THETA}" in before
    seen.hover(0.1, 0.9)
    seen.settled()
    assert body.inner_text() != before


def test_a_link_brings_back_the_state(visit, view: View) -> None:
    other = next(name for name in view.blocks if name != view.default_block)
    seen = visit(query=f"?example={FIRST.name}&block={other}&x=50&y=40&show=column&scale=log")
    answer = seen.answer()
    assert (answer["block"], answer["direction"]) == (other, "column")
    assert (answer["x"], answer["y"]) == (50, 40)
    assert seen.page.locator('[data-set="scale"]').input_value() == "log"


def test_two_people_do_not_meet(visit) -> None:
    one, two = visit(), visit()
    names = [e.name for e in examples()]
    two.page.locator(f'[data-example="{names[1]}"]').click()
    two.page.locator(f'[data-example="{names[1]}"][aria-pressed="true"]').wait_for()
    one.hover(0.5, 0.5)
    pressed = one.page.locator('.nlv-thumbs [aria-pressed="true"]').get_attribute("data-example")
    assert pressed == names[0]
