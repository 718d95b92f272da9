"""Arguments that several commands have, and the types that refuse what cannot be.

Invariants: a word means the same in every command that has it; and numbers are checked while the line is
read: one that is out of its range ends the program with a sentence before anything is imported or opened.
"""

import argparse
import io
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nonlocal_viz.errors import MediaError, NonlocalVizError, WritingError
from nonlocal_viz.files import try_writing

#: Stands for standard input among photos, and for standard output as a file.
DASH = Path("-")
#: Stands before the name of a photo that comes with the package, in place of a file.
EXAMPLE = "example:"
#: numpy's and torch's generators both take seeds up to here.
LARGEST_SEED = 2**32 - 1


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
    parser.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help="pixels that pictures are squashed to, of a network that reads one size alone",
    )
    for name, what in (("--mean", "mean"), ("--std", "standard deviation")):
        parser.add_argument(
            name,
            type=colours(name),
            metavar="R,G,B",
            help=f"the {what} of colours, 0 to 1, that the network was trained with",
        )
    add_encoding(parser)


def add_models(parser: argparse.ArgumentParser, default: str) -> None:
    """``--model`` of commands that ask several."""
    parser.add_argument(
        "--model",
        "--models",
        metavar="NAME",
        action="extend",
        type=several,
        help=f"names of the zoo, or checkpoints: a,b or given again ({default})",
    )


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
    options.update(preparing(arguments, name))
    return load_model(name, arguments.device, **options)


def preparing(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """What ``--size``, ``--mean`` and ``--std`` say of how pictures are prepared, for ``load_model``.

    Raises:
        ArgumentError: one of the colours without the other, or a size for a network of ours.
    """
    options: dict[str, Any] = {}
    if (arguments.mean is None) != (arguments.std is None):
        raise ArgumentError("--mean and --std go together: give both, or neither.")
    if arguments.mean is not None:
        options["normalisation"] = arguments.mean, arguments.std
    if arguments.size is not None:
        if ":" not in name:
            raise ArgumentError(
                "--size is for --module, timm: and their like; other networks read any size, and "
                "--short-side says how large."
            )
        options["size"] = arguments.size
    return options


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--short-side``."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--short-side",
        type=whole("--short-side", 1),
        metavar="PIXELS",
        help="encode at this short side; more gives more cells",
    )


def add_colours(parser: argparse.ArgumentParser) -> None:
    """``--cmap``, ``--alpha`` and ``--scale``: how weights become colours."""
    parser.add_argument("--cmap", help="a colour map (inferno; managua_r for signed rows)")
    parser.add_argument(
        "--alpha", type=number("--alpha", 0, 1), help="share of the colour, 0 to 1 (0.92)"
    )
    parser.add_argument("--scale", help="linear (unless given), gamma or log")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")


def add_force(parser: argparse.ArgumentParser) -> None:
    """``--force``."""
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


class ArgumentError(NonlocalVizError):
    """A value that an option cannot have. No ValueError, as OptionError is: argparse would replace the
    sentence of one by its own."""


def size(text: str) -> tuple[int, int]:
    """``224x288`` -> (224, 288): rows and columns; ``224`` is a square."""
    read = whole("--size", 1)
    sides = [read(word) for word in text.lower().replace("×", "x").split("x")]
    if len(sides) > 2:
        raise ArgumentError(f"--size takes HEIGHTxWIDTH, such as 224x224, not {text[:40]!r}.")
    return sides[0], sides[-1]


def colours(option: str) -> Callable[[str], tuple[float, ...]]:
    """The type of an option that takes three numbers, one a colour."""
    read = number(option, 0)

    def three(text: str) -> tuple[float, ...]:
        numbers = tuple(read(word) for word in several(text))
        if len(numbers) != 3:
            raise ArgumentError(f"{option} takes three numbers, R,G,B, not {text[:40]!r}.")
        return numbers

    return three


def several(text: str) -> list[str]:
    """``a,b`` -> ["a", "b"]: an option in front of the photos takes one word, and none of them."""
    found = [word.strip() for word in text.split(",")]
    if not all(found):
        raise ArgumentError(f"{text!r} is no list of names, such as a,b.")
    return found


def several_whole(option: str, least: int, most: int | None = None) -> Callable[[str], list[int]]:
    """The type of an option that takes whole numbers, ``1,2``."""
    read = whole(option, least, most)
    return lambda text: [read(word) for word in several(text)]


def whole(option: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentError(f"{option} takes a whole number, not {text[:40]!r}.") from None
        if value < least or (most is not None and value > most):
            raise ArgumentError(f"{option} is {_range(least, most)}, not {text[:40]}.")
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
            raise ArgumentError(f"{option} takes a number, not {text[:40]!r}.") from None
        low = value <= least if above else value < least
        if not math.isfinite(value) or low or (most is not None and value > most):
            raise ArgumentError(f"{option} is {_range(least, most, above)}, not {text[:40]}.")
        return value

    return read


def _range(least: float, most: float | None, above: bool = False) -> str:
    if most is not None and above:
        return f"a number above {least:g} and up to {most:.10g}"
    if most is not None:
        return f"a number between {least:g} and {most:.10g}"
    return f"a number above {least:g}" if above else f"a number of at least {least:g}"


def check_out(path: Path, force: bool) -> None:
    """Refuse a file that cannot be written or would be replaced unasked, before a model is loaded.

    Raises:
        WritingError: there is no such folder, it may not be written to, or there is such a file.
    """
    if path == DASH:
        return
    try_writing(path)
    if path.exists() and not force:
        raise WritingError(
            f"{path} is there already; give --force to replace it, or another name with --out."
        )


def write_out(path: Path, content: bytes) -> None:
    """Write a file, or standard output for ``-``."""
    from nonlocal_viz.files import write_atomically

    if path == DASH:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_atomically(path, content)


def picture(path: Path) -> Any:
    """What is to be opened: a file's path, the bytes of standard input for ``-``, an example by name.

    Raises:
        MediaError: there is no such file or example.
    """
    if path == DASH:
        return io.BytesIO(sys.stdin.buffer.read()).getvalue()
    if str(path).startswith(EXAMPLE):
        from nonlocal_viz.resources import examples

        name, there = str(path).removeprefix(EXAMPLE), examples()
        if name not in there:
            raise MediaError(f"There is no example {name!r}; there are {', '.join(there)}.")
        return there[name]
    if not path.is_file():
        raise MediaError(f"There is no file {path}.")
    return path


def say_notes(sentences: Iterable[str], quiet: bool = False) -> None:
    """What was inferred and not read, or done otherwise than asked, a line each on stderr."""
    for sentence in () if quiet else sentences:
        print(f"note: {sentence}", file=sys.stderr)
