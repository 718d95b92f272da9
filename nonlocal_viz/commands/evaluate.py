"""``nonlocal-viz evaluate``: what a model's rows are worth, measured on COCO segments."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nonlocal_viz.commands.arguments import (
    LARGEST_SEED,
    ArgumentError,
    add_force,
    add_models,
    check_out,
    say_notes,
    several_whole,
    whole,
)
from nonlocal_viz.files import try_writing

ORDER = 9
HELP = "measure a model's rows on COCO segments"
EXAMPLES = """\
nonlocal-viz evaluate coco128
nonlocal-viz evaluate coco128 --model all --short-side 256 --sizes 224,448 --out numbers.json
nonlocal-viz evaluate coco128 --cells 20 --json > numbers.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz evaluate``."""
    parser.add_argument("segments", type=Path, help="folder with images/ and instances.json (COCO)")
    add_models(parser, "default; all is every one with a block")
    parser.add_argument("--models-dir", type=Path, help="another folder with a manifest.json")
    parser.add_argument(
        "--short-side",
        type=several_whole("--short-side", 1),
        metavar="PIXELS",
        default=[256],
        help="encode at this short side; several, a,b, are measured in full (256)",
    )
    parser.add_argument(
        "--sizes",
        type=several_whole("--sizes", 1),
        metavar="PIXELS",
        default=[],
        help="further short sides, a,b, for AP alone",
    )
    parser.add_argument(
        "--cells",
        type=whole("--cells", 1, 1_000_000),
        default=100,
        help="cells that ask, drawn a photo and block (100)",
    )
    parser.add_argument("--seed", type=whole("--seed", 0, LARGEST_SEED), default=0)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--flips", action="store_true", help="also ask the mirrored photos")
    parser.add_argument(
        "--teacher",
        action="store_true",
        help="also measure the teacher, with the first model (needs the extra training)",
    )
    parser.add_argument(
        "--imagenette", type=Path, help="folder with val/<wnid>/: also measure top-1 accuracy"
    )
    parser.add_argument(
        "--limit",
        type=whole("--limit", 1),
        help="use this many of Imagenette's images, drawn by the seed (all)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the numbers as JSON, not a table"
    )
    parser.add_argument("--out", type=Path, help="also write the numbers to this .json file")
    add_force(parser)
    parser.add_argument(
        "--into", type=Path, help="also write tables into this markdown file, between its marks"
    )
    parser.add_argument(
        "--save", action="store_true", help="also write the numbers into the models' manifest"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a table of the numbers of :mod:`nonlocal_viz.evaluation.numbers`.

    Raises:
        MediaError: a folder is not of the layout it should be, or there is nothing to measure in it.
        CheckpointError: no such model, or the teacher is not installed.
    """
    from nonlocal_viz.evaluation.classify import find_imagenette
    from nonlocal_viz.evaluation.found import Found, as_json, metrics, table, write_json
    from nonlocal_viz.evaluation.measure import Plan, drawn, measure_all, model_names
    from nonlocal_viz.evaluation.report import report, write_into
    from nonlocal_viz.evaluation.segments import open_segments
    from nonlocal_viz.training.teacher import Teacher
    from nonlocal_viz.zoo import read_manifest, save_metrics

    if arguments.limit is not None and arguments.imagenette is None:
        raise ArgumentError("--limit is about the images of --imagenette; give it, too.")
    directory = arguments.models_dir
    names = model_names(arguments.model or ["default"], directory)
    _try_places(arguments, names)
    labelled = find_imagenette(arguments.imagenette) if arguments.imagenette else []
    teacher = Teacher() if arguments.teacher else None
    photos = list(open_segments(arguments.segments))
    labelled = list(drawn(labelled, arguments.limit, arguments.seed))
    plan = Plan(
        tuple(arguments.short_side),
        tuple(arguments.sizes),
        arguments.cells,
        arguments.seed,
        arguments.flips,
        arguments.device,
        directory,
    )
    side, several_models = plan.sides[0], len(names) > 1
    found: dict[str, Found] = {}
    for name, model, numbers in measure_all(names, photos, labelled, teacher, plan):
        found[name] = numbers
        say_notes(model.about.assumptions)
        if not arguments.json:
            print(f"{name}:\n{table(numbers)}\n" if several_models else table(numbers), flush=True)
        # Kept at once: an hour's numbers do not depend on the next model.
        if arguments.out:
            write_json(arguments.out, found, nested=several_models)
        if arguments.save:
            place = directory or read_manifest().directory
            save_metrics(place, {name: metrics(numbers, side, plan.sizes)})
    if arguments.json:
        print(as_json(found, nested=several_models), end="")
    if arguments.into:
        sizes = sorted({side, *plan.sizes})
        write_into(arguments.into, report(found, side, sizes, _command(arguments)))
    return 0


def _try_places(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Say now what could not be written after an hour.

    Raises:
        WritingError, MediaError, CheckpointError: a file cannot be written, or cannot take the numbers.
    """
    from nonlocal_viz.evaluation.report import check_marks
    from nonlocal_viz.zoo import read_manifest

    if arguments.out:
        check_out(arguments.out, arguments.force)
    if arguments.into:
        check_marks(arguments.into)
        try_writing(arguments.into)
    if arguments.save:
        manifest = read_manifest(arguments.models_dir)
        for name in names:
            manifest.find(name)
        try_writing(manifest.directory / "manifest.json")


def _command(arguments: argparse.Namespace) -> str:
    """The command with the folders' names alone: a path of one machine says nothing on another."""
    words = ["nonlocal-viz evaluate", arguments.segments.name]
    words += ["--model", ",".join(arguments.model or ["default"])]
    words += ["--short-side", ",".join(map(str, arguments.short_side))]
    words += ["--cells", str(arguments.cells)]
    words += ["--sizes", ",".join(map(str, arguments.sizes))] if arguments.sizes else []
    words += ["--flips"] * arguments.flips + ["--teacher"] * arguments.teacher
    words += ["--imagenette", arguments.imagenette.name] if arguments.imagenette else []
    words += ["--limit", str(arguments.limit)] if arguments.limit is not None else []
    return " ".join(words)
