"""What the server takes in: which routes there are, and what a question may look like.

Invariant: nothing here knows gradio or a network; each rule is a function of text. What a rule refuses is
refused in one sentence, before gradio sees it: gradio's queue is one task, which a malformed question ends
for everybody.
"""

import ipaddress
import json
import re
from typing import Any, NamedTuple

#: Bytes of a question: the page's have a few hundred, a program's a little more.
QUESTION_BYTES = 256 * 1024
_HASH = r"[A-Za-z0-9_-]{1,64}"
_API = "/gradio_api"
#: Of all that gradio serves, what the page, gradio_client, curl and a share link use.
_READ = re.compile(
    r"/|/(config|login_check|logout|token|user|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?"
    r"|/(assets|static|svelte|pwa_icon)(/.*)?"
    rf"|{_API}/(info|openapi\.json|config|app_id|user|token|login_check|theme\.css|startup-events)/?"
    rf"|{_API}/(heartbeat/{_HASH}|queue/data|upload_progress|call/\w{{1,64}}/{_HASH}|file[=/].*)",
    re.DOTALL,
)
_ASK = re.compile(
    rf"{_API}/(queue/join|cancel|reset|upload|call/\w{{1,64}}|call/v2/\w{{1,64}})/?|/login/?"
)
#: What whoever has not signed in may see: the page on which one does, and the code that it is made of.
_OPEN = re.compile(
    r"/|/(login|logout|login_check|theme\.css|favicon\.ico|robots\.txt|manifest\.json)/?"
    rf"|/(assets|static|svelte|pwa_icon)(/.*)?|{_API}/(login_check|theme\.css|startup-events)/?",
    re.DOTALL,
)

Headers = list[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Refusal(NamedTuple):
    """Why something is not taken: a status of HTTP and one sentence."""

    status: int
    words: str


def route(method: str, path: str) -> Refusal | None:
    """Whether there is such a route.

    Args:
        path: without the prefix that a proxy has put before it.
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        known = _READ.fullmatch(path) or (method == "OPTIONS" and _ASK.fullmatch(path))
        return None if known else Refusal(404, "There is no such page here.")
    if method == "POST":
        return None if _ASK.fullmatch(path) else Refusal(404, "There is no such page here.")
    return Refusal(405, "This server answers to GET and POST.")


def open_to_all(path: str) -> bool:
    """Whether one need not have signed in for what is at a path."""
    return bool(_OPEN.fullmatch(path))


def called(path: str) -> str | None:
    """The name of the endpoint that a question at this path calls; None: it names none."""
    found = re.fullmatch(rf"{_API}/call/(?:v2/)?(\w{{1,64}})/?", path)
    return found.group(1) if found else None


def answered(path: str) -> str | None:
    """The number of the question whose answer is listened to at this path; None: of none."""
    found = re.fullmatch(rf"{_API}/call/\w{{1,64}}/({_HASH})", path)
    return found.group(1) if found else None


def asks(path: str) -> bool:
    """Whether what is posted there is a question in JSON."""
    return path.startswith(_API) and "/upload" not in path


def question(path: str, content: bytes) -> Refusal | None:
    """Whether a question is one that gradio's queue can take.

    Args:
        content: at most :data:`QUESTION_BYTES` of JSON.
    """
    try:
        asked = json.loads(content)
    except (ValueError, RecursionError):
        return Refusal(422, "A question is an object in JSON, and this is none.")
    if not isinstance(asked, dict):
        return Refusal(422, "A question is an object in JSON, and this is none.")
    if "/cancel" in path or "/reset" in path:
        return _named(asked, ("session_hash", "event_id"), needed=("event_id",))
    if not isinstance(asked.get("data"), list | dict) and "/v2/" not in path:
        return Refusal(422, "A question has its values in a list called data.")
    if asked.get("batched"):
        return Refusal(422, "A question is asked on its own, not in a batch.")
    if "/queue/join" in path:
        index = asked.get("fn_index")
        if type(index) is not int or not 0 <= index < 1000:
            return Refusal(422, "A question says in fn_index, a whole number, whom it asks.")
        return _named(asked, ("session_hash",), needed=("session_hash",))
    return _named(asked, ("session_hash",), needed=())


def _named(
    asked: dict[str, Any], names: tuple[str, ...], needed: tuple[str, ...]
) -> Refusal | None:
    for name in names:
        value = asked.get(name)
        if value is None and name not in needed:
            continue
        if not isinstance(value, str) or not re.fullmatch(_HASH, value):
            return Refusal(
                422, f"{name} is a name of 1 to 64 letters, digits, hyphens and underlines."
            )
    return None


def host_allowed(host: str, allowed: frozenset[str] | None) -> bool:
    """Whether a server answers to a name.

    Args:
        host: of the request, with or without its port.
        allowed: names, ``*.`` in front of one standing for any below it; None: any.
    """
    if allowed is None:
        return True
    name = re.sub(r":\d*$", "", host.strip().lower()).strip("[]")
    return name in allowed or any(name.endswith(one[1:]) for one in allowed if one.startswith("*."))


def networks(addresses: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks (``10.0.0.0/8``) as networks; ``*`` is everybody.

    Raises:
        ValueError: one of them is neither.
    """
    everybody = ("0.0.0.0/0", "::/0")
    named = [n for one in addresses for n in (everybody if one == "*" else (one,))]
    return tuple(ipaddress.ip_network(one, strict=False) for one in named)


def believed(headers: Headers, peer: str, proxies: tuple[Network, ...]) -> Headers:
    """Headers without what only a proxy may say (where a browser thinks that it is) unless one said it.

    Args:
        headers: names in lower case.
        peer: the address at the other end of the connection.
        proxies: whose word is taken.
    """
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
        trusted = any(address in one for one in proxies)
    except ValueError:
        trusted = False
    # Gradio takes its own address from the second without asking who says so.
    return [
        (name, value)
        for name, value in headers
        if not (name == b"forwarded" or name.startswith(b"x-forwarded-")) or trusted
        if name != b"x-gradio-server"
    ]
