"""What a module computes before the place where it is changed, computed once.

A run on changed input is the same as the run before up to the module at which something is changed. The
first run to that place notes what the modules before it gave out; later ones give that out again, clones of
it, and run from there. Left to run are modules of which that would not do: what changes what it is given,
draws numbers, gives out its own input or anything but tensors.

Invariant: every later run is held at the place itself, which has to be given the very tensor that it was
given in the first run; where it is not, nothing is replayed.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nonlocal_viz.probe.memory import storage_of


class Place(NamedTuple):
    """Where a run is changed: the first input (``given``) or output in a shape of the module at a path."""

    path: str
    shape: tuple[int, ...]
    given: bool = False


class OtherError(Exception):
    """A replayed run came to its place with another tensor than the first run."""


@dataclass
class _Running:
    """A call that has begun: what it was given, each with a copy, the state of the generator, whether its
    arguments are plain, and how many notes there were before it."""

    module: nn.Module
    given: list[tuple[Tensor, Tensor]]
    drawn: Tensor
    plain: bool
    notes: int


@dataclass
class _Note:
    """What a call gave out, and whether that was given out again in this run."""

    module: nn.Module
    out: Any
    taken: bool = False


class Replay:
    """Of one module and one place in it: entered around each run."""

    def __init__(
        self, root: nn.Module, place: Place, wanted: str, other: "Replay | None" = None
    ) -> None:
        """``wanted``: the path of the module that is looked at; it, what it is in and its parts always run.
        ``other``: a replay to another place, whose notes are good until this one."""
        self.place, self.wanted = place, wanted
        self.useless = False
        self._root = root
        self._kept = {
            id(module)
            for path, module in root.named_modules()
            if _nested(path, wanted) or _nested(path, place.path)
        }
        self._notes: list[_Note] = []
        self._others = [] if other is None else other.notes(self._kept)
        self._recorded = False
        self._at: Tensor | None = None
        self._running: list[_Running] = []
        self._times: Counter[int] = Counter()
        self._undo: list[Callable[[], Any]] = []

    def notes(self, kept: set[int]) -> list[_Note]:
        """What was noted of modules that are not ``kept``."""
        return [note for note in self._notes if self._recorded and id(note.module) not in kept]

    def reached(self, tensor: Tensor) -> None:
        """The run came to the place, where ``tensor`` is changed.

        Raises:
            OtherError: it is not what it was in the first run.
        """
        if self._recorded:
            if self._at is None or not torch.equal(self._at, tensor):
                raise OtherError
            return
        self._at, self._recorded = tensor.detach().clone(), True
        self._running.clear()
        # Of a module that ran several times it is not known which note would be due.
        self._notes = [note for note in self._notes if self._times[id(note.module)] == 1]
        self.useless = not self._notes

    def __enter__(self) -> "Replay":
        self._running, self._times = [], Counter()
        if not self._recorded:
            self._notes = []
            self._play(self._others)
            for module in self._root.modules():
                self._undo += [
                    module.register_forward_pre_hook(self._begin, with_kwargs=True).remove,
                    module.register_forward_hook(self._end, with_kwargs=True).remove,
                ]
            return self
        self._play(self._notes)
        return self

    def __exit__(self, *details: object) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo = []

    def _play(self, notes: list[_Note]) -> None:
        for note in notes:
            note.taken = False
            self._undo.append(_played(note))

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._recorded:
            return
        self._times[id(module)] += 1
        values = [*args, *kwargs.values()]
        plain = id(module) not in self._kept and all(map(_plain, values))
        given = [(t, t.detach().clone()) for t in _tensors(values)] if plain else []
        drawn = torch.get_rng_state()
        self._running.append(_Running(module, given, drawn, plain, len(self._notes)))

    def _end(
        self, module: nn.Module, _args: tuple[Any, ...], _kwargs: dict[str, Any], out: Any
    ) -> None:
        if self._recorded or not self._running or self._running[-1].module is not module:
            return
        call = self._running.pop()
        before = next((n for n in self._others if n.module is module and n.taken), None)
        if before is not None:
            del self._notes[call.notes :]
            self._notes.append(before)
            return
        if not call.plain or not _plain(out) or not _tensors([out]):
            return
        # Whatever shares memory is changed with it.
        memory = [storage_of(tensor) for tensor, _ in call.given]
        made = [storage_of(tensor) for tensor in _tensors([out])]
        if len({*memory, *made}) < len({*memory}) + len(made):
            return
        if not all(torch.equal(tensor, before) for tensor, before in call.given):
            return
        if not torch.equal(call.drawn, torch.get_rng_state()):
            return
        # What its parts gave out is not asked for again.
        del self._notes[call.notes :]
        kept = _cloned(out)
        if all(
            a.stride() == b.stride() for a, b in zip(*map(_tensors, ([out], [kept])), strict=True)
        ):
            self._notes.append(_Note(module, kept))


def _played(note: _Note) -> Callable[[], Any]:
    """Puts a note in the place of its module's first call; what undoes that."""
    module, own = note.module, vars(note.module).get("forward")
    forward = module.forward

    def played(*args: Any, **kwargs: Any) -> Any:
        if note.taken:
            return forward(*args, **kwargs)
        note.taken = True
        return _cloned(note.out)

    def undo() -> None:
        if own is None:
            object.__delattr__(module, "forward")
        else:
            object.__setattr__(module, "forward", own)

    object.__setattr__(module, "forward", played)
    return undo


def _nested(path: str, other: str) -> bool:
    """Whether one of two modules lies in the other, or both are one."""
    one, two = f"{path}.".lstrip("."), f"{other}.".lstrip(".")
    return one.startswith(two) or two.startswith(one)


def _plain(value: Any) -> bool:
    """Whether a value is tensors, numbers and words: nothing that keeps what happened to it."""
    if type(value) in (tuple, list):
        return all(map(_plain, value))
    if isinstance(value, Tensor):
        return value.layout is torch.strided and not value.is_nested
    return value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.device)


def _tensors(values: Any) -> list[Tensor]:
    """All tensors in lists of lists."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
    return found


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, tuple | list):
        parts = [_cloned(part) for part in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    return value
