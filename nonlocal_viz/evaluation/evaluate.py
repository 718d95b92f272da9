"""Did it work? Segment AP and its neighbours, for a model's blocks and for what they have to beat.

Segment AP: for random query cells within an instance, all other cells are ranked by the query's row;
the average precision of "same instance as the query", averaged over the queries and then over the photos.
The same queries are ranked by baselines: chance (the share of positives), distance, colour and distance,
the cosine of the features that the block reads, a block at random initialisation on these features, and
the teacher from which the block learnt. Every number is kept photo by photo, so that each mean has an
interval and two of them can be compared on the same photos.

What each number is called and means stands in :data:`nonlocal_viz.evaluation.numbers.NUMBERS`.
"""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.diagnostics import (
    attention_distance,
    block_stats,
    cell_centres,
    map_stats,
)
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.evaluation.baselines import (
    TeacherLike,
    colour_rows,
    distance_rows,
    feature_rows,
    random_rows,
    rows_on_queries,
    teacher_rows,
)
from nonlocal_viz.evaluation.scores import BlockScores, Draw
from nonlocal_viz.evaluation.segments import Segmented
from nonlocal_viz.lens import Lens
from nonlocal_viz.training.teacher import TeacherFeatures
from nonlocal_viz.view import View


@torch.inference_mode()
def evaluate(
    model: NonLocalResNet,
    photos: Iterable[Segmented],
    short_side: int = 256,
    queries: int = 20,
    seed: int = 0,
    on_photo: Callable[[], object] = lambda: None,
    *,
    flips: bool = False,
    teacher: TeacherLike | None = None,
    whole: bool = True,
) -> dict[str, BlockScores]:
    """Scores of every block of a model.

    Args:
        model: in eval mode, on its device.
        photos: with their instances, see :func:`nonlocal_viz.evaluation.segments.open_segments`.
        short_side: of the pictures as the model sees them, in pixels.
        queries: cells drawn a photo and block.
        seed: of the draw; the same for every model, so that two models answer the same queries.
        on_photo: called after each photo.
        flips: also ask the mirrored photo: twice the time.
        teacher: images (1, 3, H, W), RGB 0..255 as float, on its own device -> features; also measure
            it and its target, several times the time.
        whole: False leaves out everything that needs all rows of a map, or another block: what stays
            is AP of the drawn queries' rows and of the features, at inputs of any size.

    Returns:
        {block: BlockScores} with the numbers of :mod:`.numbers`. A photo without an
        instance of two cells on a block's grid adds nothing to that block.
    """
    lens = Lens(model, short_side=short_side)
    scores = {name: BlockScores() for name in model.block_names}
    with _Seen(model) as seen:
        for number, photo in enumerate(photos):
            mirrored = lens.open(np.ascontiguousarray(photo.image[:, ::-1])) if flips else None
            view = lens.open(photo.image)
            small = seen.as_seen(photo.image)
            taught = teacher(_batch(small, teacher)) if teacher else None
            for name, block in scores.items():
                _, height, width = view.affinity(name).query_grid
                random = np.random.default_rng([seed, height, width])
                draw = Draw.of(photo, (height, width), queries, random)
                if draw is None:
                    continue
                ours = model.block(name)
                block.add(**_rankings(view, name, draw, seen.inputs[name]))
                if not whole:
                    continue
                untrained = random_rows(ours, seen.inputs[name], draw.picked, seed + number)
                block.add(ap_random=float(draw.precision(untrained).mean()))
                if mirrored is not None:
                    block.add(ap_flipped=_flipped(mirrored, name, draw))
                if taught is not None:
                    block.add(**_teacher(taught, small, (height, width), draw, seed))
                block.add(**_statistics(view, name, ours, seen))
            on_photo()
    return scores


def _rankings(view: View, name: str, draw: Draw, features: Tensor) -> dict[str, float]:
    affinity = view.affinity(name)
    _, height, width = affinity.query_grid
    grid = (height, width)
    rows = rows_on_queries(affinity, draw.picked)
    rows_of_features = feature_rows(features, draw.picked)
    ap, ap_features = draw.precision(rows), draw.precision(rows_of_features)
    edge = draw.at_edge
    return {
        **draw.by_size("ap", ap),
        **draw.by_size("ap_features", ap_features),
        **draw.by_size("ap_gain", ap - ap_features),
        "ap_edge": float(draw.precision_at_edge(rows).nanmean()),
        "ap_edge_features": float(draw.precision_at_edge(rows_of_features).nanmean()),
        "ap_edge_chance": float(((draw.same & edge).sum(1) / edge.sum(1)).nanmean()),
        **draw.by_size("ap_chance", draw.positive.float().mean(1)),
        "ap_distance": float(draw.precision(distance_rows(grid, draw.picked)).mean()),
        "ap_colour": float(draw.precision(colour_rows(view.image, grid, draw.picked)).mean()),
    }


def _statistics(view: View, name: str, block: NonLocalBlock, seen: "_Seen") -> dict[str, float]:
    affinity, features = view.affinity(name), seen.inputs[name]
    z, _ = block.attend(features)
    stats, effect = map_stats(affinity), block_stats(features, z)
    # Both sides of the picture are scaled alike, up to the rounding to whole pixels.
    scale = seen.size[0] / view.size[0]
    queries = cell_centres(view.query_grid(name)) * scale
    keys = cell_centres(view.key_grid(name)) * scale
    return {
        "query_dependence": stats.query_dependence,
        "gcnet_input": effect.input_distance,
        "gcnet_attention": stats.query_dependence / 2,
        "gcnet_output": effect.output_distance,
        "attention_distance": attention_distance(affinity, queries, keys),
        "entropy_share": stats.entropy_share,
        "largest_column": stats.largest_column,
        "border_share": stats.border_share,
        "residual_share": effect.residual_share,
    }


def _flipped(mirrored: View, name: str, draw: Draw) -> float:
    affinity = mirrored.affinity(name)
    width = affinity.query_grid[2]
    column = draw.picked % width
    rows = rows_on_queries(affinity, draw.picked - column + (width - 1 - column))
    back = rows.unflatten(1, affinity.query_grid).flip(-1).flatten(1)
    return float(draw.precision(back).mean())


def _teacher(
    taught: TeacherFeatures, image: np.ndarray, grid: tuple[int, int], draw: Draw, seed: int
) -> dict[str, float]:
    rows = teacher_rows(taught, image, grid, draw.picked, seed)
    return {
        "ap_teacher": float(draw.precision(rows.similarity).mean()),
        "ap_target": float(draw.precision(rows.target).mean()),
        "ap_target_stored": float(draw.precision(rows.stored).mean()),
    }


def _batch(image: np.ndarray, teacher: TeacherLike) -> Tensor:
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    parameter = next(teacher.parameters(), None) if isinstance(teacher, nn.Module) else None
    return pixels if parameter is None else pixels.to(parameter.device)


class _Seen:
    """What a model saw at its last call, while the context lasts.

    Attributes:
        size: (width, height) of the network's input.
        inputs: {block: its input (B, C, h, w)}.
    """

    def __init__(self, model: NonLocalResNet) -> None:
        self.model = model
        self.size = (0, 0)
        self.inputs: dict[str, Tensor] = {}

    def __enter__(self) -> "_Seen":
        self._hooks = [self.model.register_forward_pre_hook(self._measure)]
        for name in self.model.block_names:
            # A block reads what the residual block of its name gives out.
            residual_block = self.model.get_submodule(name)
            self._hooks.append(residual_block.register_forward_hook(self._keep(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def as_seen(self, image: np.ndarray) -> np.ndarray:
        """A picture (H, W, 3) at the size of the last input."""
        method = cv2.INTER_AREA if self.size[0] < image.shape[1] else cv2.INTER_LINEAR
        return cv2.resize(image, self.size, interpolation=method)

    def _measure(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.size = (inputs[0].shape[-1], inputs[0].shape[-2])

    def _keep(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            self.inputs[name] = output

        return hook
