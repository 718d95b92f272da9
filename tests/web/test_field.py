"""Layers and heads on the page: small pictures of one row in all of them, tokens that lie on no cell, and
networks that are opened by name."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import nonlocal_viz as nv
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.errors import CheckpointError, QueryError
from nonlocal_viz.web import field as fields
from nonlocal_viz.web import models
from nonlocal_viz.web.desk import Desk
from nonlocal_viz.web.page import page_config
from nonlocal_viz.web.serve import _alone, _hosts
from nonlocal_viz.web.views import Views
from tests.web.conftest import serve


@pytest.fixture(scope="module")
def source() -> Any:
    """Two layers of three heads over 4 x 4 cells, a class token and two registers; random weights."""
    torch.manual_seed(3)
    net = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, reg_tokens=2)
    for block in net.blocks:
        block.attn.qkv.weight.data.mul_(8)  # rows that are not nearly even
    return nv.attach(net.eval(), prepare=nv.Prepare(size=(64, 64), crop=1.0))


@pytest.fixture(scope="module")
def desk(source: Any, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("uploads")
    noise = np.random.default_rng(5).integers(0, 256, (80, 80, 3), np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    return Desk(Views(nv.Lens(source), folder))


ASKED = {"source": {"upload": "noise.png"}, "block": "blocks.1.attn", "x": 50, "y": 30}


def last(answers: Any) -> dict[str, Any]:
    *_, found = answers
    return found


def numbers(file: dict[str, Any], kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(file["url"].partition("base64,")[2]), kind)


@pytest.mark.parametrize("token", [None, "class", "register 2"])
def test_the_tiles_are_the_rows_of_all_layers_and_heads(desk: Desk, token: str | None) -> None:
    found = last(desk.field({**ASKED, "token": token}))
    tiles, view = numbers(found["tiles"], "u1"), desk.views.get(ASKED["source"])
    assert [layer["block"] for layer in found["layers"]] == list(view.blocks)
    assert (found["token"], found["tokens"]) == (token, ["class", "register 1", "register 2"])
    for layer in found["layers"]:
        assert (layer["heads"], layer["rows"], layer["columns"], layer["signed"]) == (
            3,
            4,
            4,
            False,
        )
        affinity = view.affinity(layer["block"])
        rows = affinity.rows([(0, 1, 2) if token is None else token], heads=True, off_grid=True)[
            0, :, 0
        ]
        for head, row in enumerate(rows):
            own = tiles[layer["offset"] + 16 * head : layer["offset"] + 16 * (head + 1)]
            np.testing.assert_allclose(own, 255 * row[3:] / row[3:].max(), atol=0.51)
            shares = {kind: layer["shares"][kind][head] for kind in layer["shares"]}
            assert shares == pytest.approx(
                {"class": float(row[0]), "register": float(row[1] + row[2])}, abs=1e-4
            )
        assert layer["proof"] and max(layer["proof"].values()) < 1e-4
        assert layer["notes"] == list(affinity.notes)


def test_a_place_that_was_cut_away_and_a_token_that_there_is_not_are_said(desk: Desk) -> None:
    with pytest.raises(QueryError, match="No block here has a token"):
        last(desk.field({**ASKED, "token": "nobody"}))
    with pytest.raises(QueryError):
        last(desk.field({**ASKED, "x": 800}))


def test_large_grids_are_averaged_and_signed_rows_have_their_middle() -> None:
    torch.manual_seed(0)
    affinity = Factored(
        INSTANTIATIONS["dot_product"],
        torch.randn(1, 2, 32 * 48, 4),
        torch.randn(1, 2, 32 * 48, 4),
        (1, 32, 48),
        (1, 32, 48),
    )
    rows = affinity.rows([7], heads=True)[0, :, 0]
    tiles = fields._tiles(rows, affinity)
    assert tiles.shape == (2, 16, 16)
    torch.testing.assert_close(tiles[1, 0, 1], rows[1].view(32, 48)[:2, 3:6].mean())
    steps = np.frombuffer(fields._bytes(tiles, signed=True), "u1").reshape(2, 16, 16)
    top = np.abs(tiles.numpy()).max((1, 2), keepdims=True)
    np.testing.assert_allclose(steps, 127.5 + 127.5 * tiles.numpy() / top, atol=0.51)
    assert not fields._shares(rows, affinity)


def test_a_row_and_a_download_are_of_one_head_or_of_a_token(desk: Desk) -> None:
    view = desk.views.get(ASKED["source"])
    for asked, row in (
        ({"head": 2}, view.query(50, 30, block="blocks.1.attn", head=2)),
        ({"head": 9}, view.query(50, 30, block="blocks.1.attn")),
        ({"token": "register 1", "head": 1}, view.token("register 1", "blocks.1.attn", 1)),
        ({"direction": "column", "head": 0}, view.column(50, 30, block="blocks.1.attn", head=0)),
    ):
        found = last(desk.row({**ASKED, **asked}))
        np.testing.assert_array_equal(numbers(found["weights"], "<f4"), row.map.ravel())
        assert found["head"] == row.head
    named = last(desk.save({**ASKED, "head": 1, "token": "register 1", "suffix": "csv"}))["name"]
    assert "-blocks.1.attn-head1-row-register-1.csv" in named
    assert "-row-x50-y30.csv" in last(desk.save({**ASKED, "suffix": "csv"}))["name"]


def test_models_are_opened_by_name_only_by_who_runs_the_page(source: Any, tmp_path: Path) -> None:
    lens = nv.Lens(source)
    closed, opens = Views(lens, tmp_path), Views(lens, tmp_path, opens=True)
    assert "opens" not in page_config(closed) and page_config(opens)["opens"] is True
    with pytest.raises(CheckpointError, match="choose one of"):
        closed.models.lens("torchvision:vit_b_16")
    for name in ("os:getcwd", "nobody.pt", "\0", "a" * 5000):
        with pytest.raises(CheckpointError, match="There is no file"):
            opens.models.lens(name)


def test_the_newest_opened_models_are_kept(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opens = models.Models(nv.Lens(source), opens=True)
    before = set(opens.titles)
    monkeypatch.setattr(models, "load_model", lambda name, device: source)
    for i in range(5):
        assert opens.lens(f"timm:net{i}") is opens.lens(f"timm:net{i}")
    assert set(opens.titles) - before == {"timm:net2", "timm:net3", "timm:net4"}
    assert opens.best_block("timm:net4") is None


@pytest.mark.parametrize(
    ("host", "given", "options", "alone"),
    [
        ("127.0.0.1", None, {}, True),
        ("localhost", None, {"inbrowser": True}, True),
        ("0.0.0.0", None, {}, False),
        ("127.0.0.1", ["viz.example.org"], {}, False),
        ("127.0.0.1", ["127.0.0.1"], {}, False),
        ("127.0.0.1", None, {"root_path": "/viz"}, False),
        ("127.0.0.1", None, {"share": True}, False),
        ("127.0.0.1", None, {"auth": [("a", "b")]}, False),
    ],
)
def test_who_is_alone(host: str, given: Any, options: dict[str, Any], alone: bool) -> None:
    assert _alone(_hosts(host, given, options), given, options) is alone


def test_the_page_of_such_a_network(source: Any, visit: Any) -> None:
    with serve(source) as url:
        opened = visit(query="?example=cat&x=220&y=150", at=url)
        page = opened.page
        view = nv.Lens(source).open(nv.examples()["cat"])
        page.wait_for_function("document.querySelectorAll('.nlv-fieldname').length == 2")
        assert page.locator(".nlv-multiple").count() == 3
        page.get_by_role("button", name="What does the class token look at?").click()
        opened.wait("tool.answer.token === 'class'")
        np.testing.assert_allclose(
            opened.answer()["weights"], view.token("class").map.ravel(), rtol=2e-3
        )
        page.wait_for_function(
            "document.querySelector('.nlv-headslead').textContent.startsWith('What the class')"
        )
        page.locator(".nlv-multiple").nth(2).click()
        opened.wait("tool.answer.head === 2")
        weights = view.token("class", head=2).map.ravel()
        np.testing.assert_allclose(opened.answer()["weights"], weights, rtol=2e-3)
        box = page.locator(".nlv-fieldcanvas").bounding_box()
        page.mouse.click(box["x"] + 40, box["y"] + 5)
        opened.wait("tool.answer.block === 'blocks.0.attn' && tool.answer.head === 1")
        page.evaluate("scrollTo(0, 0)")
        opened.click(0.4, 0.6)
        opened.wait("tool.answer.token === null && tool.held")
        asked = opened.answer()
        row = view.query(asked["x"], asked["y"], block="blocks.0.attn", head=1)
        np.testing.assert_allclose(asked["weights"], row.map.ravel(), rtol=2e-3)
        assert "head=1" in page.url and "block=blocks.0.attn" in page.url
        # Beside the square that the network was given nothing is asked, and that is said.
        assert view.seen.left > 20
        opened.click(0.03, 0.6)
        page.get_by_text("The network never saw this place").first.wait_for()
        assert opened.answer()["x"] == asked["x"] and opened.answer()["weights"] == asked["weights"]
        opened.click(0.5, 0.6)
        opened.wait(f"tool.answer.x > {asked['x'] + 10}")
        page.get_by_text("The network never saw this place").first.wait_for(state="hidden")
        assert not opened.errors


def test_nothing_of_it_shows_for_the_shipped_model(visit: Any) -> None:
    page = visit().page
    assert page.locator(".nlv-heads").is_hidden() and page.locator(".nlv-headfield").is_hidden()
