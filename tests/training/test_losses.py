"""What is minimised, term by term: by hand where a hand can, and through a student where it takes one."""

import numpy as np
import pytest
import torch

from nonlocal_viz.core.affinity import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS, Pairwise
from nonlocal_viz.errors import ShapeError
from nonlocal_viz.training import losses as losses_module
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.losses import (
    border_loss,
    cut_off,
    log_rows,
    losses,
    outline_loss,
    relational_loss,
)
from nonlocal_viz.training.student import Student


def plain(
    name: str, query: torch.Tensor, key: torch.Tensor, *grids: tuple[int, int, int]
) -> Factored:
    """A map of one head, query (B, N, D) and key (B, M, D)."""
    return Factored(INSTANTIATIONS[name], query[:, None], key[:, None], *grids)


def test_relational_loss() -> None:
    target = torch.tensor([[[0.5, 0.5], [0.0, 1.0]]])
    assert float(relational_loss(target.clamp_min(1e-9).log(), target)) == pytest.approx(
        0, abs=1e-6
    )
    uniform = torch.full((1, 2, 2), 0.5)
    assert float(relational_loss(uniform.log(), target)) == pytest.approx(np.log(2) / 2, rel=1e-4)


def test_outline_loss_is_zero_where_rows_end_with_their_target() -> None:
    column = torch.arange(12).float()

    def ends_at(place: float) -> torch.Tensor:
        """Rows (1, 1, 96) over 8 x 12 keys that fall off behind a column."""
        row = torch.sigmoid(2 * (place - column)).expand(8, 12).reshape(1, 1, 96)
        return row / row.sum()

    target = ends_at(5)
    off = [float(outline_loss(ends_at(5 + by).log(), target, (8, 12))) for by in (0, 0.5, 1, 2)]
    assert off[0] == pytest.approx(0, abs=1e-10) and off[0] < off[1] < off[2] < off[3]
    # Turned by a quarter it is the same, and far below the target's greatest weight nothing counts.
    turned = [r.view(8, 12).T.reshape(1, 1, 96) for r in (ends_at(6), target)]
    assert float(outline_loss(turned[0].log(), turned[1], (12, 8))) == pytest.approx(off[2])
    nothing = torch.zeros(1, 1, 96)
    nothing[..., 95] = 1e-6
    assert float(outline_loss((target + nothing).log(), target, (8, 12))) < 1e-4
    scores = torch.zeros(1, 1, 96, requires_grad=True)
    outline_loss(scores.log_softmax(-1), target, (8, 12)).backward()
    assert scores.grad is not None and torch.isfinite(scores.grad).all()
    assert scores.grad.abs().max() > 0


def test_a_phase_says_whether_outlines_count(cache: Cache) -> None:
    student = Student(Config().architecture)
    batch = Batches(cache, 2, 0, torch.device("cpu")).draw(64)
    plain, more = (losses(student, batch, Phase(1, 64, outline=w), 2.0) for w in (0.0, 3.0))
    assert set(more) - set(plain) == {"outline layer2.1", "outline layer3.1"}
    assert all(float(term.detach()) > 0 for term in more.values())


def test_border_loss_is_the_energy_of_what_all_images_have_in_common() -> None:
    torch.manual_seed(0)
    whole = torch.randn(64, 2, 4, 4)
    whole /= whole.var((0, 2, 3), keepdim=True).sqrt()
    assert float(border_loss(whole, whole)) == 0
    shifted = whole.clone()
    shifted[:, 1, 0] += 3.0  # one channel, the upper row of cells, every image
    # Along the rows: 3 in one of four. Along the columns: 3 / 4 in each. Of a variance of 2.
    expected = (9 / 4 + 9 / 16) / 2 / 2
    assert float(border_loss(shifted, whole)) == pytest.approx(expected, rel=1e-4)
    assert float(border_loss(0.1 * shifted, 0.1 * whole)) == pytest.approx(expected, rel=1e-4)
    noisy = whole + 3 * torch.randn_like(whole)
    assert float(border_loss(noisy, whole)) < 0.15


def test_the_border_is_that_of_a_part_of_the_views(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the part is compared with are the same cells as the whole view shows them, and a part's own
    border changes them; the backbone learns nothing from it, and modes are left as they were."""
    compared: list[tuple[torch.Tensor, torch.Tensor]] = []

    def loss(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
        compared.append((part, whole))
        return (part - whole).square().sum()

    monkeypatch.setattr(losses_module, "border_loss", loss)
    torch.manual_seed(0)
    student = Student(Config().architecture)
    student.net.layer1.eval()
    batch = Batches(cache, 2, 3, torch.device("cpu")).draw(208)
    top, left, side = batch.part
    assert (top, left) != (0, 0) and side == 144
    only = Phase(1.0, 208, relational=0.0, features=0.0, border=0.1)
    terms = losses(student, batch, only, temperature=2.0)
    assert list(terms) == ["border"]
    terms["border"].backward()
    block = student.net.block("layer2.1")
    learning = {n for n, p in student.named_parameters() if p.grad is not None}
    assert learning and all(
        n.startswith(("net.nl.layer2_1.theta", "net.nl.layer2_1.phi")) for n in learning
    )
    assert student.net.layer2.training and not student.net.layer1.training
    with torch.no_grad():
        student.eval()
        theta = block.theta(block.norm(student.read(batch.pixels)))
    part, whole = (t.detach() for t in compared[0])
    assert len(compared) == 2 and part.shape == whole.shape == (2, 64, 18, 18)
    expected = theta[..., top // 8 : top // 8 + 18, left // 8 : left // 8 + 18]
    torch.testing.assert_close(whole, expected, atol=1e-3, rtol=1e-3)
    assert float((part - whole)[..., 0, :].abs().max()) > 0.01
    assert "border" not in losses(student, batch, Phase(1.0, 208), temperature=2.0)


@pytest.mark.parametrize(
    ("instantiation", "loses"),
    [("gaussian", False), ("dot_product", True), ("concatenation", True)],
)
def test_every_instantiation_that_projects_has_a_border_loss(
    cache: Cache, instantiation: str, loses: bool
) -> None:
    torch.manual_seed(0)
    student = Student(Config(instantiation=instantiation).architecture)
    batch = Batches(cache, 2, 3, torch.device("cpu")).draw(112)
    terms = losses(student, batch, Phase(1.0, 112, border=1.0), temperature=2.0)
    assert ("border" in terms) == loses
    assert not loses or float(terms["border"].detach()) > 0


def test_a_row_that_relu_cuts_off_whole_costs() -> None:
    query, key = torch.tensor([[[0.5], [-4.0]]]), torch.tensor([[[1.0], [2.0], [-9.0]]])
    affinity = plain("concatenation", query, key, (1, 1, 2), (1, 1, 3))
    assert float(cut_off(affinity)) == pytest.approx((0 + 3) / 2)
    for other in ("dot_product", "embedded_gaussian"):
        assert float(cut_off(plain(other, query, key, (1, 1, 2), (1, 1, 3)))) == 0


def test_rows_to_learn_are_of_scaled_scores_before_the_relu() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(2, 1, n, 3, generator=generator) for n in (4, 5))
    grids = (1, 1, 4), (1, 1, 5)
    scores = 0.25 * torch.einsum("bhqd,bhkd->bqk", query, key)
    softmax = Factored(Pairwise(scale=0.25), query, key, *grids)
    torch.testing.assert_close(log_rows(softmax), scores.log_softmax(-1), atol=1e-5, rtol=1e-5)
    for pairwise in (
        Pairwise(normalise="count", scale=0.25),
        Pairwise(rectify=True, normalise="count", scale=0.25),
    ):
        found = log_rows(Factored(pairwise, query, key, *grids), torch.tensor([3, 1]))
        soft = torch.nn.functional.softplus(scores[:, [3, 1]])
        torch.testing.assert_close(found.exp(), soft / soft.sum(-1, keepdim=True))
        cut = cut_off(Factored(pairwise, query, key, *grids))
        wanted = (
            (1 - scores.amax(-1)).clamp_min(0).mean() if pairwise.rectify else torch.tensor(0.0)
        )
        torch.testing.assert_close(cut, wanted)
    heads = Factored(Pairwise(), query.expand(2, 3, 4, 3), key.expand(2, 3, 5, 3), *grids)
    with pytest.raises(ShapeError, match="one head alone, not of 3"):
        log_rows(heads)
    framed = Factored(Pairwise(), query[:, :, :1], key[:, :, :1], (1, 1, 1), (1, 1, 1)).framed()
    with pytest.raises(ShapeError, match="plain blocks"):
        cut_off(framed)
