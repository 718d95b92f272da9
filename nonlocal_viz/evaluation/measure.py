"""Several models, measured one after the other on the same photos and the same queries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import MediaError
from nonlocal_viz.evaluation.classify import classify
from nonlocal_viz.evaluation.evaluate import evaluate
from nonlocal_viz.evaluation.found import IMAGENETTE, Found, column, with_intervals
from nonlocal_viz.evaluation.segments import Segmented
from nonlocal_viz.training.progress import counted
from nonlocal_viz.training.teacher import Teacher
from nonlocal_viz.zoo import read_manifest
from nonlocal_viz.zoo.loading import load_model

Labelled = Sequence[tuple[Path, int]]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        sides: input sizes that are measured in full, pixels; ``sizes`` further ones, for AP alone.
        queries: cells drawn a photo and block; ``seed`` of the draw.
        flips: also ask the mirrored photos.
        device: where the models are put.
        directory: of their manifest; None: the zoo's.
    """

    sides: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    queries: int = 100
    seed: int = 0
    flips: bool = False
    device: str = "auto"
    directory: Path | None = None


def model_names(asked: Sequence[str], directory: Path | None) -> list[str]:
    """The models by name; ``["all"]`` is every model of the manifest that has a block, the default one
    first."""
    if list(asked) != ["all"]:
        return list(dict.fromkeys(asked))
    manifest = read_manifest(directory)
    usual = [name for name, info in manifest.models.items() if info.has_blocks]
    return sorted(usual, key=lambda name: name != manifest.default)


def drawn(labelled: Labelled, count: int | None, seed: int) -> Labelled:
    """``count`` of the photos, drawn by the seed and in their order; None: all."""
    if count is None:
        return labelled
    order = np.random.default_rng(seed).permutation(len(labelled))[:count]
    return [labelled[i] for i in np.sort(order)]


def measure_all(
    names: Sequence[str],
    photos: Sequence[Segmented],
    labelled: Labelled,
    teacher: Teacher | None,
    plan: Plan,
) -> Iterator[tuple[str, NonLocalResNet, Found]]:
    """Each model's name, the model and its numbers, one at a time; the teacher is measured with the
    first.

    Raises:
        MediaError: no photo has an instance of two cells at one of the sizes.
        CheckpointError: no such model.
    """
    for name in names:
        model = load_model(name, plan.device, directory=plan.directory)
        yield name, model, _measure(model, photos, labelled, teacher, plan)
        teacher = None


def _measure(
    model: NonLocalResNet,
    photos: Sequence[Segmented],
    labelled: Labelled,
    teacher: Teacher | None,
    plan: Plan,
) -> Found:
    found: dict[str, dict[str, float]] = {}
    accuracies: dict[str, dict[str, float]] = {}
    for side in dict.fromkeys([*plan.sides, *plan.sizes]):
        whole = side in plan.sides
        with counted(len(photos), f"{side} px", "photos") as more:
            scores = evaluate(
                model,
                photos,
                side,
                plan.queries,
                plan.seed,
                lambda: more(1),
                flips=plan.flips and whole,
                teacher=teacher.to(model.device) if teacher is not None and whole else None,
                whole=whole,
            )
        for block, numbers in scores.items():
            if not numbers.values:
                raise MediaError(f"No photo has an instance of two cells at {side} pixels.")
            found[column(block, side)] = with_intervals(numbers)
        if labelled and whole:
            accuracies[column(IMAGENETTE, side)] = _accuracy(model, labelled, side)
    return found | accuracies


def _accuracy(model: NonLocalResNet, labelled: Labelled, side: int) -> dict[str, float]:
    with counted(len(labelled), f"Imagenette {side} px", "photos") as more:
        accuracy = classify(model, labelled, side, on_batch=more)
    return {
        "images": accuracy.images,
        "top1": round(accuracy.top1, 4),
        "top1_of_ten": round(accuracy.top1_of_ten, 4),
    }
