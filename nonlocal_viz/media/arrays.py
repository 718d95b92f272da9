"""Arrays and tensors as pictures: which side holds the colours. Tensors are known by what they can do."""

from typing import Any

import numpy as np

#: How many channels a picture can have: grey, RGB, RGB with transparency.
CHANNELS = (1, 3, 4)


def channels_last(source: Any) -> Any:
    """An array or tensor as an array with its channels last; anything else as it is.

    A tensor that could be read either way has its channels first, as PyTorch has them; an array last.
    (1, C, T, H, W), a batch of one clip as networks read it, is that clip.
    """
    # A file can be detached, too.
    tensor = hasattr(source, "detach") and hasattr(source, "is_floating_point")
    if tensor:
        found = source.detach().cpu()
        # NumPy has no bfloat16.
        source = (found.float() if found.is_floating_point() else found).numpy()
    if not isinstance(source, np.ndarray):
        return source
    array = source[0] if source.ndim == 5 and len(source) == 1 else source
    last = array.ndim > 2 and array.shape[-1] in CHANNELS and not tensor
    if array.ndim not in (3, 4) or last:
        return array
    # Of a clip (T, C, H, W) and (C, T, H, W) there are both; of one of each, the first is meant.
    axis = next((a for a in (array.ndim - 3, 0) if array.shape[a] in CHANNELS), None)
    return array if axis is None else np.moveaxis(array, axis, -1)
