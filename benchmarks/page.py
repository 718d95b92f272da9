"""The page in a real Chromium: what a move of the pointer and a turn of the lesson's pages cost."""

import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
_TOOL = "document.querySelector('.nlv')?.nonlocalViz"
#: One move; then until the frame that shows it.
_MOVE = """async ([x, y]) => {
    const picture = document.querySelector('.nlv-picture');
    const { left, top, width, height } = picture.getBoundingClientRect();
    const clientX = left + x * width, clientY = top + y * height;
    const at = { clientX, clientY, bubbles: true, pointerType: 'mouse' };
    picture.dispatchEvent(new PointerEvent('pointermove', at));
    await new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)));
}"""
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
    with _shown() as (tab, metrics):
        rows.append(["a move in Explore, N = 2,880", _moves(tab, metrics, moves), ""])
        tab.goto(tab.url.split("?")[0].split("#")[0] + "#lesson=1")
        tab.wait_for_function(f"{_TOOL}?.lesson?.ready")
        for number in range(1, 12):
            tab.wait_for_function(
                f"{_TOOL}?.lesson?.number === {number} && {_TOOL}.lesson.ready", timeout=60_000
            )
            asked = tab.locator("[data-act=show][data-of-question=ask]")
            if asked.count():
                asked.first.click()
            tab.wait_for_function(f"{_TOOL}.lesson.idle", timeout=60_000)
            tab.wait_for_timeout(400)
            if number == 4:
                rows.append(["a move on the lesson's page 4", _moves(tab, metrics, moves), ""])
            if number < 11:
                written, shown = tab.evaluate(_TURN)
                rows.append(
                    [f"a turn to page {number + 1}", f"{written:.0f} ms", f"{shown:.0f} ms"]
                )
    return (
        "The page in Chromium without a GPU",
        ["deed", "main thread", "until the second frame behind it"],
        rows,
    )


def _moves(tab: Any, metrics: Any, count: int) -> str:
    """Busy milliseconds of the main thread for a move: script, style, layout and paint."""
    spent = []
    for i in range(count + 5):
        before = metrics()
        tab.evaluate(_MOVE, [0.1 + 0.8 * i / (count + 5), 0.2 + 0.6 * (i * 7 % 60) / 60])
        spent.append(1e3 * (metrics() - before))
    low, middle, high = statistics.quantiles(spent[5:], n=4)
    return f"{middle:.1f} ms ({low:.1f} to {high:.1f})"


@contextmanager
def _shown() -> Iterator[tuple[Any, Any]]:
    """A tab with the page of a real server, ready, and what asks how long its main thread was busy."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nonlocal_viz", "serve", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait(address)
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS.split())
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.goto(address)
            tab.wait_for_function(f"{_TOOL}?.ready")
            protocol = tab.context.new_cdp_session(tab)
            protocol.send("Performance.enable")

            def metrics() -> float:
                told = protocol.send("Performance.getMetrics")["metrics"]
                return next(float(m["value"]) for m in told if m["name"] == "TaskDuration")

            yield tab, metrics
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _wait(address: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(f"{address}ready", timeout=5):
            return
        time.sleep(0.5)
    raise SystemExit("the server did not start")
