"""Watch a network run: which modules are called with what, and every attention that they compute.

Nothing about the run changes: a dispatch mode sees each operation after PyTorch has chosen its kernel,
and calls of modules are followed by hooks that belong to no module. Recorded are operations between two
products; what was recorded in a module is forgotten when its parent returns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode

from nonlocal_viz.probe.records import Capture, Step, relative

_aten = torch.ops.aten
_PRODUCTS = {_aten.bmm.default, _aten.mm.default, _aten.baddbmm.default}
_SOFTMAXES = {_aten._softmax.default, _aten._safe_softmax.default}
_FUSED = {
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
}
_SAME = {
    _aten.clone.default,
    _aten._to_copy.default,
    _aten.detach.default,
    _aten.alias.default,
    _aten.lift_fresh.default,
    _aten.contiguous.default,
}
_VIEWS = {
    _aten.view.default,
    _aten._unsafe_view.default,
    _aten.reshape.default,
    _aten.unsqueeze.default,
    _aten.squeeze.dim,
    _aten.squeeze.default,
    _aten.squeeze.dims,
    _aten.expand.default,
}
_DROPOUTS = {_aten.native_dropout.default, _aten.dropout.default}
#: Rows that each capture is held to.
_ROWS = 8


@dataclass(frozen=True)
class Node:
    """How a tensor was made: the operation, its arguments, and how its tensors were made themselves."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    made: tuple["Node | None", ...]
    shape: tuple[int, ...]


@dataclass
class Call:
    """A module that is running, or has run."""

    path: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mark: int = 0


class Watch(TorchDispatchMode):
    """While entered, and while ``root`` runs, attentions are added to :attr:`captures`."""

    def __init__(self, root: nn.Module, only: nn.Module | None = None) -> None:
        super().__init__()
        self.captures: list[tuple[Capture, tuple[Call, ...]]] = []
        self.refused: dict[str, str] = {}
        self._paths = {id(m): name for name, m in root.named_modules()}
        self._stack: list[Call] = []
        self._made: dict[Any, Node] = {}
        self._order: list[Any] = []
        self._kept: list[Any] = []
        self._counts: dict[str, int] = {}
        self._handles: list[Any] = []
        self._busy = False

    def __enter__(self) -> "Watch":
        self._handles = [
            hooks.register_module_forward_pre_hook(self._begin),
            hooks.register_module_forward_hook(self._end, always_call=True),
        ]
        super().__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)
        for handle in self._handles:
            handle.remove()
        self._made.clear()
        self._order.clear()
        self._kept.clear()

    def _begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        path = self._paths.get(id(module))
        if path is not None:
            self._stack.append(Call(path, module, args, {}, len(self._order)))

    def _end(self, module: nn.Module, _args: Any, _output: Any) -> None:
        if self._stack and self._stack[-1].module is module:
            self._stack.pop()
            if len(self._stack) < 2:
                self._forget(0)

    def _forget(self, mark: int) -> None:
        for key in self._order[mark:]:
            self._made.pop(key, None)
        del self._order[mark:], self._kept[mark:]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._busy or not self._stack:
            return func(*args, **kwargs)
        node = self._node(func, args, kwargs)
        out = func(*args, **kwargs)
        self._busy = True
        try:
            with torch.no_grad():
                self._see(node, out)
        finally:
            self._busy = False
        return out

    def _node(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
        tensors = [a for a in args if isinstance(a, Tensor)]
        return Node(func, args, kwargs, tuple(self._made.get(_key(t)) for t in tensors), ())

    def _see(self, node: Node, out: Any) -> None:
        first = out[0] if isinstance(out, tuple | list) else out
        if not isinstance(first, Tensor) or first.ndim < 2 or not first.is_floating_point():
            return
        if node.func in _FUSED:
            self._fused(node, out[0])
        elif node.func in _PRODUCTS:
            self._mixed(node, first)
        made = Node(node.func, node.args, node.kwargs, node.made, tuple(first.shape))
        key = _key(first)
        self._made[key] = made
        self._order.append(key)
        self._kept.append(first)

    def _owner(self) -> Call:
        """The innermost module that somebody wrote: Softmax, Dropout and their like are its parts."""
        for call in reversed(self._stack):
            elementary = type(call.module).__module__.startswith("torch.nn.modules")
            if not elementary or isinstance(call.module, nn.MultiheadAttention):
                return call
        return self._stack[0]

    def _add(self, capture: Capture) -> None:
        capture.call = self._counts.get(capture.path, 0)
        self._counts[capture.path] = capture.call + 1
        self.captures.append((capture, tuple(self._stack)))

    def _refuse(self, why: str) -> None:
        self.refused.setdefault(self._owner().path, why)

    def _fused(self, node: Node, y: Tensor) -> None:
        q, k, v = node.args[:3]
        if q.shape[-2] < 2 or k.shape[-2] < 2 or q.ndim != 4:
            return
        bias = node.kwargs.get("attn_mask")
        if bias is None and "efficient" in str(node.func):
            bias = node.args[3]
        scale = node.kwargs.get("scale")
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        lead = tuple(q.shape[:2])
        groups = torch.arange(lead[0] * lead[1])
        k, v = (t if t.shape[1] == lead[1] else t.repeat_interleave(lead[1] // t.shape[1], 1) for t in (k, v))
        steps = [Step("mul", torch.full((1, 1), float(scale)), lead, groups)]
        if bias is not None:
            steps.append(Step("add", _copy(bias), lead, groups))
        owner = self._owner()
        capture = Capture(
            owner.path, owner.module, _copy(q.flatten(0, 1)), _copy(k.flatten(0, 1)), tuple(steps),
            value=_copy(v.flatten(0, 1)),
        )
        self._prove(capture, None, None, y.flatten(0, 1))
        self._add(capture)

    def _mixed(self, node: Node, y: Tensor) -> None:
        """A product: is one of its sides made of weights?"""
        if node.func is _aten.baddbmm.default:
            return
        for side in (0, 1):
            found = self._traced(node, side)
            if found is not None:
                capture, weights, value, product = found
                self._prove(capture, weights, value, product(y))
                self._add(capture)
                return

    def _traced(self, node: Node, side: int) -> Any:
        weights, value = node.args[side], node.args[1 - side]
        made = node.made[side] if len(node.made) == 2 else None
        if made is None or weights.ndim != 3 and weights.ndim != 2:
            return None
        trail = Trail.of(weights)
        dropped = False
        while made is not None and made.func not in _SOFTMAXES and made.func not in _PRODUCTS:
            if made.func in _DROPOUTS:
                dropped = True
                made = made.made[0]
                continue
            step = trail.back(made)
            if step is None:
                return None
            made = step
        if made is None:
            return None
        softmax = made.func in _SOFTMAXES
        if not softmax and (made.func is _aten.baddbmm.default):
            return None
        return self._between(made, trail, softmax, side, weights, value, dropped)

    def _between(
        self, made: Node, trail: "Trail", softmax: bool, side: int, weights: Tensor, value: Tensor, dropped: bool
    ) -> Any:
        after = trail.steps
        if softmax:
            if after:
                self._refuse("The weights are changed after their softmax, in a way that no row can be made of.")
                return None
            dim = made.args[1] % len(made.shape)
            last = len(made.shape) - 1
            if dim not in (last, last - 1):
                return None
            keys_last = (dim == last) != trail.swapped
            node = made.made[0]
            inner = Trail(made.shape[:-2], trail.group, trail.swapped)
            while node is not None and node.func not in _PRODUCTS:
                node = inner.back(node)
            if node is None:
                return None
            made, trail = node, inner
        else:
            keys_last = side == 0
        # The product contracts the keys, or these are no weights of anything.
        if keys_last != (side == 0):
            return None
        if made.func is _aten.baddbmm.default:
            extra, a, b = made.args[:3]
            beta, alpha = made.kwargs.get("beta", 1), made.kwargs.get("alpha", 1)
            steps = [Step("mul", torch.full((1, 1), float(alpha)), trail.lead, trail.group)]
            if beta:
                steps.append(Step("add", _copy(extra), trail.lead, trail.group, float(beta)))
        else:
            (a, b), steps = made.args[:2], []
        if a.ndim == 2:
            a, b = a.unsqueeze(0), b.unsqueeze(0)
        a, b = a[trail.group], b.mT[trail.group]
        steps = [*steps, *reversed(trail.steps)]
        rows_are_queries = keys_last != trail.swapped if not softmax else None
        swapped = (trail.swapped and side == 0) or (not trail.swapped and side == 1)
        if swapped:
            a, b = b, a
            steps = [Step(s.kind, s.operand.mT, s.lead, s.group, s.value) for s in steps]
        del rows_are_queries
        owner = self._owner()
        v = value if value.ndim == 3 else value.unsqueeze(0)
        v = v if side == 0 else v.mT
        if a.shape[1] < 2 or b.shape[1] < 2 or v.shape[1] != b.shape[1] or len(v) != len(a):
            return None
        capture = Capture(
            owner.path, owner.module, _copy(a), _copy(b), tuple(steps), softmax, _copy(v), dropped
        )
        w = weights if weights.ndim == 3 else weights.unsqueeze(0)
        w = w if side == 0 else w.mT

        def product(y: Tensor) -> Tensor:
            y = y if y.ndim == 3 else y.unsqueeze(0)
            return y if side == 0 else y.mT

        return capture, w, v, product

    def _prove(self, capture: Capture, weights: Tensor | None, value: Tensor | None, y: Tensor) -> None:
        count, n = capture.query.shape[:2]
        draw = torch.Generator().manual_seed(0)
        groups = torch.randint(count, (_ROWS,), generator=draw)
        slots = torch.randint(n, (_ROWS,), generator=draw)
        rows = capture.weights(groups, slots)
        if weights is not None and not capture.dropped:
            capture.error["weights"] = relative(rows, weights[groups, slots].float())
        if not capture.dropped:
            assert capture.value is not None
            mixed = (rows.unsqueeze(1) @ capture.value[groups].float())[:, 0]
            capture.error["output"] = relative(mixed, y[groups, slots].float())


@dataclass
class Trail:
    """Where the groups of the last tensor stand in the one before, walking from weights back.

    ``lead`` is the shape in front of the two last dimensions; ``group[l]`` the flat index in it of the
    capture's group l; ``swapped`` whether the two last dimensions are exchanged.
    """

    lead: tuple[int, ...]
    group: Tensor
    swapped: bool = False
    steps: list[Step] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.steps = []

    @classmethod
    def of(cls, weights: Tensor) -> "Trail":
        lead = tuple(weights.shape[:-2])
        count = 1
        for size in lead:
            count *= size
        return cls(lead, torch.arange(count))

    def back(self, node: Node) -> Node | None:
        """Through one operation; None where it is none of those that keep rows and columns."""
        func, args = node.func, node.args
        source = args[0] if args and isinstance(args[0], Tensor) else None
        if source is None or source.ndim < 2:
            return None
        before = node.made[0] if node.made else None
        pair = node.shape[-2:]
        if func in _SAME:
            return before
        if func in _VIEWS:
            if tuple(source.shape[-2:]) != pair or source.numel() != _numel(node.shape):
                return None
            self.lead = tuple(source.shape[:-2])
            return before
        if func in (_aten.transpose.int, _aten.permute.default, _aten.t.default):
            return before if self._permuted(func, args, source) else None
        return self._changed(node, before)

    def _permuted(self, func: Any, args: Any, source: Tensor) -> bool:
        dims = list(range(source.ndim))
        if func is _aten.permute.default:
            dims = [d % source.ndim for d in args[1]]
        else:
            a, b = (args[1] % source.ndim, args[2] % source.ndim) if len(args) > 2 else (0, 1)
            dims[a], dims[b] = dims[b], dims[a]
        last = {source.ndim - 1, source.ndim - 2}
        if set(dims[-2:]) != last:
            return False
        if dims[-1] != source.ndim - 1:
            self.swapped = not self.swapped
        lead = tuple(source.shape[:-2])
        if lead:
            index = torch.arange(_numel(lead)).view(lead).permute(dims[:-2]).reshape(-1)
            self.group = index[self.group]
        self.lead = lead
        return True

    def _changed(self, node: Node, before: Node | None) -> Node | None:
        func, args = node.func, node.args
        name = str(func).split(".")[1]
        tensors = [a for a in args if isinstance(a, Tensor)]
        lead = node.shape[:-2]
        if name in ("mul", "mul_", "div", "div_", "add", "add_", "sub", "sub_", "rsub"):
            return self._arithmetic(name.rstrip("_"), node, tensors, lead)
        if name in ("masked_fill", "masked_fill_"):
            value = float(args[2])
            self.steps.append(Step("fill", _copy(self._turn(args[1])), lead, self.group, value))
            return before
        if name == "where":
            mask, x, value = args
            if isinstance(value, Tensor) and value.numel() == 1:
                self.steps.append(Step("fill", ~_copy(self._turn(mask)), lead, self.group, float(value)))
                return node.made[1]
        return None

    def _arithmetic(self, name: str, node: Node, tensors: list[Tensor], lead: Any) -> Node | None:
        if len(tensors) == 1:
            number = float(node.args[1])
            kind, value = ("mul", number) if name == "mul" else ("mul", 1 / number) if name == "div" else ("add", number)
            if name == "sub":
                value = -number
            if name == "rsub":
                return None
            self.steps.append(Step(kind, torch.full((1, 1), value), lead, self.group))
            return node.made[0]
        ours = 0
        for at, (tensor, made) in enumerate(zip(tensors, node.made, strict=True)):
            if made is not None and tuple(tensor.shape) == node.shape and _leads_to_product(made):
                ours = at
                break
        operand = tensors[1 - ours]
        if name == "div" and ours == 1 or name == "sub" and ours == 1 or name == "rsub":
            return None
        operand = _copy(self._turn(operand))
        alpha = float(node.kwargs.get("alpha", 1))
        if name == "div":
            operand = 1 / operand
        if name in ("mul", "div"):
            self.steps.append(Step("mul", operand, lead, self.group))
        else:
            self.steps.append(Step("add", operand, lead, self.group, -alpha if name == "sub" else alpha))
        return node.made[ours]

    def _turn(self, operand: Tensor) -> Tensor:
        while operand.ndim < 2:
            operand = operand.unsqueeze(0)
        return operand


def _leads_to_product(node: Node | None) -> bool:
    depth = 0
    while node is not None and depth < 30:
        if node.func in _PRODUCTS:
            return True
        node = node.made[0] if node.made else None
        depth += 1
    return False


def _key(tensor: Tensor) -> Any:
    try:
        storage = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return id(tensor)
    return storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _numel(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


Layout = Callable[[Tensor], Tensor]
