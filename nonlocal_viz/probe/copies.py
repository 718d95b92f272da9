"""What a module was called with, as often as it runs again: its owner's tensors and caches are left alone.

A module may write into what it is given (keys into a cache, a sum into a mask). Each run gets copies; and
an object that a run writes into has what the owner's call wrote already: it is left out, as if nothing
had been kept before.
"""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.probe.arguments import exchanged
from nonlocal_viz.probe.memory import storage_of
from nonlocal_viz.probe.records import relative, tolerance

#: How deep tensors are looked for in the objects that a module is given.
_DEEP = 5
_PLAIN = (int, float, str, bytes, torch.dtype, torch.device, nn.Module)


class Arguments:
    """Arguments of one call, copied for each run.

    Args:
        weights: storages of parameters, which are not copied: what they are is told by where they lie.
    """

    def __init__(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], weights: Collection[int]
    ) -> None:
        self._args, self._kwargs, self._weights = args, kwargs, weights
        self._dropped = False

    def settle(self, run: Callable[..., Any]) -> None:
        """Finds out, by runs as it was, whether the objects among them are written into, or only hold what
        the call makes without them as well."""
        if not any(map(_is_object, (*self._args, *self._kwargs.values()))):
            return
        args, kwargs = self.fresh()
        objects = [v for v in (*args, *kwargs.values()) if _is_object(v)]
        before = [_state(v) for v in objects]
        try:
            found = _held(run(*args, **kwargs))
        except Exception:
            # A mask may not fit keys that were kept before.
            self._dropped = True
            return
        self._dropped = True
        if before != [_state(v) for v in objects]:
            return
        args, kwargs = self.fresh()
        try:
            without = _held(run(*args, **kwargs))
        except Exception:
            self._dropped = False  # it needs them
            return
        same = [t.shape for t in found] == [t.shape for t in without]
        self._dropped = same and all(map(_near, found, without))

    def fresh(
        self, tensor: Tensor | None = None, changed: Tensor | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """(args, kwargs) with copies; ``changed`` stands for ``tensor``, also where that is given as
        several arguments, or in a batch by names."""
        memo: dict[int, Tensor] = {} if changed is None else {id(changed): changed}

        def own(value: Any) -> Any:
            if tensor is not None and changed is not None:
                new = exchanged(value, tensor, changed)
                if new is not value and isinstance(new, Tensor):
                    return new
                value = new
            return self._own(value, memo)

        return [own(v) for v in self._args], {k: own(v) for k, v in self._kwargs.items()}

    def _own(self, value: Any, memo: dict[int, Tensor]) -> Any:
        if value is None or isinstance(value, _PLAIN):
            return value
        if isinstance(value, Tensor):
            return self._copy(value, memo)
        if type(value) in (list, tuple):
            return type(value)(self._own(part, memo) for part in value)
        if type(value) is dict:
            return {key: self._own(part, memo) for key, part in value.items()}
        if not _is_object(value):
            return value
        if self._dropped:
            return None
        try:
            held = {id(t): self._copy(t, memo) for t in _held(value)}
            return copy.deepcopy(value, dict(held))
        except Exception:
            return None

    def _copy(self, tensor: Tensor, memo: dict[int, Tensor]) -> Tensor:
        if tensor.is_nested or storage_of(tensor) in self._weights:
            return tensor
        if id(tensor) not in memo:
            memo[id(tensor)] = tensor.detach().clone()
        return memo[id(tensor)]


def _is_object(value: Any) -> bool:
    """Whether a value is an object of somebody's own that holds tensors."""
    known = value is None or isinstance(value, (*_PLAIN, Tensor))
    return not (known or type(value) in (list, tuple, dict)) and bool(_held(value))


def _held(value: Any, deep: int = _DEEP) -> list[Tensor]:
    """The tensors that an object holds."""
    if isinstance(value, Tensor):
        return [value]
    if deep == 0 or value is None or isinstance(value, _PLAIN):
        return []
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    return [t for part in parts for t in _held(part, deep - 1)]


def _state(value: Any) -> list[tuple[Any, ...]]:
    """What tells whether the tensors of an object were exchanged or written into."""
    return [
        (id(t), tuple(t.shape), 0 if t.is_inference() else t._version)
        for t in _held(value)
        if not t.is_nested
    ]


def _near(one: Tensor, other: Tensor) -> bool:
    if one.is_nested or not one.is_floating_point():
        return True
    return relative(one.float(), other.float()) <= tolerance(one.dtype) if one.numel() else True
