"""``nonlocal-viz video``: one row over the frames of a clip."""

import argparse
from pathlib import Path

from nonlocal_viz.commands.arguments import number, whole
from nonlocal_viz.commands.one_row import add_row, write_row

ORDER = 3
HELP = "one affinity row over space and time of a clip"
EXAMPLES = """\
nonlocal-viz video example:clip --at 320,200
nonlocal-viz video example:clip --at 320,200 --frame 3 --frames 4 --out strip.png
nonlocal-viz video example:clip --at 320,200 --start 1 --stride 0.5 --out arrows.svg
"""
_OUT = "overlay.webm"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz video``."""
    parser.add_argument(
        "clip", type=Path, help="a file; - is standard input, example:clip comes with the package"
    )
    add_row(parser, _OUT, clip=True)
    parser.add_argument(
        "--frame", type=whole("--frame", 0), default=0, help="the query's, of those sampled; from 0"
    )
    parser.add_argument(
        "--frames", type=whole("--frames", 1), default=8, help="how many are sampled (8)"
    )
    parser.add_argument(
        "--start", type=number("--start", 0), default=0.0, help="seconds where sampling begins"
    )
    parser.add_argument(
        "--stride",
        type=number("--stride", 0, above=True),
        help="seconds between frames (evenly to the end)",
    )
    parser.add_argument(
        "--per-frame", action="store_true", help="look within each frame alone, not over time"
    )


def run(arguments: argparse.Namespace) -> int:
    """Encode the clip, ask it, write the row."""
    return write_row(
        arguments,
        arguments.clip,
        _OUT,
        frame=arguments.frame,
        frames=arguments.frames,
        start=arguments.start,
        stride=arguments.stride,
        spacetime=not arguments.per_frame,
    )
