"""What is at the end of a trail: a product of queries and keys, through heads mixed on the way."""

from dataclasses import replace

import torch
from torch import Tensor

from nonlocal_viz.probe.memory import storage_of
from nonlocal_viz.probe.mixture import HeadMix, mix_at
from nonlocal_viz.probe.node import Node
from nonlocal_viz.probe.records import ADDED_UP, Capture
from nonlocal_viz.probe.trail import PRODUCTS, Trail, turns

_aten = torch.ops.aten


class Traced:
    """Follows weights of the module at ``path``, in a network whose parameters lie in the storages
    ``weights``."""

    def __init__(self, weights: set[int], path: str) -> None:
        self._weights, self._path = weights, path

    def capture(
        self, trail: Trail, made: Node | None, value: Tensor | None, soft: bool = False
    ) -> Capture | bool | None:
        """The capture at the end of a trail; True where what is found there is no positions, None where it
        does not end. ``soft``: whether a softmax over keys came after it."""
        while made is not None and made.func not in PRODUCTS:
            mix = mix_at(trail, made, self.has_weights)
            if mix is not None:
                return self._mixed_heads(trail, mix, value, soft)
            made = trail.back(made)
        if made is None:
            return None
        mix = mix_at(trail, made, self.has_weights)
        if mix is not None:
            return self._mixed_heads(trail, mix, value, soft)
        over_keys = any(step.kind == "softmax" for step in trail.steps)
        if not (over_keys or soft) and self.has_weights(made):
            return True  # the parameters of a layer are no positions
        return self._ended_at(trail, *_factors(made, trail), value)

    def _ended_at(self, trail: Trail, q: Tensor, k: Tensor, value: Tensor | None) -> Capture:
        softmax = any(step.kind == "softmax" for step in trail.steps) or bool(trail.over)
        notes = (ADDED_UP[trail.over],) if trail.over else ()
        v = k if value is None else value
        steps = tuple(reversed(trail.steps))
        return Capture(self._path, q, k, steps, softmax, v, trail.dropped, notes=notes)

    def _mixed_heads(
        self, trail: Trail, mix: HeadMix, value: Tensor | None, soft: bool
    ) -> Capture | bool | None:
        soft = soft or any(step.kind == "softmax" for step in trail.steps)
        base = self.capture(mix.trail, mix.made, None, soft)
        if not isinstance(base, Capture):
            return base
        base = replace(base, query=base.query.detach().clone(), key=base.key.detach().clone())
        return mix.mixture(self._ended_at(trail, base.query, base.key, value), base)

    def has_weights(self, product: Node) -> bool:
        """Whether a factor of a product is a parameter of the network, as it is or cast or turned."""
        factors = product.args[-2:] if len(product.args) > 2 else product.args[:2]
        known = product.made[-2:]
        return any(map(self._is_weight, factors, known))

    def _is_weight(self, tensor: Tensor, made: Node | None) -> bool:
        while storage_of(tensor) not in self._weights:
            if made is None or not turns(made):
                return False
            tensor, made = made.tensors[0], made.made[0]
        return True


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
