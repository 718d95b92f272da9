"""The page in a real Chromium: what a move of the pointer and a turn of the lesson's pages cost, what is
held after many turns, and how long the lesson's files are as they travel."""

import gzip
import json

from benchmarks.browser import TOOL, Tab, shown
from nonlocal_viz.canvas import FOLDER, canvas_words

#: Milliseconds of computing a move; bytes of the lesson's files; MiB that turns may leave behind.
HOVER, FILES, GROWTH = 4.0, 120_000, 1.0
_PAGES = 11
#: Milliseconds in which the page is written, and until the frame behind the one that shows it.
_TURN = """async () => {
    const begun = performance.now();
    const key = { key: 'PageDown', bubbles: true, cancelable: true };
    document.body.dispatchEvent(new KeyboardEvent('keydown', key));
    const written = performance.now() - begun;
    await new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)));
    return [written, performance.now() - begun];
}"""


def page(quick: bool) -> tuple[str, list[str], list[list[object]]]:
    """Hover on the default photo, in Explore and in the lesson, and every turn of a page whose tensors are
    here (they are fetched while the one before is read)."""
    moves = 30 if quick else 120
    rows: list[list[object]] = []
    with shown("nonlocal_viz", "serve", "--quiet", "--port") as tab:
        rows.append(["a move in Explore, N = 2,880", tab.moves(moves), ""])
        rows.append(_computing(tab.computing(moves, "answerTo")))
        tab.page.goto(tab.page.url.split("?")[0].split("#")[0] + "#lesson=1")
        tab.page.reload()
        for number in range(1, _PAGES + 1):
            _read(tab, number)
            if number == 4:
                rows.append(["a move on the lesson's page 4", tab.moves(moves), ""])
            if number < _PAGES:
                written, seen = tab.page.evaluate(_TURN)
                rows.append([f"a turn to page {number + 1}", f"{written:.0f} ms", f"{seen:.0f} ms"])
        rows.append(_held(tab, 2 if quick else 10))
    rows.append(_files())
    return (
        "The page in Chromium without a GPU",
        ["deed", "main thread", "until the second frame behind it"],
        rows,
    )


def _computing(spent: float) -> list[object]:
    held = "yes" if spent <= HOVER else "NO"
    return [f"its computing alone ({HOVER:g} ms: {held})", f"{spent:.2f} ms", ""]


def _read(tab: Tab, number: int) -> None:
    """A page as somebody reads it: its answer seen, the next one's tensors here."""
    tab.wait(f"{TOOL}?.lesson?.number === {number} && {TOOL}.lesson.ready")
    asked = tab.page.locator("[data-act=show][data-of-question=ask]")
    if asked.count():
        asked.first.click()
    tab.wait(f"{TOOL}.lesson.idle")
    tab.page.wait_for_timeout(400)


def _held(tab: Tab, rounds: int) -> list[object]:
    """What JavaScript holds before and after turns from page 1 to the last and back."""
    _round(tab)  # what is fetched once is here then
    before = tab.heap()
    for _ in range(rounds):
        _round(tab)
    after = tab.heap()
    held = "yes" if after - before <= GROWTH else "NO"
    said = f"{before:.1f} to {after:.1f} MiB"
    return [
        f"held before and after {rounds} ways forth and back ({GROWTH:g} MiB: {held})",
        said,
        "",
    ]


def _round(tab: Tab) -> None:
    for key, numbers in (("PageUp", range(_PAGES - 1, 0, -1)), ("PageDown", range(2, _PAGES + 1))):
        for number in numbers:
            tab.page.keyboard.press(key)
            tab.wait(
                f"{TOOL}.lesson.number === {number} && {TOOL}.lesson.ready && {TOOL}.lesson.idle"
            )


def _files() -> list[object]:
    size = lesson_bytes()
    held = "yes" if size <= FILES else "NO"
    return [f"the lesson's files, packed ({FILES:,} bytes: {held})", f"{size:,} bytes", ""]


def lesson_bytes() -> int:
    """Bytes of the lesson's files as they travel: packed, the words of one language, the font as it is."""
    folder = FOLDER / "lesson"
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]
    font = [path for path in files if path.suffix == ".woff2"]
    text = b"".join(path.read_bytes() for path in files if path not in font)
    words = max(len(gzip.compress(json.dumps(one).encode())) for one in canvas_words().values())
    return len(gzip.compress(text)) + words + sum(path.stat().st_size for path in font)
