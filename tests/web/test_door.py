"""The front door: alone, and in front of the real server."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from nonlocal_viz.encoding import Encoding
from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.web import rules
from nonlocal_viz.web import serve as server
from nonlocal_viz.web.door import Door, House
from nonlocal_viz.web.gradio_private import QueueState
from nonlocal_viz.web.packing import PackedPage
from tests.web.conftest import free_port

JOIN = {"data": [], "fn_index": 0, "session_hash": "visitor"}


def awaited(coroutine: Any) -> Any:
    """Its result, from a thread of its own: the browser of other tests has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


class Queue:
    """A queue that says what a test wants it to."""

    alive, total, asked, revived = True, 3, 0, 0

    def waiting(self, _path: str, _content: bytes) -> int:
        return self.asked

    def knows(self, question: str) -> bool:
        return question == "known"

    def offers(self, name: str) -> bool:
        return name == "start"

    def revive(self) -> None:
        self.revived += 1


class Inside:
    """What stands behind the door: keeps what it was given, and answers when it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(content)
        await self.go.wait()
        headers = [(b"content-type", b"text/plain"), (b"referrer-policy", b"no-referrer")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"inside"})


def house(**changes: Any) -> House:
    plain = {
        "queue": Queue(),
        "hosts": None,
        "waiting": 2,
        "uploads": 2,
        "upload_bytes": 1000,
        "ready": lambda: True,
        "admits": lambda cookies: True,
        "proxies": rules.networks(("10.0.0.0/8", "::1")),
    }
    return House(**{**plain, **changes})


def asked(door: Door, method: str, path: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, **options)

    return awaited(ask())


def test_a_question_goes_through_whole_and_every_answer_is_dressed() -> None:
    inside, queue = Inside(), Queue()
    door = Door(inside, house(queue=queue))
    answer = asked(door, "POST", "/gradio_api/queue/join", json=JOIN)
    assert answer.text == "inside" and json.loads(inside.bodies[0]) == JOIN and queue.revived == 1
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    # What gradio says itself stays.
    assert answer.headers["referrer-policy"] == "no-referrer"
    refused = asked(door, "POST", "/gradio_api/run/affinity", json=JOIN)
    assert refused.status_code == 404 and refused.json()["detail"] == "There is no such page here."
    assert refused.headers["x-content-type-options"] == "nosniff" and len(inside.bodies) == 1


def test_sites_that_are_named_may_show_the_page_within_theirs() -> None:
    door = Door(Inside(), house(frames=("https://a.org", "https://*.b.org:8")))
    policy = asked(door, "GET", "/").headers["content-security-policy"]
    assert policy.endswith("frame-ancestors 'self' https://a.org https://*.b.org:8")
    with pytest.raises(NonlocalVizError, match="is named as https"):
        server.launch("default", port=free_port(), frames=("a.org; script-src",))


def test_a_question_that_breaks_something_never_gets_in() -> None:
    inside = Inside()
    door = Door(inside, house())
    for body in (b"{", json.dumps({**JOIN, "session_hash": ""}).encode()):
        answer = asked(door, "POST", "/gradio_api/queue/join", content=body)
        said = answer.json()["detail"]
        assert answer.status_code == 422 and ("object in JSON" in said or "session_hash" in said)
    long = b" " * (rules.QUESTION_BYTES + 1)
    assert asked(door, "POST", "/gradio_api/queue/join", content=long).status_code == 413
    exact = json.dumps(JOIN).encode().ljust(rules.QUESTION_BYTES)
    assert asked(door, "POST", "/gradio_api/queue/join", content=exact).status_code == 200
    assert inside.bodies == [exact]


def test_who_listens_to_no_question_is_told_so() -> None:
    inside = Inside()
    door = Door(inside, house())
    found = asked(door, "GET", "/gradio_api/call/start/other")
    assert found.status_code == 404 and "No such question" in found.text and inside.bodies == []
    assert asked(door, "GET", "/gradio_api/call/start/known").text == "inside"


@pytest.mark.parametrize("path", ["call/other", "call/v2/other", "call/other/"])
def test_who_calls_nobody_is_told_so(path: str) -> None:
    inside = Inside()
    found = asked(Door(inside, house()), "POST", f"/gradio_api/{path}", json={"data": []})
    assert found.status_code == 404 and "Nobody" in found.text and inside.bodies == []


def test_a_question_is_json_whatever_it_calls_itself_and_nothing_is_sent_back() -> None:
    kinds: list[Any] = []
    statuses = iter((422, 500, 404))

    async def inside(scope: Any, _receive: Any, send: Any) -> None:
        kinds.append([value for name, value in scope["headers"] if name == b"content-type"])
        start = {"type": "http.response.start", "status": next(statuses), "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"secret ", "more_body": True})
        await send({"type": "http.response.body", "body": b"words"})

    door = Door(inside, house())
    for status in (422, 500):
        found = asked(door, "POST", "/gradio_api/queue/join", content=json.dumps(JOIN))
        assert found.status_code == status and found.json()["detail"].endswith(".")
        assert "nosniff" in found.headers["x-content-type-options"]
    assert asked(door, "GET", "/config").text == "secret words"
    assert kinds[:2] == [[b"application/json"]] * 2


def test_a_full_line_is_said_with_when_to_come_again() -> None:
    queue, inside = Queue(), Inside()
    door = Door(inside, house(queue=queue))
    queue.asked = 2
    answer = asked(door, "POST", "/gradio_api/call/start", json={"data": [{}]})
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
    assert "full" in answer.json()["detail"] and inside.bodies == []
    queue.asked = 1
    assert asked(door, "POST", "/gradio_api/call/start", json={"data": [{}]}).status_code == 200


def test_files_are_bounded_in_size_and_number() -> None:
    most = 1000 + rules.QUESTION_BYTES

    async def run() -> None:
        inside = Inside()
        inside.go.clear()
        transport = httpx.ASGITransport(app=Door(inside, house()))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:

            def send(size: int) -> Any:
                return client.post("/gradio_api/upload", content=b"x" * size)

            assert (await send(most + 1)).status_code == 413
            waiting = [asyncio.create_task(send(most)) for _ in range(2)]
            while len(inside.bodies) < 2:
                await asyncio.sleep(0.001)
            refused = await send(10)
            assert refused.status_code == 503 and "full" in refused.json()["detail"]
            inside.go.set()
            assert [(await task).status_code for task in waiting] == [200, 200]
            # Their places are free again.
            assert (await send(10)).status_code == 200

    awaited(run())


def test_names_that_are_not_ours_get_no_answer() -> None:
    inside = Inside()
    door = Door(inside, house(hosts=frozenset({"here"})))
    assert asked(door, "GET", "/").text == "inside"
    foreign = asked(door, "GET", "/", headers={"host": "evil.example"})
    assert foreign.status_code == 400 and len(inside.bodies) == 1


def test_only_a_proxys_word_is_taken_for_where_a_browser_thinks_that_it_is() -> None:
    sent = [(b"x-forwarded-host", b"a.b"), (b"x-gradio-server", b"c"), (b"forwarded", b"d")]
    sent = [*sent, (b"x-forwarded-proto", b"https"), (b"accept", b"e")]
    trusted = rules.networks(("10.0.0.0/8", "::1"))
    for peer in ("10.2.3.4", "::1"):
        assert rules.believed(sent, peer, trusted) == [sent[0], *sent[2:]]
    for peer in ("11.2.3.4", "fe80::1%eth0", "", "testclient"):
        assert rules.believed(sent, peer, trusted) == sent[-1:]
    assert len(rules.believed(sent, "2001:db8::7", rules.networks(("*",)))) == 4
    with pytest.raises(NonlocalVizError, match=r"10\.0\.0\.0/8, not 'here'"):
        server.launch("default", port=free_port(), proxies=("here",))


def test_a_proxy_cannot_give_the_server_a_name_that_it_does_not_answer_to() -> None:
    def ask(peer: str) -> int:
        async def run() -> int:
            door = Door(Inside(), house(hosts=frozenset({"here"})))
            transport = httpx.ASGITransport(app=door, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                forged = {"x-forwarded-host": "evil.example"}
                return (await client.get("/", headers=forged)).status_code

        return int(awaited(run()))

    # From anybody else it is not even read.
    assert (ask("10.1.1.1"), ask("11.1.1.1")) == (400, 200)


def test_whoever_has_not_signed_in_sees_where_one_does_and_nothing_else() -> None:
    inside = Inside()
    door = Door(inside, house(admits=lambda cookies: cookies.get("known") == "yes"))
    for path in ("/", "/assets/a.js", "/theme.css", "/login", "/gradio_api/startup-events"):
        method = "POST" if path == "/login" else "GET"
        assert asked(door, method, path).status_code == 200, path
    api = "/gradio_api"
    for method, path in (
        *(("GET", p) for p in ("/config", f"{api}/info", f"{api}/file=a", f"{api}/heartbeat/x")),
        *(("GET", f"{api}/{p}") for p in ("app_id", "queue/data", "call/start/known", "token")),
        *(
            ("POST", f"{api}/{p}")
            for p in ("upload", "cancel", "reset", "call/start", "queue/join")
        ),
    ):
        refused = asked(door, method, path)
        assert refused.status_code == 401 and refused.json()["detail"] == "Sign in first.", path
        let_in = asked(door, method, path, headers={"cookie": "a=b; known=yes"})
        assert let_in.status_code != 401, path


def test_health_says_what_is_wrong() -> None:
    queue, ready = Queue(), [True]
    door = Door(Inside(), house(queue=queue, ready=lambda: ready[0]))
    fine = asked(door, "GET", "/health")
    assert fine.status_code == 200
    told = fine.json()
    page = (Path(__file__).parents[2] / "docs" / "serve.md").read_text("utf-8")
    assert told.keys() == json.loads(page.split("```json")[1].split("```")[0]).keys()
    assert told.pop("memory_mb") > 10
    assert told == {"status": "ok", "queue": "alive", "ready": True, "waiting": 3}
    queue.alive = False
    dead = asked(door, "GET", "/health")
    assert (dead.status_code, dead.json()["queue"]) == (503, "dead")
    assert asked(door, "GET", "/ready").status_code == 200
    ready[0] = False
    assert asked(door, "GET", "/ready").status_code == 503


def test_the_page_alone_is_packed() -> None:
    async def says(scope: Any, _: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"row " * 1000})

    async def ask(path: str, root: str) -> bool:
        transport = httpx.ASGITransport(app=PackedPage(says), root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return "content-encoding" in (await client.get(path)).headers

    for path, root, packed in (
        ("/", "", True),
        ("/sub/", "/sub", True),
        ("/", "/sub", True),
        ("/gradio_api/call/start/1", "", False),
        ("/sub/config", "/sub", False),
    ):
        assert awaited(ask(path, root)) == packed, path


def test_a_proxys_prefix_is_taken_off() -> None:
    inside = Inside()
    door = Door(inside, house())

    async def ask(path: str, root: str) -> int:
        transport = httpx.ASGITransport(app=door, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(path)).status_code

    for path, root, status in (
        ("/sub/config", "/sub", 200),
        ("/sub", "/sub/", 200),
        ("/config", "/sub", 200),
        ("/other/config", "/sub", 404),
    ):
        assert awaited(ask(path, root)) == status, path


def test_nothing_but_pages_and_questions_gets_in() -> None:
    reached: list[str] = []
    said: list[Any] = []

    async def inside(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope["type"])

    async def nothing() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        said.append(message["type"])

    for kind in ("websocket", "lifespan"):
        awaited(Door(inside, house())({"type": kind, "path": "/"}, nothing, send))
    assert (reached, said) == (["lifespan"], ["websocket.close"])


@contextmanager
def running(model: Any, **options: Any) -> Iterator[tuple[str, Any]]:
    """A real server and its Blocks."""
    served: list[Any] = []
    building, server.build = (
        server.build,
        lambda *a, **k: served.append(building(*a, **k)) or served[0],
    )
    try:
        _, url, _ = server.launch(
            model, port=free_port(), prevent_thread_lock=True, quiet=True, **options
        )
    finally:
        server.build = building
    try:
        yield url.rstrip("/"), served[0]
    finally:
        served[0].close(verbose=False)


def start(url: str) -> list[dict[str, Any]]:
    """Ask for the first picture as the page does, and hear all answers."""
    question = {"data": [{"question": 0, "query": {}}]}
    call = httpx.post(f"{url}/gradio_api/call/start", json=question, timeout=20)
    assert call.status_code == 200, call.text
    heard = httpx.get(f"{url}/gradio_api/call/start/{call.json()['event_id']}", timeout=30)
    lines = [line[6:] for line in heard.text.splitlines() if line.startswith("data: [")]
    return [json.loads(line)[0] for line in lines]


def test_the_real_server_stays_up(tiny_model: Any) -> None:
    with running(tiny_model) as (url, blocks):
        assert httpx.get(f"{url}/ready").status_code == 200
        # Six of these ended gradio's queue for everybody.
        for _ in range(6):
            body = {**JOIN, "session_hash": ""}
            assert httpx.post(f"{url}/gradio_api/queue/join", json=body).status_code == 422
        for path in ("run/affinity", "api/affinity"):
            assert httpx.post(f"{url}/gradio_api/{path}", json={"data": []}).status_code == 404
        assert start(url)[-1]["kind"] == "view"
        page = httpx.get(url, headers={"accept-encoding": "gzip"})
        assert page.headers["content-encoding"] == "gzip"
        assert int(page.headers["content-length"]) < len(page.content) / 2.5
        plain = httpx.get(url, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers and len(plain.text) == len(page.text)
        assert page.status_code == 200 and "nosniff" in page.headers["x-content-type-options"]
        foreign = httpx.get(url, headers={"host": "evil.example"})
        assert foreign.status_code == 400
        # Should the queue die all the same, whoever comes next brings it back to life.
        blocks._queue.stopped = True
        assert start(url)[-1]["kind"] == "view"
        assert httpx.get(f"{url}/health").json()["queue"] == "alive"


def test_who_waits_is_counted_for_each_kind_of_question(tiny_model: Any) -> None:
    with running(tiny_model) as (url, blocks):
        start(url)
        queue = QueueState(blocks)
        fns = {fn.api_name: fn for fn in blocks.fns.values()}
        line = blocks._queue.event_queue_per_concurrency_id[fns["start"].concurrency_id]
        line.queue.extend(["one", "two"])
        try:
            assert queue.waiting("/gradio_api/call/start", b"{}") == 2
            assert queue.waiting("/gradio_api/call/affinity", b"{}") == 0
            assert queue.waiting("/gradio_api/call/none", b"{}") == 0
            index = json.dumps({"fn_index": fns["start"]._id}).encode()
            assert queue.waiting("/gradio_api/queue/join", index) == 2
            assert queue.waiting("/gradio_api/queue/join", b'{"fn_index": 999}') == 0
        finally:
            line.queue.clear()


def test_a_server_for_others_answers_to_any_name_and_one_behind_a_proxy_to_the_proxys() -> None:
    own = frozenset({"127.0.0.1", "localhost", "::1"})
    assert server._hosts("127.0.0.1", None, {}) == own
    assert server._hosts("::1", None, {"share": True}) == own | {"*.gradio.live"}
    assert server._hosts("0.0.0.0", None, {}) is None
    assert server._hosts("127.0.0.1", None, {"root_path": "/sub"}) is None
    assert server._hosts("0.0.0.0", ["Viz.example.org"], {}) == {"viz.example.org"}


def test_a_photo_waits_for_no_clip(
    tiny_model: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More clips than there were ever places for, each of many slow steps, and then a photo."""
    step = Encoding._step

    def slowly(self: Encoding, block: str | None) -> Any:
        if self._price > 1:
            time.sleep(0.1)
        return step(self, block)

    monkeypatch.setattr(Encoding, "_step", slowly)
    monkeypatch.setattr("nonlocal_viz.core.gradual.FRAMES", 1)
    done: list[str] = []
    with running(tiny_model) as (url, _):
        start(url)

        def ask(name: str, source: dict[str, Any]) -> None:
            question = {"data": [{"question": 1, "source": source, "block": None}]}
            call = httpx.post(f"{url}/gradio_api/call/picture", json=question, timeout=20)
            route = f"{url}/gradio_api/call/picture/{call.json()['event_id']}"
            heard = httpx.get(route, timeout=60)
            done.append(
                name if '"kind": "view"' in heard.text or '"kind":"view"' in heard.text else ""
            )

        clips = [
            threading.Thread(target=ask, args=("clip", {"example": "bunny-clip", "frames": 16 + i}))
            for i in range(4)
        ]
        for thread in clips:
            thread.start()
        time.sleep(0.5)
        ask("photo", {"example": "cat"})
        for thread in clips:
            thread.join()
    assert done == ["photo", "clip", "clip", "clip", "clip"]
