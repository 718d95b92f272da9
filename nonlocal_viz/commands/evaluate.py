"""``nonlocal-viz evaluate``: what a model's rows are worth, measured on COCO segments."""

import argparse
from pathlib import Path

from nonlocal_viz.commands.arguments import say_assumptions, whole

ORDER = 7
HELP = "measure a model's rows on COCO segments"


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz evaluate``."""
    parser.add_argument("segments", type=Path, help="folder with images/ and instances.json (COCO)")
    parser.add_argument(
        "--model",
        nargs="+",
        default=["default"],
        help="names of the zoo, or paths; all is every model of the zoo that has a block",
    )
    parser.add_argument("--models-dir", type=Path, help="another folder with a manifest.json")
    parser.add_argument(
        "--short-side",
        type=whole("--short-side", 1),
        nargs="+",
        default=[256],
        help="input sizes, pixels",
    )
    parser.add_argument(
        "--sizes",
        type=whole("--sizes", 1),
        nargs="+",
        default=[],
        help="further input sizes, for AP alone",
    )
    parser.add_argument(
        "--queries",
        type=whole("--queries", 1),
        default=100,
        help="cells drawn a photo and block",
    )
    parser.add_argument("--seed", type=whole("--seed", 0), default=0)
    parser.add_argument("--device", default="auto")
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
        "--photos",
        type=whole("--photos", 1),
        help="classify so many of Imagenette's photos, drawn by the seed (all)",
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
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
    from nonlocal_viz.evaluation.found import Found, metrics, table, write_json
    from nonlocal_viz.evaluation.measure import Plan, drawn, measure_all, model_names
    from nonlocal_viz.evaluation.report import check_marks, report, write_into
    from nonlocal_viz.evaluation.segments import open_segments
    from nonlocal_viz.training.teacher import Teacher
    from nonlocal_viz.zoo import read_manifest, save_metrics

    # What is missing is said before anything long begins.
    labelled = find_imagenette(arguments.imagenette) if arguments.imagenette else []
    if arguments.into:
        check_marks(arguments.into)
    directory = arguments.models_dir
    names = model_names(arguments.model, directory)
    if arguments.save:
        for name in names:
            read_manifest(directory).find(name)
    teacher = Teacher() if arguments.teacher else None
    photos = list(open_segments(arguments.segments))
    labelled = list(drawn(labelled, arguments.photos, arguments.seed))
    plan = Plan(
        tuple(arguments.short_side),
        tuple(arguments.sizes),
        arguments.queries,
        arguments.seed,
        arguments.flips,
        arguments.device,
        directory,
    )
    side, several = plan.sides[0], len(names) > 1
    found: dict[str, Found] = {}
    for name, model, numbers in measure_all(names, photos, labelled, teacher, plan):
        found[name] = numbers
        say_assumptions(model.about)
        print(f"{name}:\n{table(numbers)}\n" if several else table(numbers))
        # Kept at once: an hour's numbers do not depend on the next model.
        if arguments.json:
            write_json(arguments.json, found, nested=several)
        if arguments.save:
            place = directory or read_manifest().directory
            save_metrics(place, {name: metrics(numbers, side, plan.sizes)})
    if arguments.into:
        sizes = sorted({side, *plan.sizes})
        write_into(arguments.into, report(found, side, sizes, _command(arguments)))
    return 0


def _command(arguments: argparse.Namespace) -> str:
    """The command with the folders' names alone: a path of one machine says nothing on another."""
    words = ["nonlocal-viz evaluate", arguments.segments.name, "--model", *arguments.model]
    words += ["--short-side", *map(str, arguments.short_side), "--queries", str(arguments.queries)]
    words += ["--sizes", *map(str, arguments.sizes)] if arguments.sizes else []
    words += ["--flips"] * arguments.flips + ["--teacher"] * arguments.teacher
    words += ["--imagenette", arguments.imagenette.name] if arguments.imagenette else []
    words += ["--photos", str(arguments.photos)] if arguments.photos is not None else []
    return " ".join(words)
