"""Tokens that a module makes of all of its positions and puts before them (their mean, in a pooling by
attention): they move with every position, the others each with its own.
"""

from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.known import MIXED
from nonlocal_viz.probe.layout import Placing
from nonlocal_viz.probe.patches import SPECIAL
from nonlocal_viz.probe.positions import Positions, each_once
from nonlocal_viz.probe.slots import Slots

#: Single positions with which a summary has to move, how far of what moves farthest.
_SINGLE, _FAR = 4, 1e-3


def with_summaries(positions: Positions, count: int) -> Positions:
    """The positions with so many tokens in front that are made of all of them."""
    if not count:
        return positions
    names = tuple(f"of all {i + 1}" for i in range(count)) if count > 1 else ("of all",)
    order = positions.order
    if order is not None:
        order = torch.cat([torch.arange(count), order + count])
    return replace(positions, before=(*names, *positions.before), order=order)


def summed_up(placing: Placing, axes: Axes) -> Slots | None:
    """The slots where a few at the same places of every group mix all positions, and all others follow one;
    None where it is not so."""
    images, positions = axes.count(placing.x)
    if placing.still is None or images * positions < 2:
        return None
    few = placing.still.query.shape[1] - positions
    if not 0 < few <= min(SPECIAL, positions - 1) or placing.still.key.shape[1] != few + positions:
        return None
    if len(placing.still.query) % images:
        return None
    front = slice(0, few)
    found = placing.by_bits(
        axes, images, positions, lambda q, k: not (_in_front(q, few) and _in_front(k, few))
    )
    if found is None:
        return None
    sides = []
    for number, table in enumerate(found):
        each = table[:, few:]
        image = each // positions
        whole = bool((each >= 0).all()) and bool((image == image[:, :1]).all()) and each_once(each)
        if not whole or not _moves_with_all(placing, axes, number, front, image[:, 0]):
            return None
        own = image[:, :1] * (positions + few)
        sides.append(torch.cat([own + torch.arange(few), own + few + each % positions], 1))
    count = positions + few
    return Slots(axes, sides[0], sides[1], images, count, count, summaries=few)


def _in_front(table: Tensor, few: int) -> bool:
    """Whether the slots that mix positions are the first few of every group, and no others."""
    mixed = table == MIXED
    return bool(mixed[:, :few].all()) and not bool(mixed[:, few:].any())


def _moves_with_all(placing: Placing, axes: Axes, number: int, front: slice, image: Tensor) -> bool:
    """Whether single positions of the first image, drawn at random, each move all of its summaries."""
    images, positions = axes.count(placing.x)
    draw = torch.Generator().manual_seed(14)
    for at in torch.randperm(positions, generator=draw)[:_SINGLE].tolist():
        where = torch.zeros(images, positions, dtype=torch.bool)
        where[0, at] = True
        moved = placing.strength(axes, where)[number]
        if not bool((moved[image == 0][:, front] > _FAR * moved.max()).all()):
            return False
    return True
