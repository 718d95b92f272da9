"""Everyone: axe-core on each state of the page, light and dark; the keyboard; how large targets are."""

import os
from pathlib import Path
from typing import Any

import pytest

from nonlocal_viz.media import is_video
from nonlocal_viz.web.views import examples

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
CLIP = next(example for example in examples() if is_video(example.path))
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
#: A state of the page -> what brings it about.
STATES = {
    "photo": "",
    "pins": "document.querySelector('[data-do=pin]').click()",
    "column": "document.querySelector('[data-set=direction]').value = 'column';"
    " document.querySelector('[data-set=direction]').dispatchEvent(new Event('change'))",
    "lesson": "document.querySelectorAll('.nlv details').forEach((d) => { d.open = true; })",
    "error": "document.dispatchEvent(new Event('x')); const given = new DataTransfer();"
    " given.setData('text/plain', 'https://a.b'); document.body.dispatchEvent("
    "new ClipboardEvent('paste', { clipboardData: given, bubbles: true }))",
    "dialog": "document.querySelector('[data-do=keys]').click()",
    "busy": "document.querySelector('dialog').close();"
    " document.querySelectorAll('.nlv-thumbs button')[3].click()",
}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script. Where it is not installed the tests skip, unless NONLOCAL_VIZ_REQUIRE_NODE is set."""
    if not AXE.is_file():
        message = "axe-core is not installed (npm ci), so the page was not checked by it"
        if os.environ.get("NONLOCAL_VIZ_REQUIRE_NODE"):
            pytest.fail(message)
        pytest.skip(message)
    return AXE.read_text(encoding="utf-8")


def found(seen: Any) -> list[str]:
    """What axe finds critical or serious, as rule and places."""
    return seen.page.evaluate(
        f"""async () => {{
            const {{ violations }} = await axe.run('.nlv', {{ runOnly: {RULES} }});
            return violations.filter((v) => ['critical', 'serious'].includes(v.impact))
                .map((v) => `${{v.id}}: ${{v.nodes.map((n) => n.html.slice(0, 120) + ' '
                    + (n.any[0]?.message || '')).join(' | ')}}`);
        }}"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_state(visit: Any, axe: str, scheme: str) -> None:
    seen = visit(color_scheme=scheme)
    seen.page.evaluate(axe)
    for state, deed in STATES.items():
        if state == "busy":
            seen.page.route("**/call/**", lambda route: route.abort())
        seen.page.evaluate(f"() => {{ {deed} }}")
        seen.settled()
        assert found(seen) == [], state
    assert seen.page.locator(".nlv-busy").is_visible()


def test_axe_finds_nothing_serious_of_a_clip_on_a_phone(visit: Any, axe: str) -> None:
    seen = visit(390, 844, query=f"?example={CLIP.name}", has_touch=True)
    seen.page.evaluate(axe)
    seen.page.evaluate("document.querySelector('.nlv-controls').open = true")
    assert found(seen) == []


def test_a_picture_is_opened_by_keyboard_alone(visit: Any) -> None:
    seen = visit()
    picker = seen.page.locator('input[type="file"]')
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        if picker.evaluate("(input) => input === document.activeElement"):
            break
    outline = "(input) => getComputedStyle(input.closest('label')).outlineStyle"
    assert picker.evaluate(outline) == "solid"
    with seen.page.expect_file_chooser():
        seen.page.keyboard.press("Space")


def test_whatever_is_pressed_is_large_enough(visit: Any) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.page.locator("[data-do=pin]").click()
    small = seen.page.evaluate(
        """() => [...document.querySelectorAll('.nlv :is(button, select, summary, input, a)')]
            .map((e) => [e.outerHTML.slice(0, 90), (e.closest('label') || e).getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
            .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""
    )
    assert small == []
