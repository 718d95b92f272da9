"""``nonlocal-viz sheet``: photos x queries x models as one picture."""

import argparse
import sys
from pathlib import Path

from nonlocal_viz.commands.arguments import add_colours, add_encoding, check_folder, whole
from nonlocal_viz.errors import MediaError
from nonlocal_viz.files import write_atomically

ORDER = 4
HELP = "photos x queries x models as one picture"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz sheet``."""
    parser.add_argument("photos", metavar="PHOTO", nargs="*", type=Path)
    parser.add_argument(
        "--queries", type=Path, metavar="JSON", help='a list {"photo.jpg": [[x, y], ...], ...}'
    )
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help="names of the zoo, or paths (all of the zoo)"
    )
    parser.add_argument(
        "--block", nargs="+", default=[], help="blocks' names, such as layer2.1; several compare"
    )
    parser.add_argument(
        "--columns",
        type=whole("--columns", 1, 50),
        help="of photos (as many as make a landscape page)",
    )
    parser.add_argument("--tile", type=int, default=160, help="width of a tile, pixels (160)")
    add_encoding(parser)
    add_colours(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("sheet.png"), help="a .png, .jpg, .webp or .pdf"
    )


def run(arguments: argparse.Namespace) -> int:
    """Draw the contact sheet of :func:`nonlocal_viz.sheet.draw_sheet` and write it.

    Raises:
        MediaError: nothing to draw; and whatever ``draw_sheet`` raises.
        WritingError: nowhere to write it.
    """
    # Refused before torch is imported: a slip of the pen is answered at once.
    if not arguments.photos and arguments.queries is None:
        raise MediaError("There is no photo to draw; name one, or give a list with --queries.")
    from nonlocal_viz.sheet import check_suffix, chosen_subjects, draw_sheet, encode_sheet

    check_suffix(arguments.out)
    check_folder(arguments.out)
    page = draw_sheet(
        chosen_subjects(arguments.photos, arguments.queries),
        arguments.models,
        arguments.block,
        device=arguments.device,
        short_side=arguments.short_side,
        tile=arguments.tile,
        columns=arguments.columns,
        cmap=arguments.cmap,
        alpha=arguments.alpha,
        scale=arguments.scale,
        say=lambda line: print(line, file=sys.stderr),
    )
    content = encode_sheet(page, arguments.out.suffix)
    write_atomically(arguments.out, content)
    print(
        f"wrote {arguments.out}: {page.shape[1]} x {page.shape[0]} pixels, "
        f"{len(content) / 1e6:.1f} MB"
    )
    return 0
