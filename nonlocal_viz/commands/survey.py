"""``nonlocal-viz survey``: the numbers of a network's maps over many pictures, on one machine or many."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from nonlocal_viz.commands.arguments import (
    ArgumentError,
    add_force,
    add_model,
    add_quiet,
    number,
    preparing,
    several,
    whole,
)

ORDER = 5
HELP = "numbers of a network's maps over many pictures and clips"
EXAMPLES = """\
nonlocal-viz survey photos --model default --out stats.parquet --report stats.html
nonlocal-viz survey list.txt --model dot_product --block layer3.1 --out stats.parquet --workers 8
nonlocal-viz survey s3://bucket/photos --address auto --gpus 0.5 --out stats.parquet
"""
#: Seconds between two lines of progress, in a terminal and in a log file.
_EVERY, _EVERY_IN_A_LOG = 0.2, 10.0


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz survey``."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder, a .txt that lists files, or a data set (.parquet) with a column of pictures",
    )
    add_model(parser)
    parser.add_argument(
        "--block", action="extend", type=several, default=[], help="blocks, a,b (all)"
    )
    parser.add_argument(
        "--frames", type=whole("--frames", 1, 64), default=8, help="of each clip (8)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("stats.parquet"),
        help="a row a picture and block (stats.parquet); one that was cut off goes on",
    )
    parser.add_argument("--report", metavar="HTML", type=Path, help="also a page of it")
    parser.add_argument(
        "--workers", type=whole("--workers", 1, 4096), help="processes (one for each core or GPU)"
    )
    parser.add_argument(
        "--gpus", type=number("--gpus", 0, 8), default=0.0, help="of each worker, such as 0.5 (0)"
    )
    parser.add_argument(
        "--address", default="", help="of a Ray cluster, auto for this machine's (one of its own)"
    )
    add_force(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Survey, write the rows, and say what there is; 1 where every picture failed.

    Raises:
        NonlocalVizError: as ``survey.survey``.
        WritingError: nowhere to write it.
    """
    from nonlocal_viz.errors import NonlocalVizError, WritingError
    from nonlocal_viz.files import try_writing, write_atomically

    for path in (arguments.out, arguments.report):
        if path is not None:
            try_writing(path)
    if arguments.report is not None and arguments.report.exists() and not arguments.force:
        raise WritingError(f"{arguments.report} is there already; give --force to replace it.")
    try:
        from nonlocal_viz.survey import Plan, survey
    except ImportError:
        raise NonlocalVizError(
            "A survey needs Ray and pyarrow: pip install 'ray[data]' pyarrow."
        ) from None
    look = _look(arguments)
    plan = Plan(
        arguments.workers,
        arguments.gpus,
        arguments.address,
        force=arguments.force,
        progress=_Shown(arguments.quiet),
    )
    table = survey(arguments.source, arguments.out, look, plan)
    names = set(table.column("name").to_pylist())
    failed = sum(1 for said in table.column("error").to_pylist() if said)
    if arguments.report is not None:
        from nonlocal_viz.survey.items import find_items
        from nonlocal_viz.survey.report import report

        lens = look.lens("cpu")
        title = f"Survey of {Path(arguments.source).name}"
        page = report(table, find_items(arguments.source), lens, title, look.frames)
        write_atomically(arguments.report, page.encode())
    if not arguments.quiet:
        print(f"wrote {arguments.out}: {len(names)} pictures, {failed} failed")
    return 1 if failed == len(names) else 0


def _look(arguments: argparse.Namespace) -> Any:
    from nonlocal_viz.survey.worker import Look

    name = arguments.module or arguments.model
    options: tuple[tuple[str, Any], ...] = ()
    if arguments.checkpoint is not None:
        if ":" not in name:
            raise ArgumentError(
                "--checkpoint is for --module, timm: and their like; a file of its own is --model FILE."
            )
        options = (("checkpoint", str(arguments.checkpoint.absolute())),)
    options = (*options, *preparing(arguments, name).items())
    if arguments.module is None and Path(name).is_file():
        # Workers may stand elsewhere.
        name = str(Path(name).absolute())
    return Look(
        name,
        options,
        str(Path.cwd()) if arguments.module else "",
        arguments.short_side,
        tuple(arguments.block),
        arguments.frames,
    )


class _Shown:
    """How far it is, on stderr: one line that changes in a terminal, a line now and then in a file."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._last, self._first = quiet, 0.0, -1

    def __call__(self, done: int, total: int, failed: int, seconds: float) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        self._first = done if self._first < 0 else self._first
        often = _EVERY if terminal else _EVERY_IN_A_LOG
        if self._quiet or (done < total and now - self._last < often):
            return
        self._last = now
        line = f"{done} of {total} pictures, {failed} failed"
        if done < total and done > self._first:
            line += f", about {(total - done) * seconds / (done - self._first):.0f} s left"
        begin, end = ("\r\x1b[K", "\n" if done == total else "") if terminal else ("", "\n")
        print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)
