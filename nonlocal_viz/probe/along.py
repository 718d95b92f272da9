"""Whether tokens that are as many as earlier ones are these, in their places: looked at for all
attentions of a network at once.

A token that is changed before the first of them moves itself along a residual stream. Where several tokens
each move another one much farther than themselves, tokens changed their places on the way.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.probe.again import Again, changing_input, first_tensor, shape_of
from nonlocal_viz.probe.cells import far
from nonlocal_viz.probe.layout import Axes
from nonlocal_viz.probe.records import Call, EnoughError, UnprovenError
from nonlocal_viz.probe.stream import as_part, within
from nonlocal_viz.probe.watch import Watch

#: Tokens that are changed, of which so many move others, and how many times as far as themselves.
_TOKENS, _SEVERAL, _FARTHER = 4, 2, 3.0
_OTHER_PLACES = (
    "Its {} tokens are in other places than those of the first module that is given as many: they change "
    "places on the way, and the network does not show how."
)
#: What modules are given, by path and shape.
Given = tuple[str, tuple[int, ...]]


class Along:
    """Of one call of a network: which of its attentions are given tokens in other places."""

    def __init__(self, watch: Watch, again_of: Callable[[Call], Again]) -> None:
        self._watch, self._again_of = watch, again_of
        self._misplaced: dict[tuple[int, Axes], set[str]] = {}

    def check(self, calls: Sequence[Call], first: Call | None, axes: Axes, count: int) -> None:
        """``first``: the first module that is given as many tokens as the last of the nested ``calls``.

        Raises:
            UnprovenError: the tokens changed their places in between.
        """
        root, call = calls[0], calls[-1]
        if first is None or axes.positions != (1,):
            return
        key = id(first), axes
        if key not in self._misplaced:
            self._misplaced[key] = set()
            attending = {c.path for c, _ in self._watch.found}
            shape = shape_of(first)
            others = {
                as_part(c, root).path: shape_of(c)
                for c in self._watch.calls
                if c.path in attending and within(c, root) and shape_of(c)[:2] == shape[:2]
            }
            if others:
                given = as_part(first, root).path, shape
                # Without time for it they are believed to stay.
                with suppress(UnprovenError):
                    found = misplaced(self._again_of(root), given, others, axes)
                    self._misplaced[key] = found
        if as_part(call, root).path in self._misplaced[key]:
            raise UnprovenError(_OTHER_PLACES.format(count))


def misplaced(
    again: Again, first: Given, others: Mapping[str, tuple[int, ...]], axes: Axes
) -> set[str]:
    """Those of ``others``, {path: shape}, that are given the tokens of the ``first`` in other places."""
    shape = first[1]
    images = shape[axes.batch]
    count = torch.Size([shape[a] for a in axes.positions]).numel()
    still = _inputs(again, lambda x: x, first, others)
    draw = torch.Generator().manual_seed(12)
    went: dict[str, set[int]] = {path: set() for path in still}
    for token in torch.randperm(count, generator=draw)[:_TOKENS].tolist():
        where = (torch.arange(images * count) == token).view(images, count)
        moved = _inputs(again, partial(axes.shifted, where=where), first, others)
        for path in set(still) & set(moved):
            each = far(moved[path] - still[path], axes)[0]
            if float(each.max()) > _FARTHER * float(each[token]):
                went[path].add(int(each.argmax()))
    # One that everything moves is a sink, and says nothing.
    return {path for path, places in went.items() if len(places) >= _SEVERAL}


def _inputs(
    again: Again,
    change: Callable[[Tensor], Tensor],
    first: Given,
    others: Mapping[str, tuple[int, ...]],
) -> dict[str, Tensor]:
    """{path: what the module is first given in its shape} where what the ``first`` is given is changed."""
    seen: dict[str, Tensor] = {}

    def look(path: str, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = first_tensor(args, kwargs)
        if given is not None and path not in seen and tuple(given[1].shape) == others[path]:
            seen[path] = given[1].detach().clone()
            if len(seen) == len(others):
                raise EnoughError

    handles = [changing_input(again.twin, *first, change)]
    for path in others:
        module = again.twin.get_submodule(path)
        hook = module.register_forward_pre_hook(partial(look, path), with_kwargs=True)
        handles.append(hook)
    try:
        again.run(lambda x: x)
    except EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return seen
