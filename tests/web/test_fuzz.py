"""The HTTP API, asked what nobody would ask: every answer is an answer, and the next question gets one.

Derandomised, some twenty seconds. ``NONLOCAL_VIZ_FUZZ=5000`` asks as many questions a test, at random.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nonlocal_viz.media import apart
from tests.web.test_door import running, start
from tests.web.test_hostile import API, png, sent

QUESTIONS = int(os.environ.get("NONLOCAL_VIZ_FUZZ", 0))
ASKING = settings(
    max_examples=QUESTIONS or 120,
    deadline=None,
    derandomize=not QUESTIONS,
    database=None,
    suppress_health_check=list(HealthCheck),
)
#: What must stand in no answer: where the server lies, and how it fell.
LEAKS = re.compile(r"Traceback|site-packages|\.py\b|/(?:home|root|usr|work)\b|root:x:0")

numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 10**30, 5, 8, 1e308, 2**63, 0.5])
)
words = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            *(
                "",
                "layer2.1",
                "row",
                "column",
                "png",
                "html",
                "webm",
                "viridis",
                "log",
                "cat",
                "x" * 9000,
            ),
            *(
                "../../etc/passwd",
                "/etc/passwd",
                "http://localhost/a.png",
                "\x00",
                "\x1b[31m",
                "bunny-clip",
            ),
        ]
    ),
)
values: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=8,
)


class Place:
    """The server, and a picture that it holds."""

    def __init__(self, url: str, path: str) -> None:
        self.url, self.path = url, path
        self.client = httpx.Client(timeout=60)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer that is one: no failure of the server's, and nothing of where it lies."""
        found = self.client.request(method, f"{self.url}{path}", **options)
        assert found.status_code < 500 or found.status_code == 503, (path, options, found.text)
        # The scripts of the page name files of ours.
        if path not in ("/", "/config", "/login") and "openapi" not in path:
            leaked = LEAKS.search(found.text.replace(self.path, ""))
            assert leaked is None, (path, options, found.text[:500])
        return found

    def hear(self, event: str, data: Any) -> str:
        """All that is said to a question, if it is taken."""
        body = json.dumps({"data": data}, allow_nan=True)
        call = self.ask("POST", f"/{API}/call/{event}", content=body)
        if call.status_code != 200 or "event_id" not in call.text:
            return call.text
        said = self.ask("GET", f"/{API}/call/{event}/{call.json()['event_id']}").text
        assert "event: complete" in said or "event: error" in said, (event, data, said)
        return said


@pytest.fixture(scope="module")
def place(tiny_model: Any) -> Iterator[Place]:
    y, x = np.mgrid[:24, :40]
    picture = np.stack([6 * x, 10 * y, 2 * (x + y)], -1).astype(np.uint8)
    with running(tiny_model, short_side=32) as (url, _):
        held = Place(url, sent(url, "a.png", png(picture)))
        yield held
        # After all of it the server is as it was.
        told = httpx.get(f"{url}/health").json()
        assert (told["status"], told["waiting"]) == ("ok", 0)
        assert start(url)[-1]["kind"] == "view"
        held.client.close()
    apart.close()


@ASKING
@given(data=st.data())
def test_questions_of_programs(place: Place, data: st.DataObject) -> None:
    file: Any = {"path": place.path, "meta": {"_type": "gradio.FileData"}}
    usual = [file, 3, 3, 0, 8, "", "row", "", 0.5, "linear", ""]
    for _ in range(data.draw(st.integers(0, 3))):
        usual[data.draw(st.integers(0, len(usual) - 1))] = data.draw(values)
    said = place.hear("affinity", data.draw(st.sampled_from([usual, usual, usual[:3], {}, "x"])))
    # A failure is one sentence.
    for line in said.splitlines():
        if line.startswith("data: {") and "error" in line:
            told = json.loads(line[6:])["error"]
            assert told is None or (told.endswith(".") and len(told) < 1600), said


@ASKING
@given(data=st.data())
def test_questions_of_the_page(place: Place, data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(["start", "picture", "block", "row", "save"]))
    question: dict[str, Any] = {
        "question": 1,
        "source": {"path": place.path},
        "query": {"example": "cat"},
        "block": "layer2.1",
        "x": 3,
        "y": 3,
        "frame": 0,
        "suffix": "csv",
        "direction": "row",
    }
    for name in data.draw(st.lists(st.sampled_from([*question, "caption", "cmap"]), max_size=3)):
        question[name] = data.draw(values)
    if data.draw(st.integers(0, 4)) == 0:
        question["source"] = data.draw(
            st.dictionaries(
                st.sampled_from(["path", "example", "upload", "frames", "start", "model"]), values
            )
        )
    said = place.hear(event, [data.draw(st.sampled_from([question, question, question, None]))])
    answers = [line[6:] for line in said.splitlines() if line.startswith("data: [")]
    for answer in answers:
        found = json.loads(answer)[0]
        if found is not None and found["kind"] == "error":
            assert found["message"].endswith(".") and len(found["message"]) < 1600, found
            assert "went wrong on the server" not in found["message"], question


@ASKING
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]),
    path=st.sampled_from(
        [
            *(
                "/",
                "/config",
                "/login",
                "/theme.css",
                "/health",
                "/ready",
                "/assets/x",
                "/static/../x",
            ),
            *(
                f"/{API}/{name}"
                for name in ("info", "queue/join", "queue/data", "upload", "cancel")
            ),
            *(
                f"/{API}/{name}"
                for name in ("call/affinity", "call/start", "call/none", "reset", "run/x")
            ),
            *(
                f"/{API}/{name}"
                for name in (
                    "file=/etc/passwd",
                    "file=a.png",
                    "heartbeat/x",
                    "call/v2/x",
                    "call/v2/affinity",
                )
            ),
            *(
                f"/{API}/{name}"
                for name in ("upload_progress", "call/start/none", "startup-events")
            ),
        ]
    ),
    body=st.one_of(
        st.binary(max_size=60),
        values.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"data": values, "fn_index": numbers, "session_hash": words, "event_id": words}
        ).map(lambda value: json.dumps(value).encode()),
    ),
    query=st.dictionaries(
        st.sampled_from(["session_hash", "upload_id", "example", "x", "__theme"]),
        st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=20),
        max_size=2,
    ),
    kind=st.sampled_from(
        [
            "application/json",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "text/plain",
            "?",
        ]
    ),
)
def test_anything_at_any_route(
    place: Place, method: str, path: str, body: bytes, query: dict[str, str], kind: str
) -> None:
    streams = method == "GET" and path.endswith(("queue/data", "heartbeat/x", "upload_progress"))
    if streams:
        return  # they stay open for as long as somebody listens
    headers = {"content-type": kind}
    place.ask(method, path, content=body, params=query, headers=headers)
