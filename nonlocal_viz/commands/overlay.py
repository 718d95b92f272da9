"""``nonlocal-viz overlay``: one row over a photo."""

import argparse
from pathlib import Path

from nonlocal_viz.commands.one_row import add_row, write_row

ORDER = 2
HELP = "one affinity row over a photo, as a file"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz overlay``."""
    parser.add_argument("photo", type=Path)
    add_row(parser, Path("overlay.png"), clip=False)


def run(arguments: argparse.Namespace) -> int:
    """Encode the photo, ask it, write the row."""
    return write_row(arguments, arguments.photo, clip=False)
