"""Values out of JSON that somebody else wrote, each with the type that it should have.

Invariant: what does not fit is refused with a sentence that names the field, never converted.
"""

import math
from collections.abc import Mapping
from typing import Any

from nonlocal_viz.errors import CheckpointError


def take(value: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """``value[key]``, or None where it is absent and ``kind`` allows None.

    Raises:
        CheckpointError: it is not of ``kind``.
    """
    item = value.get(key)
    return of_type(item, kind, f"{where} has no usable {key!r}; restore the file.")


def of_type(item: object, kind: type | tuple[type, ...], complaint: str) -> Any:
    """``item`` itself.

    Raises:
        CheckpointError: it is not of ``kind``; the message is ``complaint``.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # True is an int to Python and never a size to us.
    if not isinstance(item, kind) or (isinstance(item, bool) and bool not in kinds):
        raise CheckpointError(complaint)
    return item


def take_numbers(value: Mapping[str, Any], key: str, where: str) -> dict[str, float]:
    """``value[key]`` as names with numbers.

    Raises:
        CheckpointError: it is no object, or one of its values is no number.
    """
    numbers = take(value, key, dict, where)
    for item in numbers.values():
        _finite(item, f"{where} has a value in {key!r} that is no number.")
    return dict(numbers)


def take_three(
    value: Mapping[str, Any], key: str, where: str, *, positive: bool = False
) -> tuple[float, float, float]:
    """``value[key]`` as three numbers, one a colour channel.

    Raises:
        CheckpointError: it is no list of three numbers, or one is not ``positive`` though asked for.
    """
    items = take(value, key, list, where)
    complaint = f"{where} should have three{' positive' if positive else ''} numbers as {key!r}."
    if len(items) != 3 or (positive and not all(_finite(item, complaint) > 0 for item in items)):
        raise CheckpointError(complaint)
    red, green, blue = (_finite(item, complaint) for item in items)
    return red, green, blue


def _finite(item: object, complaint: str) -> float:
    """``item`` as a float.

    Raises:
        CheckpointError: it is no number, is beyond those of a float, or is not finite (Python's JSON has
            NaN and Infinity); the message is ``complaint``.
    """
    try:
        number = float(of_type(item, (int, float), complaint))
    except OverflowError:
        raise CheckpointError(complaint) from None
    if not math.isfinite(number):
        raise CheckpointError(complaint)
    return number
