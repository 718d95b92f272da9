"""What the browser's own "Print" gives: what is to be read, without buttons, on no more paper than it
needs."""

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

#: What is of no use on paper.
BUTTONS = (
    ".nlv-tabs, .nlv-dots, .nlv-language, .nlv-quiet, .nlv-pagefoot, .nlv-askdeeds, .nlv-deeds"
    ", .nlv-controls, .nlv-examples, .nlv-hint, .nlv-page .nlv-button:not([aria-pressed])"
)
_SEEN = """(names) => [...document.querySelectorAll(names)].filter((e) => e.getClientRects().length)
    .map((e) => e.className)"""


def sheets(seen: Any, folder: Path) -> int:
    seen.page.pdf(path=folder / "page.pdf", prefer_css_page_size=True)
    content = (folder / "page.pdf").read_bytes()
    # A4, in points.
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}
    return len(re.findall(rb"/Type /Page\b", content))


@pytest.mark.parametrize(
    ("where", "most", "there"),
    [
        ("", 1, ".nlv-photo, .nlv-legend canvas, .nlv-top canvas, .nlv-curve canvas"),
        ("#lesson=4&seen=1", 2, ".nlv-photo, .nlv-legend canvas, .nlv-option, .nlv-diagram"),
        ("#lesson=11", 2, ".nlv-photo, .nlv-code pre, .nlv-page h2"),
    ],
)
def test_a_page_on_paper(visit: Any, tmp_path: Path, where: str, most: int, there: str) -> None:
    seen = visit(1440, 900, query=where, locale="en", color_scheme="dark")
    if where:
        seen.wait("tool.lesson.ready && tool.lesson.idle")
        seen.page.wait_for_timeout(300)
    assert 1 <= sheets(seen, tmp_path) <= most
    # As wide as A4 between its margins.
    seen.page.set_viewport_size({"width": 673, "height": 1000})
    seen.page.emulate_media(media="print")
    assert not seen.page.evaluate(_SEEN, BUTTONS)
    for name in there.split(", "):
        assert seen.page.evaluate(_SEEN, name), name
    wide = "document.documentElement.scrollWidth"
    assert seen.page.evaluate(wide) <= 673, "what is too wide is printed small"
    ink = "getComputedStyle(document.querySelector('.nlv')).color"
    assert seen.page.evaluate(ink) == "rgb(28, 28, 26)"
    inside = "getComputedStyle(document.querySelector('.nlv-ask')).breakInside"
    if where == "#lesson=4&seen=1":
        assert seen.page.evaluate(inside) == "avoid"
