"""Training and eval mode, borrowed and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Every submodule in eval mode, and afterwards each in the mode that it had, also after an exception.

    A network may be in several modes at once (a frozen BatchNorm in a network that trains), so that
    ``module.train(module.training)`` would not do.
    """
    modes = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for inner, mode in modes:
            inner.training = mode
