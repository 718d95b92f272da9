"""The recipe in small: folding, views, one real run end to end with a stand-in teacher."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.core.affinity import Factored
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.errors import MediaError
from nonlocal_viz.evaluation.evaluate import evaluate
from nonlocal_viz.evaluation.scores import average_precision
from nonlocal_viz.evaluation.segments import open_segments
from nonlocal_viz.training import batches as batches_module
from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training import precision as precision_module
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.images import find_images, load_squares
from nonlocal_viz.training.losses import (
    log_rows,
)
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
    whole = Factored(Pairwise(), query[:, None], key[:, None], (1, 8, 8), (1, 8, 8))
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
