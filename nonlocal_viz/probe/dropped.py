"""Tokens that are some of the patches of a picture alone: the others are masked, or pruned."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again
from nonlocal_viz.probe.axes import Axes
from nonlocal_viz.probe.cells import far
from nonlocal_viz.probe.order import Convolved
from nonlocal_viz.probe.records import UnprovenError
from nonlocal_viz.probe.replay import Place

#: How many times as far the cells of one half move a token that is made of one of them.
_CLEARLY = 2.5
DROPPED = (
    "Its {} tokens are {} of the {} patches of the picture: the others are dropped, by a mask or a choice, "
    "and what is left is no whole grid."
)


def refuse_some(
    again: Again,
    before: Sequence[Convolved],
    given: tuple[str, tuple[int, ...]],
    axes: Axes,
    count: int,
) -> None:
    """Raises:
    UnprovenError: of the ``count`` tokens that a module, ``given`` by path and shape, is given each follows
        one cell of the last map of a convolution, but for special ones; and there are more cells.
    """
    if not before or len(before[-1].shape) != 4:
        return
    sides = before[-1].shape[-2:]
    cells = sides[0] * sides[1]
    if cells <= count:
        return
    path, shape = given
    place = Place(before[-1].call.path, before[-1].shape)
    numbers = torch.arange(cells).view(sides)
    still = again.input(lambda x: x, path, place=place, shape=shape)
    code = torch.zeros(count, dtype=torch.long)
    clear = torch.ones(count, dtype=torch.bool)
    for bit in range((cells - 1).bit_length()):
        on, off = (
            far(
                again.input(partial(_shifted, where=where), path, place=place, shape=shape) - still,
                axes,
            )[0].cpu()
            for where in ((numbers >> bit & 1).bool(), (numbers >> bit & 1) == 0)
        )
        code += (on > off).long() << bit
        clear &= torch.maximum(on, off) > _CLEARLY * torch.minimum(on, off)
    found = code[clear]
    if len(found) > count // 2 and len(found.unique()) == len(found):
        raise UnprovenError(DROPPED.format(count, len(found), cells))


def _shifted(x: Tensor, where: Tensor) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(10)).to(x)
    size = 0.1 * x.float().std().clamp_min(1e-3).to(x.dtype)
    return torch.where(where.to(x.device), x + noise * size, x)
