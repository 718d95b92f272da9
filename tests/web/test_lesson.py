"""What the lesson asks of the server, without a browser: tensors, proofs, cousins, the dozen lines."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nonlocal_viz as nv
from nonlocal_viz.core.ancestor import nonlocal_means
from nonlocal_viz.errors import BlockError, CheckpointError, OptionError, QueryError
from nonlocal_viz.limits import Limits
from nonlocal_viz.web import by_hand
from nonlocal_viz.web.desk import Desk
from nonlocal_viz.web.views import Views

AT = {"block": "layer2.1", "x": 50, "y": 20, "frame": 0}


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory, picture: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("uploads")
    Image.fromarray(picture).save(folder / "photo.png")
    return folder


def desk_of(model: Any, uploads: Path, limits: Limits | None = None) -> Desk:
    lens = nv.Lens(model, 64, limits) if limits else nv.Lens(model, 64)
    return Desk(Views(lens, uploads))


def ask(desk: Desk, want: object, source: dict[str, Any] | None = None, **more: Any) -> Any:
    question = {"source": source or {"upload": "photo.png"}, "want": want, **AT, **more}
    *_, last = desk.lesson(question)
    assert last["kind"] == "lesson" and last["want"] == want
    return last


def read(numbers: dict[str, Any]) -> np.ndarray:
    raw = base64.b64decode(numbers["file"]["url"].partition("base64,")[2])
    kind = {"float32": "<f4", "float16": "<f2"}[numbers["type"]]
    return np.frombuffer(raw, kind).reshape(numbers["shape"]).astype(np.float32)


NAMES = ["x", "theta", "phi", "g", "y", "projected", "added", "z", "weight", "bias", "sizes"]


@pytest.mark.parametrize("least", [0, 1 << 30])
def test_tensors_are_those_of_the_block(unusual_model: Any, uploads: Path, least: int) -> None:
    desk = desk_of(unusual_model, uploads, Limits(lesson_bytes=least))
    found = ask(desk, "tensors", names=NAMES, block="layer3.1")["tensors"]
    anatomy = desk.views.get({"upload": "photo.png"}).anatomy("layer3.1")
    assert list(found) == NAMES
    for name, numbers in found.items():
        whole = anatomy.sizes() if name == "sizes" else getattr(anatomy, name)
        wanted = (whole if name in ("weight", "bias") else whole[0]).numpy()
        assert numbers["type"] == ("float32" if least else "float16")
        np.testing.assert_allclose(read(numbers), wanted, rtol=0 if least else 1e-3, atol=1e-6)


def test_tensors_that_are_none_or_too_much_are_refused(tiny_model: Any, uploads: Path) -> None:
    desk = desk_of(tiny_model, uploads)
    for names in (None, [], ["x", "w"], "x", [["x"]], [1]):
        with pytest.raises(OptionError, match="tensors of a block are x"):
            ask(desk, "tensors", names=names)
    with pytest.raises(OptionError, match="fewer frames"):
        ask(desk_of(tiny_model, uploads, Limits(factor_bytes=100)), "tensors", names=["x"])
    with pytest.raises(OptionError, match="tensors, same, cousin, code"):
        ask(desk, "everything")
    with pytest.raises(OptionError, match="asks for"):
        ask(desk, ["same"])
    with pytest.raises(QueryError, match="frame"):
        ask(desk, "tensors", names=["x"], frame=3)
    with pytest.raises(BlockError):
        ask(desk, "tensors", names=["x"], block="layer9.9")


def test_the_same_numbers_in_torchs_attention(tiny_model: Any, uploads: Path) -> None:
    desk = desk_of(tiny_model, uploads)
    found = ask(desk, "same")
    row = desk.views.get({"upload": "photo.png"}).query(50, 20, block="layer2.1")
    np.testing.assert_allclose(read(found["weights"]), row.map.ravel(), atol=1e-5)
    assert 0 < found["map_difference"] < 1e-5 and 0 < found["z_difference"] < 1e-4
    assert found["queries"] == row.map.size and found["z_greatest"] > 1


def test_what_is_not_the_same_is_seen(
    tiny_model: Any, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nonlocal_viz.web import lesson

    def spoiled(block: Any) -> torch.nn.MultiheadAttention:
        heads = nv.as_attention(block)
        with torch.no_grad():
            heads.in_proj_weight[0] += 0.5
        return heads

    monkeypatch.setattr(lesson, "as_attention", spoiled)
    found = ask(desk_of(tiny_model, uploads), "same")
    assert found["map_difference"] > 1e-3 and found["z_difference"] > 1e-3


def test_of_many_queries_some_are_compared(
    tiny_model: Any, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nonlocal_viz.web import lesson

    monkeypatch.setattr(lesson, "_ALL", 500)
    monkeypatch.setattr(lesson, "_PART", 200)
    found = ask(desk_of(tiny_model, uploads), "same")
    assert 1 <= found["queries"] <= 7 and found["map_difference"] < 1e-5


def test_a_block_that_pools_first_is_asked_with_its_pooled_keys(
    unusual_model: Any, uploads: Path
) -> None:
    desk = desk_of(unusual_model, uploads)
    found = ask(desk, "same", block="layer3.1")
    assert found["map_difference"] < 1e-5
    with pytest.raises(OptionError, match="no softmax"):
        ask(desk, "same", block="layer2.0")


def test_a_cousin_is_the_block_of_another_model(tiny_model: Any, uploads: Path) -> None:
    desk = desk_of(tiny_model, uploads)
    found = ask(desk, "cousin", model="dot_product")
    assert found["model"] == "dot_product" and found["cousin"]["signed"]
    assert found["cousin"]["block"] == "layer2.1" and found["cousin"]["factors"]
    with pytest.raises(CheckpointError):
        ask(desk, "cousin", model="nobody")


def test_the_ancestor_is_one_of_them(tiny_model: Any, uploads: Path, picture: np.ndarray) -> None:
    desk = desk_of(tiny_model, uploads)
    block = ask(desk, "cousin", model="nonlocal_means")["cousin"]
    view = desk.views.get({"upload": "photo.png"})
    assert block["instantiation"] == "nonlocal_means" and block["channels"] == 28
    assert tuple(block["queries"]["cells"]) == view.query_grid("layer2.1").cells
    raw = base64.b64decode(block["factors"]["url"].partition("base64,")[2])
    section = next(s for s in block["sections"] if s["name"] == "query")
    query = np.frombuffer(raw, "<f4", int(np.prod(section["shape"])), section["offset"])
    own = nonlocal_means(torch.from_numpy(picture), view.query_grid("layer2.1").cells)
    np.testing.assert_allclose(query, own.query.numpy().ravel(), atol=1e-6)


def test_frames_by_themselves_have_an_ancestor_each(tiny_model: Any, uploads: Path) -> None:
    desk = desk_of(tiny_model, uploads)
    clip = {"example": "bunny-clip", "frames": 2, "spacetime": False}
    apart = ask(desk, "cousin", clip, model="nonlocal_means")["cousin"]
    together = ask(desk, "cousin", {**clip, "spacetime": True}, model="nonlocal_means")["cousin"]
    assert apart["queries"]["cells"] == together["queries"]["cells"]
    assert 2 * apart["span"] == together["span"]
    found = ask(desk, "same", clip, frame=1)
    assert found["map_difference"] < 1e-5 and found["queries"] == apart["span"]
    tensors = ask(desk, "tensors", {**clip, "spacetime": True}, frame=1, names=["x"])["tensors"]
    assert tensors["x"]["shape"][0] == together["span"]


@pytest.fixture(scope="module")
def shipped(uploads: Path) -> Desk:
    return Desk(Views(nv.Lens("default"), uploads))


ASTRONAUT = {"example": "astronaut"}


def test_a_dozen_lines_compute_what_the_page_shows(shipped: Desk) -> None:
    found = ask(shipped, "code", ASTRONAUT, x=160, y=400)
    row = shipped.views.get(ASTRONAUT).query(160, 400, block="layer2.1")
    np.testing.assert_allclose(read(found["weights"]), row.map[0], atol=1e-6)
    assert found["map_difference"] < 1e-5 and found["z_difference"] < 1e-5
    assert found["map_greatest"] > 0.01 and found["z_greatest"] > 1
    assert found["gaps"] == {gap: list(choices) for gap, choices in by_hand.GAPS.items()}
    assert "(theta @ phi.T).softmax(dim=-1)" in found["text"]
    # The text runs as it is printed, for whoever copies it.
    names: dict[str, Any] = {}
    exec(found["text"], names)
    torch.testing.assert_close(names["A"].sum(-1), torch.ones(len(names["A"])))


@pytest.mark.parametrize("wrong", [{"product": 1}, {"product": 2}, {"softmax": 1}, {"softmax": 2}])
def test_wrong_lines_run_and_show_another_map(shipped: Desk, wrong: dict[str, int]) -> None:
    found = ask(shipped, "code", ASTRONAUT, x=160, y=400, **wrong)
    assert found["map_difference"] > 1e-3 and found["z_difference"] > 1e-2
    (gap, choice) = next(iter(wrong.items()))
    assert by_hand.GAPS[gap][choice] in found["text"]
    assert np.isfinite(read(found["weights"])).all()


def test_lines_are_run_for_a_photo_of_ones_own(shipped: Desk, uploads: Path) -> None:
    found = ask(shipped, "code")
    row = shipped.views.get({"upload": "photo.png"}).query(50, 20, block="layer2.1")
    np.testing.assert_allclose(read(found["weights"]).ravel(), row.map.ravel(), atol=1e-6)
    assert found["map_difference"] < 1e-5 and ".open('photo.png')" in found["text"]
    assert str(uploads) not in found["text"]


def test_lines_that_are_not_run_are_there_to_be_copied(shipped: Desk, uploads: Path) -> None:
    clip = ask(shipped, "code", {"example": "bunny-clip", "frames": 2})
    assert "weights" not in clip and ", frames=2)" in clip["text"] and len(clip["gaps"]) == 2
    small = desk_of(nv.load_model("default", "cpu"), uploads, Limits(lesson_map_bytes=1000))
    assert "weights" not in ask(small, "code")


def test_lines_are_run_for_what_ships_alone(shipped: Desk, tiny_model: Any, uploads: Path) -> None:
    for choice in (3, -1, True, 1.0, "0", None):
        with pytest.raises(OptionError, match="choices 0 to 2"):
            ask(shipped, "code", ASTRONAUT, product=choice)
    with pytest.raises(OptionError, match="models that come with"):
        ask(desk_of(tiny_model, uploads), "code", ASTRONAUT)
    with pytest.raises(OptionError, match="another"):
        ask(shipped, "code", {**ASTRONAUT, "model": "gaussian"})
    with pytest.raises(QueryError):
        ask(shipped, "code", ASTRONAUT, x=9999)
