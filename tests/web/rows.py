"""What a page shows against what Affinity says."""

from typing import Any

import numpy as np

from nonlocal_viz.lens import View
from nonlocal_viz.render import VEIL_ALPHA, lookup, normalise
from nonlocal_viz.render.scales import colour_index, solidity


def expected(view: View, answer: dict[str, Any]) -> np.ndarray:
    """The row or column straight from Affinity, for the cell that the page says it shows."""
    affinity = view.affinity(answer["block"])
    ask = affinity.row if answer["direction"] == "row" else affinity.column
    return ask(answer["index"])[0].numpy()


def painted_right(view: View, answer: dict[str, Any]) -> None:
    """The weights that the page holds are those of Affinity, to a thousandth of the greatest."""
    wanted = expected(view, answer)
    got = np.array(answer["weights"])
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-3 * np.abs(wanted).max())


def coloured_right(
    painted: Any,
    weights: Any,
    cmap: str,
    scale: str = "linear",
    *,
    signed: bool = False,
    **greatest: float,
) -> None:
    """What a canvas has, RGBA a cell, are these weights in the colours of a veil of the Python side."""
    pixels = np.asarray(painted, np.float64).reshape(-1, 4)
    level = normalise(np.asarray(weights, np.float32).ravel(), scale, signed, **greatest)
    solid = VEIL_ALPHA * solidity(level, veil=True)
    assert np.abs(pixels[:, 3] / 255 - solid).max() <= 0.01
    # A canvas keeps colours times opacity, in bytes: of what is nearly clear no colour is left.
    wanted = lookup(cmap)[colour_index(level, signed, veil=True)] * solid[:, None]
    assert np.abs(pixels[:, :3] * pixels[:, 3:] / 255 - wanted).max() <= 5
