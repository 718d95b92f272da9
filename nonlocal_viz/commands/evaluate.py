"""``nonlocal-viz evaluate``: arguments, and what runs behind them."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nonlocal_viz.errors import MediaError

if TYPE_CHECKING:
    from nonlocal_viz.core.resnet import NonLocalResNet
    from nonlocal_viz.evaluation.scores import BlockScores
    from nonlocal_viz.evaluation.segments import Segmented
    from nonlocal_viz.training.teacher import Teacher

#: {"layer2.1 @ 256": {"ap": .63, "ap_low": .61, "ap_high": .65, "query_dependence": .6, ...}, ...}
Found = dict[str, dict[str, float]]
#: Numbers of a block that the manifest keeps, where they were measured; AP with its interval.
_KEPT = (
    *("ap", "ap_low", "ap_high", "ap_features", "ap_small", "ap_medium", "ap_large"),
    *("ap_gain", "ap_gain_small", "ap_gain_medium", "ap_gain_large"),
    *(
        "ap_edge",
        "ap_edge_features",
        "ap_flipped",
        "ap_random",
        "ap_teacher",
        "ap_target",
        "query_dependence",
        "entropy_share",
    ),
    *("gcnet_input", "gcnet_attention", "gcnet_output", "attention_distance", "border_share"),
    *("largest_column", "residual_share"),
)


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
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
        "--short-side", type=int, nargs="+", default=[256], help="input sizes, pixels"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[], help="further input sizes, for AP alone"
    )
    parser.add_argument("--queries", type=int, default=100, help="cells drawn a photo and block")
    parser.add_argument("--seed", type=int, default=0)
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
        type=int,
        help="classify so many of Imagenette's photos, drawn by the seed (all)",
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument(
        "--into", type=Path, help="also write tables into this markdown file, between its marks"
    )
    parser.add_argument(
        "--save", action="store_true", help="also write the numbers into the models' manifest"
    )


def run_evaluate(args: argparse.Namespace) -> int:
    """Print a table of the numbers of :func:`nonlocal_viz.evaluation.evaluate.evaluate`.

    Raises:
        MediaError: a folder is not of the layout it should be, or there is nothing to measure in it.
        CheckpointError: no such model, or the teacher is not installed.
    """
    import numpy as np

    from nonlocal_viz.evaluation.classify import find_imagenette
    from nonlocal_viz.evaluation.report import check_marks, report, write_into
    from nonlocal_viz.evaluation.segments import open_segments
    from nonlocal_viz.training.teacher import Teacher
    from nonlocal_viz.zoo import load_model, read_manifest, save_metrics

    # What is missing is said before anything long begins.
    labelled = find_imagenette(args.imagenette) if args.imagenette else []
    if args.photos is not None:
        order = np.random.default_rng(args.seed).permutation(len(labelled))[: max(args.photos, 1)]
        labelled = [labelled[i] for i in np.sort(order)]
    if args.into:
        check_marks(args.into)
    names = _names(args)
    directory = args.models_dir
    if args.save:
        for name in names:
            read_manifest(directory).find(name)
    teacher = Teacher() if args.teacher else None
    photos = list(open_segments(args.segments))
    side = args.short_side[0]
    found: dict[str, Found] = {}
    for name in names:
        model = load_model(name, args.device, directory=directory)
        if len(names) > 1:
            print(f"{name}:")
        found[name] = _measure(model, photos, labelled, teacher if not found else None, args)
        if len(names) > 1:
            print(table(found[name]), end="\n\n")
        # Kept at once: an hour's numbers do not depend on the next model.
        if args.json:
            _write_json(args.json, found, nested=len(names) > 1)
        if args.save:
            place = directory or read_manifest().directory
            save_metrics(place, {name: metrics(found[name], side, args.sizes)})
    if len(names) == 1:
        print(table(found[names[0]]))
    if args.into:
        sizes = sorted({side, *args.sizes})
        write_into(args.into, report(found, side, sizes, _command(args)))
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    from nonlocal_viz.zoo import read_manifest

    if args.model != ["all"]:
        return list(dict.fromkeys(args.model))
    manifest = read_manifest(args.models_dir)
    usual = [name for name, info in manifest.models.items() if info.has_blocks]
    return sorted(usual, key=lambda name: name != manifest.default)


def _measure(
    model: "NonLocalResNet",
    photos: Sequence["Segmented"],
    labelled: list[tuple[Path, int]],
    teacher: "Teacher | None",
    args: argparse.Namespace,
) -> Found:
    from tqdm import tqdm

    from nonlocal_viz.evaluation.classify import classify
    from nonlocal_viz.evaluation.evaluate import evaluate

    found: Found = {}
    accuracies: Found = {}
    for side in dict.fromkeys([*args.short_side, *args.sizes]):
        whole = side in args.short_side
        with tqdm(total=len(photos), desc=f"{side} px", unit="photo") as bar:
            scores = evaluate(
                model,
                photos,
                side,
                args.queries,
                args.seed,
                bar.update,
                flips=args.flips and whole,
                teacher=teacher.to(model.device) if teacher is not None and whole else None,
                whole=whole,
            )
        for block, numbers in scores.items():
            if not numbers.values:
                raise MediaError(
                    f"No photo of {args.segments} has an instance of two cells at {side} pixels."
                )
            found[f"{block} @ {side}"] = with_intervals(numbers)
        if labelled and whole:
            with tqdm(total=len(labelled), desc=f"Imagenette {side} px", unit="photo") as bar:
                accuracy = classify(model, labelled, side, on_batch=bar.update)
            accuracies[f"imagenette @ {side}"] = {
                "images": accuracy.images,
                "top1": round(accuracy.top1, 4),
                "top1_of_ten": round(accuracy.top1_of_ten, 4),
            }
    return found | accuracies


def metrics(found: Mapping[str, Mapping[str, float]], side: int, sizes: Sequence[int]) -> dict:
    """What a manifest keeps of a model's numbers: those at ``side``, AP alone at other ``sizes``, and
    the accuracy; named "layer2.1 ap", "layer2.1 ap@640", "imagenette top1"."""
    kept: dict[str, float] = {}
    for (block, size), numbers in _split(found).items():
        if block == "imagenette":
            if size == side:
                kept["imagenette top1"] = numbers["top1"]
                kept["imagenette top1 of ten"] = numbers["top1_of_ten"]
        elif size == side:
            kept |= {f"{block} {name}": numbers[name] for name in _KEPT if name in numbers}
        elif size in sizes:
            kept[f"{block} ap@{size}"] = numbers["ap"]
    return kept


def _split(found: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, int], Mapping[str, float]]:
    parts = ((key.rpartition(" @ "), numbers) for key, numbers in found.items())
    return {(name, int(size)): numbers for (name, _, size), numbers in parts}


def _write_json(path: Path, found: Mapping[str, Found], nested: bool) -> None:
    whole = {
        model: {
            column: {name: None if math.isnan(v) else v for name, v in numbers.items()}
            for column, numbers in columns.items()
        }
        for model, columns in found.items()
    }
    # One model's numbers lie at the top, as they do on the screen.
    content = whole if nested else next(iter(whole.values()))
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _command(args: argparse.Namespace) -> str:
    """The command with the folders' names alone: a path of one machine says nothing on another."""
    words = ["nonlocal-viz evaluate", args.segments.name, "--model", *args.model]
    words += ["--short-side", *map(str, args.short_side), "--queries", str(args.queries)]
    words += ["--sizes", *map(str, args.sizes)] if args.sizes else []
    words += ["--flips"] * args.flips + ["--teacher"] * args.teacher
    words += ["--imagenette", args.imagenette.name] if args.imagenette else []
    words += ["--photos", str(args.photos)] if args.photos is not None else []
    return " ".join(words)


def with_intervals(numbers: "BlockScores") -> dict[str, float]:
    """The summary, and after every AP its 95 % interval as ``<name>_low`` and ``<name>_high``."""
    found: dict[str, float] = {}
    for name, mean in numbers.summary().items():
        found[name] = mean
        if name.startswith("ap"):
            low, high = numbers.interval(name)
            found |= {f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
    return found


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a number a line, a block a column; an interval stands behind its mean."""
    names = dict.fromkeys(name for numbers in found.values() for name in numbers)
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}
    lines = [
        "| | " + " | ".join(found) + " |",
        "|---" + "|---:" * len(found) + "|",
    ]
    for name in names:
        if name not in ends:
            cells = (_cell(numbers, name) for numbers in found.values())
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(numbers: Mapping[str, float], name: str) -> str:
    value = numbers.get(name, math.nan)
    if math.isnan(value):
        return "-"
    text = f"{value}" if isinstance(value, int) else f"{value:.3f}"
    if f"{name}_low" in numbers:
        text += f" ({numbers[f'{name}_low']:.3f} to {numbers[f'{name}_high']:.3f})"
    return text
