"""The command line: ``nonlocal-viz serve | overlay | video | sheet | zoo | train | evaluate``.

What a user can cause ends in one sentence on stderr and exit code 2, never in a traceback. torch and
gradio are imported by the command that needs them, so that ``--help`` answers at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nonlocal_viz import __version__
from nonlocal_viz.errors import MediaError, NonlocalVizError, QueryError

SUFFIXES = (".png", ".npz", ".csv", ".pdf", ".svg")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code is 0, 2 for a user's error, 130 when interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--at" in words[:-1]:
        # argparse would take the value -5,3 for an option; a point outside deserves its own sentence.
        at = words.index("--at")
        words[at : at + 2] = [f"--at={words[at + 1]}"]
    args = _parser().parse_args(words)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except NonlocalVizError as error:
        print(f"nonlocal-viz: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a folder that may not be written: the system's words name the cause.
        where = f" ({error.filename})" if error.filename else ""
        print(f"nonlocal-viz: error: {error.strerror or error}{where}.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nonlocal-viz",
        description="See what a non-local (self-attention) block looks at, from any pixel.",
    )
    parser.add_argument("--version", action="version", version=f"nonlocal-viz {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="open the web tool")
    serve.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    serve.add_argument("--port", type=int, default=7860)
    serve.add_argument("--inbrowser", action="store_true", help="open a browser window")
    _add_model(serve)
    serve.set_defaults(run=_serve)

    overlay = commands.add_parser("overlay", help="one affinity row over a photo, as a file")
    overlay.add_argument("photo", type=Path)
    _add_row(overlay, Path("overlay.png"), SUFFIXES)
    _add_model(overlay)
    overlay.set_defaults(run=_overlay)

    video = commands.add_parser("video", help="one affinity row over space and time of a clip")
    video.add_argument("clip", type=Path)
    _add_row(video, Path("overlay.webm"), (".webm", *SUFFIXES))
    video.add_argument("--frame", type=int, default=0, help="the query's, of those sampled; from 0")
    video.add_argument("--frames", type=int, default=8, help="how many are sampled (8)")
    video.add_argument("--start", type=float, default=0.0, help="seconds where sampling begins")
    video.add_argument("--stride", type=float, help="seconds between frames (evenly to the end)")
    video.add_argument(
        "--per-frame", action="store_true", help="look within each frame alone, not over time"
    )
    _add_model(video)
    video.set_defaults(run=_video)

    from nonlocal_viz.sheet_cli import add_sheet_arguments, run_sheet

    sheet = commands.add_parser("sheet", help="photos x queries x models as one picture")
    add_sheet_arguments(sheet)
    sheet.set_defaults(run=run_sheet)

    zoo = commands.add_parser("zoo", help="list the models that come with the package")
    zoo.set_defaults(run=_zoo)

    # The arguments of these two live beside what they run; their module imports torch only to run.
    from nonlocal_viz.training import cli as training
    from nonlocal_viz.training import evaluate_cli as evaluation

    train = commands.add_parser("train", help="train weights of your own, as ours were")
    training.add_train_arguments(train)
    train.set_defaults(run=training.run_train)
    evaluate = commands.add_parser("evaluate", help="measure a model's rows on COCO segments")
    evaluation.add_evaluate_arguments(evaluate)
    evaluate.set_defaults(run=evaluation.run_evaluate)
    return parser


def _add_row(parser: argparse.ArgumentParser, out: Path, suffixes: Sequence[str]) -> None:
    parser.add_argument(
        "--at", required=True, metavar="X,Y", help="the query, in pixels of the upright picture"
    )
    parser.add_argument("--block", help="a block's name, such as layer2.1")
    parser.add_argument("--out", type=Path, default=out, help=f"a file: {', '.join(suffixes)}")
    parser.add_argument("--column", action="store_true", help="who looks here, instead")
    parser.add_argument("--cmap", help="a colour map (magma; berlin for signed rows)")
    parser.add_argument("--alpha", type=_share, help="share of the colour, 0 to 1 (0.65)")
    parser.add_argument("--scale", default="linear", help="linear, gamma or log")
    parser.add_argument("--smooth", action="store_true", help="interpolate between cells")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default", help="a name of the zoo, or a checkpoint")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--short-side", type=int, help="encode at this short side, pixels; more gives more cells"
    )


def _serve(args: argparse.Namespace) -> int:
    from nonlocal_viz.web import launch

    launch(
        args.model,
        host=args.host,
        port=args.port,
        device=args.device,
        short_side=args.short_side,
        inbrowser=args.inbrowser,
    )
    return 0


def _overlay(args: argparse.Namespace) -> int:
    return _row(args, args.photo, SUFFIXES)


def _video(args: argparse.Namespace) -> int:
    options = {
        "frames": args.frames,
        "start": args.start,
        "stride": args.stride,
        "spacetime": not args.per_frame,
    }
    return _row(args, args.clip, (".webm", *SUFFIXES), args.frame, **options)


def _row(
    args: argparse.Namespace, source: Path, suffixes: Sequence[str], frame: int = 0, **options: Any
) -> int:
    # Refused before the model is loaded: a slip of the pen is answered at once.
    x, y = _point(args.at)
    if args.out.suffix.lower() not in suffixes:
        raise MediaError(
            f"Cannot write {args.out.suffix or 'a file without a suffix'}; use {', '.join(suffixes)}."
        )
    if not args.out.parent.is_dir():
        raise MediaError(f"There is no folder {args.out.parent} to write to.")
    if not source.is_file():
        raise MediaError(f"There is no file {source}.")
    from nonlocal_viz.lens import Lens
    from nonlocal_viz.zoo import load_model

    view = Lens(load_model(args.model, args.device), args.short_side).open(source, **options)
    ask = view.column if args.column else view.query
    row = ask(x, y, frame, block=args.block)
    row.save(args.out, cmap=args.cmap, alpha=args.alpha, scale=args.scale, smooth=args.smooth)
    if args.json:
        print(json.dumps({**row.numbers(), "file": str(args.out)}))
    else:
        print(f"{row.describe()}\nwrote {args.out}")
    return 0


def _zoo(_args: argparse.Namespace) -> int:
    from nonlocal_viz.zoo import read_manifest

    manifest = read_manifest()
    for name, info in manifest.models.items():
        mark = " (default)" if name == manifest.default else ""
        print(f"{name}{mark}: {info.bytes / 1e6:.1f} MB, {info.licence}")
        print(f"  blocks {', '.join(info.blocks)}; trained on {info.trained_on}")
        numbers = ", ".join(f"{key} {value:g}" for key, value in info.metrics.items())
        print(f"  {numbers or 'no metrics'}")
    return 0


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise QueryError(
            f"--at takes two numbers X,Y in pixels, such as 120,80; got {text}."
        ) from None
    return x, y


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
