"""Run a module once more on changed input, without a trace: what it is, was and keeps stays as it is."""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.probe.arguments import exchanged, first_tensor, tensors
from nonlocal_viz.probe.compiled import eagerly
from nonlocal_viz.probe.copies import Arguments
from nonlocal_viz.probe.draws import drawing
from nonlocal_viz.probe.memory import storage_of
from nonlocal_viz.probe.records import Call, Capture, EnoughError, UnprovenError
from nonlocal_viz.probe.replay import OtherError, Place, Replay
from nonlocal_viz.probe.twins import twin_of
from nonlocal_viz.probe.watch import Watch

#: How often one module is run again at most, whatever its size.
_RUNS = 2000
#: Seconds that a map gets in any case, while there are any.
_LEAST = 3.0
_NOTHING = (
    "{} is given no tensor of features that could be changed to see which token moves (pictures in lists "
    "are not changed one by one): give grid=(H, W)."
)


class Allowance:
    """Seconds of the processor that runs on changed input may take, those of one map and all together.

    Of the thread that runs them: another program on the machine takes nothing away. One map may spend a
    quarter of what is left, so that one that cannot be placed leaves time for the others.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self._left, self._of_one = seconds, seconds, seconds

    def begin(self) -> None:
        """The next map."""
        self._of_one = min(self._left, max(self._left / 4, _LEAST))

    def spend(self, seconds: float) -> None:
        """What one run took."""
        self._left, self._of_one = self._left - seconds, self._of_one - seconds

    def check(self) -> None:
        """Raises:
        UnprovenError: there is nothing left.
        """
        if self._of_one <= 0:
            raise UnprovenError(
                "Its tokens were not placed within their share of the "
                f"{self.seconds:.0f} seconds that runs on changed input may take: attach to this "
                "module alone, and give grid=(H, W)."
            )


class Again:
    """A module that ran, ready to run again: in eval mode, on a twin that shares its weights.

    Hooks that people hung on it do not fire again; those of PyTorch's own (weight and spectral norm) do.
    """

    def __init__(self, call: Call, nth: int = 0, allowance: Allowance | None = None) -> None:
        self.call, self.nth = call, nth
        self._allowance = allowance or Allowance(LIMITS.placing_seconds)
        self._runs = 0
        #: Where runs are changed; None: at the first input.
        self._place: Place | None = None
        #: What lies before the place of the last run, and whether that may be replayed at all.
        self._replay: Replay | None = None
        self._replays = True
        #: Of every run, whether it drew random numbers.
        self.drew: list[bool] = []
        self._twin = twin_of(call.module)
        # Not in one line: some people's ``train`` returns nothing.
        self._twin.eval()
        self._weights = {storage_of(p) for p in self._twin.parameters()}
        self._given = Arguments(call.args, call.kwargs, self._weights)
        self._given.settle(self._as_it_was)

    def _as_it_was(self, *args: Any, **kwargs: Any) -> Any:
        found = tensors(args, kwargs)
        like = found[0][1] if found else torch.empty(0)
        drew = drawing(self.call.drawn, (like,), [])
        with drew, torch.no_grad(), lowered(self.call, like), eagerly():
            return self._twin(*args, **kwargs)

    def captures(
        self,
        change: Callable[[Tensor], Tensor],
        path: str,
        enough: Callable[[list[Capture]], bool],
    ) -> list[Capture]:
        """The captures of the module at a relative path, its first tensor a ``change`` of what it was.

        What comes after there are ``enough`` is not run."""
        found: list[Capture] = []

        def see(capture: Capture) -> bool:
            if capture.path != path:
                return False
            found.append(capture)
            return enough(found)

        # What weights are made of may come from the module that this one is a part of.
        within = path.rpartition(".")[0]

        def run() -> None:
            found.clear()
            watch = Watch(self._twin, prove=False, within=within, enough=see)
            with suppress(EnoughError), watch:
                self._run_from(self._place, change, within)

        self._surely(run)
        return found

    def input(
        self,
        change: Callable[[Tensor], Tensor],
        path: str,
        shape: tuple[int, ...] | None = None,
        place: Place | None = None,
        nth: int = 0,
    ) -> Tensor:
        """What the module at a relative path is first called with (in this shape, as its ``nth`` tensor),
        where the first input of all, or what passes at a ``place``, is changed; what comes after is not
        run."""
        seen: list[Tensor] = []

        def look(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found = tensors(args, kwargs)[nth : nth + 1]
            if found and shape in (None, tuple(found[0][1].shape)):
                seen.append(found[0][1].detach().clone())
                raise EnoughError

        def run() -> None:
            with suppress(EnoughError):
                self._run_from(place or self._place, change, path)

        looked_at = self._twin.get_submodule(path)
        handle = looked_at.register_forward_pre_hook(look, with_kwargs=True)
        try:
            self._surely(run)
        finally:
            handle.remove()
        if not seen:
            raise UnprovenError("Run again, its module was not called.")
        return seen[0]

    def _surely(self, run: Callable[[], None]) -> None:
        """A run, and once more without a replay where that was not held."""
        try:
            run()
        except OtherError:
            self._replay, self._replays = None, False
            run()

    def _run_from(
        self, place: Place | None, change: Callable[[Tensor], Tensor], wanted: str
    ) -> None:
        """A run changed at a place, or at its first input; the module at ``wanted`` is looked at."""
        if place is None:
            self._run(change)
            return
        replay = self._replay
        if replay is None or (replay.place, replay.wanted) != (place, wanted):
            replay = self._replay = Replay(self._twin, place, wanted, replay)
        played = replay if self._replays and not replay.useless else nullcontext()
        told = None if played is not replay else replay.reached
        undo = _changing(self._twin, place, change, told, self._weights)
        try:
            with played:
                self._run(lambda x: x)
        finally:
            undo()

    def _run(self, change: Callable[[Tensor], Tensor]) -> None:
        self._runs += 1
        if self._runs > _RUNS:
            raise UnprovenError(f"Its tokens were not all placed after {_RUNS} changed runs.")
        self._allowance.check()
        found = tensors(self.call.args, self.call.kwargs)
        if len(found) <= self.nth:
            raise UnprovenError(_NOTHING.format(type(self.call.module).__name__))
        tensor = found[self.nth][1]
        changed = change(tensor.detach().clone())
        # Self-attention may be given one tensor as query, key and value.
        args, kwargs = self._given.fresh(tensor, changed)
        begun, drew = time.thread_time(), drawing(self.call.drawn, (tensor,), self.drew)
        try:
            with drew, torch.no_grad(), lowered(self.call, tensor), eagerly():
                self._twin(*args, **kwargs)
        finally:
            self._allowance.spend(time.thread_time() - begun)


class AgainInside(Again):
    """A module that runs again with what a module inside of it gives out changed, in place of its input."""

    def __init__(self, call: Call, place: Place, allowance: Allowance) -> None:
        """``place``: by the inner module's path, relative, and the shape of what it gives out."""
        super().__init__(call, allowance=allowance)
        self._place = place


def _laid_as(tensor: Tensor, changed: Tensor) -> Tensor:
    """The changed one, in memory as it was: what a network does next may depend on that."""
    if tensor.stride() == changed.stride():
        return changed
    return torch.empty_like(tensor).copy_(changed)


def _changing(
    twin: nn.Module,
    place: Place,
    change: Callable[[Tensor], Tensor],
    reached: Callable[[Tensor], None] | None,
    weights: Collection[int],
) -> Callable[[], None]:
    """Changes what passes at a place, of which ``reached`` is told before; what undoes that.

    What a module is given is written into, where it can be: a residual that goes past it holds the same
    tensor. It is put back afterwards, since somebody else may keep it.
    """
    passed: list[bool] = []
    written: list[tuple[Tensor, Tensor]] = []

    def changed(tensor: Tensor) -> Tensor:
        passed.append(True)
        if reached is not None:
            reached(tensor)
        return _laid_as(tensor, change(tensor.detach().clone()))

    def given_out(_module: nn.Module, _args: Any, output: Any) -> Any:
        if passed or not isinstance(output, Tensor) or tuple(output.shape) != place.shape:
            return output
        return changed(output)

    def given(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = first_tensor(args, kwargs)
        if passed or first is None or tuple(first[1].shape) != place.shape:
            return None
        new, same = changed(first[1]), first[1]
        if _may_be_written(same) and storage_of(same) not in weights:
            written.append((same, same.detach().clone()))
            same.data.copy_(new)
            return None
        return (
            tuple(exchanged(a, same, new) for a in args),
            {k: exchanged(v, same, new) for k, v in kwargs.items()},
        )

    module = twin.get_submodule(place.path)
    handle = (
        module.register_forward_pre_hook(given, with_kwargs=True)
        if place.given
        else module.register_forward_hook(given_out)
    )

    def undo() -> None:
        handle.remove()
        for tensor, before in written:
            tensor.data.copy_(before)

    return undo


def _may_be_written(tensor: Tensor) -> bool:
    """Whether numbers of a tensor can be exchanged one by one: none stands for several."""
    alone = all(
        side == 1 or step != 0 for side, step in zip(tensor.shape, tensor.stride(), strict=True)
    )
    return alone and not tensor.is_inference() and tensor.layout is torch.strided


def lowered(call: Call, tensor: Tensor) -> AbstractContextManager[object]:
    """The autocast that a call ran under."""
    if call.lowered is None:
        return nullcontext()
    return torch.autocast(tensor.device.type, call.lowered)
