"""What stands round the pages of the lesson: the address, the browser's history, languages."""

from typing import Any

import pytest

import nonlocal_viz as nv

pytestmark = pytest.mark.browser

_STATE = """() => {
    const { lesson, model } = document.querySelector('.nlv').nonlocalViz;
    return [lesson.number, lesson.number ? lesson.ready : true, lesson.state.block, lesson.state.x];
}"""


def go(seen: Any, way: str, wanted: list[Any]) -> None:
    """One step of the browser's history, and what is shown then: page, block, x."""
    # What is still to be said of the address is said by now: a browser drops a step that meets it.
    seen.page.wait_for_timeout(450)
    getattr(seen.page, f"go_{way}")()
    shows(seen, wanted)


def shows(seen: Any, wanted: list[Any]) -> None:
    number, block, x = wanted
    seen.wait(
        f"tool.lesson.number === {number} && tool.lesson.state.block === '{block}'"
        f" && tool.lesson.state.x === {x} && ({number} === 0 || tool.lesson.ready)"
        " && document.querySelector('.nlv').dataset.state === 'ready'"
    )


EXPLORE, GUESS, CELLS = [0, "layer2.1", 376], [1, "layer3.1", 318], [2, "layer2.1", 160]
ROW_OF_BUNNY, COUSINS = [4, "layer2.1", 376], [8, "layer2.1", 376]


def test_every_way_to_a_page_is_one_step_of_the_history(visit: Any) -> None:
    seen = visit(locale="en")
    length = seen.page.evaluate("history.length")
    seen.page.locator('[data-act="lesson"]').click()
    shows(seen, GUESS)
    seen.page.keyboard.press("PageDown")
    shows(seen, CELLS)
    assert seen.page.evaluate("history.length") == length + 2
    for way, wanted in (("back", GUESS), ("back", EXPLORE), ("forward", GUESS), ("forward", CELLS)):
        go(seen, way, wanted)
    seen.page.reload()
    seen.wait("tool.lesson && tool.lesson.ready")
    go(seen, "back", GUESS)
    go(seen, "back", EXPLORE)
    # The door of the panel, a dot; back through both.
    seen.page.locator(".nlv-lesson > summary").click()
    seen.page.locator(".nlv-door button").click()
    shows(seen, ROW_OF_BUNNY)
    assert "here=1" in seen.page.url
    seen.page.locator('.nlv-dots a[data-page="2"]').click()
    shows(seen, CELLS)
    go(seen, "back", ROW_OF_BUNNY)
    assert "here=1" in seen.page.url, "the page is still about the picture that it was opened with"
    go(seen, "back", EXPLORE)
    go(seen, "forward", ROW_OF_BUNNY)
    seen.page.locator('[data-act="explore"]').first.click()
    shows(seen, EXPLORE)
    go(seen, "back", ROW_OF_BUNNY)
    # An address that is written by hand.
    seen.page.evaluate("location.hash = '#lesson=8'")
    shows(seen, COUSINS)
    go(seen, "back", ROW_OF_BUNNY)


def test_a_card_and_a_key_come_back(visit: Any) -> None:
    seen = visit(query="#lesson=10", locale="en")
    seen.wait("tool.lesson.ready")
    seen.page.locator('[data-door="dead"]').click()
    seen.wait("tool.lesson.ready && tool.model === 'embedded_gaussian'")
    go(seen, "back", [10, "layer2.1", 416])
    assert seen.tool("model") == "labels_only"
    go(seen, "forward", [10, "layer2.1", 376])
    assert "card=dead" in seen.page.url
    seen.page.goto(seen.page.url.split("?")[0] + "#lesson=3&k=250,235&seen=1")
    seen.page.reload()
    seen.wait("tool.lesson && tool.lesson.ready && tool.lesson.number === 3")
    key = seen.tool("lesson.key")
    seen.page.keyboard.press("PageDown")
    seen.wait("tool.lesson.ready && tool.lesson.number === 4")
    go(seen, "back", [3, "layer3.1", 318])
    assert seen.tool("lesson.key") == key and seen.tool("lesson.revealed")
    # Another key of the same page, written by hand.
    seen.page.evaluate("location.hash = '#lesson=3&k=120,200&seen=1'")
    seen.wait("tool.lesson.ready && tool.lesson.key === 13 * 31 + 8")


@pytest.mark.parametrize(
    ("asked", "page"),
    [("99", 11), ("0", 1), ("-1", 1), ("abc", 1), ("", 1), ("3.2", 3)],
)
def test_an_address_without_a_page_opens_the_nearest_and_says_so(
    visit: Any, asked: str, page: int
) -> None:
    seen = visit(query=f"#lesson={asked}" if asked else "#lesson", locale="en")
    seen.wait(f"tool.lesson.ready && tool.lesson.number === {page}")
    note = seen.page.locator(".nlv-note")
    note.wait_for()
    assert f"this is page {page}." in note.inner_text() and asked in note.inner_text()
    assert f"lesson={page}&" in f"{seen.page.url}&"


def test_the_address_chooses_the_language(visit: Any) -> None:
    seen = visit(query="?lang=zh#lesson=1", locale="en")
    seen.wait("tool.lesson.ready")
    assert seen.tool("lesson.lang") == "zh"
    root = "document.documentElement.lang"
    assert seen.page.evaluate(root) == "zh-Hans" and "\u731c" in seen.page.title()
    seen.page.keyboard.press("t")
    assert seen.page.evaluate(root) == "en" and seen.page.title().startswith("Guess first")
    # What was chosen since is not taken back by a reload.
    assert "lang=zh" not in seen.page.url
    seen = visit(query="?lang=xx", locale="en")
    assert "xx" in seen.page.locator(".nlv-note").inner_text()
    assert seen.tool("lesson.lang") == "en"


def test_a_wrong_match_shows_what_is_right_and_may_be_tried_again(visit: Any) -> None:
    seen = visit(query="#lesson=7&seen=1", locale="en")
    seen.wait("tool.lesson.ready && tool.lesson.idle")
    question = seen.page.locator('[data-question="check"]')
    answer, selects = question.locator('[data-act="answer"]'), question.locator("select")
    assert answer.is_disabled(), "nothing is chosen"
    for place, key in enumerate("1023"):
        selects.nth(place).select_option(key)
        assert answer.is_disabled() is (place < 3)
    # Another language in between takes nothing back.
    for _ in range(2):
        seen.page.keyboard.press("t")
    assert selects.nth(0).input_value() == "1"
    answer.click()
    assert not seen.tool("lesson.check")["pass"]
    said = [text.split() for text in question.locator(".nlv-matched").all_inner_texts()]
    assert [words[0] for words in said] == ["\u2717", "\u2717", "\u2713", "\u2713"]
    assert ["Q" in said[0], "K" in said[1]] == [True, True]
    question.locator('[data-act="again"]').click()
    assert seen.tool("lesson.check") is None and answer.is_disabled()
    for place, key in enumerate("0123"):
        selects.nth(place).select_option(key)
    answer.click()
    assert seen.tool("lesson.check")["pass"]
    assert not question.locator('[data-act="again"]').count()


def test_a_page_about_ones_own_photo_is_one_entry_too(visit: Any) -> None:
    seen = visit(query="#lesson=9", locale="en")
    seen.wait("tool.lesson.ready")
    seen.page.locator('input[type="file"]').set_input_files(str(nv.examples()["cat"]))
    seen.wait("tool.lesson.own && tool.lesson.ready")
    seen.page.wait_for_timeout(450)
    length = seen.page.evaluate("history.length")
    # Another model has to come for it.
    seen.page.keyboard.press("PageDown")
    seen.wait("tool.lesson.own && tool.lesson.ready && tool.model === 'labels_only'")
    seen.page.wait_for_timeout(450)
    assert seen.page.evaluate("history.length") == length + 1
    seen.page.go_back()
    seen.wait("tool.lesson.number === 9 && tool.lesson.own && tool.lesson.ready")
    assert seen.tool("model") == "embedded_gaussian"
