"""``nonlocal-viz serve``: the web tool."""

import argparse

from nonlocal_viz.commands.arguments import add_model, open_model, say_assumptions, whole

ORDER = 1
HELP = "open the web tool"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz serve``."""
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=whole("--port", 1, 65_535), default=7860)
    parser.add_argument("--inbrowser", action="store_true", help="open a browser window")
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    from nonlocal_viz.web import launch

    model = open_model(arguments)
    say_assumptions(model.about)
    launch(
        model,
        host=arguments.host,
        port=arguments.port,
        short_side=arguments.short_side,
        inbrowser=arguments.inbrowser,
    )
    return 0
