"""Attention that only its family knows how to read: one file a family.

A family is a module of this folder, one that another package names under the entry point group
``nonlocal_viz.families``, or what :func:`register_family` was given, with

``recognises(module) -> bool``
    by its structure, never by its name alone;
``read(call, output) -> Affinity``
    the map of one call, given what the module gave out then, with ``proof`` filled in; raises
    :class:`~nonlocal_viz.probe.records.UnprovenError` with a sentence where the proof fails. Where the
    family says ``TOKENS = True``, a third argument tells what tokens (B, N, C) are on the picture;
``example() -> (module, input)``
    a small one, for the tests.
"""

import pkgutil
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.errors import OptionError
from nonlocal_viz.probe.records import Call

GROUP = "nonlocal_viz.families"
_PARTS = "recognises", "read", "example"


class Family(Protocol):
    """What a family's module offers, see the head of this file."""

    def recognises(self, module: nn.Module) -> bool: ...

    def read(self, call: Call, output: Any, *told: Any) -> Affinity: ...

    def example(self) -> tuple[nn.Module, Tensor]: ...


#: Those that were registered, the newest first.
_REGISTERED: list[Family] = []


def register_family(family: Family) -> None:
    """Reads modules by a family of one's own from now on, before any other; ``nv.register_family``.

    Args:
        family: a module or a class with ``recognises(module)``, ``read(call, output)`` and
            ``example()``, see :class:`Family`.

    Raises:
        OptionError: one of these is missing.
    """
    lacks = [name for name in _PARTS if not callable(getattr(family, name, None))]
    if lacks:
        raise OptionError(f"A family has {', '.join(_PARTS)}; this one lacks {', '.join(lacks)}.")
    if family not in _REGISTERED:
        _REGISTERED.insert(0, family)


def families() -> tuple[Family, ...]:
    """Those that were registered, ours in the order of their files, then those that other packages name."""
    return *_REGISTERED, *_installed()


def family_of(module: nn.Module) -> Family | None:
    """The first family that recognises a module."""
    return next((family for family in families() if family.recognises(module)), None)


@cache
def _installed() -> tuple[Family, ...]:
    return tuple(_found())


def _found() -> Iterator[Any]:
    for entry in pkgutil.iter_modules(__path__):
        yield import_module(f"{__name__}.{entry.name}")
    for point in entry_points(group=GROUP):
        try:
            family = point.load()
        except Exception as error:  # somebody's package, which may do anything
            warnings.warn(
                f"The family {point.name!r} of {point.value} was not loaded ({error}).",
                stacklevel=2,
            )
            continue
        if all(callable(getattr(family, name, None)) for name in _PARTS):
            yield family
        else:
            warnings.warn(
                f"{point.value} is no family: it has not all of {', '.join(_PARTS)}.", stacklevel=2
            )
