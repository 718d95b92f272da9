"""The model that differs from the shipped one in everything, on the page and over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.lens import Lens
from nonlocal_viz.render import DIVERGING, SEQUENTIAL
from nonlocal_viz.view import View
from nonlocal_viz.web.views import examples
from tests.web.conftest import serve
from tests.web.rows import coloured_right

FIRST = examples()[0]


@pytest.fixture(scope="module")
def unusual(unusual_model) -> Iterator[str]:
    with serve(unusual_model) as url:
        yield url


@pytest.fixture(scope="module")
def view(unusual_model) -> View:
    return Lens(unusual_model).open(FIRST.path)


@pytest.mark.browser
def test_the_page_shows_its_rows_columns_colours_and_assumptions(
    unusual: str, view: View, visit: Any
) -> None:
    page = visit(at=unusual)
    assert (
        page.answer()["block"] == "layer3.1"
        and page.page.locator(".nlv-model").input_value() == "unusual"
    )
    assert page.page.locator(".nlv-assumed li").all_text_contents() == ["Its colours are guessed."]
    assert "quince" not in page.page.locator(".nlv").text_content()
    for block, table in (("layer3.1", SEQUENTIAL[0]), ("layer2.0", DIVERGING[0])):
        if page.answer()["block"] != block:
            page.page.keyboard.press("b")
            page.wait(f"tool.answer.block === '{block}'")
        for direction in ("row", "column"):
            page.page.locator("[data-set=direction]").select_option(direction)
            page.hover(0.3, 0.4)
            answer = page.answer()
            assert answer["direction"] == direction
            ask = view.query if direction == "row" else view.column
            row = ask(answer["x"], answer["y"], block=block)
            weights = np.array(answer["weights"])
            assert list(row.query_cell) == answer["cell"] and list(row.grid.cells) == answer["grid"]
            greatest = np.abs(row.map).max()
            # The factors travel as float16.
            np.testing.assert_allclose(weights, row.map.ravel(), atol=2e-2 * greatest, rtol=0)
            assert (weights.min() < 0) == (row.map.min() < 0) == row.signed
            if len(page.painted()) == 4 * weights.size:  # even cells: a pixel a cell
                coloured_right(page.painted(), weights, table, signed=row.signed)
    assert not page.errors


def test_the_endpoint_answers_with_its_numbers(unusual: str, view: View, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    client = Client(unusual, verbose=False, download_files=str(tmp_path))
    told = {}
    for block in ("layer2.0", ""):
        for direction in ("row", "column"):
            found, _ = client.predict(
                image=handle_file(FIRST.path), x=300, y=200, block=block, direction=direction,
                api_name="/affinity",
            )  # fmt: skip
            ask = view.query if direction == "row" else view.column
            row = ask(300, 200, block=block or None)
            np.testing.assert_allclose(found["weights"], row.map, atol=1e-5)
            told[block, direction] = found
            assert found["query_cell"] == list(row.query_cell)
    assert told["", "row"]["block"] == "layer3.1" and told["layer2.0", "row"]["entropy"] is None
    assert told["", "row"]["entropy"] is not None and told["", "column"]["entropy"] is None
    assert told["", "row"]["assumptions"] == ["Its colours are guessed."]
    assert told["layer2.0", "row"]["instantiation"] == "dot_product"
    assert told["layer2.0", "row"]["min"] < 0
