"""The lesson in the hands of somebody who breaks things: wrong addresses, Back and Back again, a model
without softmax, a server that is gone, a narrow phone, paper."""

from typing import Any

import pytest

import nonlocal_viz as nv

pytestmark = pytest.mark.browser

BUNNY = "?example=bunny&model=dot_product&block=layer2.1&x=376&y=250"
NOTE = ".nlv-note"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("#lesson=3&k=9999,9999&seen=1&lang=en", "no key at “9999,9999”"),
        ("#lesson=4&k=abc&lang=zh", "这张图里没有“abc”这个键"),
        ("#lesson=10&card=nope&lang=en", "no card “nope”"),
        ("?upload=zzzz#lesson=4&lang=en", "“zzzz”"),
        ("?example=nope&x=5&y=5#lesson=4&lang=zh", "“nope”"),
        ("?example=nope#lesson=4&here=1&lang=en", "“nope”"),
        ("?x=1e9&y=5#lesson=4&lang=en", "no point (1e9, 5)"),
    ],
)
def test_what_is_not_there_is_said_and_the_page_is_its_own(
    visit: Any, query: str, said: str
) -> None:
    seen = visit(query=query, locale="en")
    number = int(query.split("#lesson=")[1].split("&")[0])
    seen.wait(f"tool.lesson && tool.lesson.number === {number} && tool.lesson.ready")
    seen.page.locator(NOTE).get_by_text(said).wait_for()
    wanted = {3: ("layer3.1", 318), 4: ("layer2.1", 140), 10: ("layer2.1", 416)}[number]
    state = seen.tool("lesson.state")
    assert (state["block"], state["x"]) == wanted and not seen.tool("lesson.neutral")
    seen.page.wait_for_timeout(450)
    assert "NaN" not in seen.page.url and not seen.errors
    assert not seen.page.locator(".nlv-notice").is_visible()


def test_the_last_of_many_steps_back_wins(visit: Any) -> None:
    seen = visit(locale="en")
    seen.page.locator('[data-act="lesson"]').first.click()
    for number in (1, 2, 3, 4):
        seen.wait(f"tool.lesson.ready && tool.lesson.number === {number}")
        seen.page.wait_for_timeout(450)
        if number < 4:
            seen.page.keyboard.press("PageDown")
    seen.page.locator('[data-act="explore"]').first.click()
    seen.page.locator('.nlv-examples [data-example="cat"], .nlv-examples button').nth(1).click()
    seen.wait("document.querySelector('.nlv').dataset.state === 'ready'")
    seen.page.wait_for_timeout(500)
    seen.page.evaluate("for (let i = 0; i < 5; i++) setTimeout(() => history.back(), 60 * i)")
    seen.page.wait_for_timeout(2500)
    number = seen.tool("lesson.number")
    assert f"lesson={number}&" in f"{seen.page.url}&"
    seen.wait("tool.lesson.ready")
    assert seen.tool("lesson.neutral") is False


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_page_about_softmax_says_so_where_there_is_none(visit: Any, lang: str) -> None:
    seen = visit(query=f"{BUNNY}#lesson=4&here=1&seen=1&lang={lang}", locale="en")
    seen.wait("tool.lesson && tool.lesson.ready")
    page = seen.page.locator(".nlv-page")
    note = page.locator(".nlv-form")
    assert ("this row" if lang == "en" else "这一行") in note.inner_text()
    text = page.inner_text()
    assert "one unit of attention" not in text.replace("no cell has just one unit", "")
    assert "make this row add up to 1" not in text.replace("nothing makes", "")
    assert "正好是 1" not in text and "softmax" not in (
        seen.page.locator(".nlv-diagram").text_content()
    )
    formula = page.locator(".nlv-formulas").inner_text()
    assert "exp" not in formula and "𝒞" in formula
    assert not page.locator('[data-question="ask"], [data-question="check"]').count()
    assert "0.897" in text
    seen.page.keyboard.press("PageUp")
    seen.wait("tool.lesson.ready && tool.lesson.number === 3")
    assert not page.locator(".nlv-form").count()
    seen.page.go_back()
    seen.wait("tool.lesson.ready && tool.lesson.number === 4")
    note.locator("button").click()
    seen.wait("tool.lesson.ready && tool.lesson.number === 8")


def test_a_score_without_softmax_is_divided(visit: Any) -> None:
    seen = visit(query=f"{BUNNY}#lesson=3&here=1&seen=1&lang=en", locale="en")
    seen.wait("tool.lesson && tool.lesson.ready")
    text = seen.page.locator(".nlv-page").inner_text()
    assert "exp(" not in text and "its score divided by the number of keys" in text
    numbers = seen.tool("lesson.numbers")
    assert numbers["score"] / numbers["normaliser"] == pytest.approx(numbers["weight"], rel=1e-3)


def test_one_meaning_a_key_and_the_list_in_chinese(visit: Any) -> None:
    seen = visit(query="#lang=zh", locale="en")
    seen.page.keyboard.press("?")
    listed = seen.page.locator("dialog.nlv-keys dl").inner_text()
    for words in ("Alt+方向键", "Shift+点击", "Ctrl+滚轮", "切换语言"):
        assert words in listed
    assert "arrows" not in listed and "wheel" not in listed
    seen.page.locator("dialog.nlv-keys button").click()
    seen.page.locator("dialog.nlv-keys").wait_for(state="hidden")
    seen.page.keyboard.press("t")
    seen.wait("tool.lesson.lang === 'en'")
    seen.page.keyboard.press("e")
    seen.page.locator(".nlv-large").first.wait_for(state="attached")
    seen.page.keyboard.press("e")
    # The path of the page before is not left standing while a page opens, in no language.
    seen.page.locator('[data-act="lesson"]').first.click()
    seen.wait("tool.lesson.ready")
    seen.page.evaluate(
        """() => { document.querySelector('.nlv-dots a[data-page="9"]').click();
        document.querySelector('.nlv-language').click();
        window.crumbs = document.querySelector('.nlv-crumbs').textContent; }"""
    )
    assert "cell" not in seen.page.evaluate("window.crumbs")


def test_focus_stays_and_what_was_shown_is_no_guess(visit: Any) -> None:
    seen = visit(query="#lesson=3&lang=en", locale="en")
    seen.wait("tool.lesson && tool.lesson.ready")
    seen.page.locator('[data-act="show"]').click()
    assert "Your guess" not in seen.page.locator('[data-question="ask"]').inner_text()
    seen.page.locator('input[type="file"]').set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"nothing"}
    )
    notice = seen.page.locator(".nlv-notice")
    notice.wait_for()
    seen.page.locator('[data-act="next"]').click()
    assert not notice.is_visible()
    seen.wait("tool.lesson.ready && tool.lesson.number === 4")
    explore = seen.page.locator('.nlv-ways [data-act="explore"]')
    explore.focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("document.activeElement.className").startswith("nlv-picture")


def test_the_table_of_a_head_can_be_read_on_a_phone(visit: Any) -> None:
    seen = visit(query="#lesson=7&seen=1&lang=en", locale="en")
    seen.page.set_viewport_size({"width": 320, "height": 640})
    seen.wait("tool.lesson && tool.lesson.ready && tool.lesson.idle")
    reach = seen.page.locator(".nlv-wide").evaluate(
        """(box) => { box.scrollLeft = 1e4;
        const last = box.querySelector('tr td:last-child code').getBoundingClientRect();
        return [last.right, innerWidth, document.documentElement.scrollWidth]; }"""
    )
    assert reach[0] <= reach[1] + 1 and reach[2] <= 321


def test_paper_has_the_scale_the_choices_and_the_card(visit: Any) -> None:
    seen = visit(query="#lesson=4&seen=1&lang=en", locale="en")
    seen.wait("tool.lesson && tool.lesson.ready")
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".nlv-barname").is_visible()
    seen.page.locator(".nlv-barname", has_text="scale").wait_for()
    assert seen.page.locator('[data-act="axis"]').first.is_visible()
    assert not seen.page.locator('[data-act="show"], [data-act="next"]').first.is_visible()
    seen.page.emulate_media(media="screen")
    seen.page.evaluate("location.hash = '#lesson=10&seen=1'")
    seen.wait("tool.lesson.ready && tool.lesson.number === 10")
    seen.page.emulate_media(media="print")
    assert seen.page.locator('[data-door][aria-pressed="true"]').is_visible()


def test_a_silent_server_is_why_numbers_stand_as_dashes(visit: Any) -> None:
    seen = visit(query="#lesson=7&seen=1&lang=en", locale="en")
    seen.wait("tool.lesson && tool.lesson.ready && tool.lesson.idle")
    late = seen.page.locator(".nlv-late")
    assert not late.count()
    seen.page.context.set_offline(True)
    seen.page.locator(".nlv-picture").focus()
    for _ in range(3):
        seen.page.keyboard.press("ArrowRight")
    late.wait_for()
    assert "does not answer" in late.inner_text()
    assert late.locator("button").count() == 1
    assert not seen.page.locator('.nlv-busy.trouble [data-do="again"]').is_visible()
    seen.page.keyboard.press("t")
    assert "没有回应" in late.inner_text()
    # A photo of one's own waits, too, by name; one place offers to try again.
    seen.page.locator('input[type="file"]').set_input_files(str(nv.examples()["cat"]))
    seen.page.locator(".nlv-page").get_by_text("正在发送 cat.jpg").wait_for()
    assert not late.count()
    seen.page.context.set_offline(False)
    seen.wait("tool.lesson.own && tool.lesson.ready && tool.lesson.idle")
    assert not late.count()
