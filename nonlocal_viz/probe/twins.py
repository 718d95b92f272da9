"""A module once more, sharing the weights: what is run on it leaves the owner's as it is."""

import copy
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn


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
