"""What the server takes in, rule by rule."""

import json

import pytest

from nonlocal_viz.web import rules

API = "/gradio_api"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/config"),
        ("GET", "/assets/index-1.js"),
        ("GET", f"{API}/info"),
        ("GET", f"{API}/heartbeat/abc123"),
        ("GET", f"{API}/call/start/0af3"),
        ("GET", f"{API}/file=/tmp/some/where/a b.jpg"),
        ("GET", f"{API}/queue/data"),
        ("POST", f"{API}/call/affinity"),
        ("POST", f"{API}/queue/join"),
        ("POST", f"{API}/upload"),
        ("OPTIONS", f"{API}/queue/join"),
        ("POST", "/login"),
    ],
)
def test_what_the_page_and_programs_use_is_there(method: str, path: str) -> None:
    assert rules.route(method, path) is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        # Ways round the queue, and doors that nobody here uses.
        ("POST", f"{API}/run/affinity", 404),
        ("POST", f"{API}/api/affinity", 404),
        ("POST", f"{API}/run/predict/", 404),
        ("GET", f"{API}/proxy=http://example.org", 404),
        ("POST", f"{API}/component_server", 404),
        ("POST", f"{API}/stream/abc", 404),
        ("POST", f"{API}/vibe-edit", 404),
        ("GET", "/monitoring", 404),
        ("GET", f"{API}/heartbeat/../../etc", 404),
        ("GET", f"{API}/heartbeat/{'a' * 65}", 404),
        ("GET", "/config/../secret", 404),
        ("POST", "/", 404),
        ("DELETE", "/", 405),
        ("PUT", f"{API}/upload", 405),
        ("TRACE", "/", 405),
    ],
)
def test_the_rest_is_not(method: str, path: str, status: int) -> None:
    refusal = rules.route(method, path)
    assert refusal is not None and refusal.status == status and refusal.words.endswith(".")


JOIN = {"data": [], "fn_index": 0, "session_hash": "visitor"}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("queue/join", JOIN),
        ("queue/join", {**JOIN, "event_data": None, "trigger_id": 3}),
        ("call/start", {"data": [{"question": 0}]}),
        ("call/affinity", {"data": [], "session_hash": "a-b_C9"}),
        ("call/v2/affinity", {"image": None}),
        ("cancel", {"session_hash": "a", "fn_index": 0, "event_id": "b"}),
        ("reset", {"event_id": "b"}),
    ],
)
def test_a_question_that_can_be_taken(path: str, asked: object) -> None:
    assert rules.question(f"{API}/{path}", json.dumps(asked).encode()) is None


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("queue/join", {**JOIN, "session_hash": ""}),
        ("queue/join", {**JOIN, "session_hash": None}),
        ("queue/join", {**JOIN, "session_hash": "a" * 65}),
        ("queue/join", {**JOIN, "session_hash": "a b"}),
        ("queue/join", {**JOIN, "session_hash": "a\n"}),
        ("queue/join", {**JOIN, "session_hash": 7}),
        ("queue/join", {**JOIN, "session_hash": ["a"]}),
        ("queue/join", {k: v for k, v in JOIN.items() if k != "session_hash"}),
        ("queue/join", {**JOIN, "fn_index": -1}),
        ("queue/join", {**JOIN, "fn_index": 1000}),
        ("queue/join", {**JOIN, "fn_index": True}),
        ("queue/join", {**JOIN, "fn_index": "0"}),
        ("queue/join", {**JOIN, "fn_index": None}),
        ("queue/join", {**JOIN, "data": None}),
        ("queue/join", {**JOIN, "batched": True}),
        ("queue/join", [JOIN]),
        ("queue/join", "text"),
        ("call/start", {"data": "text"}),
        ("call/start", {}),
        ("call/start", {"data": [], "session_hash": ""}),
        ("cancel", {"session_hash": "a", "fn_index": 0}),
        ("cancel", {"session_hash": {}, "event_id": "b"}),
        ("reset", {"event_id": ""}),
        ("reset", {}),
    ],
)
def test_a_question_that_would_break_something(path: str, asked: object) -> None:
    refusal = rules.question(f"{API}/{path}", json.dumps(asked).encode())
    assert refusal is not None and refusal.status == 422 and refusal.words.endswith(".")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b"null"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    refusal = rules.question(f"{API}/queue/join", content)
    assert refusal is not None and refusal.status == 422


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("localhost", True),
        ("LocalHost:7860", True),
        ("127.0.0.1:1", True),
        ("[::1]:7860", True),
        ("abc.gradio.live", True),
        ("gradio.live", False),
        ("evilgradio.live", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_names_that_are_answered_to(host: str, fine: bool) -> None:
    allowed = frozenset({"localhost", "127.0.0.1", "::1", "*.gradio.live"})
    assert rules.host_allowed(host, allowed) is fine
    assert rules.host_allowed(host, None)
