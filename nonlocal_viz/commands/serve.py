"""``nonlocal-viz serve``: the web tool."""

import argparse
from typing import Any

from nonlocal_viz.commands.arguments import add_model, add_quiet, open_model, say_notes, whole

ORDER = 1
HELP = "open the web tool"
EXAMPLES = """\
nonlocal-viz serve
nonlocal-viz serve --port 8000 --model my_checkpoint.safetensors
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz serve``."""
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=whole("--port", 1, 65_535), default=7860)
    parser.add_argument("--inbrowser", action="store_true", help="open a browser window")
    add_model(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    from nonlocal_viz.web import launch

    model = open_model(arguments)
    say_notes(model.about.assumptions, arguments.quiet)
    # Said to gradio only where it changes anything.
    hushed: dict[str, Any] = {"quiet": True} if arguments.quiet else {}
    launch(
        model,
        host=arguments.host,
        port=arguments.port,
        short_side=arguments.short_side,
        inbrowser=arguments.inbrowser,
        **hushed,
    )
    return 0
