"""``nonlocal-viz train``: weights of one's own."""

import argparse
from dataclasses import fields
from pathlib import Path

from nonlocal_viz.commands.arguments import LARGEST_SEED, number, whole
from nonlocal_viz.training.recipes import DEFAULT, RECIPES
from nonlocal_viz.training.request import Request

ORDER = 8
HELP = "train weights of your own, as ours were"
EXAMPLES = """\
nonlocal-viz train photos --minutes 90 --name mine --apart net
nonlocal-viz train photos --from mine --instantiation dot_product --name mine-dot --minutes 8
nonlocal-viz train photos --tune default --minutes 30 --name tuned
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz train``."""
    _add_files(parser)
    _add_schedule(parser)
    _add_origin(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        help="folders of images, searched at every depth (for example torchvision's Imagenette)",
    )
    parser.add_argument("--name", default="student", help="the model's name in the manifest")
    parser.add_argument(
        "--apart",
        metavar="NAME",
        help="save the network without its blocks under this name, and the blocks in a file of their own, "
        "so that blocks trained later with --from share the network",
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the weights")
    parser.add_argument("--cache", type=Path, help="folder for teacher features (OUT/cache)")


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=DEFAULT,
        help="the network and its schedule: default is a ResNet-18 for a CPU, large a ResNet-50 of "
        "output stride 8 for a GPU; the options below change it",
    )
    # None is what the recipe says, so that an option that is given can be told from one that is not.
    parser.add_argument(
        "--minutes",
        type=number("--minutes", 0, 1e6, above=True),
        help=f"training time, cache aside ({_of_recipes('minutes')})",
    )
    parser.add_argument(
        "--side",
        type=whole("--side", 16, 4096),
        help="side of the cached images, pixels "
        f"({', '.join(f'{name} {recipe.side}' for name, recipe in RECIPES.items())})",
    )
    parser.add_argument(
        "--limit", type=whole("--limit", 1), help="use this many of the images, drawn at random"
    )
    parser.add_argument(
        "--batch", type=whole("--batch", 1, 65_536), help=f"images a step ({_of_recipes('batch')})"
    )
    parser.add_argument(
        "--rate",
        type=number("--rate", 0, 100, above=True),
        help=f"learning rate ({_of_recipes('rate')}; with --tune 0.001)",
    )
    parser.add_argument(
        "--seed", type=whole("--seed", 0, LARGEST_SEED), help="of weights, order and views (0)"
    )
    parser.add_argument(
        "--instantiation",
        metavar="NAME",
        help="embedded_gaussian (unless given), gaussian, dot_product or concatenation",
    )


def _add_origin(parser: argparse.ArgumentParser) -> None:
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument(
        "--tune",
        dest="start",
        metavar="MODEL",
        help="train on from all the weights of this model, a name or a path as for --from",
    )
    parser.add_argument(
        "--blend",
        type=number("--blend", 0, 1),
        metavar="SHARE",
        help="with --tune: how much of the new weights is saved, the rest being the old (1: all new)",
    )
    origin.add_argument(
        "--from",
        dest="backbone",
        metavar="MODEL",
        help="train new blocks alone, in the backbone of this model: a name (of OUT's models first, "
        "then of the zoo's) or a path",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="with --from: begin with random blocks, not with what they share with the model's",
    )
    parser.add_argument(
        "--objective",
        choices=("rows", "classes"),
        default="rows",
        help="with --from: what the blocks learn; classes shows what the class label alone asks for. With "
        "--tune, classes trains the last stage and the classifier alone, and no row changes",
    )
    parser.add_argument(
        "--dilate",
        metavar="BLOCK=STEPS",
        type=_dilation,
        action="append",
        help="dilate the 3x3 convolutions of this residual block, as in layer2.1=4,3, so that its cells "
        "see further; with --tune, on top of the model's own",
    )


def _dilation(text: str) -> tuple[str, tuple[int, ...]]:
    """layer2.1=4,3 -> ("layer2.1", (4, 3))."""
    block, _, steps = text.partition("=")
    try:
        return block, tuple(int(step) for step in steps.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no residual block with its steps, such as layer2.1=4,3"
        ) from None


def run(arguments: argparse.Namespace) -> int:
    """Make the cache if there is none, train, and write weights, manifest, log and config to OUT.

    A run that was killed, or stopped with ^C, goes on when the same command is given again.
    """
    given = {
        wish.name: getattr(arguments, wish.name)
        for wish in fields(Request)
        if wish.name != "dilations"
    }
    wanted = Request(**given, dilations=dict(arguments.dilate or ()))
    # Wishes that contradict each other are refused before torch is imported.
    wanted.check()
    from nonlocal_viz.training.train import train

    path, saved = train(wanted)
    print(f"wrote {path} ({saved.bytes / 1e6:.1f} MB)")
    return 0


def _of_recipes(name: str) -> str:
    return ", ".join(f"{key} {getattr(r.config, name):g}" for key, r in RECIPES.items())
