"""A real Chromium before a real server, and what its main thread is busy with."""

import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

_FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
TOOL = "document.querySelector('.nlv')?.nonlocalViz"
#: One move, then until the frame that shows it; whether something was drawn for it.
_MOVE = """async ([x, y]) => {
    const root = document.querySelector('.nlv'), before = root.nonlocalViz.draws;
    const picture = root.querySelector('.nlv-picture');
    const { left, top, width, height } = picture.getBoundingClientRect();
    const clientX = left + x * width, clientY = top + y * height;
    const at = { clientX, clientY, bubbles: true, pointerType: 'mouse' };
    picture.dispatchEvent(new PointerEvent('pointermove', at));
    await new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)));
    return root.nonlocalViz.draws - before;
}"""
#: Moves as fast as frames come, and when each frame came.
_SWEEP = """async ([count, from, to]) => {
    const root = document.querySelector('.nlv'), picture = root.querySelector('.nlv-picture');
    const frames = [], begun = root.nonlocalViz.draws;
    const { left, top, width, height } = picture.getBoundingClientRect();
    for (let i = 0; i < count; i++) {
        const clientX = left + (from + (to - from) * i / count) * width;
        const clientY = top + (0.2 + 0.6 * (i * 7 % 60) / 60) * height;
        const at = { clientX, clientY, bubbles: true, pointerType: 'mouse' };
        picture.dispatchEvent(new PointerEvent('pointermove', at));
        frames.push(await new Promise((shown) => requestAnimationFrame(shown)));
    }
    return [frames.slice(1).map((at, i) => at - frames[i]), root.nonlocalViz.draws - begun];
}"""


@dataclass(frozen=True)
class Spread:
    """Quartiles of milliseconds; reads as ``12.3 ms (11.0 to 14.1)``."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ms ({self.low:.1f} to {self.high:.1f})"

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The quartiles of at least two values."""
        return cls(*statistics.quantiles(values, n=4))


class Tab:
    """A page that is ready.

    Attributes:
        page: Playwright's.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self._protocol = page.context.new_cdp_session(page)
        for domain in ("Performance", "Profiler", "HeapProfiler"):
            self._protocol.send(f"{domain}.enable")

    def wait(self, condition: str) -> None:
        """Until a JavaScript condition holds."""
        self.page.wait_for_function(condition, timeout=60_000)

    def busy(self) -> float:
        """Milliseconds in which the main thread was busy so far: script, style, layout and paint."""
        told = self._protocol.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(float(m["value"]) for m in told if m["name"] == "TaskDuration")

    def heap(self) -> float:
        """MiB that JavaScript holds, its arrays among them, what nobody needs any more taken away."""
        for _ in range(2):
            self._protocol.send("HeapProfiler.collectGarbage")
        told = self._protocol.send("Runtime.getHeapUsage")
        return float(told["usedSize"] + told.get("backingStorageSize", 0)) / 2**20

    def moves(self, count: int, left: float = 0.1, right: float = 0.9) -> Spread:
        """The main thread's milliseconds for a move that is drawn, between two shares of the width."""
        spent = []
        for i in range(count + 5):
            before = self.busy()
            x = left + (right - left) * i / (count + 5)
            drawn = self.page.evaluate(_MOVE, [x, 0.2 + 0.6 * (i * 7 % 60) / 60])
            if drawn and i >= 5:
                spent.append(self.busy() - before)
        return Spread.of(spent)

    def frames(self, count: int, left: float = 0.1, right: float = 0.9) -> Spread:
        """Milliseconds from frame to frame while every frame has a move."""
        times, _ = self.page.evaluate(_SWEEP, [count, left, right])
        return Spread.of(times[3:])

    def computing(self, count: int, function: str, left: float = 0.1, right: float = 0.9) -> float:
        """The mean of milliseconds in a function of the page, and in what it calls, for a move that
        is drawn: by the browser's own profiler."""
        self._protocol.send("Profiler.setSamplingInterval", {"interval": 100})
        self._protocol.send("Profiler.start")
        _, drawn = self.page.evaluate(_SWEEP, [count, left, right])
        profile = self._protocol.send("Profiler.stop")["profile"]
        return _inclusive(profile, function) / 1e3 / max(1, drawn)


def _inclusive(profile: dict[str, Any], function: str) -> float:
    """Microseconds of samples that lie in a function or below it."""
    nodes = {node["id"]: node for node in profile["nodes"]}
    inside = {i for i, node in nodes.items() if node["callFrame"]["functionName"] == function}
    if not inside:
        raise SystemExit(f"the page has no function {function}, or it was never called")
    todo = list(inside)
    while todo:
        for child in nodes[todo.pop()].get("children", ()):
            if child not in inside:
                inside.add(child)
                todo.append(child)
    times = zip(profile["samples"], profile["timeDeltas"], strict=True)
    return float(sum(spent for node, spent in times if node in inside))


@contextmanager
def shown(*command: str) -> Iterator[Tab]:
    """The page that a command serves, given a free port as its last argument, in a window of 1440 x 900."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    whole = [sys.executable, "-m", *command, str(port)]
    server = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait(address)
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS.split())
            page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en")
            page.goto(address)
            page.wait_for_function(f"{TOOL}?.ready", timeout=120_000)
            yield Tab(page)
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
