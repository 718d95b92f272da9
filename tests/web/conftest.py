"""The real page on a free port, with the shipped model, and a real Chromium to drive it."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def shipped_lens():
    from nonlocal_viz.lens import Lens
    from nonlocal_viz.zoo import load_model

    return Lens(load_model("default", "cpu"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(model: Any, port: int = 0, **options: Any) -> Iterator[str]:
    """The page of a model on a port, a free one unless it is named; gives its address."""
    from nonlocal_viz.web import serve as server

    port = port or free_port()
    served: list[Any] = []
    building, server.build = (
        server.build,
        lambda *a, **k: served.append(building(*a, **k)) or served[0],
    )
    try:
        _, url, _ = server.launch(model, port=port, prevent_thread_lock=True, quiet=True, **options)
    finally:
        server.build = building
    yield url
    served[0].close(verbose=False)


@pytest.fixture(scope="session")
def address(shipped_lens) -> Iterator[str]:
    """Where the page is served for all tests of this session."""
    with serve(shipped_lens.source) as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser. Where there is none the tests skip, unless NONLOCAL_VIZ_REQUIRE_BROWSER is set."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    playwright = pytest.importorskip("playwright.sync_api") if path else None
    if playwright is None:
        message = "no Chromium was found, so the page was not driven"
        if os.environ.get("NONLOCAL_VIZ_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that somebody has opened, with everything that it said and asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        """What the page shows now: block, direction, index, cell, x, y, weights, grid."""
        return self.page.evaluate("document.querySelector('.nlv').nonlocalViz.answer")

    def wait(self, condition: str) -> None:
        """Until a JavaScript condition on ``tool`` holds."""
        tool = "const tool = document.querySelector('.nlv')?.nonlocalViz"
        self.page.wait_for_function(
            f"(() => {{ {tool}; return tool && {condition}; }})()", timeout=30_000
        )

    def settled(self) -> None:
        """Until what was last pointed at has been painted."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        )

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place of the picture, given as shares of its size."""
        box = self.page.locator(".nlv-sheet").bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        self.settled()

    def click(self, x: float, y: float) -> None:
        """Hold a place of the picture, given as shares of its size."""
        self.hover(x, y)
        self.page.mouse.down()
        self.page.mouse.up()
        self.settled()

    def tool(self, name: str) -> Any:
        """A property of the page's read-only face."""
        return self.page.evaluate(f"document.querySelector('.nlv').nonlocalViz.{name}")

    def painted(self) -> list[int]:
        """The row's canvas, RGBA, a pixel a cell."""
        return self.page.evaluate(
            "() => { const c = document.querySelector('.nlv-row');"
            " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }"
        )


@pytest.fixture
def visit(address: str, chromium: Any) -> Iterator[Any]:
    """Opens the page: ``visit(width, height, query="", **context options)`` -> Visit."""
    contexts = []

    def open_page(
        width: int = 1400, height: int = 900, query: str = "", at: str = address, **options: Any
    ) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.on(
            "console",
            lambda m: visit.errors.append(m.text) if m.type == "error" else None,
        )
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.goto(at + query)
        visit.wait("tool.ready")
        return visit

    yield open_page
    for context in contexts:
        context.close()
