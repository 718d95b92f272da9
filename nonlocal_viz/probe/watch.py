"""Watch a network run: which modules are called with what, and every attention that they compute.

Nothing about the run changes: a dispatch mode sees each operation after PyTorch has chosen its kernel,
and calls of modules are followed by hooks that belong to no module. Recorded are operations between two
products; what was recorded in a module is forgotten when its parent returns.
"""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.nn.modules import module as global_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from nonlocal_viz.probe.bricks import elementary, local
from nonlocal_viz.probe.compiled import compiled, eagerly
from nonlocal_viz.probe.draws import Drawn
from nonlocal_viz.probe.families import family_of
from nonlocal_viz.probe.inplace import of_the_whole
from nonlocal_viz.probe.kernels import FUSED, WHOLE, folded, folds, fused, whole
from nonlocal_viz.probe.lattices import UNFOLD, Lattices, unfolded
from nonlocal_viz.probe.memory import key_of, storage_of
from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.proving import hold
from nonlocal_viz.probe.records import (
    SCRAMBLED,
    Call,
    Capture,
    EnoughError,
    Given,
)
from nonlocal_viz.probe.refusals import A_FUNCTION, INSIDE, NESTED, NO_PAIRS, lost_weights
from nonlocal_viz.probe.traced import Traced
from nonlocal_viz.probe.trail import PRODUCTS, VIEWS, Trail, turns

_aten = torch.ops.aten
_SIDE_BY_SIDE = {_aten.cat.default, _aten.stack.default}


class Watch(TorchDispatchMode):
    """While entered, attentions that modules of ``root`` compute are added to :attr:`found`.

    Attributes:
        found: (capture, the calls that it lay in, the outermost first), in order.
    """

    #: Operators that take functions (flex_attention) are let through; they are not looked into.
    supports_higher_order_operators = True

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """What is compiled in the call (flex_attention does it by itself) is compiled without us: PyTorch
        refuses to, below a mode that wants to see each operation."""
        return True

    def __init__(
        self,
        root: nn.Module,
        prove: bool = True,
        within: str = "",
        enough: Callable[[Capture], bool] | None = None,
    ) -> None:
        """``within``: the path of a module, what lies outside is not looked at; after a capture that is
        ``enough`` the run is ended by an EnoughError."""
        super().__init__()  # type: ignore[no-untyped-call]
        #: Modules that their owner compiled run uncompiled, and are seen.
        self._eagerly = any(map(compiled, root.modules()))
        self._stance = ExitStack()
        self._within, self._enough, self._ended = within, enough, False
        #: Of each call that is running, whether it is looked at.
        self._near: list[bool] = []
        self.found: list[tuple[Capture, tuple[Call, ...]]] = []
        #: (rows, columns) of every picture-like tensor that a convolution gave out, in order.
        self.grids: dict[tuple[int, ...], None] = {}
        #: (call, number of calls before it, shape of what it gave out) of convolutions, in order.
        self.convolutions: list[tuple[Call, int, tuple[int, ...]]] = []
        #: Where the cells of such tensors lie in the picture.
        self.lattices = Lattices()
        #: Shapes of what convolutions take and give: features first, whatever else has that shape.
        self.convolved: set[tuple[int, ...]] = set()
        #: {path: why} of what looks like an attention, and cannot be followed back to queries and keys.
        self.lost: dict[str, str] = {}
        #: (call, what it gave out) of modules whose family reads them itself.
        self.outputs: list[tuple[Call, Any]] = []
        #: Captures whose products with the values were put side by side.
        self.together: list[list[Capture]] = []
        #: What modules gave out that may be pictures of features, in order; and {id of a capture: how many
        #: of these came before it}.
        self.given: list[Given] = []
        self.before: dict[int, int] = {}
        #: Every call of a module, in order.
        self.calls: list[Call] = []
        self._paths = {id(m): name for name, m in root.named_modules()}
        self._prove = prove
        self._drawn: Drawn | None = None
        self._weights = {storage_of(parameter) for parameter in root.parameters()}
        self._stack: list[Call] = []
        self._made: dict[Any, Node] = {}
        self._kept: list[tuple[Any, Tensor, int]] = []
        #: {id of how a tensor was made: (that, the capture whose weights mixed it)}
        self._mixes: dict[int, tuple[Node, Capture]] = {}
        self._marks: list[int] = []
        self._handles: list[Any] = []
        self._busy = False
        self._inside = False

    def __enter__(self) -> "Watch":
        if not self._inside:
            self._stance.enter_context(eagerly() if self._eagerly else nullcontext())
            self._handles = [
                global_hooks.register_module_forward_pre_hook(self._begin),
                global_hooks.register_module_forward_hook(
                    self._end, with_kwargs=True, always_call=True
                ),
            ]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)  # type: ignore[no-untyped-call]
        if not self._inside:
            self._stance.close()
            for handle in self._handles:
                handle.remove()
            self._forget(0, -1)
            self._mixes.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if torch.compiler.is_compiling():
            return  # a compiler reads the call, and calls nothing
        path = self._paths.get(id(module))
        if path is not None:
            # A layer of PyTorch's own that has no parts is never run again by itself.
            if self._prove and (module._modules or not elementary(module)):
                self._drawn = Drawn.now(args, self._drawn)
            self._stack.append(Call(path, module, args, {}, _lowered(args), self._drawn))
            inside = f"{path}.".startswith(f"{self._within}.") or not self._within
            self._near.append(inside or (bool(self._near) and self._near[-1]))
            self._marks.append(len(self._kept))
            self.calls.append(self._stack[-1])

    def _end(self, module: nn.Module, _args: Any, *given: Any) -> None:
        if torch.compiler.is_compiling():
            return
        if self._stack and self._stack[-1].module is module:
            call = self._stack.pop()
            self._near.pop()
            out = given[-1]
            if self._prove and isinstance(out, Tensor) and out.ndim in (4, 5) and local(module):
                self.given.append(
                    Given(call, tuple(self._stack), tuple(out.shape), len(self.calls))
                )
            # Keywords and output; after an exception PyTorch gives the output alone.
            if len(given) == 2:
                call.kwargs.update(given[0])
                if self._prove and not elementary(module) and family_of(module) is not None:
                    self.outputs.append((call, _kept(given[1])))
            if self._prove and not self._stack:
                self.lattices.held_to((*call.args, *call.kwargs.values()))
            self._forget(self._marks.pop(), self._depth())

    def _depth(self) -> int:
        return sum(not elementary(call.module) for call in self._stack)

    def _forget(self, mark: int, depth: int) -> None:
        """Of what was made since, forget what lay deeper than the module's own parent looks."""
        kept = []
        for entry in self._kept[mark:]:
            if entry[2] > depth + 1:
                self._made.pop(entry[0], None)
            else:
                kept.append(entry)
        self._kept[mark:] = kept

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._busy or not self._stack or not self._near[-1]:
            return func(*args, **kwargs)
        if isinstance(func, HigherOrderOperator):
            said = A_FUNCTION if "attention" in str(func) else INSIDE.format(func.name())
            self.lost.setdefault(self._owner().path, said)
            return func(*args, **kwargs)
        if func not in WHOLE and any(isinstance(a, Tensor) and a.is_nested for a in args):
            # Their operations have parts of their own.
            if "attention" in str(func) or "softmax" in str(func):
                self.lost.setdefault(self._owner().path, NESTED)
            return func(*args, **kwargs)
        if func._can_decompose():
            # In inference mode PyTorch leaves composite operations whole; their parts are the same kernels.
            self._inside, before = True, self._inside
            try:
                with self:
                    parts = (folded if folds(func, args) else func.decompose)(*args, **kwargs)
            finally:
                self._inside = before
            if parts is not NotImplemented:
                return parts
        made = tuple(self._made.get(key_of(t)) for t in args if isinstance(t, Tensor))
        if func in FUSED and not self._prove:
            # What a run on changed input is made for goes into the kernel; nothing is held to its output.
            node = Node(func, args, kwargs, made, ())
            self._add(fused(node, args[0], self._owner().path)[0], None, args[0])
            if self._ended:
                raise EnoughError
        out = func(*args, **kwargs)
        self._busy = True
        try:
            with torch.no_grad():
                self._see(Node(func, args, kwargs, made, ()), out)
        except Exception as error:
            # The network's own call goes on, whatever we do not understand.
            self.lost[self._owner().path] = (
                f"It could not be read: {type(error).__name__}: {str(error)[:200]}"
            )
        finally:
            self._busy = False
        if self._ended:
            raise EnoughError
        return out

    def _see(self, node: Node, out: Any) -> None:
        first = out[0] if isinstance(out, tuple | list) else out
        if not isinstance(first, Tensor) or first.ndim < 2 or first.layout is not torch.strided:
            return
        if first.is_nested:
            if node.func in WHOLE:
                self._one_kernel(*whole(node, self._stack[-1].path))
            return
        seen = len(self.found)
        self._put_back(node, tuple(first.shape))
        if node.func in _SIDE_BY_SIDE:
            self._beside(node)
        elif node.func in FUSED and self._prove:
            self._one_kernel(*fused(node, first, self._owner().path))
        elif node.func in WHOLE:
            self._one_kernel(*whole(node, self._stack[-1].path))
        elif node.func in PRODUCTS:
            self._mixed(node, first)
        elif node.func is UNFOLD:
            self.grids[unfolded(node.func, node.args) or ()] = None
        elif _convolves(node.func):
            self.grids[tuple(first.shape[2:])] = None
            self.convolutions.append((self._stack[-1], len(self.calls), tuple(first.shape)))
            self.convolved |= {tuple(first.shape), tuple(node.args[0].shape)}
        if self._prove:
            self.lattices.see(node.func, node.args, first)
        self._made.update(of_the_whole(node, self._made))
        key = key_of(first)
        parts = (
            tuple(self._made.get(key_of(t)) for t in node.args[0])
            if node.func is _aten.cat.default
            else ()
        )
        made = self._made[key] = replace(node, shape=tuple(first.shape), parts=parts)
        if len(self.found) > seen:
            self._mixes[id(made)] = made, self.found[-1][0]
        self._kept.append((key, first, self._depth()))

    def _put_back(self, node: Node, shape: tuple[int, ...]) -> None:
        """Whether what a map made of the values (.., n, E) is looked at as (.., E, rows, columns)."""
        made = node.made[0] if node.made else None
        while made is not None and id(made) not in self._mixes and turns(made):
            before = made.made[0]
            if before is None or made.shape[-2:] != before.shape[-2:]:
                return
            made = before
        if made is None or id(made) not in self._mixes or node.func not in VIEWS or len(shape) < 3:
            return
        capture = self._mixes[id(made)][1]
        (n, features), sides = made.shape[-2:], shape[-2:]
        if made.shape[0] == shape[0] and sides[0] * sides[1] == n and shape[-3] == features != n:
            capture.notes = tuple(dict.fromkeys((*capture.notes, SCRAMBLED)))

    def _beside(self, node: Node) -> None:
        """A concatenation: of what several maps made of the values?"""
        captures = []
        for tensor in node.args[0]:
            made = self._made.get(key_of(tensor))
            while made is not None and id(made) not in self._mixes and turns(made):
                made = made.made[0]
            if made is None or id(made) not in self._mixes:
                return
            captures.append(self._mixes[id(made)][1])
        if len(captures) > 1:
            self.together.append(captures)

    def _owner(self) -> Call:
        """The innermost module that somebody wrote: Softmax, Dropout and their like are its parts."""
        for call in reversed(self._stack):
            if not elementary(call.module):
                return call
        return self._stack[0]

    def _one_kernel(self, capture: Capture, y: Tensor) -> None:
        self._add(capture, None, y)

    def _mixed(self, node: Node, y: Tensor) -> None:
        """A product: is one of its factors made of weights?"""
        if node.func is _aten.baddbmm.default:
            return
        path = self._owner().path
        for side in (0, 1):
            made = node.made[side]
            if made is None or self._traced(node, side, made, y):
                continue
            why = (
                lost_weights(made, self._traces().has_weights)
                if node.args[side].ndim == 3
                else None
            )
            if why is not None and self.lost.get(path) != NO_PAIRS:
                self.lost[path] = why

    def _traces(self) -> Traced:
        return Traced(self._weights, self._owner().path)

    def _traced(self, node: Node, side: int, made: Node | None, y: Tensor) -> bool:
        weights, value = node.args[side], node.args[1 - side]
        v = value if side == 0 else value.mT
        v, w, y = (t if t.ndim == 3 else t.unsqueeze(0) for t in (v, weights, y))
        w, y = (w, y) if side == 0 else (w.mT, y.mT)
        found = self._traces().capture(Trail.of(weights, side), made, v)
        if isinstance(found, Capture):
            if v.shape[1] != found.key.shape[1]:
                return False
            self._add(found, w, y)
        return found is not None

    def _add(self, seen: Capture, weights: Tensor | None, y: Tensor) -> None:
        """Keeps a capture of copies, held to the network's own weights (L, n, m) and output (L, n, E)."""
        capture = replace(
            seen, query=_copy(seen.query), key=_copy(seen.key), value=_copy(seen.value)
        )
        if self._prove:
            hold(capture, weights, y)
        self.before[id(capture)] = len(self.given)
        self.found.append((capture, tuple(self._stack)))
        self._ended = self._enough is not None and self._enough(capture)


@cache
def _convolves(func: Any) -> bool:
    return "conv" in str(func)


def _lowered(args: tuple[Any, ...]) -> torch.dtype | None:
    device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return None
    return torch.get_autocast_dtype(device)


def _kept(output: Any) -> Any:
    """A copy of the first tensor of an output: its owner may add to it in place."""
    first = output[0] if isinstance(output, tuple | list) else output
    return _copy(first) if isinstance(first, Tensor) else None


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
