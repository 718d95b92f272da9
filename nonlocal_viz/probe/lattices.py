"""Where the cells of a feature map lie in the picture: the arithmetic of the convolutions on the way.

A cell is centred on what it was computed from: ``centre = first + pitch * number`` in pixels of the input.
A map's sides are known by their lengths, the first on the way that has them; who divides a side evenly
and has no convolution (merged patches, pooled tokens) is not among them.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nonlocal_viz.core.fitting import Lattice

_aten = torch.ops.aten
_CONVOLUTION = _aten.convolution.default
#: {a pool: where its stride, padding and dilation stand}; its kernel is the second argument.
_POOLS: dict[Any, tuple[int | None, ...]] = {
    _aten.max_pool2d_with_indices.default: (2, 3, 4),
    _aten.max_pool2d.default: (2, 3, 4),
    _aten.avg_pool2d.default: (2, 3, None),
}
#: Where a convolution's stride, padding and dilation stand.
_PLACES: tuple[int | None, ...] = (3, 4, 5)
_PAD = _aten.constant_pad_nd.default
UNFOLD = _aten.im2col.default


class _Side(NamedTuple):
    """Pixels from one cell's centre to the next, and the centre of the first."""

    pitch: float
    centre: float


class Lattices:
    """What convolutions, pools and pads of one run did to the places of cells."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[_Side, _Side]] = {}

    def __getitem__(self, cells: tuple[int, ...]) -> Lattice | None:
        """The lattice of (rows, columns) cells; None where it is not known."""
        if tuple(cells) not in self._known:
            return None
        down, across = self._known[tuple(cells)]
        pairs = [(s.pitch, s.centre - s.pitch / 2) for s in (across, down)]
        return Lattice((pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1]))

    def held_to(self, given: Iterable[object]) -> None:
        """Forgets all places where the first convolution read something of other sides than the picture
        that the network was ``given``: patches that were cut without one, or a picture that it resized."""
        for picture in given:
            if isinstance(picture, Tensor) and picture.ndim in (4, 5):
                if next(iter(self._known), None) != tuple(picture.shape[-2:]):
                    self._known.clear()
                return

    def see(self, func: Any, args: tuple[Any, ...], out: Tensor) -> None:
        """One operation of the network: what it gave out of its first argument."""
        cut = unfolded(func, args)
        if (out.ndim not in (4, 5) and cut is None) or not args or not isinstance(args[0], Tensor):
            return
        how = _geometry(func, args)
        if how is None or (args[0].ndim != out.ndim and cut is None):
            return
        before, after = tuple(args[0].shape[-2:]), cut or tuple(out.shape[-2:])
        if not self._known:
            # The first of them reads the picture itself, or nothing is believed (``held_to``).
            self._known[before] = (_Side(1, 0.5), _Side(1, 0.5))
        sides = self._known.get(before)
        if sides is None or after in self._known:
            return
        down, across = (
            _Side(side.pitch * stride, side.centre + side.pitch * shift)
            for side, (stride, shift) in zip(sides, how, strict=True)
        )
        self._known[after] = down, across


def unfolded(func: Any, args: tuple[Any, ...]) -> tuple[int, ...] | None:
    """(rows, columns) of the patches that an operation cuts, one beside the other or overlapping; None of
    another operation."""
    if func is not UNFOLD:
        return None
    x, *how = args[:5]
    kernels, spread, pads, steps = (map(int, _two(side)) for side in how)
    sides = zip(x.shape[-2:], kernels, spread, pads, steps, strict=True)
    return tuple((n + 2 * pad - d * (k - 1) - 1) // step + 1 for n, k, d, pad, step in sides)


def _geometry(func: Any, args: tuple[Any, ...]) -> list[tuple[float, float]] | None:
    """For rows and columns: (stride, how far the first centre moves, in cells of the input)."""
    if func is _CONVOLUTION:
        if args[6]:  # transposed
            return None
        kernel, places = args[1].shape[2:], _PLACES
    elif func in _POOLS:
        kernel, places = args[1], _POOLS[func]
    elif func is UNFOLD:
        kernel, places = args[1], (4, 3, 2)
    elif func is _PAD:
        pads = args[1]
        return [(1, -pads[2]), (1, -pads[0])] if len(pads) == 4 else None
    else:
        return None
    given = [args[at] if at is not None and at < len(args) else None for at in places]
    strides, pads, spread = given[0] or kernel, given[1] or 0, given[2] or 1
    sides = (kernel, strides, pads, spread)
    kernels, steps, padded, dilated = (_two(side) for side in sides)
    return [
        (step, dilation * (k - 1) / 2 - pad)
        for k, step, pad, dilation in zip(kernels, steps, padded, dilated, strict=True)
    ]


def _two(value: Any) -> tuple[float, float]:
    """The last two of several, or one number twice."""
    if isinstance(value, int | float):
        return value, value
    listed = list(value)
    return (listed[-2], listed[-1]) if len(listed) > 1 else (listed[0], listed[0])
