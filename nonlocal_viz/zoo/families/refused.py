"""Relatives whose map is no map of a non-local block: known by their keys, and refused by name."""

import re
from collections.abc import Iterable

#: A pattern of a key, what it is of, and what it computes otherwise.
_RELATIVES: tuple[tuple[str, str, str], ...] = (
    (
        r"(?:^|\.)dnl_block\.|\.conv_mask\.weight$.*\.theta\.",
        "DNL (disentangled non-local)",
        "it whitens queries and keys and adds a row that all queries share",
    ),
    (
        r"(?:^|\.)(?:conv_mask|channel_add_conv|channel_mul_conv)\.",
        "GCNet (global context)",
        "it has one map for all queries",
    ),
    (
        r"(?:^|\.)f_(?:key|query)\.(?:0|1)\.",
        "OCNet",
        "its queries and keys go through a BatchNorm and a ReLU",
    ),
    (
        r"(?:^|\.)(?:cca|criss_cross|crisscross)\w*\.",
        "CCNet (criss-cross)",
        "a query looks at its own row and column alone",
    ),
)


def relative(keys: Iterable[str]) -> str | None:
    """A clause about the first relative whose keys these are."""
    keys = list(keys)
    whitened = any(key.endswith("conv_mask.weight") for key in keys) and any(
        ".theta." in key for key in keys
    )
    if whitened:
        _, name, why = _RELATIVES[0]
        return f"{name}: {why}"
    for pattern, name, why in _RELATIVES:
        if any(re.search(pattern, key) for key in keys):
            return f"{name}: {why}"
    return None
