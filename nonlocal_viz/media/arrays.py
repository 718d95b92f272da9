"""Arrays and tensors as pictures: which side holds the colours. Tensors are known by what they can do."""

from typing import Any

import numpy as np

#: How many channels a picture can have: RGB, RGB with transparency, grey; the likeliest first.
CHANNELS = (3, 4, 1)


def channels_last(source: Any, clip: bool = False) -> Any:
    """An array or tensor as an array with its channels last; anything else as it is.

    A tensor that could be read either way has its channels first, as PyTorch has them; an array last.
    (1, C, T, H, W), a batch of one clip as networks read it, is that clip; so is (C, T, H, W) where it
    is said to be a ``clip``, and of (T, C, H, W) the side of three channels is told from it.
    """
    if isinstance(source, list | tuple) and _numbers(source):
        try:
            source = np.asarray(source)
        except ValueError:
            return source  # its rows differ in length
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
    places = (1, 0) if array.ndim == 4 and (clip or source.ndim == 5) else (array.ndim - 3,)
    colours = ((count, a) for count in CHANNELS for a in places)
    axis = next((a for count, a in colours if array.shape[a] == count), None)
    return array if axis is None else np.moveaxis(array, axis, -1)


def _numbers(source: Any) -> bool:
    """Whether a list of lists ... is one of numbers."""
    while isinstance(source, list | tuple) and source:
        source = source[0]
    return isinstance(source, int | float)
