"""``nonlocal-viz overlay``: one row over a photo."""

import argparse
from pathlib import Path

from nonlocal_viz.commands.one_row import add_row, write_row

ORDER = 2
HELP = "one affinity row over a photo, as a file"
EXAMPLES = """\
nonlocal-viz overlay example:cat --at 230,110
nonlocal-viz overlay example:cat --at 230,110 --block layer3.1 --caption --out row.png
nonlocal-viz overlay example:cat --at 230,110 --json > row.json
nonlocal-viz overlay - --at 230,110 --out - < photo.jpg > row.png
"""
_OUT = "overlay.png"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz overlay``."""
    parser.add_argument(
        "photo", type=Path, help="a file; - is standard input, example:cat comes with the package"
    )
    add_row(parser, _OUT, clip=False)
    parser.add_argument(
        "--caption",
        action="store_true",
        default=None,
        help="of a .png: a figure with its colour bar and a line that says what it is",
    )


def run(arguments: argparse.Namespace) -> int:
    """Encode the photo, ask it, write the row."""
    return write_row(arguments, arguments.photo, _OUT)
