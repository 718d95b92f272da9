"""A learner at the lesson: what the page shows before and behind each answer, in both languages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.web.conftest import Visit

PAGES = (
    "guess",
    "cells",
    "score",
    "row",
    "output",
    "channels",
    "same",
    "cousins",
    "time",
    "limits",
    "code",
)
_OUTPUTS = """() => [...document.querySelectorAll('.nlv-page output[data-num]')].map(
    (o) => [o.dataset.num, o.textContent, o.dataset.value])"""
_LEAKS = """() => {
    const pixels = (c) => {
        const { width, height } = c;
        if (!width || !height) return 0;
        const { data } = c.getContext('2d').getImageData(0, 0, width, height);
        let seen = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i]) seen++;
        return seen;
    };
    const root = document.querySelector('.nlv'), tool = root.nonlocalViz;
    const every = (names) => names.flatMap((name) => [...root.querySelectorAll(name)]);
    const painted = every(['.nlv-row', '.nlv-bar canvas', '.nlv-curve canvas', '.nlv-frame canvas']);
    const said = every(['.nlv-readout [data-text]', '.nlv-top', '.nlv-ticks', '.nlv-lessonbody']);
    return {
        pixels: painted.map(pixels).reduce((a, b) => a + b, 0),
        words: said.map((e) => e.textContent).join(' '),
        answer: tool.answer, key: tool.lesson.key, numbers: tool.lesson.numbers,
        attributes: [...root.querySelectorAll('.nlv-picture, .nlv-picture *')].flatMap((e) =>
            [...e.attributes].map(({ name, value }) => `${name}=${value}`)),
        found: Boolean(root.querySelector('.nlv-found, .nlv-option.right')),
    };
}"""


@dataclass
class Shown:
    """What a page showed: ``before`` the answer while the row was hidden; numbers and (name, text, value)
    of its outputs, by language."""

    state: dict[str, Any]
    before: dict[str, Any] | None = None
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


class Learner:
    """Goes through the pages of a :class:`tests.web.conftest.Visit`."""

    def __init__(self, visit: Any) -> None:
        self.visit, self.page = visit, visit.page
        self.page_address: str = visit.page.url

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def ready(self, number: int) -> None:
        self.visit.wait(f"tool.lesson.ready && tool.lesson.number === {number}")

    def lesson(self) -> dict[str, Any]:
        return self.visit.tool("lesson")

    def reveal(self) -> None:
        """'Show me', where the page asks something."""
        button = self.page.locator('[data-act="show"][data-of-question="ask"]')
        if button.count():
            button.first.click()
        self.full()

    def full(self) -> None:
        """Until every number is there."""
        self.visit.page.wait_for_function(
            "() => [...document.querySelectorAll('.nlv-page output[data-num]')]"
            ".every((o) => o.dataset.value)"
        )
        self.visit.wait("tool.lesson.idle")
        self.visit.settled()

    def leaks(self) -> dict[str, Any]:
        return self.page.evaluate(_LEAKS)

    def look(self) -> Shown:
        """This page, before and behind its answer, in each language."""
        found = Shown(self.lesson())
        if found.state["veiled"]:
            found.before = self.leaks()
        self.reveal()
        for _ in range(2):
            now = self.lesson()
            found.numbers[now["lang"]] = now["numbers"]
            found.outputs[now["lang"]] = [tuple(one) for one in self.page.evaluate(_OUTPUTS)]
            found.words[now["lang"]] = self.page.locator(".nlv-page").inner_text()
            self.press("t")
            self.full()
        return found

    def all_pages(self) -> dict[str, Shown]:
        """From the page that is open to the last, by PageDown."""
        shown = {}
        for number, name in enumerate(PAGES, 1):
            self.ready(number)
            shown[name] = self.look()
            if number < len(PAGES):
                self.press("PageDown")
        return shown


def rounded(text: str) -> tuple[float, float]:
    """A number as it is written, and half of its last digit."""
    plain = text.replace("\u202f", "").replace("\u2212", "-").strip("\u00d7% ")
    plain = plain.replace(",", "")
    if "\u00d710" in plain:
        raised = str.maketrans(
            "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "-0123456789"
        )
        plain = re.sub("\u00d710(.+)", lambda m: "e" + m[1].translate(raised), plain)
    digits, _, power = plain.partition("e")
    decimals = len(digits.partition(".")[2])
    return float(plain), 0.5 * 10.0 ** (int(power or 0) - decimals)


@contextmanager
def at_the_lesson(address: str, chromium: Any) -> Iterator[Learner]:
    """A learner before the first page, wide and in English, to whom nothing goes wrong."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    visit = Visit(context.new_page())
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.goto(f"{address}#lesson=1")
    visit.wait("tool.lesson && tool.lesson.ready")
    yield Learner(visit)
    context.close()
    assert not visit.errors
