"""What people point at, hold, pin, zoom and go back to, in Chromium."""

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.lens import View
from nonlocal_viz.media import is_video
from nonlocal_viz.web.views import examples
from tests.web.rows import painted_right

pytestmark = pytest.mark.browser

FIRST = examples()[0]
CLIP = next(example for example in examples() if is_video(example.path))


@pytest.fixture(scope="module")
def view(shipped_lens) -> View:
    return shipped_lens.open(FIRST.path)


def place(seen: Any, selector: str) -> tuple[float, float]:
    """The middle of an element, in pixels of the window."""
    box = seen.page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def jpeg(height: int, width: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def test_hover_previews_and_leaving_goes_back(visit, view: View) -> None:
    seen = visit()
    before = seen.answer()
    seen.hover(0.7, 0.7)
    assert seen.answer()["index"] != before["index"] and seen.tool("preview")
    assert seen.page.locator(".nlv-statewords").inner_text().startswith("Preview of")
    seen.page.mouse.move(*place(seen, '[data-save="png"]'), steps=5)
    seen.settled()
    assert seen.answer() == before and not seen.tool("preview") and seen.tool("held") is None
    painted_right(view, seen.answer())


def test_what_is_held_is_what_is_saved_and_linked(visit, view: View) -> None:
    seen = visit()
    seen.click(0.31, 0.42)
    held = seen.tool("held")
    # On the way to the button the pointer crosses the picture and its border.
    seen.page.mouse.move(*place(seen, ".nlv-sheet"), steps=5)
    seen.page.mouse.move(*place(seen, '[data-save="npz"]'), steps=20)
    with seen.page.expect_download() as waiting:
        seen.page.locator('[data-save="npz"]').click()
    arrays = np.load(waiting.value.path())
    wanted = view.query(held["x"], held["y"]).map
    np.testing.assert_allclose(arrays["weights"].ravel(), wanted.ravel(), atol=1e-6)
    # A thumbnail is of what is held, whatever lay under the pointer on the way there.
    seen.page.mouse.move(*place(seen, ".nlv-top li"), steps=10)
    seen.settled()
    assert seen.tool("held") == held and seen.answer()["x"] == held["x"]
    assert f"x={held['x']:g}&y={held['y']:g}" in seen.page.url and "held=1" in seen.page.url


def test_the_line_does_not_move_anything(visit) -> None:
    seen = visit()

    def tops() -> list[float]:
        names = (".nlv-sheet", ".nlv-state", ".nlv-legend", ".nlv-examples", ".nlv-readout")
        return [seen.page.locator(name).bounding_box()["y"] for name in names]

    before = tops()
    seen.hover(0.3, 0.3)
    assert tops() == before
    seen.click(0.6, 0.6)
    assert tops() == before
    seen.hover(0.3, 0.3)
    assert tops() == before
    seen.page.keyboard.press("Escape")
    assert tops() == before


def test_crossing_the_film_strip_changes_neither_frame_nor_query(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.click(0.4, 0.5)
    held, frame = seen.tool("held"), seen.tool("frame")
    assert held["t"] == frame == CLIP.frame
    box = seen.page.locator(".nlv-strip").bounding_box()
    y = box["y"] + 0.4 * box["height"]
    seen.page.mouse.move(box["x"] + 5, y)
    seen.page.mouse.move(box["x"] + box["width"] - 40, y, steps=15)
    seen.settled()
    last = len(seen.page.locator(".nlv-frame").all()) - 1
    assert seen.tool("preview") and seen.answer()["t"] == last
    assert seen.tool("frame") == frame and seen.tool("held") == held
    seen.page.mouse.move(*place(seen, ".nlv-readout h2"), steps=5)
    seen.settled()
    assert seen.answer()["t"] == held["t"] and seen.tool("frame") == frame
    seen.page.mouse.move(box["x"] + box["width"] - 40, y)
    seen.page.mouse.down()
    seen.page.mouse.up()
    assert seen.tool("held")["t"] == seen.tool("frame") == last


def finger(seen: Any, *places: tuple[float, float], rest: int = 0) -> bool:
    """Drag a finger along; gives whether there was a preview before it was lifted."""
    client = seen.page.context.new_cdp_session(seen.page)

    def say(kind: str, points: list[dict[str, float]]) -> None:
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    say("touchStart", [{"x": places[0][0], "y": places[0][1]}])
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        for i in range(1, 11):
            say("touchMove", [{"x": x0 + (x1 - x0) * i / 10, "y": y0 + (y1 - y0) * i / 10}])
    if rest:
        seen.page.wait_for_timeout(rest)
    seen.settled()
    preview = seen.tool("preview")
    say("touchEnd", [])
    seen.settled()
    return preview


def test_fingers_tap_drag_scroll_and_press_long(visit) -> None:
    seen = visit(390, 844, has_touch=True, is_mobile=True)
    x, y = place(seen, ".nlv-sheet")
    seen.page.touchscreen.tap(x, y)
    seen.settled()
    held = seen.tool("held")
    assert held and seen.tool("pins") == 0
    # Up and down scrolls the page, and moves nothing.
    assert not finger(seen, (x, y + 60), (x, y - 90))
    seen.page.wait_for_function("scrollY > 50")
    assert seen.tool("held") == held and not seen.tool("preview")
    seen.page.evaluate("scrollTo(0, 0)")
    # Sideways previews, and holds where the finger is lifted.
    assert finger(seen, (x - 100, y), (x + 100, y))
    assert seen.tool("held")["x"] > held["x"] and not seen.tool("preview")
    finger(seen, (x, y), rest=700)
    assert [pin["number"] for pin in seen.tool("pinned")] == [1]
    assert seen.tool("pinned")[0]["x"] == pytest.approx(held["x"], abs=4)
    seen.page.locator('[data-do="pin"]').tap()
    cards = [card.bounding_box() for card in seen.page.locator(".nlv-pin").all()]
    assert len(cards) == 2 and cards[0]["y"] == cards[1]["y"]
    assert cards[1]["x"] + cards[1]["width"] <= 390
    seen.page.evaluate("scrollTo(0, 0)")
    assert seen.page.locator(".nlv-top").bounding_box()["y"] < 844 - 60
    assert seen.errors == []


def test_reload_and_back_bring_everything_back(visit, view: View) -> None:
    seen = visit()
    other = next(name for name in view.blocks if name != view.default_block)
    seen.click(0.3, 0.4)
    seen.page.keyboard.press("p")
    seen.page.locator('[data-set="block"]').select_option(other)
    seen.wait(f"tool.answer.block === '{other}'")
    seen.page.keyboard.press("r")
    seen.page.keyboard.press("s")
    seen.click(0.6, 0.7)
    seen.page.keyboard.press("p")
    facts = ("held", "pinned", "answer.index", "answer.direction", "answer.block")
    before = [seen.tool(name) for name in facts]
    seen.page.wait_for_function(
        "location.href === document.querySelector('.nlv').nonlocalViz.address"
    )
    seen.page.reload()
    seen.wait("tool.ready")
    assert [seen.tool(name) for name in facts] == before
    painted_right(view, seen.answer())
    assert seen.page.locator('[data-set="scale"]').input_value() == "gamma"
    # The pin of the other block gets its row, without anybody going there.
    seen.page.wait_for_function(
        "![...document.querySelectorAll('.nlv-pin')].some(e => e.textContent.includes('not asked'))"
    )
    # Back: the click before, then the block before; no pin goes.
    seen.page.go_back()
    seen.wait(f"tool.held.x < {before[0]['x']}")
    assert seen.answer()["block"] == other
    seen.page.go_back()
    seen.wait(f"tool.answer.block === '{view.default_block}'")
    assert seen.tool("pinned") == before[1]
    # And another picture, and back to this one with its pins.
    seen.page.locator(f'[data-example="{examples()[3].name}"]').click()
    seen.wait("tool.pins === 0")
    seen.page.go_back()
    seen.wait("tool.pins === 2")
    assert seen.tool("pinned") == before[1] and seen.errors == []


def test_an_upload_comes_back_while_the_server_has_it(visit) -> None:
    seen = visit()
    seen.page.locator('input[type="file"]').set_input_files(
        {"name": "my own photo.jpg", "mimeType": "image/jpeg", "buffer": jpeg(200, 300)}
    )
    seen.page.wait_for_function("location.search.includes('upload=')")
    seen.click(0.5, 0.5)
    assert "my+own+photo.jpg" in seen.page.url and "tmp" not in seen.page.url
    before = seen.answer()
    seen.page.reload()
    seen.wait("tool.ready")
    assert seen.answer() == before and seen.page.locator(".nlv-note").is_hidden()
    # One that is not there is said, and a picture is there all the same.
    seen.page.goto(seen.page.url.replace("my+own", "your+own"))
    seen.wait("tool.ready")
    assert "no longer on this server" in seen.page.locator(".nlv-note").inner_text()
    assert f"example={FIRST.name}" in seen.page.url


@pytest.mark.parametrize(
    "query", ["?upload=../../../../etc/passwd", "?upload=%00", f"?upload={'x' * 400}"]
)
def test_an_address_reaches_nothing_but_uploads(visit, query: str) -> None:
    seen = visit(query=query + "&frames=99999&start=nan")
    assert "no longer on this server" in seen.page.locator(".nlv-note").inner_text()
    assert seen.answer()["x"] == FIRST.query[0]


@pytest.mark.parametrize(("height", "width"), [(4000, 300), (300, 4000)])
def test_slivers_can_be_zoomed_and_stay_exact(visit, height: int, width: int) -> None:
    seen = visit()
    seen.page.locator('input[type="file"]').set_input_files(
        {"name": "sliver.jpg", "mimeType": "image/jpeg", "buffer": jpeg(height, width)}
    )
    seen.page.wait_for_function("location.search.includes('upload=')")
    room = seen.page.locator(".nlv-room").bounding_box()
    seen.page.mouse.move(*place(seen, ".nlv-sheet"))
    seen.settled()
    before = seen.answer()
    seen.page.keyboard.down("Control")
    for _ in range(12):
        seen.page.mouse.wheel(0, -60)
    seen.page.keyboard.up("Control")
    seen.page.wait_for_function("document.querySelector('.nlv-sheet').clientWidth > 900")
    box = seen.page.locator(".nlv-sheet").bounding_box()
    scale = box["width"] / width
    assert scale > 1.5 and box["height"] == pytest.approx(scale * height, rel=1e-2)
    seen.page.mouse.move(room["x"] + room["width"] / 2 + 31, room["y"] + 20)
    seen.settled()
    answer, mark = seen.answer(), seen.page.locator(".nlv-query").bounding_box()
    assert answer["x"] == pytest.approx(
        (room["x"] + room["width"] / 2 + 31 - box["x"]) / scale, abs=0.02
    )
    assert answer["y"] == pytest.approx((room["y"] + 20 - box["y"]) / scale, abs=0.02)
    assert mark["x"] - 3 <= room["x"] + room["width"] / 2 + 31 <= mark["x"] + mark["width"] + 3
    assert mark["y"] - 3 <= room["y"] + 20 <= mark["y"] + mark["height"] + 3
    # What lay under the pointer stayed there while it grew, as far as the border lets it.
    assert before["x" if width > height else "y"] == pytest.approx(max(width, height) / 2, rel=0.02)
    # The middle button drags, and holds nothing.
    held = seen.tool("held")
    seen.page.mouse.down(button="middle")
    seen.page.mouse.move(room["x"] + room["width"] / 2 - 60, room["y"] + 10, steps=4)
    seen.page.mouse.up(button="middle")
    after = seen.page.locator(".nlv-sheet").bounding_box()
    moved = (box["x"] - after["x"], box["y"] - after["y"])
    assert max(moved) > 5 and seen.tool("held") == held
    seen.page.keyboard.press("0")
    whole = seen.page.locator(".nlv-sheet").bounding_box()
    assert whole["width"] <= room["width"] and whole["height"] <= 0.7 * 900


def test_full_screen_larger_type_and_the_list_of_keys(visit) -> None:
    seen = visit()
    seen.page.keyboard.press("f")
    seen.page.wait_for_function("document.fullscreenElement?.classList.contains('nlv-full')")
    seen.page.locator('[data-do="full"]').click()
    seen.page.wait_for_function("!document.fullscreenElement")
    high = seen.page.locator(".nlv-statewords").bounding_box()["height"]
    seen.page.keyboard.press("e")
    assert seen.page.locator(".nlv-statewords").bounding_box()["height"] > 1.2 * high
    seen.hover(0.9, 0.9)
    assert seen.answer()["x"] == pytest.approx(0.9 * seen.page.evaluate("1024"), rel=0.01)
    seen.page.keyboard.press("?")
    assert not seen.page.locator("dialog dt", has_text="space").is_visible()
    seen.page.locator('[data-do="letters"]').uncheck()
    seen.page.locator("dialog.nlv-keys button").click()
    seen.page.keyboard.press("p")
    assert seen.tool("pins") == 0
    seen.page.reload()
    seen.wait("tool.ready")
    seen.page.keyboard.press("p")
    assert seen.tool("pins") == 0
    clip = visit(query=f"?example={CLIP.name}")
    clip.page.keyboard.press("?")
    assert clip.page.locator("dialog dt", has_text="space").is_visible()


def test_twenty_pins_are_twenty_pins_from_the_keyboard_too(visit) -> None:
    seen = visit()
    seen.page.locator(".nlv-sheet").focus()
    for _ in range(20):
        seen.page.keyboard.press("ArrowRight")
        seen.page.keyboard.press("p")
    assert [pin["number"] for pin in seen.tool("pinned")] == list(range(1, 21))
    seen.page.locator(".nlv-go").nth(1).focus()
    seen.page.keyboard.press("Alt+ArrowLeft")
    seen.page.keyboard.press("Delete")
    assert [pin["number"] for pin in seen.tool("pinned")][:3] == [1, 3, 4]
    assert seen.page.evaluate("document.activeElement.closest('.nlv-pin').dataset.pin") == "1"
    seen.page.locator('[data-do="clearpins"]').click()
    assert seen.tool("pins") == 0
    seen.page.keyboard.press("Control+z")
    assert seen.tool("pins") == 19
