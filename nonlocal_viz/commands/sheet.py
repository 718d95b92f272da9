"""``nonlocal-viz sheet``: photos x queries x models as one picture."""

import argparse
import sys
from pathlib import Path

from nonlocal_viz.commands.arguments import (
    DASH,
    add_colours,
    add_encoding,
    add_force,
    add_models,
    add_quiet,
    check_out,
    picture,
    several,
    whole,
    write_out,
)
from nonlocal_viz.errors import MediaError

ORDER = 4
HELP = "photos x queries x models as one picture"
EXAMPLES = """\
nonlocal-viz sheet example:cat example:coffee
nonlocal-viz sheet --model embedded_gaussian,dot_product --block layer3.1 example:cat --out two.png
nonlocal-viz sheet --queries queries.json --columns 2 --tile 150 --out queries.jpg
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz sheet``."""
    parser.add_argument(
        "photos", metavar="PHOTO", nargs="*", type=Path, help="files; example:cat is one of ours"
    )
    parser.add_argument(
        "--queries", type=Path, metavar="JSON", help='a list {"photo.jpg": [[x, y], ...], ...}'
    )
    add_models(parser, "all of the zoo")
    parser.add_argument(
        "--block",
        action="extend",
        type=several,
        default=[],
        help="a block's name, such as layer2.1; several, a,b, compare",
    )
    parser.add_argument(
        "--columns",
        type=whole("--columns", 1, 50),
        help="of photos (as many as make a landscape page)",
    )
    parser.add_argument(
        "--tile",
        type=whole("--tile", 40, 1000),
        default=160,
        help="width of a tile, pixels (160)",
    )
    add_encoding(parser)
    add_colours(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("sheet.png"),
        help="a .png, .jpg, .webp or .pdf; - is standard output (sheet.png)",
    )
    add_force(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw the contact sheet of :func:`nonlocal_viz.sheet.draw_sheet` and write it.

    Raises:
        MediaError: nothing to draw; and whatever ``draw_sheet`` raises.
        WritingError: nowhere to write it.
    """
    # Refused before torch is imported: a slip of the pen is answered at once.
    if not arguments.photos and arguments.queries is None:
        raise MediaError("There is no photo to draw; name one, or give a list with --queries.")
    if DASH in arguments.photos:
        raise MediaError("A sheet is of files; standard input is no name that could stand on it.")
    from nonlocal_viz.sheet import check_suffix, chosen_subjects, draw_sheet, encode_sheet

    suffix = ".png" if arguments.out == DASH else arguments.out.suffix
    check_suffix(Path(f"sheet{suffix}"))
    check_out(arguments.out, arguments.force)
    quiet = arguments.quiet
    page = draw_sheet(
        chosen_subjects([picture(photo) for photo in arguments.photos], arguments.queries),
        arguments.model,
        arguments.block,
        device=arguments.device,
        short_side=arguments.short_side,
        tile=arguments.tile,
        columns=arguments.columns,
        cmap=arguments.cmap,
        alpha=arguments.alpha,
        scale=arguments.scale or "linear",
        say=lambda line: None if quiet else print(line, file=sys.stderr),
    )
    content = encode_sheet(page, suffix)
    write_out(arguments.out, content)
    if not quiet and arguments.out != DASH:
        size = f"{page.shape[1]} x {page.shape[0]} pixels, {len(content) / 1e6:.1f} MB"
        print(f"wrote {arguments.out}: {size}")
    return 0
