"""Random numbers that a module draws: run again it has to draw the same, or its tokens are others."""

import random
from collections.abc import Callable

import numpy as np
import torch

from nonlocal_viz.probe.records import Call, UnprovenError

_DRAWN = (
    "It draws random numbers, by which tokens are chosen or changed: run again to see what moves, it draws "
    "others."
)


def drawing_as_then(call: Call, run: Callable[[], object]) -> None:
    """A run with the random numbers that PyTorch drew in a call. In training mode those are others: dropout
    draws some then, and none here.

    Raises:
        UnprovenError: what is run draws random numbers, and not those of the call.
    """
    if call.drawn is not None:
        torch.set_rng_state(call.drawn)
    start, before = torch.get_rng_state(), _others()
    try:
        run()
    finally:
        drew = not torch.equal(start, torch.get_rng_state())
        trained = drew and any(m.training for m in call.module.modules())
        if trained or before != _others():
            raise UnprovenError(_DRAWN)


def _others() -> tuple[object, ...]:
    """How the generators stand that a run is not set back to."""
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    gpu = torch.cuda.get_rng_state().tolist() if on_gpu else []
    numbers = np.random.get_state(legacy=False)["state"]
    return random.getstate(), numbers["pos"], int(numbers["key"][0]), gpu
