"""The tensors of features that a module was called with, wherever they lie in its arguments."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from nonlocal_viz.probe.records import Call


def first_tensor(
    args: "tuple[Any, ...] | list[Any]", kwargs: Mapping[str, Any]
) -> tuple[int | str, Tensor] | None:
    """(position or name, tensor) of the first argument that holds features: floating, 3 axes or more."""
    found = tensors(args, kwargs)
    return found[0] if found else None


def shape_of(call: Call) -> tuple[int, ...]:
    """Of the first tensor that a call was given; () where there is none."""
    first = first_tensor(call.args, call.kwargs)
    return () if first is None else tuple(first[1].shape)


def tensors(
    args: "tuple[Any, ...] | list[Any]", kwargs: Mapping[str, Any]
) -> list[tuple[int | str, Tensor]]:
    """(position or name, tensor) of all arguments that hold features, each tensor once, also those within a
    batch by names (a mapping, an object with attributes); nested ones have no shape to read. Where
    there are rows of features alone (N, C), they are those of one image (1, N, C)."""
    found: dict[int, tuple[int | str, Tensor]] = {}
    rows: dict[int, tuple[int | str, Tensor]] = {}
    given: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for at, value in given:
        for part in (value, *parts_of(value).values()):
            if not isinstance(part, Tensor) or part.is_nested or not part.is_floating_point():
                continue
            if part.ndim >= 3:
                found.setdefault(id(part), (at, part))
            elif part.ndim == 2:
                rows.setdefault(id(part), (at, part.detach()[None]))
    return list((found or rows).values())


def parts_of(value: Any) -> Mapping[Any, Any]:
    """What a batch holds under names; nothing of a tensor, a module, a list."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Tensor | nn.Module | type) or not hasattr(value, "__dict__"):
        return {}
    found: dict[str, Any] = vars(value)
    return found


def exchanged(value: Any, one: Tensor, other: Tensor) -> Any:
    """The value, or one as it with ``other`` where it is or holds ``one``: as rows, where that was a look
    at rows as one image's tokens."""
    if value is one:
        return other
    rows = isinstance(value, Tensor) and value.ndim == 2 and one.ndim == 3
    if rows and value.data_ptr() == one.data_ptr() and value.shape == one.shape[1:]:
        return other[0]
    parts = {name: exchanged(part, one, other) for name, part in parts_of(value).items()}
    changed = {name: part for name, part in parts.items() if part is not parts_of(value)[name]}
    if not changed:
        return value
    batch = copy.copy(value)
    for name, part in changed.items():
        if isinstance(batch, Mapping):
            batch[name] = part  # type: ignore[index]
        else:
            vars(batch)[name] = part
    return batch
