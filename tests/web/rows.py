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
    """The weights that the page holds are those of Affinity, within float16."""
    wanted = expected(view, answer)
    got = np.array(answer["weights"])
    assert got.shape == wanted.shape
    # Factors travel as float16: 11 bits of each, so a few thousandths of a weight.
    np.testing.assert_allclose(got, wanted, rtol=2e-2, atol=2e-3 * wanted.max())
