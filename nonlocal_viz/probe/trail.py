"""From weights back to the product that they were made of, operation by operation.

Invariant: rows and columns are followed as axes through every view, and the groups (all other axes)
as numbers, so that each operand on the way can be read at the row of any group. What is not known to keep
rows and columns ends the trail: nothing is guessed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.core.precision import wide
from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.records import Kind, Step
from nonlocal_viz.probe.sinks import before_sink

_aten = torch.ops.aten
PRODUCTS = {_aten.bmm.default, _aten.mm.default, _aten.baddbmm.default}
SOFTMAXES = {_aten._softmax.default, _aten._safe_softmax.default}
_LOGARITHM = _aten._log_softmax.default
#: Functions of every score by itself.
_EACH = {
    *("exp", "exp2", "log", "log2", "tanh", "sigmoid", "relu", "leaky_relu", "elu", "gelu", "silu"),
    *(
        "softplus",
        "hardtanh",
        "hardsigmoid",
        "clamp",
        "clamp_min",
        "clamp_max",
        "neg",
        "abs",
        "sqrt",
    ),
    *("rsqrt", "reciprocal", "pow", "erf", "sign", "square", "threshold", "nan_to_num"),
}
DROPOUTS = {_aten.native_dropout.default}
#: What leaves a tensor as it is.
KEPT = {
    _aten.clone.default,
    _aten._to_copy.default,
    _aten.detach.default,
    _aten.alias.default,
}
VIEWS = {
    _aten.view.default,
    _aten._unsafe_view.default,
    _aten.unsqueeze.default,
    _aten.squeeze.dim,
    _aten.squeeze.default,
    _aten.squeeze.dims,
    _aten.expand.default,
    _aten._reshape_alias.default,
}
_ARITHMETIC = {"mul", "div", "add", "sub"}


@dataclass
class Trail:
    """Where rows, columns and groups of the weights stand in a tensor that they were made of.

    Attributes:
        shape: of the tensor.
        row: the axes that rows run over, in order: one, or several where heads share their keys.
        column: the axes of columns, in order.
        group: (L,) the flat index in its other axes, in order, of each of the L groups.
        steps: what happened to the scores on the way, the last first.
        dropped: whether dropout did.
        merged: (L, n) where rows and groups share an axis of the product, the number of each row among all
            that the first or second factor has.
    """

    shape: tuple[int, ...]
    row: tuple[int, ...]
    column: tuple[int, ...]
    group: Tensor
    steps: list[Step] = field(default_factory=list)
    dropped: bool = False
    merged: Tensor | None = None
    #: What weights add up over, where it is not the keys alone: "queries", "pairs", or keys and a "sink".
    over: str = ""

    @classmethod
    def of(cls, weights: Tensor, side: int) -> "Trail":
        """Of the weights in a product: the first factor (side 0) has its keys last, the second first."""
        axes = weights.ndim - 2, weights.ndim - 1
        row, column = axes if side == 0 else axes[::-1]
        groups = math.prod(weights.shape[:-2])
        return cls(tuple(weights.shape), (row,), (column,), torch.arange(groups))

    @property
    def lead(self) -> tuple[int, ...]:
        """The shape without rows and columns."""
        return tuple(s for a, s in enumerate(self.shape) if a not in (*self.row, *self.column))

    @property
    def rows(self) -> int:
        """n, the number of rows of a group."""
        return math.prod(self.shape[a] for a in self.row)

    @property
    def columns(self) -> int:
        """m, the number of columns."""
        return math.prod(self.shape[a] for a in self.column)

    def back(self, node: Node) -> Node | None:
        """Through one operation; None where rows and columns cannot be followed through it."""
        name = str(node.func).split(".")[1].rstrip("_")
        if node.shape != self.shape and node.func not in VIEWS:
            return None
        if self.merged is not None:
            return node.made[0] if node.func in KEPT else None
        if node.func in DROPOUTS:
            self.dropped = True
            return node.made[0]
        if node.func in KEPT:
            return node.made[0]
        if node.func is _aten.copy_.default and node.args[1].shape == node.args[0].shape:
            return node.made[1]  # written into itself, as a whole
        if node.func in VIEWS:
            if self._regrouped(tuple(node.args[0].shape)):
                return node.made[0]
            return self._over_pairs(node.made[0])
        if node.func in (_aten.transpose.int, _aten.permute.default, _aten.t.default):
            return self._permuted(node)
        if name == "masked_fill":
            self.add_step("fill", node.args[1].bool(), float(node.args[2]))
            return node.made[0]
        if name == "where":
            mask, _, value = node.args
            if isinstance(value, Tensor) and value.numel() == 1:
                self.add_step("fill", ~mask, float(value))
                return node.made[1]
        if name in _ARITHMETIC:
            return self._arithmetic(name, node)
        if node.func is _aten.slice.Tensor:
            return self._before_sink(node)
        return self._function(name, node)

    def _function(self, name: str, node: Node) -> Node | None:
        """Through a function of every score by itself, or a softmax over the columns."""
        if node.func in SOFTMAXES or node.func is _LOGARITHM:
            axis = (node.args[1] % len(node.shape),)
            if self.row == axis and self.column != axis:
                return self._normalised(node, node.args[0], self.row, "queries")
            if self.column != axis:
                return None
            if node.func is _LOGARITHM:
                self._noted(Step("each", torch.ones(1), function=torch.log))
            self._noted(Step("softmax", torch.ones(1)))
            return node.made[0]
        if name == "rsub":
            self.add_step("add", torch.tensor(float(node.args[1])))
            self.add_step("mul", torch.tensor(-float(node.kwargs.get("alpha", 1))))
            return node.made[0]
        if name not in _EACH or len(node.tensors) != 1 or node.args[0] is not node.tensors[0]:
            return None
        # What works in place would change the row that it is asked for.
        overloads = getattr(_aten, name)
        call = getattr(overloads, str(node.func).split(".")[2])
        apply = partial(_applied, call, node.args[1:], node.kwargs)
        self._noted(Step("each", torch.ones(1), function=apply))
        return node.made[0]

    def _before_sink(self, node: Node) -> Node | None:
        """Through a softmax of the columns and more, of which the columns were kept."""
        found = before_sink(node, self.column)
        if found is None:
            return None
        total, before = found
        self._noted(Step("each", torch.ones(1), function=torch.exp))
        self.add_step("add", -total)
        self.over = "sink"
        return before

    def _over_pairs(self, node: Node | None) -> Node | None:
        """Through a softmax over all pairs, for which rows and columns were made one axis."""
        while node is not None and node.func in KEPT:
            node = node.made[0]
        if node is None or node.func not in SOFTMAXES:
            return None
        flat, pairs = node.args[0], self.rows * self.columns
        last = sorted((*self.row, *self.column)) == list(
            range(len(self.shape) - len(self.row) - len(self.column), len(self.shape))
        )
        if not last or node.args[1] % flat.ndim != flat.ndim - 1 or flat.shape[-1] != pairs:
            return None
        before = self._normalised(node, flat.view(self.shape), (*self.row, *self.column), "pairs")
        while before is not None and before.func in KEPT:
            before = before.made[0]
        if before is None or before.func not in VIEWS:
            return None
        return before.made[0] if self._regrouped(tuple(before.args[0].shape)) else None

    def _normalised(
        self, node: Node, scores: Tensor, axes: tuple[int, ...], over: str
    ) -> Node | None:
        """Through a softmax over other axes than the keys: exp(score - a number that was computed then)."""
        total = wide(scores).logsumexp(axes, keepdim=True)
        if node.func is not _LOGARITHM:
            self._noted(Step("each", torch.ones(1), function=torch.exp))
        self.add_step("add", -total)
        self.over = over
        return node.made[0]

    def _noted(self, step: Step) -> None:
        self.steps.append(step)

    def _regrouped(self, before: tuple[int, ...]) -> bool:
        if math.prod(before) != math.prod(self.shape):
            return False
        column = _run(before, self.columns, math.prod(self.shape[self.column[-1] + 1 :]))
        if not column:
            return False
        row = _run(before, self.rows, math.prod(self.shape[self.row[-1] + 1 :]))
        if not row and self.rows == 1:
            # A single row is any axis of length 1.
            row = tuple(a for a, s in enumerate(before) if s == 1 and a not in column)[-1:]
        if not row:
            return self._merge(before) if column == (len(before) - 1,) else False
        self.shape, self.row, self.column = before, row, column
        return not set(column) & set(row)

    def _merge(self, before: tuple[int, ...]) -> bool:
        """Rows and groups become one axis (heads whose keys are shared): only a product may come before."""
        if self.column != (len(self.shape) - 1,):
            return False
        rest = self.shape[:-1]
        order = [a for a in range(len(rest)) if a not in self.row] + list(self.row)
        numbers = torch.arange(math.prod(rest)).view(rest).permute(order)
        self.merged = numbers.reshape(-1, self.rows)[self.group]
        self.shape, self.row, self.column = before, (len(before) - 2,), (len(before) - 1,)
        return True

    def _permuted(self, node: Node) -> Node | None:
        source = node.args[0]
        dims = list(range(source.ndim))
        if node.func is _aten.permute.default:
            dims = [d % source.ndim for d in node.args[1]]
        elif source.ndim > 1:
            a, b = node.args[1:3] if node.func is _aten.transpose.int else (0, 1)
            a, b = a % source.ndim, b % source.ndim
            dims[a], dims[b] = dims[b], dims[a]
        row, column = (tuple(dims[a] for a in axes) for axes in (self.row, self.column))
        lead = [d for a, d in enumerate(dims) if a not in (*self.row, *self.column)]
        others = sorted(lead)
        sizes = [source.shape[d] for d in others]
        index = torch.arange(math.prod(sizes)).view(sizes)
        self.group = index.permute([others.index(d) for d in lead]).reshape(-1)[self.group]
        self.shape, self.row, self.column = tuple(source.shape), row, column
        return node.made[0]

    def _arithmetic(self, name: str, node: Node) -> Node | None:
        tensors = node.tensors
        noise = [at for at, made in enumerate(node.made) if made is not None and _is_noise(made)]
        if name == "mul" and len(tensors) == 2 and noise:
            # Dropout as its plain formula: times 0 or 1 / (1 - p).
            self.dropped = True
            return node.made[1 - noise[0]]
        alpha = float(node.kwargs.get("alpha", 1))
        if len(tensors) == 1:
            if node.args[0] is not tensors[0]:
                return None
            number = float(node.args[1])
            if name in ("mul", "div"):
                self.add_step("mul", torch.tensor(number if name == "mul" else 1 / number))
            else:
                self.add_step("add", torch.tensor(number), alpha if name == "add" else -alpha)
            return node.made[0]
        ours = [
            at
            for at, (tensor, made) in enumerate(zip(tensors, node.made, strict=True))
            if tuple(tensor.shape) == node.shape and _is_product(made)
        ]
        # Of the sum of two products one is the scores and the other a bias by place: the first is taken,
        # and the proof decides.
        at = ours[0] if ours else 0
        if not ours or (at == 1 and name in ("div", "sub")):
            return None
        operand = tensors[1 - at]
        if name in ("mul", "div"):
            self.add_step("mul", operand if name == "mul" else 1 / operand)
        else:
            self.add_step("add", operand, alpha if name == "add" else -alpha)
        return node.made[at]

    def add_step(self, kind: Kind, operand: Tensor, value: float = 1.0) -> None:
        """Notes one operation on the scores, its operand laid out as (*lead, rows, columns)."""
        operand = operand.detach()
        while operand.ndim < len(self.shape):
            operand = operand.unsqueeze(0)
        lead = [a for a in range(len(self.shape)) if a not in (*self.row, *self.column)]
        operand = operand.permute([*lead, *self.row, *self.column])
        first = len(lead)
        sizes = [[self.shape[a] for a in axes] for axes in (self.row, self.column)]
        between = first + len(self.row)
        parts = operand.shape[first:between], operand.shape[between:]
        # What differs along one of several axes differs from row to row, or from column to column.
        whole = [
            size if math.prod(part) > 1 else list(part)
            for size, part in zip(sizes, parts, strict=True)
        ]
        operand = operand.expand(*operand.shape[:first], *whole[0], *whole[1])
        operand = operand.flatten(between).flatten(first, -2).clone()
        self._noted(Step(kind, operand, self.lead, self.group, value))


def _applied(
    call: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any], score: Tensor
) -> Tensor:
    return call(score, *args, **kwargs)


def turns(node: Node) -> bool:
    """Whether an operation only casts a tensor, or looks at it in another shape."""
    turned = (_aten.transpose.int, _aten.permute.default, _aten.t.default)
    return node.func in KEPT or node.func in VIEWS or node.func in turned


def _run(shape: tuple[int, ...], size: int, behind: int) -> tuple[int, ...]:
    """The neighbouring axes that together have ``size`` and ``behind`` elements after them; () if none."""
    if size == 1:
        alone = [a for a, s in enumerate(shape) if s == 1 and math.prod(shape[a + 1 :]) == behind]
        return tuple(alone[-1:])
    for last in reversed(range(len(shape))):
        if math.prod(shape[last + 1 :]) != behind or shape[last] == 1:
            continue
        first, product = last, shape[last]
        while product < size and first > 0:
            first -= 1
            product *= shape[first]
        if product == size:
            return tuple(a for a in range(first, last + 1) if shape[a] > 1)
    return ()


def _is_noise(node: Node) -> bool:
    """Whether a tensor was drawn: 0 or 1, perhaps divided by how often it is 1."""
    while node.func in (_aten.div_.Scalar, _aten.div.Scalar, _aten.div_.Tensor, _aten.div.Tensor):
        before = node.made[0]
        if before is None:
            return False
        node = before
    return "bernoulli" in str(node.func)


def _is_product(node: Node | None) -> bool:
    """Whether a tensor was made of a product, through operations that a trail can follow."""
    for _ in range(24):
        if node is None:
            return False
        if node.func in PRODUCTS:
            return True
        following = [made for made in node.made if made is not None]
        node = following[0] if following else None
    return False
