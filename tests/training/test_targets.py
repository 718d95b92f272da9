"""Target rows against the walk written out: its steps, its balance on a part of an image, its power."""

import pytest
import torch

from nonlocal_viz.training.targets import TEMPERATURE, exact_rows, target_rows, walk_factors


def smooth_similarity(n: int = 36) -> torch.Tensor:
    torch.manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(2, n, 3), dim=-1)
    return points @ points.transpose(1, 2)


def test_target_rows_are_64_steps_of_the_walk_balanced() -> None:
    s = smooth_similarity()
    w = ((s - 1) / TEMPERATURE).exp().double()
    scale = w.sum(-1).rsqrt()
    walk = torch.linalg.matrix_power(scale.unsqueeze(-1) * w * scale.unsqueeze(-2), 64)
    for _ in range(2):
        scale = walk.sum(-1).rsqrt()
        walk = scale.unsqueeze(-1) * walk * scale.unsqueeze(-2)
    rows = target_rows(walk_factors(s, 30))
    expected = walk / walk.sum(-1, keepdim=True)
    torch.testing.assert_close(rows.double(), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(exact_rows(s).double(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 36))


def test_the_border_of_a_part_gets_as_much_weight_as_its_middle() -> None:
    """A picture in which only the distance counts, and the middle half of it."""
    place = torch.cartesian_prod(torch.arange(16.0), torch.arange(16.0))
    s = 1 - torch.cdist(place, place)[None] / 6
    factors = walk_factors(s, 96).view(1, 16, 16, 96)[:, 4:12, 4:12].reshape(1, 64, 96)
    totals = target_rows(factors)[0].sum(0).view(8, 8)
    border = torch.cat([totals[0], totals[-1], totals[:, 0], totals[:, -1]]).mean()
    assert float(border / totals[3:5, 3:5].mean()) == pytest.approx(1, abs=0.05)
    plain = factors[0] @ (factors[0].T @ factors[0]) @ factors[0].T
    unbalanced = (plain / plain.sum(-1, keepdim=True)).sum(0).view(8, 8)
    assert float(unbalanced[0].mean() / unbalanced[3:5, 3:5].mean()) < 0.9


def test_a_power_sharpens_target_rows_and_keeps_their_order() -> None:
    factors = walk_factors(smooth_similarity(), 30)
    rows, sharp = target_rows(factors), target_rows(factors, power=2.0)
    torch.testing.assert_close(sharp, rows**2 / (rows**2).sum(-1, keepdim=True))
    torch.testing.assert_close(target_rows(factors * 0.01, power=2.0), sharp)
