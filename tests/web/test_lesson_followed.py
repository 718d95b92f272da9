"""Whatever a page draws instead of a row, all beside it follows: scale, strip, drawing, sentences."""

import re
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.canvas import canvas_words
from tests.web.lesson_visit import Learner, rounded

pytestmark = pytest.mark.browser

WORDS = canvas_words()
_TICKS = "() => [...document.querySelectorAll('.nlv-ticks span')].map((e) => e.textContent)"


_PIXELS = """(e) => Array.from(
    e.getContext('2d').getImageData(0, 0, e.width, e.height).data)"""


class Scaled(Learner):
    """A learner who reads the bar of colours and the drawing of the block."""

    def bar(self) -> tuple[str, list[float]]:
        self.visit.settled()
        name = self.page.locator(".nlv-barname").inner_text().replace("\n", " ")
        return name, [rounded(text)[0] for text in self.page.evaluate(_TICKS) if text]

    def top(self) -> float:
        return self.bar()[1][-1]

    def press_on(self, act: str, choice: str = "") -> None:
        more = f'[data-choice="{choice}"]' if choice else ""
        self.page.locator(f'.nlv-page [data-act="{act}"]{more}').first.click()
        self.full()

    def shape(self, name: str) -> str:
        return self.page.locator(f'[data-shape="{name}"]').text_content()

    def tiles(self) -> bool:
        return self.page.locator(".nlv-tiles").is_visible()

    def go(self, number: int) -> None:
        self.page.evaluate(f"document.querySelector('a[data-page=\"{number}\"]').click()")
        self.ready(number)


@pytest.fixture
def learner(visit: Any) -> Any:
    def opened(where: str, **options: Any) -> Scaled:
        seen = visit(query=f"#{where}", **{"width": 1440, "locale": "en", **options})
        seen.wait("tool.lesson && tool.lesson.ready")
        return Scaled(seen)

    return opened


def test_shuffled_stays_shuffled_until_it_is_put_back(learner: Any) -> None:
    one = learner("lesson=2")
    for number in (2, 6):
        one.go(number)
        assert "?" not in one.shape("theta")
        assert (one.shape("score") == one.shape("A") == "?") is (number == 6), "not given away"
        one.reveal()
        assert one.shape("A") == "1600\u00d71600" and not one.tiles()
        table = one.page.locator('[data-table="positions"]')
        before = np.array(table.evaluate(_PIXELS)) if table.count() else np.zeros(0)
        row = one.lesson()["numbers"].get("rowNow")
        one.press_on("shuffle")
        assert one.tiles() and one.page.locator(".nlv-query.held:visible").count() == 1
        one.page.locator('[data-question="check"] [data-choice="0"]').click()
        one.full()
        assert one.tiles(), "the photo stays as it is when the check is answered"
        if number == 6:
            changed = (np.array(table.evaluate(_PIXELS)) != before).mean()
            assert changed > 0.3, "so is the table of places, not only its marked row"
            assert one.lesson()["numbers"]["rowNow"] != row
        one.press_on("shuffle")
        assert not one.tiles()
        assert number == 2 or (np.array(table.evaluate(_PIXELS)) == before).all()


def test_another_axis_brings_its_own_numbers(learner: Any) -> None:
    one = learner("lesson=4")
    one.reveal()
    plain = one.top()
    for axis in ("queries", "whole", "channels"):
        one.press_on("axis", axis)
        said = one.lesson()["numbers"]
        assert 1 <= said["support"] <= said["keysNow"] == 2400, axis
        assert "does not add up to 1" in one.page.locator(".nlv-try .nlv-live").first.inner_text()
        name, ticks = one.bar()
        assert ticks[-1] != pytest.approx(plain, rel=0.02), axis
        # The mean weight and the greatest of what is drawn.
        assert said["rowSum"] / 2400 <= ticks[-1] * 1.01 and ticks[-1] <= said["rowSum"]
        assert name.startswith("sum of shares" if axis == "channels" else "weight")
    assert ticks[-1] == 1 and said["support"] == 2400
    one.press_on("axis", "keys")
    assert one.top() == pytest.approx(plain)
    assert "does not add up" not in one.page.locator(".nlv-try").inner_text()
    one.press_on("pool")
    assert one.top() != pytest.approx(plain, rel=0.02)
    assert [one.shape(s) for s in ("theta", "phi", "g", "A", "y")] == [
        f"{n}\u00d7{m}" for n, m in ((2400, 64), (600, 64), (600, 64), (2400, 600), (2400, 64))
    ]
    one.press_on("pool")
    assert one.shape("A") == "2400\u00d72400"


def test_what_is_drawn_has_its_name_in_both_languages(learner: Any) -> None:
    one = learner("lesson=5")
    one.reveal()
    one.press_on("show-map", "alike")
    name, ticks = one.bar()
    assert name == "cosine, linear scale" and (ticks[0], ticks[-1]) == (-1, 1)
    one.press("t")
    assert one.bar()[0] == WORDS["zh"]["painted.cosine"] + "\uff0c\u7ebf\u6027\u523b\u5ea6"
    one.press("t")
    one.go(7)
    one.reveal()
    plain = one.bar()
    assert plain[0] == "weight, linear scale"
    one.page.locator('summary[data-act="python"]').click()
    assert '"embedded_gaussian"' in one.page.locator(".nlv-code").inner_text()
    one.press_on("way", "heads")
    assert one.bar()[0] == "mean of heads, linear scale" and one.top() != plain[1][-1]
    assert one.page.locator(".nlv-code").is_visible(), "what was opened stays open"
    one.page.locator('summary[data-act="python"]').click()
    one.press_on("way", "as")
    assert one.bar() == plain and not one.page.locator(".nlv-code").is_visible()


def test_within_its_frame_all_that_is_shown_is_one_row(learner: Any) -> None:
    one = learner("lesson=9")
    one.reveal()
    whole, strip = one.top(), one.page.locator(".nlv-strip .nlv-frame")
    shares = [re.sub(r"\s", "", t) for t in strip.all_inner_texts()]
    assert shares[0].startswith("0:") and "4:100%" not in shares
    assert one.lesson()["numbers"]["keyFrame"] == 3
    one.press_on("own-frame")
    said = one.lesson()["numbers"]
    assert (said["ownShare"], said["keyFrame"], said["queryFrame"]) == (100, 4, 4)
    shares = [re.sub(r"\s", "", t) for t in strip.all_inner_texts()]
    assert shares == [f"{t}:{100 if t == 4 else 0}%" for t in range(8)]
    assert one.top() > 2 * whole and one.bar()[0].startswith("weight in frame")
    one.page.locator('.nlv-page [data-act="explore"]').first.click()
    one.visit.settled()
    assert " s \u00b7" in strip.first.inner_text(), "seconds where nothing counts frames"


def test_beside_the_strongest_is_right_and_the_check_shows_its_own_row(learner: Any) -> None:
    one = learner("lesson=1")
    answer = one.page.locator('[data-act="answer"]')
    assert answer.is_disabled() and "85\u202f%" in one.page.locator(".nlv-ask").inner_text()
    one.visit.click(141 / 451, 110 / 300)
    assert answer.is_enabled()
    answer.click()
    said = one.lesson()
    assert said["answer"]["pass"] and 0.6 < said["score"] < 0.85
    assert "85\u202f%" in one.page.locator('[data-result="ask"]').inner_text()
    one.full()
    first = one.top()
    assert first * 620 == pytest.approx(said["numbers"]["peakTimes"], rel=0.01)
    one.page.locator('[data-question="check"] [data-choice="2"]').click()
    one.full()
    assert one.top() * 620 == pytest.approx(one.lesson()["numbers"]["check2"], rel=0.01)
    one.visit.hover(0.9, 0.9)
    assert one.top() * 620 != pytest.approx(one.lesson()["numbers"]["check2"], rel=0.01)
    one.press("PageDown")
    one.ready(2)
    assert not one.page.locator(".nlv-mark.nlv-query").count()


def test_a_card_shows_its_model_its_form_and_its_marker(learner: Any) -> None:
    one = learner("lesson=10&card=sink")
    page = one.page
    page.locator('[data-question="ask"] [data-choice="0"]').wait_for()
    assert page.locator('[data-model="labels_only"]').count() == 1
    mark, photo = page.locator(".nlv-lettermark").bounding_box(), page.locator(".nlv-sheet")
    box = photo.bounding_box()
    assert box["x"] <= mark["x"] and mark["x"] + mark["width"] <= box["x"] + box["width"]
    page.locator('[data-question="ask"] [data-choice="1"]').click()
    one.full()
    assert one.lesson()["answer"]["pass"] and 40 < one.lesson()["numbers"]["sinkTenth"] < 60
    page.locator('[data-door="alike"]').click()
    one.visit.wait("tool.lesson.ready && tool.lesson.idle")
    assert page.locator('[data-model="concatenation"]').count() == 1
    assert page.locator("[data-op]").text_content() == "ReLU, \u00f7 M"
    page.locator('[data-door="dead"]').click()
    one.visit.wait("tool.lesson.ready && tool.lesson.idle")
    assert page.locator("[data-model]").count() == 0
    assert page.locator("[data-op]").text_content() == "softmax"
    page.locator('[data-door="carry"]').click()
    one.visit.wait("tool.lesson.ready && tool.lesson.idle")
    asked = page.locator('[data-question="ask"] .nlv-askwords').inner_text()
    heavy = re.search(r"([AB]) has the largest weight", asked)
    one.reveal()
    right = page.locator('[data-question="ask"] .right b').inner_text()
    assert heavy and heavy[1] != right[0]


def test_fingers_are_spoken_to_as_fingers(learner: Any) -> None:
    one = learner("lesson=1", width=390, height=844, has_touch=True, is_mobile=True)
    for number in (1, 2, 6):
        one.go(number)
        if number == 1:
            assert "arrow keys" not in one.page.locator(".nlv-ask").inner_text()
        one.reveal()
        said = one.page.locator(".nlv-page").inner_text()
        assert not re.search(r"pointer|arrow keys|[Mm]ove over", said), number
