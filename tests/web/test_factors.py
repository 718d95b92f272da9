"""The file of factors that the browser gets, beside what node's tests read from it."""

import numpy as np
import torch

from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.web.factors import factor_file


def test_factors_beyond_float16_stay_finite_and_large() -> None:
    query = torch.tensor([[1e6], [-1e6], [2.5]])[None, None]
    affinity = Factored(Pairwise(), query, query, (1, 1, 3), (1, 1, 3))
    file = factor_file(affinity)
    assert file is not None
    sent = np.frombuffer(file.content, "<f2", count=3)
    np.testing.assert_array_equal(sent, np.array([65504, -65504, 2.5], np.float16))
