"""``nonlocal-viz zoo``: what comes with the package, what others have published, and how to get it."""

import argparse
import json
import sys
import time
from pathlib import Path

from nonlocal_viz.commands.arguments import ArgumentError, add_force, add_quiet
from nonlocal_viz.files import write_atomically

ORDER = 6
HELP = "list the models that come with the package and those of others; fetch one of these"
EXAMPLES = """\
nonlocal-viz zoo
nonlocal-viz zoo '*gaussian' --json
nonlocal-viz zoo get mmseg-ade20k-r50 --out nonlocal.pth
"""
_GET = "get"
#: Seconds between two lines of progress, in a terminal and in a log file.
_EVERY, _EVERY_IN_A_LOG = 0.2, 10.0


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz zoo``."""
    parser.add_argument(
        "pattern", nargs="?", default="*", help="names, as of files: '*gaussian'; or: get"
    )
    parser.add_argument("name", nargs="?", help="after get: which to fetch")
    parser.add_argument("--json", action="store_true", help="print all that is known as JSON")
    parser.add_argument("--out", type=Path, help="with get: a file or folder (here, its own name)")
    add_force(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what there is, without opening a file or asking anybody; or fetch one.

    Raises:
        CheckpointError: nothing has such a name; it cannot be fetched, or is another file.
        WritingError: it cannot be written, or is there already.
    """
    if arguments.pattern == _GET:
        if arguments.name is None:
            raise ArgumentError("Which? nonlocal-viz zoo get NAME; nonlocal-viz zoo lists them.")
        if arguments.json:
            raise ArgumentError("--json is of the list, and get fetches a file.")
        return _get(arguments)
    for option in ("name", "out"):
        if getattr(arguments, option) is not None:
            raise ArgumentError(f"There is no use for {getattr(arguments, option)} without get.")
    return _list(arguments.pattern, arguments.json)


def _list(pattern: str, as_json: bool) -> int:
    from nonlocal_viz.errors import CheckpointError
    from nonlocal_viz.zoo import list_models, read_manifest
    from nonlocal_viz.zoo.published import PUBLISHED, list_published

    manifest = read_manifest()
    names, others = list_models(pattern), list_published(pattern)
    if not names and not others:
        known = (*manifest.models, *(entry.name for entry in PUBLISHED))
        raise CheckpointError(f"No model is called {pattern!r}; there are {', '.join(known)}.")
    if as_json:
        shipped = {name: manifest.find(name).entry() for name in names}
        print(json.dumps(shipped | {entry.name: entry.entry() for entry in others}))
        return 0
    for name in names:
        info = manifest.find(name)
        mark = " (default)" if name == manifest.default else ""
        print(f"{name}{mark}: {info.bytes / 1e6:.1f} MB, {info.licence}")
        print(f"  blocks {', '.join(info.blocks) or 'none'}; trained on {info.trained_on}")
        numbers = ", ".join(f"{key} {value:g}" for key, value in info.metrics.items())
        print(f"  {numbers or 'no metrics'}")
    if others:
        print("\nPublished by others; nonlocal-viz zoo get NAME fetches one, under its own terms:")
    for entry in others:
        print(f"{entry.name}: {entry.licence}; {entry.source}")
        print(f"  {entry.metric}")
    return 0


def _get(arguments: argparse.Namespace) -> int:
    from nonlocal_viz.errors import CheckpointError, WritingError
    from nonlocal_viz.files import try_writing
    from nonlocal_viz.zoo.download import download, sum_of
    from nonlocal_viz.zoo.published import find_published

    entry = find_published(arguments.name)
    out = arguments.out or Path()
    path = out / entry.file if out.is_dir() else out
    try_writing(path)
    kept = path.with_name(f"{path.name}.sha256")
    known = entry.sha256 or _kept(kept)
    if path.exists() and not arguments.force:
        if not known:
            raise WritingError(f"{path} is there already; give --force to fetch it again.")
        if not sum_of(path).startswith(known):
            raise CheckpointError(
                f"{path} is there already and is not {entry.name}: its sum is another. Give --force to "
                "replace it, or another name with --out."
            )
        print(f"{path} is there already, and whole.")
        return 0
    if not arguments.quiet:
        print(f"{entry.name} of {entry.source}, licence {entry.licence}", file=sys.stderr)
    shown = None if arguments.quiet else _Shown(path.name)
    found = download(entry.addresses, path, sha256=entry.sha256, progress=shown)
    if not entry.sha256:
        # Nobody has published a sum: the one of the first time is what later times are held to.
        write_atomically(kept, f"{found}  {path.name}\n".encode())
    if not arguments.quiet:
        form = f" --instantiation {entry.instantiation}" if entry.instantiation else ""
        said = "as published" if entry.sha256 else f"no sum was published; kept in {kept.name}"
        print(f"{path}: sha256 {found[:16]}... ({said})\nNext: nonlocal-viz convert {path}{form}")
    return 0


def _kept(path: Path) -> str:
    """The sum that stands in a file as sha256sum writes it; empty where there is none."""
    try:
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return ""
    return words[0].lower() if words and len(words[0]) == 64 else ""


class _Shown:
    """How far it is, on stderr: one line that changes in a terminal, a line now and then in a file."""

    def __init__(self, name: str) -> None:
        self._name, self._last, self._begun = name, 0.0, time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        self._first = done if self._first is None else self._first
        whole = done == total
        if not whole and now - self._last < (_EVERY if terminal else _EVERY_IN_A_LOG):
            return
        self._last = now
        line = f"{self._name}: {done / 1e6:.1f} MB"
        if total:
            line += f" of {total / 1e6:.1f}, {100 * done / total:.0f} %"
            rate = (done - self._first) / max(now - self._begun, 1e-3)
            if rate and not whole:
                line += f", about {(total - done) / rate:.0f} s left"
        begin, end = ("\r\x1b[K", "\n" if whole else "") if terminal else ("", "\n")
        print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)
