"""Nothing waits for ever: the page beside a server that is away, busy or begun anew, in Chromium."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import fastapi
import gradio as gr
import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from nonlocal_viz.limits import Limits
from nonlocal_viz.web import desk as desk_module
from nonlocal_viz.web.gradio_private import upload_folder
from nonlocal_viz.web.page import build
from nonlocal_viz.web.views import examples
from tests.web.conftest import free_port, serve
from tests.web.rows import painted_right

SECOND = examples()[2].name
TROUBLED = "document.querySelector('.nlv-busy').classList.contains('trouble')"


class Said(NamedTuple):
    words: str
    done: float
    total: float


def jpeg(side: int = 96) -> bytes:
    buffer = io.BytesIO()
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    Image.fromarray(np.stack([np.tile(ramp, (side, 1))] * 3, -1)).save(buffer, "JPEG")
    return buffer.getvalue()


def upload(seen: Any, name: str) -> None:
    file = {"name": name, "mimeType": "image/jpeg", "buffer": jpeg()}
    seen.page.locator('input[type="file"]').set_input_files(file)


def marked(seen: Any) -> Any:
    """A page that would lose this mark if it were loaded again."""
    seen.page.evaluate("window.mark = 1")
    return seen


def recovered(seen: Any, condition: str) -> None:
    """Once the server can be reached: by itself, and here without the pause."""
    seen.page.evaluate("document.querySelector('[data-do=again]').click()")
    seen.wait(f"tool.ready && !{TROUBLED} && ({condition})")
    assert seen.page.evaluate("window.mark") == 1


@pytest.mark.browser
def test_a_server_begun_anew_is_asked_again_and_given_what_it_lost(
    visit: Any, shipped_lens: Any
) -> None:
    port = free_port()
    with serve(shipped_lens.source, port) as url:
        seen = marked(visit(at=url))
        upload(seen, "once.jpg")
        seen.wait("tool.ready && tool.answer.x === 48")
    for kept in upload_folder().rglob("once.jpg"):
        kept.unlink()
    other = seen.page.locator('[data-set="block"] option').nth(1).get_attribute("value")
    seen.page.locator('[data-set="block"]').select_option(other)
    seen.wait(TROUBLED)
    words = seen.page.locator(".nlv-busy").inner_text()
    assert "does not answer" in words and "Try again now" in words and "Cancel" in words
    with serve(shipped_lens.source, port):
        recovered(seen, f"tool.answer.block === '{other}'")
        painted_right(shipped_lens.open(jpeg()), seen.answer())
        with seen.page.expect_download() as waiting:
            seen.page.locator('[data-save="csv"]').click()
        assert waiting.value.suggested_filename.startswith("once-")
    assert seen.page.locator(".nlv-error").is_hidden()


@pytest.mark.browser
def test_without_a_network_what_was_asked_waits_and_what_is_shown_stays(visit: Any) -> None:
    seen = marked(visit())
    before, context = seen.answer(), seen.page.context
    context.set_offline(True)
    seen.hover(0.3, 0.3)
    assert seen.answer()["index"] != before["index"]
    seen.page.locator(f'[data-example="{SECOND}"]').click()
    seen.wait(TROUBLED)
    context.set_offline(False)
    recovered(seen, "document.querySelector('.nlv-thumbs [aria-pressed=true]')")
    assert seen.page.locator(f'[data-example="{SECOND}"][aria-pressed="true"]').count() == 1
    context.set_offline(True)
    upload(seen, "later.jpg")
    seen.wait(TROUBLED)
    seen.page.locator('[data-stop="look"]').click()
    assert seen.page.locator(".nlv-busy").is_hidden()
    seen.page.locator('[data-save="csv"]').click()
    seen.wait(TROUBLED)
    with seen.page.expect_download():
        context.set_offline(False)
    recovered(seen, "true")


@pytest.mark.browser
def test_a_full_queue_is_said_and_the_next_download_works(visit: Any) -> None:
    seen = marked(visit())
    full = {"status": 503, "body": '{"detail": "Queue is full. Max size is 1 and size is 1."}'}
    seen.page.route("**/call/save", lambda route: route.fulfill(**full))
    seen.page.locator('[data-save="csv"]').click()
    seen.wait(TROUBLED)
    assert "busy" in seen.page.locator(".nlv-busy").inner_text()
    seen.page.unroute("**/call/save")
    with seen.page.expect_download():
        recovered(seen, "true")
    with seen.page.expect_download():
        seen.page.locator('[data-save="npz"]').click()


def test_whoever_hangs_up_ends_the_work_and_a_full_queue_says_that_it_is(
    shipped_lens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What canvas/core/line.js takes for granted of gradio."""
    ended, over = threading.Event(), threading.Event()

    def steps(view: Any, block: str) -> Iterator[Any]:
        try:
            while not over.is_set():
                yield Said("working", 1, 2)
                time.sleep(0.05)
        finally:
            ended.set()

    with serve(shipped_lens.source, limits=Limits(queue_size=1, at_once=2)) as url:
        monkeypatch.setattr(desk_module, "_steps", steps)
        question = {"source": {"example": examples()[0].name}, "question": 5}
        call = f"{url}gradio_api/call/picture"
        event = httpx.post(call, json={"data": [question]}).json()["event_id"]
        with httpx.stream("GET", f"{call}/{event}") as stream:
            told = next(line for line in stream.iter_lines() if "working" in line)
            assert '"question": 5' in told and '"done": 0.5' in told
        assert ended.wait(10)
        # Two are worked on and one may wait: of five one at least is not taken.
        answers = [httpx.post(call, json={"data": [question]}) for _ in range(5)]
        over.set()
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused and all(a.status_code == 503 and "full" in a.text for a in refused)


@contextmanager
def mounted(demo: gr.Blocks) -> Iterator[str]:
    """A page within somebody's own application, behind a name and a password."""
    app, port = fastapi.FastAPI(), free_port()
    gr.mount_gradio_app(app, demo, path="/sub", auth=("ann", "secret"), root_path="/sub")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/sub/"
    server.should_exit = True
    thread.join()


@pytest.mark.browser
def test_mounted_under_a_path_and_behind_a_password(chromium: Any, shipped_lens: Any) -> None:
    with mounted(build(shipped_lens.source)) as url:
        context = chromium.new_context()
        form = {"username": "ann", "password": "secret"}
        assert context.request.post(f"{url}login", form=form).ok
        page = context.new_page()
        page.goto(url)
        ready = "document.querySelector('.nlv')?.nonlocalViz?.ready"
        page.wait_for_function(ready)
        context.clear_cookies()
        page.locator(f'[data-example="{SECOND}"]').click()
        page.wait_for_function(TROUBLED)
        assert "Sign in again" in page.locator(".nlv-busy").inner_text()
        assert context.request.post(f"{url}login", form=form).ok
        page.locator('[data-do="again"]').click()
        page.locator(f'[data-example="{SECOND}"][aria-pressed="true"]').wait_for()
        context.close()
