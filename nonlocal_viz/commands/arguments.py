"""Arguments that several commands have, and the types that refuse what cannot be.

Numbers are checked while the line is read: one that is out of its range ends the program with a
sentence before anything is imported or opened.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nonlocal_viz.core.source import About
from nonlocal_viz.errors import NonlocalVizError, WritingError


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--module``, ``--checkpoint``, and what :func:`add_encoding` adds."""
    parser.add_argument(
        "--model",
        default="default",
        help="a name of the zoo, a checkpoint, or timm:NAME, torchvision:NAME, hf:NAME",
    )
    parser.add_argument(
        "--module",
        metavar="CODE:NET",
        help="a network of your own instead, such as my.code:net: a module, or what makes one",
    )
    parser.add_argument("--checkpoint", type=Path, help="a file of weights for that network")
    add_encoding(parser)


def open_model(arguments: argparse.Namespace) -> Any:
    """The network that the line names: a Source.

    Raises:
        NonlocalVizError: there is none of that name, or it cannot be opened.
    """
    from nonlocal_viz.zoo import load_model

    name, options = arguments.model, {}
    if arguments.module is not None:
        if ":" not in arguments.module:
            raise ArgumentError(
                f"--module takes CODE:NET, such as my.code:net, not {arguments.module}."
            )
        # Code of one's own lies where one is, as with python -m.
        sys.path.insert(0, str(Path.cwd()))
        name = arguments.module
    if arguments.checkpoint is not None:
        if ":" not in name:
            raise ArgumentError(
                "--checkpoint is for --module, timm: and their like; a file of its own is --model FILE."
            )
        options["checkpoint"] = arguments.checkpoint
    return load_model(name, arguments.device, **options)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--short-side``."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--short-side",
        type=whole("--short-side", 1),
        help="encode at this short side, pixels; more gives more cells",
    )


def add_colours(parser: argparse.ArgumentParser) -> None:
    """``--cmap``, ``--alpha`` and ``--scale``: how weights become colours."""
    parser.add_argument("--cmap", help="a colour map (magma; berlin for signed rows)")
    parser.add_argument(
        "--alpha", type=number("--alpha", 0, 1), help="share of the colour, 0 to 1 (0.65)"
    )
    parser.add_argument("--scale", default="linear", help="linear, gamma or log")


class ArgumentError(NonlocalVizError):
    """A value that an option cannot have. No ValueError, as OptionError is: argparse would replace the
    sentence of one by its own."""


def whole(option: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentError(f"{option} takes a whole number, not {text!r}.") from None
        if value < least or (most is not None and value > most):
            raise ArgumentError(f"{option} is {_range(least, most)}, not {text}.")
        return value

    return read


def number(
    option: str, least: float, most: float | None = None, *, above: bool = False
) -> Callable[[str], float]:
    """The type of an option that takes a finite number from ``least`` (or ``above`` it) to ``most``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ArgumentError(f"{option} takes a number, not {text!r}.") from None
        low = value <= least if above else value < least
        if not math.isfinite(value) or low or (most is not None and value > most):
            raise ArgumentError(f"{option} is {_range(least, most, above)}, not {text}.")
        return value

    return read


def _range(least: float, most: float | None, above: bool = False) -> str:
    if most is not None:
        return f"a number between {least:g} and {most:g}"
    return f"a number above {least:g}" if above else f"a number of at least {least:g}"


def check_folder(path: Path) -> None:
    """Refuse a file that has no folder to be written to, before a model is loaded.

    Raises:
        WritingError: there is no such folder.
    """
    if not path.parent.is_dir():
        raise WritingError(f"There is no folder {path.parent} to write to.")


def say_assumptions(about: About) -> None:
    """What was inferred about a network and not read from it, a line each on stderr."""
    for sentence in about.assumptions:
        print(f"note: {sentence}", file=sys.stderr)
