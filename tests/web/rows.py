"""What a page shows against what Affinity says."""

from typing import Any

import numpy as np

from nonlocal_viz.lens import View


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
