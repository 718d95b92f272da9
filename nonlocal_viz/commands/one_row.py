"""What ``overlay`` and ``video`` share: where to point, and the row that is written."""

import argparse
import json
from pathlib import Path
from typing import Any

from nonlocal_viz.commands.arguments import (
    add_colours,
    add_model,
    check_folder,
    open_model,
    say_assumptions,
    whole,
)
from nonlocal_viz.errors import MediaError, QueryError


def add_row(parser: argparse.ArgumentParser, out: Path, *, clip: bool) -> None:
    """The arguments of one row of a picture, or of a clip."""
    # The writers import what draws; the list of commands does without.
    from nonlocal_viz.export import suffixes

    parser.add_argument(
        "--at", required=True, metavar="X,Y", help="the query, in pixels of the upright picture"
    )
    parser.add_argument("--block", help="a block's name, such as layer2.1")
    parser.add_argument(
        "--head", type=whole("--head", 0), help="one head of it alone (the mean over all)"
    )
    parser.add_argument(
        "--out", type=Path, default=out, help=f"a file: {', '.join(suffixes(clip))}"
    )
    parser.add_argument("--column", action="store_true", help="who looks here, instead")
    add_colours(parser)
    parser.add_argument("--smooth", action="store_true", help="interpolate between cells")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    add_model(parser)


def write_row(
    arguments: argparse.Namespace, source: Path, *, clip: bool, frame: int = 0, **options: Any
) -> int:
    """Open ``source`` with ``options``, ask the cell of ``frame`` pointed at, write and print the row.

    Raises:
        NonlocalVizError: whatever is wrong with the point, the files or the model.
    """
    from nonlocal_viz.export import check_suffix

    # Refused before the model is loaded: a slip of the pen is answered at once.
    x, y = point(arguments.at)
    check_suffix(arguments.out, clip)
    check_folder(arguments.out)
    if not source.is_file():
        raise MediaError(f"There is no file {source}.")
    from nonlocal_viz.lens import Lens

    lens = Lens(open_model(arguments), arguments.short_side)
    view = lens.open(source, **options)
    ask = view.column if arguments.column else view.query
    row = ask(x, y, frame, block=arguments.block, head=arguments.head)
    colours = {name: getattr(arguments, name) for name in ("cmap", "alpha", "scale", "smooth")}
    row.save(arguments.out, **colours)
    if arguments.json:
        said = {
            **row.numbers(),
            "file": str(arguments.out),
            "assumptions": list(view.about.assumptions),
        }
        print(json.dumps(said, allow_nan=False))
    else:
        say_assumptions(view.about)
        print(f"{row.describe()}\nwrote {arguments.out}")
    return 0


def point(text: str) -> tuple[float, float]:
    """``"120,80"`` -> (120.0, 80.0), pixels.

    Raises:
        QueryError: it is not two numbers.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise QueryError(
            f"--at takes two numbers X,Y in pixels, such as 120,80; got {text}."
        ) from None
    return x, y
