"""Watch a network run: which modules are called with what, and every attention that they compute.

Nothing about the run changes: a dispatch mode sees each operation after PyTorch has chosen its kernel,
and calls of modules are followed by hooks that belong to no module. Recorded are operations between two
products; what was recorded in a module is forgotten when its parent returns.
"""

import math
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

from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.compiled import compiled, eagerly
from nonlocal_viz.probe.families import family_of
from nonlocal_viz.probe.lattices import Lattices
from nonlocal_viz.probe.mixture import HeadMix, mix_at
from nonlocal_viz.probe.records import (
    ADDED_UP,
    SCRAMBLED,
    Call,
    Capture,
    EnoughError,
    Given,
    Step,
    relative,
)
from nonlocal_viz.probe.refusals import lost_weights
from nonlocal_viz.probe.trail import PRODUCTS, VIEWS, Node, Trail, turns

_aten = torch.ops.aten
#: {kernel: where its argument is_causal stands}
_CAUSAL = {
    _aten._scaled_dot_product_flash_attention_for_cpu.default: 4,
    _aten._scaled_dot_product_flash_attention.default: 4,
    _aten._scaled_dot_product_efficient_attention.default: 6,
    _aten._scaled_dot_product_cudnn_attention.default: 6,
}
_FUSED = set(_CAUSAL)
#: The fast paths of nn.MultiheadAttention and nn.TransformerEncoderLayer: one kernel for all of it.
_WHOLE = {
    _aten._native_multi_head_attention.default,
    _aten._transformer_encoder_layer_fwd.default,
}
_A_FUNCTION = (
    "It calls flex_attention: its scores go through a function that is not seen. Written with "
    "scaled_dot_product_attention, or as a softmax of q @ k, the same attention is."
)
_INSIDE = (
    "It calls {}, an operator that takes functions, and what these compute is not seen. Called directly, "
    "it is."
)
#: What modules of PyTorch are called that leave rows and columns what they are.
_LOCAL = "Conv", "Pool", "BatchNorm", "GroupNorm", "ReLU", "GELU", "SiLU", "Hardswish", "Dropout"
_SIDE_BY_SIDE = {_aten.cat.default, _aten.stack.default}
#: Rows that each capture is held to, and how near to 1 the sum of a row of shares is.
_ROWS, _WHOLE_ROW = 8, 1e-3


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
        self._weights = {_storage(parameter) for parameter in root.parameters()}
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
            self._stack.append(Call(path, module, args, {}, _lowered(args)))
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
            if self._prove and isinstance(out, Tensor) and out.ndim in (4, 5) and _local(module):
                self.given.append(
                    Given(call, tuple(self._stack), tuple(out.shape), len(self.calls))
                )
            # Keywords and output; after an exception PyTorch gives the output alone.
            if len(given) == 2:
                call.kwargs.update(given[0])
                if self._prove and not _elementary(module) and family_of(module) is not None:
                    self.outputs.append((call, _kept(given[1])))
            self._forget(self._marks.pop(), self._depth())

    def _depth(self) -> int:
        return sum(not _elementary(call.module) for call in self._stack)

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
            said = _A_FUNCTION if "attention" in str(func) else _INSIDE.format(func.name())
            self.lost.setdefault(self._owner().path, said)
            return func(*args, **kwargs)
        if func._can_decompose():
            # In inference mode PyTorch leaves composite operations whole; their parts are the same kernels.
            self._inside, before = True, self._inside
            try:
                with self:
                    parts = (_folded if _folds(func, args) else func.decompose)(*args, **kwargs)
            finally:
                self._inside = before
            if parts is not NotImplemented:
                return parts
        made = tuple(self._made.get(_key(t)) for t in args if isinstance(t, Tensor))
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
            if node.func in _WHOLE:
                self._whole(node)
            return
        seen = len(self.found)
        self._put_back(node, tuple(first.shape))
        if node.func in _SIDE_BY_SIDE:
            self._beside(node)
        elif node.func in _FUSED:
            self._fused(node, first)
        elif node.func in _WHOLE:
            self._whole(node)
        elif node.func in PRODUCTS:
            self._mixed(node, first)
        elif _convolves(node.func):
            self.grids[tuple(first.shape[2:])] = None
            self.convolutions.append((self._stack[-1], len(self.calls), tuple(first.shape)))
            self.convolved |= {tuple(first.shape), tuple(node.args[0].shape)}
        if self._prove:
            self.lattices.see(node.func, node.args, first)
        key = _key(first)
        made = self._made[key] = replace(node, shape=tuple(first.shape))
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
            made = self._made.get(_key(tensor))
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
            if not _elementary(call.module):
                return call
        return self._stack[0]

    def _fused(self, node: Node, y: Tensor) -> None:
        q, k, v = node.args[:3]
        bias = node.kwargs.get("attn_mask")
        causal = len(node.args) > _CAUSAL[node.func] and bool(node.args[_CAUSAL[node.func]])
        if node.func is _aten._scaled_dot_product_efficient_attention.default:
            bias = node.args[3]
        scale = node.kwargs.get("scale")
        scale = q.shape[-1] ** -0.5 if scale is None else scale
        # Several heads of queries may share the keys of one (multi-query, grouped).
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        scaled = _scaled(q, scale)
        steps = [scaled]
        if bias is not None:
            while bias.ndim < 4:
                bias = bias.unsqueeze(0)
            steps.append(replace(scaled, kind="add", operand=_copy(bias)))
        if causal:
            later = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).triu(1)
            steps.append(replace(scaled, kind="fill", operand=later[None, None], value=-math.inf))
        q, k, v, y = (t.flatten(0, 1) for t in (q, k, v, y))
        steps.append(Step("softmax", torch.ones(1)))
        self._add(Capture(self._owner().path, q, k, tuple(steps), True, v), None, y)

    def _whole(self, node: Node) -> None:
        """Queries, keys and values that a fast path computes inside of itself, by its own arguments."""
        layer = node.func is _aten._transformer_encoder_layer_fwd.default
        if layer:
            x, _, heads, weight, bias = node.args[:5]
            if node.args[8]:  # the norm comes first
                x = torch.nn.functional.layer_norm(
                    x, x.shape[-1:], node.args[10], node.args[11], node.args[9]
                )
            given, rest = (x, x, x), node.args[18:20]
        else:
            given, heads = node.args[:3], node.args[4]
            weight, bias = node.args[5:7]
            rest = (*node.args[9:10], *node.args[12:13])
        mask = _mask_of(*rest)
        if given[0].is_nested:
            lengths = torch.tensor([len(one) for one in given[0].unbind()])
            given = tuple(torch.nested.to_padded_tensor(t, 0.0) for t in given)
            mask = _mask_of(torch.arange(given[1].shape[1]) >= lengths[:, None], 1)
        parts = zip(given, weight.chunk(3), bias.chunk(3), strict=True)
        q, k, v = (
            torch.nn.functional.linear(t, w, b).unflatten(-1, (heads, -1)).transpose(1, 2)
            for t, w, b in parts
        )
        step = _scaled(q, q.shape[-1] ** -0.5)
        steps = [step]
        if mask is not None:
            steps.append(replace(step, kind="add", operand=mask, value=1.0))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        path = self._stack[-1].path
        if layer:
            path = f"{path}.self_attn".lstrip(".")
        q, k, v, y = (t.flatten(0, 1) for t in (q, k, v, y))
        steps.append(Step("softmax", torch.ones(1)))
        self._add(Capture(path, q, k, tuple(steps), True, v), None, y)

    def _mixed(self, node: Node, y: Tensor) -> None:
        """A product: is one of its factors made of weights?"""
        if node.func is _aten.baddbmm.default:
            return
        for side in (0, 1):
            made = node.made[side]
            if made is None or self._traced(node, side, made, y):
                continue
            why = lost_weights(made, self._has_weights) if node.args[side].ndim == 3 else None
            if why is not None:
                self.lost[self._owner().path] = why

    def _traced(self, node: Node, side: int, made: Node | None, y: Tensor) -> bool:
        weights, value = node.args[side], node.args[1 - side]
        v = value if side == 0 else value.mT
        v, w, y = (t if t.ndim == 3 else t.unsqueeze(0) for t in (v, weights, y))
        w, y = (w, y) if side == 0 else (w.mT, y.mT)
        found = self._followed(Trail.of(weights, side), made, v)
        if isinstance(found, Capture):
            if v.shape[1] != found.key.shape[1]:
                return False
            self._add(found, w, y)
        return found is not None

    def _followed(
        self, trail: Trail, made: Node | None, value: Tensor | None, soft: bool = False
    ) -> Capture | bool | None:
        """The capture at the end of a trail; True where what is found there is no positions, None where it
        does not end. ``soft``: whether a softmax over keys came after it."""
        while made is not None and made.func not in PRODUCTS:
            mix = mix_at(trail, made, self._has_weights)
            if mix is not None:
                return self._mixed_heads(trail, mix, value, soft)
            made = trail.back(made)
        if made is None:
            return None
        mix = mix_at(trail, made, self._has_weights)
        if mix is not None:
            return self._mixed_heads(trail, mix, value, soft)
        over_keys = any(step.kind == "softmax" for step in trail.steps)
        if not (over_keys or soft) and self._has_weights(made):
            return True  # the parameters of a layer are no positions
        return self._ended_at(trail, *_factors(made, trail), value)

    def _ended_at(self, trail: Trail, q: Tensor, k: Tensor, value: Tensor | None) -> Capture:
        softmax = any(step.kind == "softmax" for step in trail.steps) or bool(trail.over)
        notes = (ADDED_UP[trail.over],) if trail.over else ()
        v = k if value is None else value
        steps = tuple(reversed(trail.steps))
        return Capture(self._owner().path, q, k, steps, softmax, v, trail.dropped, notes=notes)

    def _mixed_heads(
        self, trail: Trail, mix: HeadMix, value: Tensor | None, soft: bool
    ) -> Capture | bool | None:
        soft = soft or any(step.kind == "softmax" for step in trail.steps)
        base = self._followed(mix.trail, mix.made, None, soft)
        if not isinstance(base, Capture):
            return base
        base = replace(base, query=_copy(base.query), key=_copy(base.key))
        return mix.mixture(self._ended_at(trail, base.query, base.key, value), base)

    def _has_weights(self, product: Node) -> bool:
        """Whether a factor of a product is a parameter of the network, as it is or cast or turned."""
        factors = product.args[-2:] if len(product.args) > 2 else product.args[:2]
        known = product.made[-2:]
        return any(map(self._is_weight, factors, known))

    def _is_weight(self, tensor: Tensor, made: Node | None) -> bool:
        while _storage(tensor) not in self._weights:
            if made is None or not turns(made):
                return False
            tensor, made = made.tensors[0], made.made[0]
        return True

    def _add(self, seen: Capture, weights: Tensor | None, y: Tensor) -> None:
        """Keeps a capture of copies, held to the network's own weights (L, n, m) and output (L, n, E)."""
        capture = replace(
            seen, query=_copy(seen.query), key=_copy(seen.key), value=_copy(seen.value)
        )
        if self._prove:
            draw = torch.Generator().manual_seed(0)
            groups = torch.randint(len(capture.query), (_ROWS,), generator=draw)
            slots = torch.randint(capture.query.shape[1], (_ROWS,), generator=draw)
            rows = capture.weights(groups, slots)
            capture.distribution, capture.negative = _are_shares(rows), bool((rows < 0).any())
            used = rows if weights is None else wide(weights[groups, slots])
            if capture.dropped:
                # Kept weights are all enlarged alike, the others are 0; which these are only the network
                # knows, so that its own say how much, and the clean rows must have their pattern.
                kept = used != 0
                enlarged = used.sum() / (rows * kept).sum()
                capture.error["weights"] = relative(rows * kept * enlarged, used)
                rows = used
            elif weights is not None:
                capture.error["weights"] = relative(rows, used)
            mixed = (rows.unsqueeze(1) @ wide(capture.value[groups]))[:, 0]
            capture.error["output"] = relative(mixed, wide(y[groups, slots]))
        self.before[id(capture)] = len(self.given)
        self.found.append((capture, tuple(self._stack)))
        self._ended = self._enough is not None and self._enough(capture)


def _scaled(query: Tensor, scale: float) -> Step:
    """The step from the product of a fused kernel's query (B, H, n, D) with its keys to the scores."""
    lead = query.shape[0], query.shape[1]
    operand = torch.tensor(float(scale)).view(1, 1, 1, 1)
    return Step("mul", operand, lead, torch.arange(lead[0] * lead[1]))


def _are_shares(rows: Tensor) -> bool:
    """Whether rows (R, m) have no negative weights, and add up to 1 where they are not 0 altogether."""
    total = rows.sum(-1)
    whole = ((total - 1).abs() < _WHOLE_ROW) | (rows == 0).all(-1)
    return bool(((rows >= 0).all(-1) & whole).all())


def _folds(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether PyTorch multiplies in one piece, though x is not contiguous: it does where the matrix is
    trained, and in inference mode no view of that says so below a watch."""
    if func is not _aten.linear.default:
        return False
    x, weight = args[:2]
    return bool(weight.requires_grad and x.ndim > 2 and not (x.is_nested or x.is_contiguous()))


def _folded(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``linear``, in one piece."""
    y = torch.mm(x.reshape(-1, x.shape[-1]), weight.t()).view(*x.shape[:-1], -1)
    return y if bias is None else y + bias


@cache
def _convolves(func: Any) -> bool:
    return "conv" in str(func)


def _mask_of(mask: Tensor | None = None, kind: int | None = None) -> Tensor | None:
    """What a fast path adds to its scores (B or 1, H or 1, N or 1, M) by its own mask: 0 of pairs (N, M),
    1 of keys (B, M), 2 of both."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill(mask, -math.inf)
    return mask[None, None] if kind == 0 else mask[:, None, None] if kind == 1 else mask


def _elementary(module: nn.Module) -> bool:
    ours = type(module).__module__.startswith("torch.nn.modules")
    return ours and not isinstance(module, nn.MultiheadAttention)


def _local(module: nn.Module) -> bool:
    """Whether a module makes each cell of a picture of features of the cells around it."""
    ours = type(module).__module__.startswith("torch.nn.modules")
    return ours and any(kind in type(module).__name__ for kind in _LOCAL)


def _factors(product: Node, trail: Trail) -> tuple[Tensor, Tensor]:
    """query (L, n, D) and key (L, m, D) of the product at the end of a trail."""
    if product.func is _aten.baddbmm.default:
        extra, a, b = product.args[:3]
        beta, alpha = product.kwargs.get("beta", 1), product.kwargs.get("alpha", 1)
        if beta:
            trail.add_step("add", extra, float(beta))
        if alpha != 1:
            trail.add_step("mul", torch.tensor(float(alpha)))
    else:
        a, b = product.args[:2]
    if a.ndim == 2:
        a, b = a.unsqueeze(0), b.unsqueeze(0)
    if trail.merged is not None:
        rows = a.reshape(-1, a.shape[-1])
        return rows[trail.merged], b.mT[trail.merged[:, 0] // a.shape[1]]
    a, b = a[trail.group], b.mT[trail.group]
    return (a, b) if trail.row < trail.column else (b, a)


def _lowered(args: tuple[Any, ...]) -> torch.dtype | None:
    device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return None
    return torch.get_autocast_dtype(device)


def _storage(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # nested and sparse tensors have none
        return -id(tensor)


def _key(tensor: Tensor) -> Any:
    if tensor.is_nested:  # it has no shape, and its parts are not followed
        return -id(tensor)
    storage = _storage(tensor)
    if storage < 0:
        return storage
    return storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _kept(output: Any) -> Any:
    """A copy of the first tensor of an output: its owner may add to it in place."""
    first = output[0] if isinstance(output, tuple | list) else output
    return _copy(first) if isinstance(first, Tensor) else None


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
