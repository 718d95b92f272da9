"""The command line: ``nonlocal-viz COMMAND``, with the commands that stand in :mod:`.commands`.

What a user can cause ends in one sentence on stderr and exit code 2, never in a traceback. torch and
gradio are imported by the command that needs them, so that ``--help`` answers at once.
"""

import argparse
import os
import sys
import textwrap
from collections.abc import Sequence

from nonlocal_viz import __version__
from nonlocal_viz.commands import commands
from nonlocal_viz.commands.arguments import ArgumentError
from nonlocal_viz.errors import NonlocalVizError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code is 0, 2 for a user's error, 130 when interrupted.

    Raises:
        SystemExit: by argparse: 0 for ``--help`` and ``--version``, 2 for arguments that are none.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if "--at" in words[:-1]:
        # argparse would take the value -5,3 for an option; a point outside deserves its own sentence.
        at = words.index("--at")
        words[at : at + 2] = [f"--at={words[at + 1]}"]
    try:
        arguments, extra = _parser(words).parse_known_args(words)
        _refuse(extra)
        code = int(arguments.run(arguments))
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


def _refuse(extra: Sequence[str]) -> None:
    if not extra:
        return
    if extra[0].startswith("-") and extra[0] != "-":
        raise ArgumentError(
            f"There is no option {extra[0]} here; --help lists those that there are."
        )
    raise ArgumentError(
        f"There is no use for {extra[0]!r}: several values of one option are given as a,b, or by "
        "giving the option again."
    )


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nonlocal-viz",
        description="See what a non-local (self-attention) block looks at, from any pixel.",
    )
    parser.add_argument("--version", action="version", version=f"nonlocal-viz {__version__}")
    # No option before the command takes a value, so its name is the first word that is no option.
    chosen = next((word for word in words if not word.startswith("-")), None)
    listed = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in commands().items():
        own = listed.add_parser(
            name,
            help=command.HELP,
            description=(command.__doc__ or "").partition(": ")[2].strip(),
            epilog=f"examples:\n{textwrap.indent(command.EXAMPLES, '  ')}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # The arguments of the others are not read, and may be dear: lists of suffixes, of recipes.
        if name == chosen:
            command.add(own)
            own.set_defaults(run=command.run)
    return parser
