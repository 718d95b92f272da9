"""The recipe in small: factors of the walk, folding, one real run end to end with a stand-in teacher."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.errors import MediaError
from nonlocal_viz.training import batches as batches_module
from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training import losses as losses_module
from nonlocal_viz.training import precision as precision_module
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.evaluate import average_precision, evaluate
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.images import find_images, load_squares
from nonlocal_viz.training.losses import (
    border_loss,
    cut_off,
    log_rows,
    losses,
    outline_loss,
    relational_loss,
)
from nonlocal_viz.training.segments import open_segments
from nonlocal_viz.training.student import NormalisedBlock, Student
from nonlocal_viz.training.targets import POWERS, target_rows


def test_average_precision_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6], [1.0, 2.0, 3.0, 4.0]])
    positive = torch.tensor([[True, False, True, False], [False, False, False, True]])
    assert average_precision(scores, positive).tolist() == pytest.approx([(1 + 2 / 3) / 2, 1.0])


@pytest.mark.parametrize("instantiation", ["embedded_gaussian", "dot_product", "concatenation"])
def test_folding_the_normalisation_changes_nothing(instantiation: str) -> None:
    torch.manual_seed(0)
    block = NormalisedBlock(8, dimension=2, sub_sample=False, instantiation=instantiation)
    torch.nn.init.normal_(block.W[1].weight)
    for _ in range(20):
        block(torch.randn(4, 8, 5, 5) * 3 + 1)
    block.eval()
    plain = block.folded()
    assert type(plain) is NonLocalBlock
    x = torch.randn(2, 8, 5, 5) * 3 + 1
    torch.testing.assert_close(plain(x), block(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        plain(x, return_nl_map=True)[1], block(x, return_nl_map=True)[1], atol=1e-5, rtol=1e-4
    )


def test_a_student_exports_what_it_computes() -> None:
    torch.manual_seed(0)
    student = Student(Config().architecture).eval()
    x = torch.randn(1, 3, 64, 64)
    logits, maps, predictions = student(x)
    plain_logits, plain_maps = student.export()(x, return_nl_map=True)
    torch.testing.assert_close(plain_logits, logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        plain_maps["layer2.1"].dense(), maps["layer2.1"].dense(), atol=1e-5, rtol=1e-4
    )
    assert predictions["layer3.1"].shape == (1, 400, 4, 4)


def test_the_whole_way_from_a_folder_to_a_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in, ticking
) -> None:
    monkeypatch.setattr(cache_module, "Teacher", stand_in)
    made = cache_module.open_cache([folder], tmp_path / "cache", side=64)
    assert len(made) == 8 and made.walk.shape == (8, 64, 8, 8)
    monkeypatch.setattr(cache_module, "Teacher", None)  # a second opening must not need it
    cache = cache_module.open_cache([folder], tmp_path / "cache", side=64)

    config = Config(
        minutes=0.2, batch=4, warm_up=2, phases=(Phase(0.75, 64), Phase(0.25, 64, head=True))
    )
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr("nonlocal_viz.training.fit.LOG_EVERY", 1)
    model = fit(cache, config, log, device="cpu", clock=ticking)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["head"] for line in lines} == {True, False}
    trunk = [line["rows layer2.1"] for line in lines if not line["head"]]
    assert (len(trunk), len(lines)) == (9, 12) and min(trunk) < trunk[0]
    assert torch.isfinite(model(torch.randn(1, 3, 64, 64))).all()


def test_views_and_targets_are_of_the_same_region(cache: Cache) -> None:
    batch = Batches(cache, 8, seed=0, device=torch.device("cpu")).draw(64)
    assert batch.pixels.shape == (8, 3, 64, 64) and batch.rows[16].shape == (8, 16, 16)
    cells = torch.nn.functional.avg_pool2d(batch.pixels, 8).flatten(2).transpose(1, 2)
    alike = torch.cdist(cells, cells) < 0.05
    # Pictures of two flat halves: a row's weight lies within its own half, wherever the crop was, but for
    # what 64 steps carry over the mixed cells of the seam. Rows of another crop do worse.
    inside = (batch.rows[8] * alike).sum(-1)
    assert float(inside.median()) > 0.85
    astray = (batch.rows[8].roll(1, 0) * alike).sum(-1)
    assert float(astray.median()) < 0.8


def test_targets_are_sharpened_for_those_that_can_follow(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = torch.device("cpu")
    sharp = Batches(cache, 4, 0, device).draw(64).rows
    plain = Batches(cache, 4, 0, device, sharpened=False).draw(64).rows
    for stride, power in POWERS.items():
        expected = plain[stride] ** power
        expected /= expected.sum(-1, keepdim=True)
        torch.testing.assert_close(sharp[stride], expected, atol=1e-6, rtol=1e-3)
    asked: list[bool] = []
    real = Batches.__init__

    def watched(self: Batches, *args, sharpened: bool = True, **kwargs) -> None:
        asked.append(sharpened)
        real(self, *args, sharpened=sharpened, **kwargs)

    monkeypatch.setattr(Batches, "__init__", watched)
    for instantiation in ("embedded_gaussian", "dot_product"):
        fit(cache, Config(minutes=0.0, batch=2, instantiation=instantiation), device="cpu")
    assert asked == [True, False]


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


def test_enlarged_views_get_detail_and_others_do_not(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(Batches, "_detailed", lambda self, pixels: drawn.append(1) or pixels)
    batches = Batches(cache, 2, 0, torch.device("cpu"))
    batches.draw(64)
    assert not drawn
    batches.draw(80)
    assert drawn
    monkeypatch.undo()
    edge = torch.full((1, 3, 32, 32), 0.4)
    edge[..., 16:] = 0.6
    detailed = batches._detailed(edge.repeat(50, 1, 1, 1))
    assert float(detailed.mean()) == pytest.approx(0.5, abs=0.01)
    steps = detailed[..., 16].mean((1, 2)) - detailed[..., 15].mean((1, 2))
    assert 0.2 < float(steps.mean()) < 0.2 * (1 + batches_module.SHARPEN)
    assert float(steps.std()) > 0.02  # by another amount each


def test_a_row_that_relu_cuts_off_whole_costs() -> None:
    query, key = torch.tensor([[[0.5], [-4.0]]]), torch.tensor([[[1.0], [2.0], [-9.0]]])
    affinity = Affinity("concatenation", query, key, (1, 1, 2), (1, 1, 3))
    assert float(cut_off(affinity)) == pytest.approx((0 + 3) / 2)
    for other in ("dot_product", "embedded_gaussian"):
        assert float(cut_off(Affinity(other, query, key, (1, 1, 2), (1, 1, 3)))) == 0


def test_folders(folder: Path, tmp_path: Path, capsys) -> None:
    assert len(find_images([folder])) == 9
    assert load_squares(find_images([folder]), 32).shape == (8, 32, 32, 3)
    assert "broken.jpg" in capsys.readouterr().out
    with pytest.raises(MediaError, match="no folder"):
        find_images([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="No image"):
        find_images([tmp_path / "empty"])


@pytest.fixture
def coco(tmp_path: Path, picture: np.ndarray) -> Path:
    """One photo of four flat quarters, two of them instances."""
    (tmp_path / "coco" / "images").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "coco" / "images" / "a.png")
    corners = [[0, 0, 44, 0, 44, 29, 0, 29]], [[45, 30, 89, 30, 89, 59, 45, 59]]
    document = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "segmentation": c, "iscrowd": 0} for c in corners]
        + [{"image_id": 2, "segmentation": [[0, 0, 2, 0, 2, 2]], "iscrowd": 0}],
    }
    (tmp_path / "coco" / "instances.json").write_text(json.dumps(document))
    return tmp_path / "coco"


def test_evaluation(coco: Path, tiny_model) -> None:
    photos = list(open_segments(coco))
    assert len(photos) == 1 and photos[0].masks.shape == (2, 60, 90)
    labels = photos[0].cells((6, 9))
    assert labels[0, 0] != labels[5, 8] and labels[5, 0] == -1
    scores = evaluate(tiny_model, photos, short_side=64)
    summary = scores["layer2.1"].summary()
    # Colour tells the quarters apart; chance is the share of a quarter.
    assert summary["ap_colour"] > 0.9 and summary["ap_chance"] == pytest.approx(0.23, abs=0.04)
    assert 0 <= summary["query_dependence"] <= 1 and 0 < summary["ap"] <= 1
    low, high = scores["layer2.1"].interval("ap")
    assert low == high == pytest.approx(summary["ap"], abs=1e-4)
    with pytest.raises(MediaError, match="instances"):
        list(open_segments(coco / "images"))


def test_large_views_compare_some_rows_and_compare_them_right(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few queries' rows and losses are those that the whole map has at these queries."""
    monkeypatch.setattr(batches_module, "QUERIES", 5)
    batch = Batches(cache, 4, 0, torch.device("cpu")).draw(64)
    assert batch.rows[8].shape == (4, 5, 64) and len(set(batch.queries[8].tolist())) == 5
    torch.manual_seed(0)
    query, key = torch.randn(2, 4, 64, 3).unbind(0)
    whole = Affinity("embedded_gaussian", query, key, (1, 8, 8), (1, 8, 8))
    picked = batch.queries[8]
    torch.testing.assert_close(log_rows(whole, picked), log_rows(whole)[:, picked])
    factors, some = torch.rand(2, 9, 4), torch.tensor([1, 7])
    torch.testing.assert_close(target_rows(factors, some), target_rows(factors)[:, some])


def test_large_outputs_are_scaled_into_float16_without_changing_them() -> None:
    """Rows that do not sum to 1 can make y, and so the variance behind W_z, very large."""
    torch.manual_seed(0)
    block = NormalisedBlock(8, dimension=2, sub_sample=False, instantiation="concatenation").eval()
    with torch.no_grad():
        block.W[1].running_var.copy_(torch.tensor([1e9, 2e4, 5.0, 1.0, 1e5, 1e6, 7e7, 0.1]))
        block.W[1].running_mean.copy_(torch.randn(8) * 1e5)
        block.W[1].weight.fill_(0.7)
        x = torch.randn(2, 8, 5, 5)
        plain = block.folded()
        torch.testing.assert_close(plain(x), block(x), atol=1e-4, rtol=1e-3)
    assert float(plain.W[1].running_var.max()) < 1e4
    assert plain.W[1].running_var[2] == 5 and float(plain.W[1].running_mean[0].abs()) < 65504
    # The student itself is left as it was.
    assert float(block.W[1].running_var.max()) == 1e9


def test_half_precision_is_used_where_it_is_tried_and_quicker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {torch.bfloat16: 1.0, torch.float32: 2.0}
    monkeypatch.setattr(precision_module, "_seconds", seconds.__getitem__)
    monkeypatch.setattr(precision_module, "half_precision", lambda device: True)
    tried = precision_module.trains_faster_in_half.__wrapped__  # not what this process found before
    assert tried("cpu")
    seconds[torch.bfloat16] = 3.0
    assert not tried("cpu")
    monkeypatch.setattr(precision_module, "half_precision", lambda device: False)
    seconds[torch.bfloat16] = 0.0
    assert not tried("cpu")  # emulated: not even tried
