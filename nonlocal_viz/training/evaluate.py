"""Did it work? Segment AP and its neighbours, for a model's blocks and for what they have to beat.

Segment AP: for random query cells within an instance, all other cells are ranked by the query's row;
the average precision of "same instance as the query", averaged over the queries and then over the photos.
The same queries are ranked by baselines that know nothing of the block: chance (the share of positives),
distance, colour and distance, and the cosine of the features that the block reads.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.diagnostics import map_stats
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.lens import Lens
from nonlocal_viz.training.segments import Segmented

#: How much a step across the picture weighs against Lab colour, in "colour and distance".
_DISTANCE_WEIGHT = 60.0


def average_precision(scores: Tensor, positive: Tensor) -> Tensor:
    """AP of each row's ranking: scores (Q, n) and positives (Q, n) bool -> (Q,); NaN without positives.

    Ties are broken by position, as a stable sort leaves them.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    hit = positive.gather(1, order).float()
    precision = hit.cumsum(1) / torch.arange(1, hit.shape[1] + 1, device=hit.device)
    return (precision * hit).sum(1) / hit.sum(1)


@dataclass
class BlockScores:
    """Per-photo values of one block, by name; :meth:`summary` averages them."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **numbers: float) -> None:
        """One photo's numbers; NaN means "does not apply" and is left out of the mean."""
        for name, number in numbers.items():
            self.values.setdefault(name, []).append(number)

    def summary(self) -> dict[str, float]:
        """Mean of every number over the photos."""
        return {k: round(float(np.nanmean(v)), 4) for k, v in self.values.items()}

    def interval(self, name: str, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap interval of the mean over photos."""
        values = np.array(self.values[name])
        values = values[~np.isnan(values)]
        picks = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
        low, high = np.percentile(values[picks].mean(1), [2.5, 97.5])
        return float(low), float(high)


def evaluate(
    model: NonLocalResNet,
    photos: Iterable[Segmented],
    short_side: int = 256,
    queries: int = 20,
    seed: int = 0,
    on_photo: Callable[[], None] = lambda: None,
) -> dict[str, BlockScores]:
    """Scores of every block of a model.

    Args:
        model: in eval mode, on its device.
        photos: with their instances, see :func:`nonlocal_viz.training.segments.open_segments`.
        short_side: of the pictures as the model sees them, in pixels.
        queries: cells drawn a photo and block.
        seed: of the draw; the same for every model, so that two models answer the same queries.
        on_photo: called after each photo.

    Returns:
        {block: BlockScores} with ``ap`` (rows), ``ap_features`` (cosine of the block's input),
        ``ap_chance``, ``ap_distance``, ``ap_colour``, ``query_dependence``, ``entropy_share``,
        ``largest_column`` and ``border_share``.
    """
    lens = Lens(model, short_side=short_side)
    scores = {name: BlockScores() for name in model.block_names}
    inputs: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(_keep(inputs, name)) for name in scores
    ]
    try:
        for photo in photos:
            view = lens.open(photo.image)
            for name, block in scores.items():
                _, height, width = view.affinity(name).query_grid
                random = np.random.default_rng([seed, height, width])
                measured = _measure(
                    view.affinity(name), inputs[name], photo, (height, width), queries, random
                )
                if measured:
                    block.add(**measured)
            on_photo()
    finally:
        for hook in hooks:
            hook.remove()
    return scores


def _measure(
    affinity: Affinity,
    features: Tensor,
    photo: Segmented,
    grid: tuple[int, int],
    count: int,
    random: np.random.Generator,
) -> dict[str, float]:
    labels = photo.cells(grid).ravel()
    inside = np.flatnonzero(labels >= 0)
    inside = inside[[(labels == labels[i]).sum() > 1 for i in inside]]
    if not len(inside) or affinity.key_grid != affinity.query_grid:
        return {}
    picked = torch.from_numpy(random.choice(inside, min(count, len(inside)), replace=False))
    label = torch.from_numpy(labels)
    same = label[picked, None] == label[None]
    # The query itself is not ranked: every map would find it.
    others = torch.ones_like(same).scatter_(1, picked[:, None], False)
    positive = same[others].view(len(picked), -1)

    def ap(rows: Tensor) -> float:
        ranked = rows.cpu().float()[others].view(len(picked), -1)
        return float(average_precision(ranked, positive).nanmean())

    tokens = F.normalize(features[0].flatten(1).T.float().cpu(), dim=-1)
    place = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1])).float()
    distance = torch.cdist(place[picked], place) / max(grid)
    small = cv2.resize(photo.image, grid[::-1], interpolation=cv2.INTER_AREA)
    lab = torch.from_numpy(cv2.cvtColor(small, cv2.COLOR_RGB2LAB)).flatten(0, 1).float()
    stats = map_stats(affinity)
    return {
        "ap": ap(affinity.rows(picked)[0]),
        "ap_features": ap(tokens[picked] @ tokens.T),
        "ap_distance": ap(-distance),
        "ap_colour": ap(-(torch.cdist(lab[picked], lab) + _DISTANCE_WEIGHT * distance)),
        "ap_chance": float(positive.float().mean()),
        "query_dependence": stats.query_dependence,
        "entropy_share": stats.entropy_share,
        "largest_column": stats.largest_column,
        "border_share": stats.border_share,
    }


def _keep(store: dict[str, Tensor], name: str) -> Callable[..., None]:
    def hook(_module: torch.nn.Module, _inputs: object, output: Tensor) -> None:
        store[name] = output.detach()

    return hook
