"""Random numbers that a network draws where it runs: tokens that it drops or shuffles by them are the same
ones only where it draws the same numbers again."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Drawn:
    """Where PyTorch's generators stood: the processor's, and a GPU's where one is in use."""

    state: Tensor
    device: torch.device | None = None
    on_device: Tensor | None = None

    @classmethod
    def now(cls, given: Iterable[object], before: "Drawn | None" = None) -> "Drawn":
        """``before``: given back where nothing was drawn since."""
        state = torch.get_rng_state()
        device = next((t.device for t in given if isinstance(t, Tensor) and t.is_cuda), None)
        on_device = None if device is None else torch.cuda.get_rng_state(device)
        new = cls(state, device, on_device)
        return before if before is not None and new.alike(before) else new

    def alike(self, other: "Drawn") -> bool:
        """Whether nothing was drawn between two looks."""
        # As bytes: an operation of PyTorch's would be watched.
        mine, theirs = (drawn.state.numpy().tobytes() for drawn in (self, other))
        if self.device != other.device or mine != theirs:
            return False
        if self.on_device is None or other.on_device is None:
            return self.on_device is other.on_device
        return torch.equal(self.on_device, other.on_device)

    def set(self) -> None:
        """Puts the generators there."""
        torch.set_rng_state(self.state)
        if self.device is not None and self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, self.device)


@contextmanager
def drawing(drawn: Drawn | None, given: Iterable[object], seen: list[bool]) -> Iterator[None]:
    """Draw what was drawn from ``drawn`` on, and leave all generators as they are; appended to ``seen`` is
    whether anything was drawn."""
    devices = [t.device for t in given if isinstance(t, Tensor) and t.is_cuda][:1]
    other = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        if drawn is not None:
            drawn.set()
        before = Drawn.now(given)
        try:
            yield
        finally:
            python, numpy = random.getstate(), np.random.get_state()
            drew = python != other[0] or not _same(numpy, other[1])
            seen.append(drew or not before.alike(Drawn.now(given)))
            random.setstate(other[0])
            np.random.set_state(other[1])


def _same(one: Any, other: Any) -> bool:
    return bool(one[2:] == other[2:] and np.array_equal(one[1], other[1]))
