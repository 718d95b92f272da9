"""How the page is served."""

import os
import re
import signal
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

from nonlocal_viz.core.source import Source
from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.web.door import Door, House
from nonlocal_viz.web.gradio_private import QueueState, admitted
from nonlocal_viz.web.packing import PackedPage
from nonlocal_viz.web.page import build
from nonlocal_viz.web.rules import Network, networks
from nonlocal_viz.web.temporary import own_folder
from nonlocal_viz.web.theme import PAGE_CSS, THEME

#: What gradio is always told, unless somebody says otherwise.
_PLAIN: dict[str, Any] = {
    "share": False,
    "show_error": False,
    "enable_monitoring": False,
    "run_history": False,
    "footer_links": [],
    "state_session_capacity": 100,
    "theme": THEME,
    "css": PAGE_CSS,
    "ssr_mode": False,
}
#: Names of this machine for itself.
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def launch(
    model: Source | str | Path = "default",
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    device: str = "auto",
    short_side: int | None = None,
    inbrowser: bool = False,
    limits: Limits = LIMITS,
    hosts: Sequence[str] | None = None,
    proxies: Sequence[str] = ("127.0.0.1", "::1"),
    frames: Sequence[str] = (),
    **options: Any,
) -> Any:
    """Build the page and serve it until interrupted; arguments as :func:`build`.

    Args:
        hosts: names that the server answers to, ``"*.example.org"`` for all below one; default any, but
            where it is bound to this machine alone and stands behind no proxy, this machine's.
        proxies: addresses or networks whose ``X-Forwarded-`` headers are believed; ``"*"``: everybody's.
        frames: sites, such as ``"https://example.org"``, that may show the page within theirs.
        options: go to gradio's ``launch`` (``prevent_thread_lock``, ``auth``, ``root_path`` ...).

    Raises:
        NonlocalVizError: the model cannot be loaded, the port is taken, nothing can be written, or a proxy
            is no address, or a site none.
    """
    # What cannot work is said before a model is loaded.
    try_port(host, port)
    trusted, sites = _networks(proxies), _sites(frames)
    # The door decides whom to believe; uvicorn would hide from it who is at the other end.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    own_folder(limits)
    if not options.get("prevent_thread_lock"):
        _leave_when_told()
    names = _hosts(host, hosts, options)
    demo = build(
        model,
        device=device,
        short_side=short_side,
        limits=limits,
        opens=not sites and _alone(names, hosts, options),
    )
    door = Middleware(Door, house=_house(demo, limits, names, trusted, sites))
    settings: dict[str, Any] = {
        "app_kwargs": {"middleware": [door, Middleware(PackedPage)]},
        # As an address has it; gradio takes the brackets off where it must.
        "server_name": f"[{host}]" if ":" in host else host,
        "server_port": port,
        "inbrowser": inbrowser,
        "max_file_size": limits.video_bytes,
    }
    try:
        return demo.launch(**{**_PLAIN, **settings, **options})
    except OSError as error:
        raise _refused(host, port, error) from None


def _alone(
    names: frozenset[str] | None, given: Sequence[str] | None, options: dict[str, Any]
) -> bool:
    """Whether who asks is who runs it: no name but this machine's, and nobody let in by a password."""
    return given is None and names == _LOCAL and not options.get("auth")


def _house(
    demo: Any,
    limits: Limits,
    hosts: frozenset[str] | None,
    proxies: tuple[Network, ...],
    frames: tuple[str, ...],
) -> House:
    return House(
        queue=QueueState(demo),
        hosts=hosts,
        waiting=limits.queue_size,
        uploads=limits.uploads,
        upload_bytes=limits.video_bytes,
        ready=lambda: bool(demo.is_running),
        admits=lambda cookies: admitted(demo, cookies),
        proxies=proxies,
        frames=frames,
    )


def _hosts(
    host: str, given: Sequence[str] | None, options: dict[str, Any]
) -> frozenset[str] | None:
    if given is not None:
        return frozenset(name.lower() for name in given)
    if host not in _LOCAL or options.get("root_path"):
        return None
    # A site that gives its own name this machine's address must not be let in by it.
    shared = {"*.gradio.live"} if options.get("share") else set()
    return frozenset({*_LOCAL, *shared})


def _networks(proxies: Sequence[str]) -> tuple[Network, ...]:
    try:
        return networks(tuple(proxies))
    except ValueError:
        raise NonlocalVizError(
            f"A proxy is named by its address or network, such as 10.0.0.0/8, not {', '.join(proxies)!r}."
        ) from None


def _sites(frames: Sequence[str]) -> tuple[str, ...]:
    for site in frames:
        if not re.fullmatch(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d+)?", site):
            raise NonlocalVizError(
                f"A site that shows the page is named as https://example.org, not {site!r}."
            )
    return tuple(frames)


def try_port(host: str, port: int) -> None:
    """Whether one can listen there.

    Raises:
        NonlocalVizError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As servers do: a port whose last owner has just gone is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise _refused(host, port, error) from None


def _refused(host: str, port: int, error: OSError) -> NonlocalVizError:
    return NonlocalVizError(
        f"Port {port} on {host} cannot be used ({error}); choose another with --port."
    )


def _leave_when_told() -> None:
    """On SIGTERM and SIGINT the process ends by itself, so that what it kept is deleted."""
    if threading.current_thread() is not threading.main_thread():
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(0 if number == signal.SIGTERM else 128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
