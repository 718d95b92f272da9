"""Colour maps: perceptual ones for weights, diverging ones centred on 0 for signed weights.

The sequential maps start dark, so that the eye goes to the large weights; the diverging default
("managua", Crameri) is dark in its middle for the same reason, and its ends, blue and orange, are told
apart by those who do not tell red from green.
"""

from functools import lru_cache

import numpy as np

from nonlocal_viz.errors import OptionError

SEQUENTIAL: tuple[str, ...] = ("inferno", "magma", "viridis", "cividis")
DIVERGING: tuple[str, ...] = ("managua_r", "berlin", "RdBu_r", "coolwarm")


def default_cmap(signed: bool) -> str:
    """The map that is used when none is named."""
    return DIVERGING[0] if signed else SEQUENTIAL[0]


@lru_cache(maxsize=64)
def lookup(cmap: str) -> np.ndarray:
    """The 256 colours of a map, (256, 3) uint8 RGB, read-only. Any name of matplotlib works.

    Raises:
        OptionError: there is no colour map of that name.
    """
    # Here, so that whoever draws nothing does not wait for it.
    from matplotlib import colormaps

    if cmap not in colormaps:
        raise OptionError(
            f"There is no colour map {cmap!r}; choose one of {', '.join(SEQUENTIAL + DIVERGING)}, "
            "or another name of matplotlib."
        )
    table: np.ndarray = np.rint(colormaps[cmap](np.linspace(0, 1, 256))[:, :3] * 255).astype(
        np.uint8
    )
    table.setflags(write=False)
    return table
