"""The arguments of a network and of its blocks, by name: one list for all who read or ask for one.

Invariants: nothing here imports torch, so that the list of models can be checked without it; and the
names are those of the constructors, which a test holds them to.
"""

from collections.abc import Mapping

Kinds = type | tuple[type, ...]

#: Keyword arguments of NonLocalBlock that a network may choose, with their types.
BLOCK_OPTIONS: Mapping[str, Kinds] = {
    "inter_channels": (int, type(None)),
    "sub_sample": bool,
    "bn_layer": bool,
    "instantiation": str,
    "use_scale": bool,
    "pool_first": bool,
}
#: Keyword arguments of NonLocalResNet that say what it computes (where it does so is no part of them).
NETWORK_OPTIONS: Mapping[str, Kinds] = {
    "depth": int,
    "blocks": (list, tuple, str),
    "num_classes": int,
    "padding_mode": str,
    "block": dict,
    "output_stride": int,
    "dilations": dict,
}
#: Pixels of the input that a cell of the last stage stands for.
OUTPUT_STRIDES = (8, 16, 32)
#: PyTorch's modes of padding a convolution.
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
