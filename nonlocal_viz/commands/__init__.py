"""The commands of the command line, one file each; whoever adds one adds a file and nothing else.

A module of this folder is a command when it has ``run``. It then has all of these, which a test holds
it to:

``ORDER``           where it stands in ``--help``: commands are listed from the least
``HELP``            a few words for that list
``EXAMPLES``        command lines for its own ``--help``, one a line, which a test parses or runs
``add(parser)``     its arguments
``run(arguments)``  what it does; the exit code. Raises NonlocalVizError with a sentence for the user

The command's name is the file's. Importing one costs nothing: torch, gradio and pictures are imported
by ``run``, so that ``--help`` answers at once.
"""

import argparse
import pkgutil
from importlib import import_module
from typing import Protocol, cast


class Command(Protocol):
    """What a module of this folder has to have."""

    ORDER: int
    HELP: str
    EXAMPLES: str

    def add(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def commands() -> dict[str, Command]:
    """{name: command}, in the order in which ``--help`` lists them."""
    found = {
        module.name: import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    }
    ours = {name: cast(Command, module) for name, module in found.items() if hasattr(module, "run")}
    return dict(sorted(ours.items(), key=lambda item: (item[1].ORDER, item[0])))
