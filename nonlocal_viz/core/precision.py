"""In which precision maps are computed: float32 at least, whatever the network around them runs in."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

#: A row takes microseconds: what need not be made anew at every question is not.
_AS_IT_IS: AbstractContextManager[object] = nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """While it lasts, autocast lowers nothing; devices without autocast (meta) are left as they are."""
    kind = device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return _AS_IT_IS
    return torch.autocast(kind, enabled=False)


def wide(factor: Tensor) -> Tensor:
    """float64 as it is, all else as float32: exp() magnifies the rounding of half precision."""
    return factor if factor.dtype == torch.float64 else factor.float()
