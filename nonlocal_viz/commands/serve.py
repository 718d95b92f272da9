"""``nonlocal-viz serve``: the web tool."""

import argparse
import os
from pathlib import Path
from typing import Any

from nonlocal_viz.commands.arguments import (
    ArgumentError,
    add_model,
    add_quiet,
    open_model,
    say_notes,
    several,
    whole,
)

ORDER = 1
HELP = "open the web tool"
EXAMPLES = """\
nonlocal-viz serve
nonlocal-viz serve --port 8000 --model my_checkpoint.safetensors
nonlocal-viz serve --root-path /viz --allow-host viz.example.org --auth people.txt
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz serve``."""
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=whole("--port", 1, 65_535), default=7860)
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="extend",
        type=several,
        help="names that the server answers to, *.example.org for all below one (a server on this "
        "machine alone: this machine's; else any)",
    )
    parser.add_argument(
        "--root-path", metavar="PATH", help="what a proxy puts before every address, such as /viz"
    )
    parser.add_argument(
        "--proxy",
        metavar="ADDRESS",
        action="extend",
        type=several,
        help="whose X-Forwarded headers are believed: addresses, networks such as 10.0.0.0/8, or * "
        "(default: a proxy on this machine)",
    )
    parser.add_argument(
        "--frame",
        metavar="SITE",
        action="extend",
        type=several,
        help="sites that may show the page within theirs, such as https://example.org (also by the "
        "environment's NONLOCAL_VIZ_FRAME)",
    )
    parser.add_argument(
        "--auth",
        metavar="FILE",
        type=Path,
        help="a file of lines NAME:PASSWORD; others stay outside",
    )
    parser.add_argument("--inbrowser", action="store_true", help="open a browser window")
    add_model(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    options: dict[str, Any] = {}
    if arguments.auth is not None:
        options["auth"] = _people(arguments.auth)
    if arguments.root_path:
        options["root_path"] = f"/{arguments.root_path.strip('/')}"
    if arguments.proxy:
        options["proxies"] = arguments.proxy
    if frames := arguments.frame or os.environ.get("NONLOCAL_VIZ_FRAME"):
        options["frames"] = several(frames) if isinstance(frames, str) else frames
    from nonlocal_viz.web import launch
    from nonlocal_viz.web.serve import try_port

    # What cannot work is said before a model is loaded.
    try_port(arguments.host, arguments.port)
    model = open_model(arguments)
    say_notes(model.about.assumptions, arguments.quiet)
    # Said to gradio only where it changes anything.
    options |= {"quiet": True} if arguments.quiet else {}
    launch(
        model,
        host=arguments.host,
        port=arguments.port,
        short_side=arguments.short_side,
        inbrowser=arguments.inbrowser,
        hosts=arguments.allow_host,
        **options,
    )
    return 0


def _people(path: Path) -> list[tuple[str, str]]:
    """(name, password) of everybody who may come in.

    Raises:
        ArgumentError: the file cannot be read, or a line of it is no name and password.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise ArgumentError(f"--auth: {path.name} cannot be read as a file of text.") from None
    pairs = [line.partition(":") for line in lines if line.strip() and not line.startswith("#")]
    if not pairs or not all(name.strip() and password for name, _, password in pairs):
        raise ArgumentError(
            f"--auth: every line of {path.name} is NAME:PASSWORD, and there is one."
        )
    return [(name.strip(), password) for name, _, password in pairs]
