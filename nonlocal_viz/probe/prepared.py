"""How the pictures of somebody's network are prepared, as far as it says so itself or shows when tried.

Invariants: nothing is computed here (sizes are tried on the meta device, where tensors are shapes alone, on
a twin); what the network says goes before what was tried; and whatever was not said is a sentence.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.fitting import RESAMPLES, Normalisation, Prepare
from nonlocal_viz.probe.twins import twin_of

_COLOURS = (
    "The mean and standard deviation of ImageNet are assumed for the colours: "
    "attach(model, prepare=nv.Prepare(...)), or --mean and --std, give others."
)
_SQUASHED = (
    "Pictures are squashed to {1} x {0} pixels, {why}; attach(model, prepare=nv.Prepare(size=(H, W))), or "
    "--size, gives another size."
)
_SAID = "the size that the network names"
_TRIED = "the first of the usual sizes that the network takes"
#: What the sides of a picture may have to be multiples of, the least first.
_STEPS = (1, 8, 14, 16, 32, 64)
#: Square pictures that networks of one size are commonly built for, the most common first.
_USUAL = (224, 256, 384, 512, 32, 64, 96, 128, 160, 192, 288, 320, 336, 448, 518, 640, 800, 1024)
#: Where networks keep the size that they are built for: timm's, torchvision's, transformers' and others'.
_NAMES = ("image_size", "img_size", "input_size")
#: What a network raises that does not take a picture.
_NOT_SO = (RuntimeError, ValueError, TypeError, AssertionError, IndexError)
#: How a network is called with what it reads.
Calling = Callable[[nn.Module, Tensor], Any]


def prepare_of(
    model: nn.Module,
    call: Calling,
    clips: bool = False,
    size: tuple[int, int] | None = None,
    colours: Normalisation | None = None,
) -> tuple[Prepare, tuple[str, ...]]:
    """How pictures become what a network reads, and what was assumed.

    The colours, the cut and the size are those of a ``pretrained_cfg`` that it or a part of it carries
    (timm's), the size else that of an attribute of its configuration; a size that it names is held against
    what it takes, and where it names none, the usual ones are tried. Of a network that reads ``clips`` the
    colours alone are told. ``size`` and ``colours`` are what a person says.

    Raises:
        OptionError: a size that is none.
    """
    told = _told(model)
    colours = colours or (colours_of(told) if told else None)
    said = () if colours else (_COLOURS,)
    colours = colours or Normalisation()
    resample = str(told.get("interpolation") or "area")
    resample = resample if resample in RESAMPLES else "bicubic"
    if clips or size is not None:
        return Prepare(colours, size=size, resample=resample), said
    named = list(_named(model, told))
    trial = Trial(model, call)
    step = next((s for s in _STEPS if trial.takes(*_odd(s))), None)
    if step is not None and not (told and told.get("fixed_input_size")):
        short = min(named[0]) if told and named else None
        return Prepare(colours, short, multiple=step, resample=resample), said
    usual = ((side, side) for side in _USUAL)
    size = next((sides for sides in chain(named, usual) if trial.takes(*sides)), None)
    if size is None:
        # Not even a picture without numbers goes through: whoever calls it has to know.
        return Prepare(colours, resample=resample), said
    if told and size == named[0]:
        whole = told.get("crop_mode") != "squash"
        crop = float(told.get("crop_pct") or 1.0) if whole else None
        return Prepare(colours, size=size, crop=crop, resample=resample), said
    why = _SAID if size in named else _TRIED
    return Prepare(colours, size=size, resample=resample), (*said, _SQUASHED.format(*size, why=why))


def colours_of(told: Mapping[str, Any]) -> Normalisation:
    """The colours of a ``pretrained_cfg``."""
    (r, g, b), (sr, sg, sb) = told["mean"], told["std"]
    return Normalisation((r, g, b), (sr, sg, sb))


def _told(model: nn.Module) -> Mapping[str, Any]:
    """The outermost ``pretrained_cfg`` with colours; empty where there is none."""
    for module in model.modules():
        told = getattr(module, "pretrained_cfg", None)
        if isinstance(told, Mapping) and all(len(told.get(k) or ()) == 3 for k in ("mean", "std")):
            return told
    return {}


def _named(model: nn.Module, told: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Sizes (rows, columns) that a network names, those of what it was built with before those of what its
    weights were trained with; each once."""
    found: dict[tuple[int, int], None] = {}
    for module in model.modules():
        for holder in (module, getattr(module, "config", None)):
            for name in _NAMES:
                size = _size(getattr(holder, name, None))
                if size is not None:
                    found.setdefault(size)
    size = _size(told.get("input_size"))
    if size is not None:
        found.setdefault(size)
    yield from found


def _size(value: Any) -> tuple[int, int] | None:
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, Sequence) or isinstance(sides, str) or len(sides) < 2:
        return None
    rows, columns = sides[-2:]
    if not (isinstance(rows, int) and isinstance(columns, int)) or min(rows, columns) < 2:
        return None
    return rows, columns


def _odd(step: int) -> tuple[int, int]:
    """Sides of a picture that have no more in common than ``step``, and a shape that no square can pass
    for."""
    rows = max(200 // step, 3) | 1
    return step * rows, step * (rows + max(100 // step, 2) // 2 * 2)


class Trial:
    """A network on the meta device: whether it takes pictures of a size, as far as can be told."""

    def __init__(self, model: nn.Module, call: Calling) -> None:
        self._call = call
        self._twin: nn.Module | None = None
        kinds = (p.dtype for p in model.parameters() if p.is_floating_point())
        self._kind = next(kinds, torch.float32)
        # What cannot be copied cannot be tried, and is believed to take what it is given.
        with suppress(Exception):
            twin = twin_of(model, own_buffers=True)
            # Not in one line: some people's ``eval`` returns nothing.
            twin.eval()
            for part in twin.modules():
                _emptied(part)
            self._twin = twin

    def takes(self, rows: int, columns: int) -> bool:
        """Whether a picture of that size goes through; False where nothing can be told, too."""
        if self._twin is None:
            return False
        picture = torch.empty(1, 3, rows, columns, dtype=self._kind, device="meta")
        forked = torch.random.fork_rng(devices=[])
        try:
            with forked, torch.no_grad():
                self._call(self._twin, picture)
        except _NOT_SO:
            return False
        return True


def _emptied(part: nn.Module) -> None:
    """Puts shapes in place of all numbers of one module."""
    for name, weight in part._parameters.items():
        if weight is not None:
            part._parameters[name] = nn.Parameter(weight.to("meta"), requires_grad=False)
    for held in (part._buffers, vars(part)):
        for name, value in held.items():
            if isinstance(value, Tensor):
                held[name] = value.to("meta")


def reads_any_shape(
    model: nn.Module, sides: tuple[int, int], multiple: int, call: Calling | None = None
) -> bool:
    """Whether it reads a picture that is longer than ``sides`` by ``multiple``, as far as can be told.

    Tried on the meta device. A network that cannot run there is believed.
    """
    trial = Trial(model, call or (lambda network, x: network(x)))
    rows, columns = sides
    return trial.takes(rows, columns + multiple) or not trial.takes(rows, columns)
