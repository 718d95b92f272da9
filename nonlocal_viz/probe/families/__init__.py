"""Attention that only its family knows how to read: one file a family.

A family is a module of this folder, or one that another package names under the entry point group
``nonlocal_viz.families``, with

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
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.probe.records import Call

GROUP = "nonlocal_viz.families"


class Family(Protocol):
    """What a family's module offers, see the head of this file."""

    def recognises(self, module: nn.Module) -> bool: ...

    def read(self, call: Call, output: Any, *told: Any) -> Affinity: ...

    def example(self) -> tuple[nn.Module, Tensor]: ...


@cache
def families() -> tuple[Family, ...]:
    """Ours in the order of their files, then those that other packages name."""
    return tuple(_found())


def family_of(module: nn.Module) -> Family | None:
    """The first family that recognises a module."""
    return next((family for family in families() if family.recognises(module)), None)


def _found() -> Iterator[Any]:
    for entry in pkgutil.iter_modules(__path__):
        yield import_module(f"{__name__}.{entry.name}")
    for point in entry_points(group=GROUP):
        yield point.load()
