"""Which tensor is which: by the memory that it lies in, and how it is looked at."""

from typing import Any

from torch import Tensor


def storage_of(tensor: Tensor) -> int:
    """A number for the memory that a tensor lies in."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # nested and sparse tensors have none
        return -id(tensor)


def key_of(tensor: Tensor) -> Any:
    """What tells a tensor from all others that live."""
    if tensor.is_nested:  # it has no shape, and its parts are not followed
        return -id(tensor)
    storage = storage_of(tensor)
    if storage < 0:
        return storage
    return storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype
