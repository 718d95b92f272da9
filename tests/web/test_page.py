"""The page as people use it, in Chromium: what is painted is what Affinity.row says."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.lens import View
from nonlocal_viz.media import is_video
from nonlocal_viz.render import lookup
from nonlocal_viz.render.scales import normalise
from nonlocal_viz.web.views import examples

pytestmark = pytest.mark.browser

FIRST = examples()[0]
CLIP = next(example for example in examples() if is_video(example.path))


@pytest.fixture(scope="module")
def view(shipped_lens) -> View:
    """The first example, encoded by the test itself."""
    return shipped_lens.open(FIRST.path)


def expected(view: View, answer: dict[str, Any]) -> np.ndarray:
    """The row or column straight from Affinity, for the cell that the page says it shows."""
    affinity = view.affinity(answer["block"])
    ask = affinity.row if answer["direction"] == "row" else affinity.column
    return ask(answer["index"])[0].numpy()


def same(view: View, answer: dict[str, Any]) -> None:
    wanted = expected(view, answer)
    got = np.array(answer["weights"])
    assert got.shape == wanted.shape
    # Factors travel as float16: 11 bits of each, so a few thousandths of a weight.
    np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=2e-3 * wanted.max())


def test_the_first_second_shows_a_row(visit, view: View) -> None:
    seen = visit()
    answer = seen.answer()
    assert (answer["x"], answer["y"]) == FIRST.query and answer["block"] == view.default_block
    cell = view.query(*FIRST.query).query_cell
    assert tuple(answer["cell"]) == cell
    same(view, answer)
    assert seen.page.locator(".nlv-query").is_visible()
    assert seen.page.locator(".nlv-thumbs button").count() >= 3
    assert seen.page.evaluate("document.querySelector('.nlv-photo').naturalWidth") > 100
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
    same(view, answer)
    # What is on the canvas are those weights in the colours of the Python side.
    painted = np.array(seen.painted(), np.uint8).reshape(*answer["grid"][1:], 4)[..., :3]
    cmap = seen.page.locator('[data-set="cmap"]').input_value()
    level = normalise(np.array(answer["weights"], np.float32)).reshape(answer["grid"][1:])
    wanted = lookup(cmap)[np.rint(level * 255).astype(int)]
    assert np.abs(painted.astype(int) - wanted).max() <= 4


@pytest.mark.parametrize("scale", ["gamma", "log"])
def test_scales_are_those_of_python(visit, scale: str) -> None:
    seen = visit()
    seen.page.locator('[data-set="scale"]').select_option(scale)
    seen.settled()
    answer = seen.answer()
    painted = np.array(seen.painted(), np.uint8).reshape(*answer["grid"][1:], 4)[..., :3]
    cmap = seen.page.locator('[data-set="cmap"]').input_value()
    level = normalise(np.array(answer["weights"], np.float32), scale).reshape(answer["grid"][1:])
    wanted = lookup(cmap)[np.rint(level * 255).astype(int)]
    assert np.abs(painted.astype(int) - wanted).max() <= 4


def test_click_pins_and_escape_clears(visit) -> None:
    seen = visit()
    for place in ((0.3, 0.3), (0.7, 0.6)):
        seen.hover(*place)
        seen.page.mouse.down()
        seen.page.mouse.up()
    assert seen.page.locator(".nlv-pin").count() == 2
    assert seen.page.locator(".nlv-pinmark").count() == 2
    seen.page.keyboard.press("Escape")
    assert seen.page.locator(".nlv-pin").count() == 0


def test_keys_move_pin_and_speak(visit, view: View) -> None:
    seen = visit()
    seen.page.locator(".nlv-sheet").focus()
    t, h, w = seen.answer()["cell"]
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("ArrowDown")
    answer = seen.answer()
    assert answer["cell"] == [t, h + 1, w + 1]
    same(view, answer)
    spoken = seen.page.locator(".nlv-spoken").inner_text()
    assert f"row {h + 1}, column {w + 1}" in spoken and "weight" in spoken
    seen.page.keyboard.press("Enter")
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
    same(view, seen.answer())
    seen.page.locator('[data-set="direction"]').select_option("column")
    seen.settled()
    answer = seen.answer()
    assert answer["direction"] == "column"
    same(view, answer)
    assert seen.errors == []


def test_downloads(visit, view: View) -> None:
    seen = visit()
    seen.hover(0.4, 0.6)
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


@pytest.fixture(scope="module")
def clip_view(shipped_lens) -> View:
    return shipped_lens.open(CLIP.path)


def test_a_clip_shows_the_row_on_all_frames(visit, clip_view: View) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    count = len(clip_view.frames)
    assert seen.page.locator(".nlv-frame").count() == count
    answer = seen.answer()
    assert answer["t"] == CLIP.frame and answer["grid"][0] == count
    same(clip_view, answer)
    box = seen.page.locator(".nlv-frame").nth(6).locator("div").bounding_box()
    seen.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"])
    seen.settled()
    answer = seen.answer()
    row = clip_view.query(answer["x"], answer["y"], frame=6)
    assert tuple(answer["cell"]) == row.query_cell and answer["cell"][0] == 6
    same(clip_view, answer)
    words = seen.page.locator(".nlv-frame span").all_inner_texts()
    shown = [float(w.split("\N{MIDDLE DOT}")[1].strip(" %")) for w in words]
    assert shown == pytest.approx([100 * share for share in row.shares], abs=0.6)
    # Every frame is painted with the one colour scale of the whole row.
    cmap = seen.page.locator('[data-set="cmap"]').input_value()
    levels = normalise(row.map)
    for t in range(count):
        painted = np.array(
            seen.page.evaluate(
                "t => { const c = document.querySelectorAll('.nlv-frame canvas')[t];"
                " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }",
                t,
            )
        ).reshape(*row.map.shape[1:], 4)[..., :3]
        wanted = lookup(cmap)[np.rint(levels[t] * 255).astype(int)]
        assert np.abs(painted - wanted.astype(int)).mean() < 2
    assert seen.errors == []


def test_scrubbing_and_playing_keep_the_query(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    before = seen.answer()
    seen.page.keyboard.press(".")
    seen.wait(f"tool.frame === {CLIP.frame + 1}")
    seen.settled()
    assert seen.answer() == before and seen.page.locator(".nlv-query").is_hidden()
    seen.page.locator('.nlv-transport input[type="range"]').fill("0")
    seen.wait("tool.frame === 0")
    seen.page.locator('[data-do="play"]').click()
    seen.wait("tool.frame >= 2")
    seen.page.locator('[data-do="play"]').click()
    assert seen.answer() == before
    # Pointing at the large picture asks about the frame that it shows.
    frame = seen.page.evaluate("document.querySelector('.nlv').nonlocalViz.frame")
    seen.hover(0.5, 0.5)
    assert seen.answer()["cell"][0] == frame


def test_a_clip_frame_by_frame(visit, shipped_lens) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    draws = seen.page.evaluate("document.querySelector('.nlv').nonlocalViz.draws")
    seen.page.locator('[data-clip="perFrame"]').select_option("1")
    seen.wait(f"tool.draws > {draws} && tool.ready")
    seen.settled()
    answer = seen.answer()
    view = shipped_lens.open(CLIP.path, spacetime=False)
    row = view.query(answer["x"], answer["y"], frame=answer["t"])
    weights = np.array(answer["weights"]).reshape(answer["grid"])
    np.testing.assert_allclose(
        weights[answer["t"]], row.map[0], rtol=2e-2, atol=2e-3 * row.map.max()
    )
    assert np.delete(weights, answer["t"], axis=0).max() == 0


def test_the_exported_video_plays_in_the_browser(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    with seen.page.expect_download() as waiting:
        seen.page.locator('[data-save="webm"]').click()
    content = base64.b64encode(waiting.value.path().read_bytes()).decode()
    length, width = seen.page.evaluate(
        "async (content) => { const video = document.createElement('video'); video.muted = true;"
        " video.src = 'data:video/webm;base64,' + content; await video.play();"
        " await new Promise(done => { video.ontimeupdate = () => video.currentTime > 0.3 && done(); });"
        " return [video.duration, video.videoWidth]; }",
        content,
    )
    assert length == pytest.approx(2, abs=0.3) and width == 640


def test_a_long_export_shows_its_progress_and_can_be_stopped(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.page.evaluate(
        "() => { window.seen = []; new MutationObserver(() => window.seen.push("
        "document.querySelector('[data-text=working]').textContent))"
        ".observe(document.querySelector('.nlv-working'), {subtree: true, childList: true}); }"
    )
    with seen.page.expect_download():
        seen.page.locator('[data-save="webm"]').click()
    words = seen.page.evaluate("window.seen")
    assert any(w.startswith("Writing frame") and w.endswith("of 8") for w in words)
    assert seen.page.locator(".nlv-working").is_hidden()
    downloads = []
    seen.page.on("download", lambda download: downloads.append(download))
    seen.page.locator('[data-save="webm"]').click()
    seen.page.locator('[data-do="cancel"]').click()
    seen.page.wait_for_timeout(2500)
    assert downloads == [] and seen.page.locator(".nlv-working").is_hidden()
    # The next one works.
    with seen.page.expect_download():
        seen.page.locator('[data-save="npz"]').click()


def test_arrows_to_the_strongest_twenty(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.page.keyboard.press("a")
    seen.settled()
    lines = seen.page.locator(".nlv-arrows line")
    assert 15 <= lines.count() <= 20
    assert seen.page.locator("#nlv-tip").count() == 1
    # They begin at the query, in its own frame of the strip.
    starts, box, strip = seen.page.evaluate(
        """(t) => {
            const place = (element) => element.getBoundingClientRect().toJSON();
            const ends = (line) => [+line.getAttribute("x1"), +line.getAttribute("x2")];
            return [Array.from(document.querySelectorAll(".nlv-arrows line"), ends),
                place(document.querySelectorAll(".nlv-frame")[t]),
                place(document.querySelector(".nlv-strip"))];
        }""",
        CLIP.frame,
    )
    for begin, end in starts:
        assert box["left"] <= begin + strip["left"] <= box["right"]
        assert 0 <= end <= strip["width"]


def test_two_people_do_not_meet(visit) -> None:
    one, two = visit(), visit()
    names = [e.name for e in examples()]
    two.page.locator(f'[data-example="{names[1]}"]').click()
    two.page.locator(f'[data-example="{names[1]}"][aria-pressed="true"]').wait_for()
    one.hover(0.5, 0.5)
    pressed = one.page.locator('.nlv-thumbs [aria-pressed="true"]').get_attribute("data-example")
    assert pressed == names[0]
