"""Several models on one page: which are offered, who answers, and what stays when one takes over."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.web import models as models_module
from nonlocal_viz.web.desk import Desk
from nonlocal_viz.web.models import Models
from nonlocal_viz.web.views import Views, examples, named
from nonlocal_viz.zoo import read_manifest
from tests.web.rows import painted_right

FIRST = examples()[0]
OTHER = "dot_product"


def test_the_shipped_models_are_offered_and_a_backbone_is_not(shipped_lens: Lens) -> None:
    manifest, models = read_manifest(), Models(shipped_lens)
    assert next(iter(models.titles)) == models.own == manifest.default
    assert set(models.titles) == {n for n, info in manifest.models.items() if info.has_blocks}
    assert any(not info.has_blocks for info in manifest.models.values())
    assert {"gaussian", "dot_product", "concatenation", "labels_only"} < set(models.titles)
    assert models.lens() is shipped_lens and models.lens(OTHER) is models.lens(OTHER)
    assert models.lens(OTHER).source.block("layer2.1").instantiation == "dot_product"
    assert set(models.expectations) == set(models.titles)
    # The title of one says it already.
    assert [name for name, words in models.expectations.items() if not words] == ["labels_only"]


def test_the_best_block_is_the_one_that_was_measured_to_be(shipped_lens: Lens) -> None:
    models = Models(shipped_lens)
    assert models.best_block() == models.best_block("embedded_gaussian") == "layer3.1"
    assert models.best_block(OTHER) == "layer2.1"
    assert models.best_block("nobody") == models.best_block()
    for name, info in read_manifest().models.items():
        best = models.best_block(name) if name in models.titles else None
        if best is not None:
            assert info.metrics[f"{best} ap"] == max(info.metrics[f"{b} ap"] for b in info.blocks)


@pytest.mark.parametrize("name", ["nobody", "resnet18", "../models/manifest.json", 7, "", ["a"]])
def test_a_model_that_is_not_offered_is_one_sentence(shipped_lens: Lens, name: object) -> None:
    with pytest.raises(CheckpointError, match=r"There is no model .* choose one of"):
        Models(shipped_lens).lens(name)


def test_a_model_of_ones_own_comes_first_and_needs_no_zoo(
    make_model, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Models(Lens(make_model()))
    assert next(iter(own.titles)) == "resnet18" and len(own.titles) > 1

    def gone() -> None:
        raise NonlocalVizError("the folder is missing")

    monkeypatch.setattr(models_module, "read_manifest", gone)
    alone = Models(Lens(make_model()))
    assert list(alone.titles) == ["resnet18"]
    assert (own.best_block(), own.expectations["resnet18"], alone.best_block()) == (None, "", None)


def test_nothing_is_known_of_a_model_that_only_has_the_name_of_a_shipped_one(make_model) -> None:
    model = make_model()
    model.about = replace(model.about, name=OTHER, title="Mine")
    models = Models(Lens(model))
    assert (models.own, models.best_block(), models.expectations[OTHER]) == (OTHER, None, "")
    assert models.best_block("embedded_gaussian") == "layer3.1"


def test_views_of_two_models_are_kept_apart(shipped_lens: Lens, tmp_path: Path) -> None:
    views = Views(shipped_lens, tmp_path)
    source = {"example": FIRST.name}
    ours, theirs = views.get(source), views.get({**source, "model": OTHER})
    assert ours is views.get({**source, "model": views.models.own}) is views.get(source)
    assert theirs is views.get({**source, "model": OTHER}) is not ours
    x, y = FIRST.query
    assert not np.allclose(ours.query(x, y).map, theirs.query(x, y).map)


def test_the_desk_answers_as_the_model_that_was_named(shipped_lens: Lens, tmp_path: Path) -> None:
    desk = Desk(Views(shipped_lens, tmp_path))
    *_, found = desk.open({"example": FIRST.name, "model": OTHER, "weights": "mine"})
    assert found["source"] == {"example": FIRST.name, "model": OTHER}
    assert found["first"]["instantiation"] == "dot_product" and found["first"]["signed"]
    assert named({"model": {"path": "x"}}) == {}


@pytest.mark.browser
def test_another_model_answers_the_same_question(visit: Any, shipped_lens: Lens) -> None:
    seen = visit()
    titles = seen.page.locator(".nlv-model option").all_text_contents()
    assert len(titles) == len(Models(shipped_lens).titles)
    seen.hover(0.4, 0.6)
    seen.page.locator(".nlv-sheet").click(position={"x": 200, "y": 150})
    seen.page.keyboard.press("p")
    before = seen.answer()
    assert seen.page.locator(".nlv-pin").count() == 1
    seen.page.locator(".nlv-model").select_option(OTHER)
    seen.wait(f"tool.ready && tool.model === '{OTHER}'")
    after = seen.answer()
    assert [after[k] for k in ("x", "y", "cell", "block")] == [
        before[k] for k in ("x", "y", "cell", "block")
    ]
    view = Models(shipped_lens).lens(OTHER).open(FIRST.path)
    painted_right(view, after)
    assert min(after["weights"]) < 0
    # The pin stays, of the model that it was asked of, and can be asked of this one, too.
    assert seen.page.locator(".nlv-pin.foreign").count() == 1
    seen.page.locator('[data-do="againall"]').click()
    assert [(p["number"], p["model"] == OTHER) for p in seen.tool("pinned")] == [
        (1, False),
        (2, True),
    ]
    # Another picture keeps the model.
    seen.page.locator(".nlv-thumbs button").nth(1).click()
    seen.wait(f"tool.ready && tool.answer.block && tool.model === '{OTHER}' && tool.pins === 0")
    seen.page.keyboard.press("n")
    seen.wait(f"tool.ready && tool.model !== '{OTHER}'")
    assert seen.errors == []


@pytest.mark.browser
def test_a_link_names_the_model(visit: Any) -> None:
    seen = visit(query=f"?example={FIRST.name}&model={OTHER}")
    seen.wait(f"tool.ready && tool.model === '{OTHER}'")
    assert seen.page.locator(".nlv-model").input_value() == OTHER
    seen.page.locator('[data-do="link"]').click()
    assert f"model={OTHER}" in seen.page.url
    # A name that nobody knows opens the page's own model.
    plain = visit(query="?model=nobody")
    assert plain.errors == [] and plain.page.locator(".nlv-error").is_hidden()


def test_a_file_of_somebodys_own_may_have_our_name(make_model: Any) -> None:
    model: NonLocalResNet = make_model()
    model.about = replace(model.about, name=OTHER)
    models = Models(Lens(model))
    assert models.lens(OTHER).source is model and list(models.titles).count(OTHER) == 1


def test_a_link_that_names_a_model_as_it_was_once_called_opens_it(shipped_lens: Lens) -> None:
    models = Models(shipped_lens)
    assert models.called("collapsed") == "labels_only" and "collapsed" not in models.titles
    assert models.lens("collapsed") is models.lens("labels_only")
    assert models.called("nothing") is None and models.called(3) is None
