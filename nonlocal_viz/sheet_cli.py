"""``nonlocal-viz sheet``: arguments, and what runs behind them."""

import argparse
import sys
from pathlib import Path

from nonlocal_viz.errors import MediaError


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--columns", type=int, help="of photos (as many as make a landscape page)")
    parser.add_argument("--tile", type=int, default=160, help="width of a tile, pixels (160)")
    parser.add_argument(
        "--short-side", type=int, help="encode at this short side, pixels; more gives more cells"
    )
    parser.add_argument("--cmap", help="a colour map (magma; berlin for signed rows)")
    parser.add_argument("--scale", default="linear", help="linear, gamma or log")
    parser.add_argument("--alpha", type=float, help="share of the colour, 0 to 1 (0.65)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--out", type=Path, default=Path("sheet.png"), help="a .png, .jpg, .webp or .pdf"
    )


def run_sheet(args: argparse.Namespace) -> int:
    """Draw the sheet of :func:`nonlocal_viz.sheet.draw_sheet` and write it.

    Raises:
        MediaError: nothing to draw, or nowhere to write it; and whatever ``draw_sheet`` raises.
    """
    # Refused before torch is imported: a slip of the pen is answered at once.
    if args.alpha is not None and not 0 <= args.alpha <= 1:
        raise MediaError(f"--alpha is a share between 0 and 1, not {args.alpha:g}.")
    if not args.out.parent.is_dir():
        raise MediaError(f"There is no folder {args.out.parent} to write to.")
    if not args.photos and args.queries is None:
        raise MediaError("There is no photo to draw; name one, or give a list with --queries.")
    from nonlocal_viz.sheet import SUFFIXES, Subject, draw_sheet, encode_sheet, read_subjects

    if args.out.suffix.lower() not in SUFFIXES:
        raise MediaError(
            f"Cannot write {args.out.suffix or 'a file without a suffix'}; use {', '.join(SUFFIXES)}."
        )
    listed = [] if args.queries is None else read_subjects(args.queries)
    subjects = listed
    if args.photos:
        # Photos that are named choose from the list; one that is not in it gets queries of its own.
        known = {subject.path.resolve(): subject for subject in listed}
        subjects = [known.get(path.resolve(), Subject(path)) for path in args.photos]
    page = draw_sheet(
        subjects,
        args.models,
        args.block,
        device=args.device,
        short_side=args.short_side,
        tile=args.tile,
        columns=args.columns,
        cmap=args.cmap,
        alpha=args.alpha,
        scale=args.scale,
        say=lambda name: print(f"asking {name}", file=sys.stderr),
    )
    content = encode_sheet(page, args.out.suffix)
    args.out.write_bytes(content)
    print(
        f"wrote {args.out}: {page.shape[1]} x {page.shape[0]} pixels, {len(content) / 1e6:.1f} MB"
    )
    return 0
