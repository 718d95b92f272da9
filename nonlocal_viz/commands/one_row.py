"""What ``overlay`` and ``video`` share: where to point, and the row that is written."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from nonlocal_viz.commands.arguments import (
    DASH,
    add_colours,
    add_force,
    add_model,
    add_quiet,
    check_out,
    open_model,
    picture,
    say_notes,
    whole,
    write_out,
)
from nonlocal_viz.errors import QueryError

_COLOURS = ("cmap", "alpha", "scale", "smooth", "caption")


def add_row(parser: argparse.ArgumentParser, out: str, *, clip: bool) -> None:
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
        "--out",
        type=Path,
        help=f"a file: {', '.join(suffixes(clip))}; - is standard output ({out}; with --json none)",
    )
    parser.add_argument("--column", action="store_true", help="who looks here, instead")
    add_colours(parser)
    # None is not given: so that an option without effect can be told from one that is not there.
    parser.add_argument(
        "--smooth", action="store_true", default=None, help="interpolate between cells"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the numbers, weights included, as JSON"
    )
    add_model(parser)
    add_force(parser)
    add_quiet(parser)


def write_row(
    arguments: argparse.Namespace, source: Path, out: str, *, frame: int = 0, **options: Any
) -> int:
    """Open ``source`` with ``options``, ask the cell of ``frame`` pointed at, write and print the row.

    Raises:
        NonlocalVizError: whatever is wrong with the point, the files or the model.
    """
    from nonlocal_viz.export import check_options, encode

    # Refused before the model is loaded: a slip of the pen is answered at once.
    x, y = point(arguments.at)
    clip = "frames" in options
    colours = {key: getattr(arguments, key, None) for key in _COLOURS}
    given = {key: value for key, value in colours.items() if value is not None}
    path = arguments.out or (None if arguments.json else Path(out))
    name = out if path in (None, DASH) else str(path)
    check_options(name, clip, given)
    if path is not None:
        check_out(path, arguments.force)
    opened = picture(source)
    from nonlocal_viz.lens import Lens

    lens = Lens(open_model(arguments), arguments.short_side)
    view = lens.open(opened, lazy=True, **options)
    ask = view.column if arguments.column else view.query
    row = ask(x, y, frame, block=arguments.block, head=arguments.head)
    if path is not None:
        write_out(path, encode(row, name, **given))
    notes = [*view.notes, *view.about.assumptions]
    if arguments.json and path != DASH:
        print(json.dumps({**_told(row), "file": path and str(path), "assumptions": notes}))
    else:
        say_notes(notes, arguments.quiet)
    if not (arguments.json or arguments.quiet):
        # Beside a file on standard output nothing else may stand there.
        stream = sys.stderr if path == DASH else sys.stdout
        print(row.describe(), *([] if path == DASH else [f"wrote {path}"]), sep="\n", file=stream)
    return 0


def _told(row: Any) -> dict[str, Any]:
    """The numbers of a row with its weights, and where their cells lie."""
    edges = {"x_edges": list(row.grid.x.edges()), "y_edges": list(row.grid.y.edges())}
    return {**row.numbers(), **edges, "weights": row.map.tolist()}


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
