"""The lesson in windows of all kinds, and while the server is away."""

from typing import Any

import pytest

pytestmark = pytest.mark.browser

_BOX = """(name) => {
    const { left, top, right, bottom } = document.querySelector(name).getBoundingClientRect();
    return [left, top, right, bottom];
}"""


def box(seen: Any, name: str) -> list[float]:
    return seen.page.evaluate(_BOX, name)


def resize(seen: Any, width: int, height: int) -> None:
    seen.page.set_viewport_size({"width": width, "height": height})
    seen.page.evaluate("scrollTo(0, 0)")
    seen.page.wait_for_timeout(150)


def test_photo_text_scale_and_drawing_in_every_window(visit: Any) -> None:
    seen = visit(1440, 900, query="#lesson=4&seen=1", locale="en")
    seen.wait("tool.lesson.ready && tool.lesson.idle")
    # A phone upright and on its side, a tablet, a page at twice its size, projectors.
    sizes = ((390, 844), (320, 640), (320, 500), (768, 1024), (900, 360), (720, 450), (1280, 720))
    for width, height in sizes:
        resize(seen, width, height)
        left, top, right, bottom = box(seen, ".nlv-picture")
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, (width, height)
        # Whole, not cut by what it stands in.
        room = box(seen, ".nlv-stage")
        assert room[1] <= top and bottom <= room[3] + 0.5, (width, height)
        if box(seen, ".nlv-page")[0] < right:
            assert bottom - top <= 0.37 * height, "most of the window is left to the text"
        assert box(seen, ".nlv-page h2")[1] <= height - 20, "the text begins in sight"
        assert box(seen, ".nlv-bar canvas")[3] - box(seen, ".nlv-bar canvas")[1] >= 6, "the scale"
        dots = [box(seen, f".nlv-dots a:nth-child({i})")[1] for i in (1, 11)]
        assert dots[0] == dots[1], "the dots stand in one row"
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        cut = "(() => { const p = document.querySelector('.nlv-plan');"
        cut += " return p.scrollWidth > p.clientWidth + 1; })()"
        hint = seen.page.locator(".nlv-planhint").is_visible()
        assert seen.page.evaluate(cut) is hint, "what goes on beyond the border says so"
    resize(seen, 900, 360)
    assert box(seen, ".nlv-page")[0] > box(seen, ".nlv-picture")[2], "side by side"


def test_a_class_sees_question_and_answers_and_code_is_not_cut(visit: Any) -> None:
    seen = visit(1280, 720, query="#lesson=4&present=1", locale="en")
    seen.wait("tool.lesson.ready && tool.lesson.idle")
    for width, height in ((1280, 720), (1920, 1080)):
        resize(seen, width, height)
        assert box(seen, '[data-choice="2"]')[3] <= height
        assert box(seen, ".nlv-plan")[3] <= height
    # Who presents can leave it with the mouse, too.
    assert seen.page.locator('.nlv-pagefoot [data-act="present"]').is_visible()
    seen.page.locator('.nlv-pagefoot [data-act="present"]').click()
    seen.page.evaluate("location.hash = '#lesson=11'")
    seen.wait("tool.lesson.ready && tool.lesson.number === 11 && tool.lesson.idle")
    resize(seen, 1440, 900)
    cut = "(() => { const p = document.querySelector('.nlv-code pre');"
    cut += " return p.scrollWidth - p.clientWidth; })()"
    assert seen.page.evaluate(cut) <= 0, "nothing is chosen"
    for name in ("product", "softmax"):
        select = seen.page.locator(f'select[data-slide="{name}"]')
        select.select_option("0")
    assert seen.page.evaluate(cut) <= 0


def test_while_the_server_is_away_no_map_of_another_page_is_seen(visit: Any) -> None:
    seen = visit(1440, 900, query="#lesson=4&seen=1&lang=zh", locale="en")
    seen.wait("tool.lesson.ready && tool.lesson.idle")
    assert any(seen.painted())
    photos = "**/*frame0*"
    seen.page.route(photos, lambda route: route.abort())
    seen.page.context.set_offline(True)
    # Two on: what is fetched a page ahead is of the next one.
    for _ in range(2):
        seen.page.keyboard.press("PageDown")
    seen.wait("document.querySelector('.nlv-busy.trouble')")
    assert not any(seen.painted()[3::4]) and seen.answer() is None
    words = seen.page.locator(".nlv-busy.trouble").inner_text()
    assert "\u670d\u52a1\u5668" in words and "\u91cd\u8bd5" in words.replace(
        "\u518d\u8bd5", "\u91cd\u8bd5"
    )
    seen.page.locator('[data-stop="look"]').click()
    again = seen.page.locator('.nlv-page [data-act="retry"]')
    again.wait_for()
    assert not any(seen.painted()[3::4])
    seen.page.context.set_offline(False)
    again.click()
    seen.wait("tool.lesson.ready && tool.lesson.number === 6")
    # Its numbers are here, and its photo is not: a sentence instead of a map over nothing.
    lost = seen.page.locator(".nlv-lost")
    lost.wait_for()
    assert "\u56fe\u7247" in lost.inner_text()
    assert seen.page.evaluate(
        "['.nlv-row', '.nlv-photo'].every((n) =>"
        " getComputedStyle(document.querySelector(n)).visibility === 'hidden')"
    )
    seen.page.unroute(photos)
    lost.locator("button").click()
    lost.wait_for(state="hidden")
    assert seen.page.evaluate("document.querySelector('.nlv-photo').naturalWidth") > 0
    assert any(seen.painted()[3::4])
