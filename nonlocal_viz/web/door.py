"""The front door: everything that comes in passes here before gradio sees it, and everything goes out here.

It turns away what is malformed or too much (rules.py), brings gradio's queue back to life should its one
task ever die, says how the server is (``/health``, ``/ready``), and puts on every answer the headers that
keep other sites out.
"""

import json
import logging
import resource
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection

from nonlocal_viz.web import rules
from nonlocal_viz.web.gradio_private import QueueState

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
_log = logging.getLogger(__name__)

#: Seconds after which whoever found no place may ask again.
LATER = 5
_HEADERS = {
    # Scripts of the page stand in it, and gradio makes functions of text.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class House:
    """What the door guards.

    Attributes:
        queue: gradio's.
        hosts: names that the server answers to; None: any.
        waiting: questions of one kind that may wait.
        uploads: files that may be on their way at once.
        upload_bytes: of the largest file.
        ready: whether pictures can be looked at.
        admits: whether whoever sent these cookies may come in.
        proxies: whose word is taken for where a browser thinks that it is.
        frames: sites, such as ``https://example.org``, that may show the page within theirs.
    """

    queue: QueueState
    hosts: frozenset[str] | None
    waiting: int
    uploads: int
    upload_bytes: int
    ready: Callable[[], bool]
    admits: Callable[[dict[str, str]], bool]
    proxies: tuple[rules.Network, ...]
    frames: tuple[str, ...] = ()


class Door:
    """An ASGI application around another."""

    def __init__(self, app: Application, house: House) -> None:
        self.app, self.house = app, house
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:
                # Neither the page nor a program has use for a websocket.
                await send({"type": "websocket.close", "code": 1008})
            return
        path, method = _path(scope), scope["method"]
        peer = scope.get("client") or ("",)
        headers = rules.believed(list(scope["headers"]), str(peer[0]), self.house.proxies)
        scope = {**scope, "headers": headers}
        self.house.queue.revive()
        if path in ("/health", "/ready"):
            await self._tell(path, send)
            return
        refusal = self._refused(scope, path, method)
        if refusal is not None:
            await _say(send, refusal)
            return
        await self._pass(scope, receive, _dressed(send, self.house.frames), path, method)

    def _refused(self, scope: Scope, path: str, method: str) -> rules.Refusal | None:
        headers = dict(scope["headers"])
        said = headers.get(b"x-forwarded-host", b"").split(b",")[0]
        for name in (headers.get(b"host", b""), *([said] if said else [])):
            if not rules.host_allowed(name.decode("latin-1"), self.house.hosts):
                return rules.Refusal(400, "This server does not answer to that name.")
        if rules.open_to_all(path) or self.house.admits(HTTPConnection(scope).cookies):
            return rules.route(method, path)
        return rules.route(method, path) or rules.Refusal(401, "Sign in first.")

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, path: str, method: str
    ) -> None:
        asked = rules.answered(path)
        if method != "POST" and asked and not self.house.queue.knows(asked):
            await _say(send, rules.Refusal(404, "No such question is being answered here."))
        elif method != "POST":
            await self._inside(scope, receive, send)
        elif rules.asks(path):
            await self._question(scope, receive, send, path)
        else:
            await self._upload(scope, receive, send)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, _veiled(send))

    async def _question(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        name = rules.called(path)
        if name and not self.house.queue.offers(name):
            await _say(send, rules.Refusal(404, "Nobody of that name is asked here."))
            return
        content = await _read(receive, rules.QUESTION_BYTES)
        if content is None:
            await _say(send, rules.Refusal(413, "That is too long for a question."))
            return
        refusal = rules.question(path, content)
        if refusal is None and self.house.queue.waiting(path, content) >= self.house.waiting:
            refusal = rules.Refusal(
                503, "The queue is full: too many people ask at once. Ask again in a moment."
            )
        if refusal is not None:
            await _say(send, refusal)
            return
        # It was read as JSON, whatever it calls itself.
        headers = [pair for pair in scope["headers"] if pair[0].lower() != b"content-type"]
        scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._inside(scope, _replayed(content, receive), send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"")
        # A form takes a little more than the file within it.
        if length.isdigit() and int(length) > self.house.upload_bytes + rules.QUESTION_BYTES:
            await _say(send, rules.Refusal(413, "That file is larger than this server takes."))
            return
        if self._uploads >= self.house.uploads:
            words = (
                "The server is full: too many files are on their way. Send it again in a moment."
            )
            await _say(send, rules.Refusal(503, words))
            return
        self._uploads += 1
        try:
            await self._inside(scope, receive, send)
        except ClientDisconnect:
            pass  # whoever sent it has gone
        finally:
            self._uploads -= 1

    async def _tell(self, path: str, send: Send) -> None:
        queue, ready = self.house.queue, self.house.ready()
        fine = queue.alive and ready
        told = {
            "status": "ok" if fine else "failing",
            "queue": "alive" if queue.alive else "dead",
            "ready": ready,
            "waiting": queue.total,
            # Kilobytes on Linux; the most that it ever was.
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        bad = not (ready if path == "/ready" else fine)
        await _answer(send, 503 if bad else 200, told)


def _path(scope: Scope) -> str:
    """The path without what a proxy has put before it."""
    path, root = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    return path.removeprefix(root) or "/" if root else path


async def _read(receive: Receive, most: int) -> bytes | None:
    """All of a body; None if it is longer than ``most`` bytes."""
    content = b""
    while True:
        message = await receive()
        content += bytes(message.get("body", b""))
        if len(content) > most:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return content


def _replayed(content: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read again, and after it what comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return again


def _veiled(send: Send) -> Send:
    """Answers as they are, but for two: gradio sends back all that it could not read, and a failure of ours
    is for the log."""
    words = {
        422: "A value of this question is missing, or not of its kind.",
        500: "Something went wrong on the server; it has been logged.",
    }
    instead: rules.Refusal | None = None

    async def veiled(message: Message) -> None:
        nonlocal instead
        if message["type"] == "http.response.start" and message["status"] in words:
            instead = rules.Refusal(message["status"], words[message["status"]])
            await _say(send, instead)
        if instead is None:
            await send(message)

    return veiled


def _dressed(send: Send, frames: tuple[str, ...] = ()) -> Send:
    said = {**_HEADERS}
    said["content-security-policy"] += "".join(f" {site}" for site in frames)

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            there = {name.lower() for name, _ in headers}
            headers += [
                (k.encode(), v.encode()) for k, v in said.items() if k.encode() not in there
            ]
            message = {**message, "headers": headers}
        await send(message)

    return dressed


async def _say(send: Send, refusal: rules.Refusal) -> None:
    await _answer(send, refusal.status, {"detail": refusal.words})


async def _answer(send: Send, status: int, told: dict[str, Any]) -> None:
    content = json.dumps(told).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    if status == 503:
        headers.append((b"retry-after", str(LATER).encode()))
    send = _dressed(send)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
