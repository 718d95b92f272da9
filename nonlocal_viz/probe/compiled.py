"""Networks parts of which their owner compiled."""

import sys
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


def compiled(module: nn.Module) -> bool:
    """Whether its owner compiled a module."""
    return module._compiled_call_impl is not None or type(module).__module__.startswith(
        "torch._dynamo"
    )


def eagerly() -> AbstractContextManager[object]:
    """While entered, what was compiled runs as it was written, and nothing is compiled anew."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()  # nobody compiles, and to import it takes a second
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
