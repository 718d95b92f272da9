"""Watch a network at next to no cost: what it is called with is kept, and its attention is recorded in a
run of a twin, when somebody asks for it.

Nothing is believed of that run before its output is that of the call. A network for which that would be a
gamble (in training, with hooks of its owner's, without a module that plainly attends) is not glanced at.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as global_hooks
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from nonlocal_viz.probe.families import family_of
from nonlocal_viz.probe.records import HEADED, UnprovenError, relative, tolerance
from nonlocal_viz.probe.twins import hooks_of, torchs, twin_of
from nonlocal_viz.probe.watch import Watch

#: Children of a module that makes queries and keys of what it is given.
_ATTENDS = (
    {"qkv"}, {"in_proj"}, {"q", "k"}, {"q", "kv"}, {"query", "key"}, {"to_q", "to_k"}, {"q_proj", "k_proj"},
)  # fmt: skip
_ELSE = (
    "The network was run once more to see what it attends to, and {}: it keeps something from call to "
    "call, or was changed since. attach(model, at_once=True) records during the call itself."
)


class _Kept:
    """One call of the network by its owner, to be run again as it was."""

    def __init__(self, path: str, args: tuple[Any, ...]) -> None:
        self.path = path
        self._memo: dict[int, Any] = {}
        self.args = _snapshot(args, self._memo)
        self.kwargs: dict[str, Any] = {}
        self.output: list[Tensor] = []
        on_gpu = any(t.is_cuda for t in _tensors(self.args))
        self._drawn = random.getstate(), np.random.get_state(), torch.get_rng_state()
        self._drawn_on_gpu = torch.cuda.get_rng_state_all() if on_gpu else []
        self.inference = torch.is_inference_mode_enabled()
        kinds = [k for k in ("cpu", "cuda") if torch.amp.is_autocast_available(k)]
        self._lowered = {
            kind: torch.get_autocast_dtype(kind)
            for kind in kinds
            if torch.is_autocast_enabled(kind)
        }

    def ended(self, kwargs: Mapping[str, Any], output: Any) -> None:
        """Keeps what else it was called with, and what it gave out."""
        self.kwargs = _snapshot(dict(kwargs), self._memo)
        self.output = [t.detach().clone() for t in _tensors(output)]
        self._memo.clear()

    def again(self, twin: nn.Module) -> Any:
        """What the twin gives out, called as its original was."""
        with ExitStack() as stack:
            stack.enter_context(_drawing_as_before())
            stack.enter_context(torch.inference_mode(self.inference))
            stack.enter_context(torch.no_grad())
            for kind, dtype in self._lowered.items():
                stack.enter_context(torch.autocast(kind, dtype))
            random.setstate(self._drawn[0])
            np.random.set_state(self._drawn[1])
            torch.set_rng_state(self._drawn[2])
            if self._drawn_on_gpu:
                torch.cuda.set_rng_state_all(self._drawn_on_gpu)
            return twin.get_submodule(self.path)(*self.args, **self.kwargs)

    def held_to(self, output: Any) -> None:
        """Raises:
        UnprovenError: another output is not that of the call.
        """
        found = _tensors(output)
        if [t.shape for t in found] != [t.shape for t in self.output]:
            raise UnprovenError(_ELSE.format("gave out something of another shape"))
        for one, other in zip(found, self.output, strict=True):
            if one.is_nested or not one.is_floating_point() or not one.numel():
                continue
            error = relative(one.float(), other.float())
            if not error <= tolerance(one.dtype):
                raise UnprovenError(_ELSE.format(f"gave out something else (by {error:.1e})"))


class Glance:
    """While entered, the outermost calls of modules of ``root`` are kept; :meth:`watched` records them."""

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._paths = {id(m): name for name, m in root.named_modules()}
        self._kept: list[_Kept] = []
        self._running: nn.Module | None = None
        self._depth = 0
        self._handles: list[Any] = []
        self._state: list[tuple[Any, ...]] = []
        self._values: list[Tensor] = []
        #: Of buffers, as the first call left them: some networks make them then.
        self._buffers: list[tuple[Any, ...]] = []
        #: Hooks that it hung on itself in a call (transformers does, to give out what lies within).
        self._hooks: set[int] = set()

    def __enter__(self) -> "Glance":
        self._handles = [
            global_hooks.register_module_forward_pre_hook(self._begin),
            global_hooks.register_module_forward_hook(
                self._end, with_kwargs=True, always_call=True
            ),
        ]
        return self

    def __exit__(self, *_details: Any) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self._running is not None:
            self._depth += module is self._running
            return
        path = self._paths.get(id(module))
        if path is not None:
            self._running = module
            with torch.no_grad():
                if not self._kept:
                    weights = list(self._root.parameters())
                    self._state, self._values = _state(weights), _values(weights)
                self._kept.append(_Kept(path, args))

    def _end(self, module: nn.Module, _args: Any, *given: Any) -> None:
        if module is not self._running:
            return
        if self._depth:
            self._depth -= 1
            return
        self._running = None
        if len(given) == 2:
            with torch.no_grad():
                self._kept[-1].ended(*given)
                if len(self._kept) == 1:
                    self._buffers = _state(list(self._root.buffers()))
                    self._hooks = hooks_of(self._root)
        else:
            self._kept.pop()  # it raised

    @property
    def called(self) -> bool:
        """Whether it was called at all."""
        return bool(self._kept)

    @property
    def inference(self) -> bool:
        """Whether a call was in inference mode."""
        return any(kept.inference for kept in self._kept)

    @property
    def attending(self) -> list[str]:
        """Paths of the modules that attend by their structure."""
        known = self._root.named_modules()
        return [path for path, m in known if _attends(m) or family_of(m) is not None]

    def watched(self) -> Watch:
        """A watch that has seen all calls.

        Raises:
            UnprovenError: an output was not that of the call.
        """
        weights, buffers = list(self._root.parameters()), list(self._root.buffers())
        same = _alike(self._state, _state(weights)) and _alike(self._buffers, _state(buffers))
        if not same or not all(map(_equal, self._values, _values(weights))):
            raise UnprovenError(_ELSE.format("its weights are others by now"))
        twin = twin_of(self._root, own_hooks=self._hooks)
        twin.eval()
        watch = Watch(twin)
        try:
            with watch:
                outputs = [kept.again(twin) for kept in self._kept]
        except Exception as error:
            raise UnprovenError(_ELSE.format(f"raised {type(error).__name__}")) from error
        for kept, output in zip(self._kept, outputs, strict=True):
            kept.held_to(output)
        self._kept.clear()
        return watch


def plain(root: nn.Module) -> bool:
    """Whether a network can be run again as it was: in eval mode, no hooks nor methods of its owner's, no
    other mode or hook active, and something in it attends by its structure."""
    busy = _get_current_dispatch_mode_stack() or torch.overrides._get_current_function_mode_stack()
    hooks = global_hooks._global_forward_hooks or global_hooks._global_forward_pre_hooks
    if busy or hooks or isinstance(root, nn.DataParallel):
        return False
    attends = False
    for module in root.modules():
        if module.training or "forward" in vars(module):
            return False
        found = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
        if not all(map(torchs, found)):
            return False
        attends = attends or _attends(module)
    return attends


def _attends(module: nn.Module) -> bool:
    if isinstance(module, nn.MultiheadAttention):
        return True
    children = {name for name, child in module.named_children() if child is not None}
    headed = any(isinstance(getattr(module, name, None), int) for name in HEADED)
    return headed and any(names <= children for names in _ATTENDS)


def _state(tensors: Sequence[Tensor]) -> list[tuple[Any, ...]]:
    """What tells whether weights or buffers are as they were, but for writes that nobody counts."""
    return [(t, t.dtype, t.device, 0 if t.is_inference() else t._version) for t in tensors]


def _values(tensors: Sequence[Tensor]) -> list[Tensor]:
    """A number of each: who writes through ``weight.data`` is not counted."""
    kinds: dict[tuple[Any, ...], list[Tensor]] = {}
    for t in tensors:
        if t.layout is torch.strided and t.numel() and t.is_contiguous():
            middle = t.storage_offset() + t.numel() // 2
            kinds.setdefault((t.dtype, t.device), []).append(t.as_strided((1,), (1,), middle))
    return [torch.cat(parts) for parts in kinds.values()]


def _equal(one: Tensor, other: Tensor) -> bool:
    """Also where both are no number."""
    return torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))


def _alike(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    return len(one) == len(other) and all(
        a[0] is b[0] and a[1:] == b[1:] for a, b in zip(one, other, strict=True)
    )


@contextmanager
def _drawing_as_before() -> Any:
    """Generators go on afterwards from where they are now."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors of an output or of arguments, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [t for part in value for t in _tensors(part)]
    return []


def _snapshot(value: Any, memo: dict[int, Any]) -> Any:
    """Arguments whose tensors are copies, one a tensor: their owner may write into them."""
    if isinstance(value, Tensor):
        if id(value) not in memo:
            # What is kept beside the copy keeps its id from being another's.
            memo[id(value)] = value.detach().clone(), value
        return memo[id(value)][0]
    if type(value) in (list, tuple):
        return type(value)(_snapshot(part, memo) for part in value)
    if type(value) is dict:
        return {key: _snapshot(part, memo) for key, part in value.items()}
    if value is None or isinstance(value, int | float | str | torch.dtype | nn.Module):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:
        return value  # the output tells whether it is as it was
