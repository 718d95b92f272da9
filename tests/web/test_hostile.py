"""Hostile files against the real server: they end alone, in a sentence, while others are served."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.media import apart
from tests.media.test_apart import costly
from tests.web.test_door import running

API = "gradio_api"


@pytest.fixture(scope="module")
def server(tiny_model: Any) -> Iterator[str]:
    with running(tiny_model, limits=replace(LIMITS, decode_seconds=0.3)) as (url, _):
        yield url
    apart.close()


def sent(url: str, name: str, content: bytes) -> str:
    """A file, as the server calls it."""
    found = httpx.post(f"{url}/{API}/upload", files={"files": (name, content)}, timeout=30)
    assert found.status_code == 200, found.text
    return str(found.json()[0])


def heard(url: str, event: str, *data: Any) -> str:
    """All that is said to one question."""
    call = httpx.post(f"{url}/{API}/call/{event}", json={"data": list(data)}, timeout=30)
    assert call.status_code == 200, call.text
    return httpx.get(f"{url}/{API}/call/{event}/{call.json()['event_id']}", timeout=60).text


def page_says(url: str, path: str, **source: Any) -> dict[str, Any]:
    """The last answer to the page's question for a picture."""
    text = heard(url, "picture", {"question": 1, "source": {"path": path, **source}, "block": None})
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: [")]
    return json.loads(lines[-1])[0]  # type: ignore[no-any-return]


def program_says(url: str, path: str) -> str:
    """What /affinity answers of the cell at (3, 3)."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = (file, 3, 3, 0, 8, "", "row", "", 0.5, "linear", "")
    return heard(url, "affinity", *data)


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_that_spins_ends_alone(server: str, picture: np.ndarray) -> None:
    slow = sent(server, "slow.png", costly())
    small = [sent(server, f"{i}.png", png(np.roll(picture, i, 0))) for i in range(6)]
    said: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: said.append(page_says(server, slow))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert {page_says(server, path)["kind"] for path in small} == {"view"}
    for thread in threads:
        thread.join()
    assert [answer["kind"] for answer in said] == ["error"] * 3
    assert said[0]["message"].startswith("slow.png takes longer than 0.3 seconds to decode")
    assert "takes longer" in program_says(server, slow)
    assert httpx.get(f"{server}/health").json()["status"] == "ok"


def animated(side: int) -> bytes:
    """A tiny file of 30 frames, each on a canvas of ``side`` x ``side`` pixels."""
    frames = [Image.new("L", (1, 1), 8 * i) for i in range(30)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100)
    content = bytearray(buffer.getvalue())
    content[6:10] = side.to_bytes(2, "little") * 2
    return bytes(content)


def test_an_animation_whose_canvas_is_huge_is_bounded(server: str, picture: np.ndarray) -> None:
    before = httpx.get(f"{server}/health").json()["memory_mb"]
    content = animated(7000)
    assert 1000 < len(content) < 40_000
    path = sent(server, "huge.gif", content)
    for frames in (8, 64):
        answer = page_says(server, path, frames=frames)
        assert answer["kind"] == "error" and answer["message"].startswith("huge.gif "), answer
    # None of it ever was in the server's own process.
    assert httpx.get(f"{server}/health").json()["memory_mb"] - before < 100
    path = sent(server, "next.png", png(picture))
    assert page_says(server, path)["kind"] == "view"


def test_a_decoder_that_crashes_is_one_sentence(server: str, picture: np.ndarray) -> None:
    said: list[dict[str, Any]] = []
    slow = sent(server, "crash.png", costly())
    process = apart._NURSERY._process
    assert process is not None
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while listed.read_text():
        time.sleep(0.001)
    thread = threading.Thread(target=lambda: said.append(page_says(server, slow)))
    thread.start()
    while not (found := listed.read_text().split()):
        time.sleep(0.001)
    # As a decoder that writes where it may not.
    os.kill(int(found[0]), signal.SIGSEGV)
    thread.join()
    assert said[0]["message"].startswith("crash.png is broken")
    assert page_says(server, sent(server, "a.png", png(picture)))["kind"] == "view"
