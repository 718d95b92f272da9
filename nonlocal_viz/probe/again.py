"""Run a module once more on changed input, without a trace: what it is, was and keeps stays as it is."""

import copy
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.limits import LIMITS
from nonlocal_viz.probe.arguments import Arguments
from nonlocal_viz.probe.chance import drawing_as_then
from nonlocal_viz.probe.compiled import eagerly
from nonlocal_viz.probe.memory import storage_of
from nonlocal_viz.probe.records import Call, Capture, EnoughError, UnprovenError
from nonlocal_viz.probe.watch import Watch

#: How often one module is run again at most, whatever its size.
_RUNS = 2000
#: Seconds that a map gets in any case, while there are any.
_LEAST = 3.0


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
        self.twin = twin_of(call.module)
        # Not in one line: some people's ``train`` returns nothing.
        self.twin.eval()
        weights = {storage_of(p) for p in self.twin.parameters()}
        self._given = Arguments(call.args, call.kwargs, weights)
        self._given.settle(self._as_it_was)

    def _as_it_was(self, *args: Any, **kwargs: Any) -> Any:
        found = tensors(args, kwargs)
        like = found[0][1] if found else torch.empty(0)
        with (
            torch.random.fork_rng(devices=[]),
            torch.no_grad(),
            lowered(self.call, like),
            eagerly(),
        ):
            return self.twin(*args, **kwargs)

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
        watch = Watch(self.twin, prove=False, within=path.rpartition(".")[0], enough=see)
        with suppress(EnoughError), watch:
            self.run(change)
        return found

    def input(
        self,
        change: Callable[[Tensor], Tensor],
        path: str,
        after: tuple[str, tuple[int, ...]] | None = None,
        shape: tuple[int, ...] | None = None,
        before: tuple[str, tuple[int, ...]] | None = None,
    ) -> Tensor:
        """What the module at a relative path is first called with (in this shape), where its first input is
        changed; what comes after is not run. ``after``: (path, shape) of another module, what that first
        gives out in this shape is changed instead; ``before``: what that is first given."""
        seen: list[Tensor] = []

        def look(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            first = first_tensor(args, kwargs)
            if first is not None and shape in (None, tuple(first[1].shape)):
                seen.append(first[1].detach().clone())
                raise EnoughError

        looked_at = self.twin.get_submodule(path)
        handles = [looked_at.register_forward_pre_hook(look, with_kwargs=True)]
        if after is not None:
            handles.append(_changing(self.twin, *after, change))
        if before is not None:
            handles.append(changing_input(self.twin, *before, change))
        try:
            self.run(change if after is None and before is None else lambda x: x)
        except EnoughError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        if not seen:
            raise UnprovenError("Run again, its module was not called.")
        return seen[0]

    def run(self, change: Callable[[Tensor], Tensor]) -> None:
        self._runs += 1
        if self._runs > _RUNS:
            raise UnprovenError(
                f"Its tokens were not all placed after {_RUNS} runs on changed input."
            )
        self._allowance.check()
        at, tensor = tensors(self.call.args, self.call.kwargs)[self.nth]
        changed = change(tensor.detach().clone())
        # Self-attention may be given one tensor as query, key and value.
        args, kwargs = self._given.fresh(tensor, changed, keyword=isinstance(at, str))
        devices = [tensor.device] if tensor.device.type == "cuda" else []
        begun = time.thread_time()
        try:
            forked = torch.random.fork_rng(devices=devices)
            with forked, torch.no_grad(), lowered(self.call, tensor), eagerly():
                drawing_as_then(self.call, lambda: self.twin(*args, **kwargs))
        finally:
            self._allowance.spend(time.thread_time() - begun)


class AgainInside(Again):
    """A module that runs again with what a module inside of it gives out changed, in place of its input."""

    def __init__(
        self, call: Call, after: tuple[str, tuple[int, ...]], allowance: Allowance
    ) -> None:
        """``after``: the inner module's path, relative, and the shape of what it gives out."""
        super().__init__(call, allowance=allowance)
        self._after = after

    def run(self, change: Callable[[Tensor], Tensor]) -> None:
        handle = _changing(self.twin, *self._after, change)
        try:
            super().run(lambda x: x)
        finally:
            handle.remove()


def _laid_as(tensor: Tensor, changed: Tensor) -> Tensor:
    """The changed one, in memory as it was: what a network does next may depend on that."""
    if tensor.stride() == changed.stride():
        return changed
    return torch.empty_like(tensor).copy_(changed)


def _changing(
    twin: nn.Module, path: str, shape: tuple[int, ...], change: Callable[[Tensor], Tensor]
) -> Any:
    """Changes the first output in this shape of the module at a relative path."""
    given: list[bool] = []

    def changed(_module: nn.Module, _args: Any, output: Any) -> Any:
        if given or not isinstance(output, Tensor) or tuple(output.shape) != shape:
            return output
        given.append(True)
        return _laid_as(output, change(output.detach().clone()))

    return twin.get_submodule(path).register_forward_hook(changed)


def changing_input(
    twin: nn.Module, path: str, shape: tuple[int, ...], change: Callable[[Tensor], Tensor]
) -> Any:
    """The same of what the module is first given in this shape."""
    given: list[bool] = []

    def changed(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = first_tensor(args, kwargs)
        if given or first is None or tuple(first[1].shape) != shape:
            return None
        given.append(True)
        new = _laid_as(first[1], change(first[1].detach().clone()))
        same = first[1]
        return (
            tuple(new if a is same else a for a in args),
            {k: new if v is same else v for k, v in kwargs.items()},
        )

    return twin.get_submodule(path).register_forward_pre_hook(changed, with_kwargs=True)


def lowered(call: Call, tensor: Tensor) -> AbstractContextManager[object]:
    """The autocast that a call ran under."""
    if call.lowered is None:
        return nullcontext()
    return torch.autocast(tensor.device.type, call.lowered)


def first_tensor(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[int | str, Tensor] | None:
    """(position or name, tensor) of the first argument that holds features: floating, 3 axes or more."""
    found = tensors(args, kwargs)
    return found[0] if found else None


def shape_of(call: Call) -> tuple[int, ...]:
    """Of the first tensor that a call was given; () where there is none."""
    first = first_tensor(call.args, call.kwargs)
    return () if first is None else tuple(first[1].shape)


def tensors(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[int | str, Tensor]]:
    """(position or name, tensor) of all arguments that hold features, each tensor once; nested ones have no
    shape to read."""
    found: dict[int, tuple[int | str, Tensor]] = {}
    given: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for at, value in given:
        if not isinstance(value, Tensor) or value.is_nested:
            continue
        if value.is_floating_point() and value.ndim >= 3:
            found.setdefault(id(value), (at, value))
    return list(found.values())


def twin_of(
    module: nn.Module, own_buffers: bool = False, own_hooks: Collection[int] = ()
) -> nn.Module:
    """The module once more, with the same weights and without anybody's hooks.

    With ``own_buffers`` its buffers are copies, so that it can run in training mode; else they are shared.
    ``own_hooks``: numbers of hooks that it hung on itself, and keeps.
    """
    memo: dict[int, Any] = {}
    for inner in module.modules():
        buffers = () if own_buffers else inner._buffers.values()
        for value in (*inner._parameters.values(), *buffers, *vars(inner).values()):
            if isinstance(value, Tensor):
                # Shared, not copied: also what a network keeps of its last call, graph and all.
                memo[id(value)] = (
                    nn.Parameter(value.detach(), requires_grad=False)
                    if isinstance(value, nn.Parameter)
                    else value.detach()
                )
    twin = copy.deepcopy(module, memo)
    for inner in twin.modules():
        for kind in ("_forward_hooks", "_forward_pre_hooks"):
            hooks = getattr(inner, kind)
            for key in [k for k, hook in hooks.items() if not torchs(hook)]:
                if key not in own_hooks:
                    del hooks[key]
    return twin


def hooks_of(module: nn.Module) -> set[int]:
    """The numbers of all hooks of a module and its parts, as PyTorch counts them."""
    return {k for m in module.modules() for k in (*m._forward_hooks, *m._forward_pre_hooks)}


def torchs(hook: Any) -> bool:
    return type(hook).__module__.startswith("torch.nn.utils")
