"""What stands beside the picture, in Chromium: it never jumps, and its sums hold for the shipped models."""

import math

import pytest

from nonlocal_viz.web.models import Models
from nonlocal_viz.web.views import examples
from tests.web.rows import painted_right

FIRST = examples()[0]
PLACES = [(0.1, 0.1), (0.4, 0.5), (0.5, 0.85), (0.9, 0.2), (0.62, 0.4)]
pytestmark = pytest.mark.browser


def test_nothing_jumps_while_the_pointer_moves(visit) -> None:
    seen = visit()
    heights = set()
    for x, y in PLACES:
        seen.hover(x, y)
        heights.add(seen.page.locator(".nlv-readout").bounding_box()["height"])
    assert len(heights) == 1


def test_a_crop_marks_its_region_for_pointer_and_keyboard(visit, shipped_lens) -> None:
    seen = visit()
    (x, y), view = FIRST.query, shipped_lens.open(FIRST.path)
    region = view.query(x, y).regions(1)[0]
    crop, mark = seen.page.locator(".nlv-crop").first, seen.page.locator(".nlv-key")
    assert f"{100 * region.share:.0f} % of the row" in crop.get_attribute("aria-label")
    crop.focus()
    picture, box = seen.page.locator(".nlv-sheet").bounding_box(), mark.bounding_box()
    factor = picture["width"] / view.size[0]
    assert box["width"] == pytest.approx((region.rect.right - region.rect.left) * factor, abs=1)
    assert box["x"] - picture["x"] == pytest.approx(region.rect.left * factor, abs=1)
    crop.blur()
    assert not mark.is_visible()
    crop.hover()
    assert mark.is_visible()


@pytest.mark.parametrize("model", ["embedded_gaussian", "gaussian", "dot_product", "labels_only"])
def test_the_sum_of_a_shipped_model_holds_by_hand(visit, shipped_lens, model: str) -> None:
    seen = visit(query=f"?example={FIRST.name}&model={model}&block=layer3.1")
    seen.page.locator(".nlv-lesson summary").first.click()
    view = Models(shipped_lens).lens(model).open(FIRST.path)
    for x, y in PLACES:
        seen.hover(x, y)
        painted_right(view, seen.answer())

        def printed(name: str) -> str:
            return seen.page.locator(f"[data-live={name}]").last.inner_text()

        score, weight = float(printed("score")), printed("weight")
        if model == "dot_product":
            made = score / int(printed("span"))
        else:
            made = math.exp(score - float(printed("normaliser")))
        digits = len(weight.split("e")[0].lstrip("-0.").replace(".", ""))
        assert digits >= 3
        assert f"{made:.{digits}g}" == f"{float(weight):.{digits}g}"
