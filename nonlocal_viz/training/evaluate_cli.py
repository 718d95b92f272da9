"""``nonlocal-viz evaluate``: arguments, and what runs behind them."""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nonlocal_viz.errors import MediaError

if TYPE_CHECKING:
    from nonlocal_viz.training.scores import BlockScores

#: {"layer2.1 @ 256": {"ap": .63, "ap_low": .61, "ap_high": .65, "query_dependence": .6, ...}, ...}
Found = dict[str, dict[str, float]]


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz evaluate``."""
    parser.add_argument("segments", type=Path, help="folder with images/ and instances.json (COCO)")
    parser.add_argument("--model", default="default", help="a name of the zoo, or a path")
    parser.add_argument(
        "--short-side", type=int, nargs="+", default=[256], help="input sizes, pixels"
    )
    parser.add_argument("--queries", type=int, default=100, help="cells drawn a photo and block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--flips", action="store_true", help="also ask the mirrored photos")
    parser.add_argument(
        "--teacher", action="store_true", help="also measure the teacher (needs the extra training)"
    )
    parser.add_argument(
        "--imagenette", type=Path, help="folder with val/<wnid>/: also measure top-1 accuracy"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")


def run_evaluate(args: argparse.Namespace) -> int:
    """Print a table of the numbers of :func:`nonlocal_viz.training.evaluate.evaluate`.

    Raises:
        MediaError: a folder is not of the layout it should be, or there is nothing to measure in it.
        CheckpointError: no such model, or the teacher is not installed.
    """
    import json

    from tqdm import tqdm

    from nonlocal_viz.training.classify import classify, find_imagenette
    from nonlocal_viz.training.evaluate import evaluate
    from nonlocal_viz.training.segments import open_segments
    from nonlocal_viz.training.teacher import Teacher
    from nonlocal_viz.zoo import load_model

    # What is missing is said before anything long begins.
    labelled = find_imagenette(args.imagenette) if args.imagenette else []
    model = load_model(args.model, device=args.device)
    teacher = Teacher().to(model.device) if args.teacher else None
    photos = list(open_segments(args.segments))
    found: Found = {}
    accuracies: Found = {}
    for side in args.short_side:
        with tqdm(total=len(photos), desc=f"{side} px", unit="photo") as bar:
            scores = evaluate(
                model,
                photos,
                side,
                args.queries,
                args.seed,
                bar.update,
                flips=args.flips,
                teacher=teacher,
            )
        for block, numbers in scores.items():
            if not numbers.values:
                raise MediaError(
                    f"No photo of {args.segments} has an instance of two cells at {side} pixels."
                )
            found[f"{block} @ {side}"] = with_intervals(numbers)
        if labelled:
            with tqdm(total=len(labelled), desc=f"Imagenette {side} px", unit="photo") as bar:
                accuracy = classify(model, labelled, side, on_batch=bar.update)
            accuracies[f"imagenette @ {side}"] = {
                "images": accuracy.images,
                "top1": round(accuracy.top1, 4),
                "top1_of_ten": round(accuracy.top1_of_ten, 4),
            }
    print("\n\n".join(table(part) for part in (found, accuracies) if part))
    if args.json:
        whole = {
            column: {name: None if math.isnan(v) else v for name, v in numbers.items()}
            for column, numbers in (found | accuracies).items()
        }
        args.json.write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n")
    return 0


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
