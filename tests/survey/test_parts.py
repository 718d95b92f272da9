"""A survey without its workers: what it is of, the numbers of a picture, what is kept, and the report."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nonlocal_viz as nv
from nonlocal_viz.core.diagnostics import block_stats, map_stats
from nonlocal_viz.errors import MediaError, NonlocalVizError, WritingError
from nonlocal_viz.survey import driver
from nonlocal_viz.survey.items import Item, find_items, read_item
from nonlocal_viz.survey.numbers import COLUMNS, NUMBERS, rows_of
from nonlocal_viz.survey.parts import SCHEMA, Parts, begin_anew
from nonlocal_viz.survey.report import MEANINGS, report
from nonlocal_viz.survey.worker import Look, Worker
from tests.web.test_hostile import png


@pytest.fixture
def folder(tmp_path: Path, picture: np.ndarray) -> Path:
    place = tmp_path / "photos"
    (place / "below" / ".hidden").mkdir(parents=True)
    for i, name in enumerate(("b.png", "below/a.png", ".secret.png", "below/.hidden/c.png")):
        (place / name).write_bytes(png(np.roll(picture, 5 * i, 1)))
    (place / "broken.jpg").write_bytes(b"no picture")
    return place


def names(source: Path) -> list[str]:
    return [item.name for item in find_items(str(source))]


def test_a_folder_is_all_below_it_that_is_not_hidden(folder: Path) -> None:
    assert names(folder) == ["b.png", "below/a.png", "broken.jpg"]
    assert read_item(find_items(str(folder))[0]) == (folder / "b.png").read_bytes()
    assert names(folder / "b.png") == ["b.png"]


def test_a_list_names_files_beside_itself(folder: Path) -> None:
    listed = folder / "list.txt"
    listed.write_text(f"# two\nbelow/a.png\n\n{folder / 'b.png'}\nbelow/a.png\nnot-there.png\n")
    items = find_items(str(listed))
    assert sorted(item.name for item in items) == sorted(
        ["below/a.png", str(folder / "b.png"), "not-there.png"]
    )
    contents = {item.name: item for item in items}
    assert read_item(contents["below/a.png"]) == (folder / "below/a.png").read_bytes()
    with pytest.raises(MediaError, match=r"^not-there\.png cannot be read \(.*\)\.$"):
        read_item(contents["not-there.png"])


@pytest.mark.parametrize("kind", ["bytes", "struct", "path"])
def test_a_data_set_has_pictures_in_its_rows(folder: Path, tmp_path: Path, kind: str) -> None:
    contents = [(folder / "b.png").read_bytes(), (folder / "below/a.png").read_bytes()]
    columns: dict[str, Any] = {
        "bytes": {"bytes": contents, "id": ["x", "x"]},
        "struct": {"image": [{"bytes": c, "path": None} for c in contents], "label": [1, 2]},
        "path": {"path": ["photos/b.png", "photos/below/a.png"]},
    }[kind]
    pq.write_table(pa.table(columns), tmp_path / "set.parquet")
    items = find_items(str(tmp_path / "set.parquet"))
    assert [read_item(item) for item in items] == contents
    wanted = {"bytes": ["x", "x (2)"], "struct": ["row 0", "row 1"], "path": columns.get("path")}
    assert [item.name for item in items] == wanted[kind]


def test_a_folder_of_data_sets_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    for i in range(2):
        table = pa.table({"bytes": [(folder / "b.png").read_bytes()], "name": [f"n{i}"]})
        pq.write_table(table, tmp_path / "sets" / f"{i}.parquet")
    assert names(tmp_path / "sets") == ["0.parquet:n0", "1.parquet:n1"]


def test_what_is_no_source_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    for name, words in {
        "empty": "no picture in",
        "none": "There is no",
        "text.parquet": "no column of pictures",
        "bad.txt": "is no text",
        "cut.parquet": "cannot be looked into",
        "s4://bucket/x": "cannot be looked into",
    }.items():
        with pytest.raises(MediaError, match=words):
            find_items(name if "://" in name else str(tmp_path / name))


def test_the_numbers_are_those_of_the_core(tiny_model: Any, picture: np.ndarray) -> None:
    lens = nv.Lens(tiny_model, 32)
    rows = rows_of(lens, "a", png(picture), (), 8)
    view = lens.open(png(picture))
    assert [row["block"] for row in rows] == list(view.blocks)
    for row in rows:
        assert row.keys() == COLUMNS.keys() and row["error"] == ""
        stats = map_stats(view.affinity(row["block"]))
        assert row["query_dependence"] == pytest.approx(stats.query_dependence)
        anatomy = view.anatomy(row["block"])
        x, z = anatomy.x.transpose(1, 2), anatomy.z.transpose(1, 2)
        assert row["residual_share"] == pytest.approx(block_stats(x, z).residual_share)
        assert 0 < row["distance"] < 1 and row["seconds"] > 0
        assert (row["width"], row["height"], row["frames"]) == (90, 60, 1)
        assert row["queries"] == view.affinity(row["block"]).shape[1]
    only = rows_of(lens, "a", png(picture), view.blocks[-1:], 8)
    assert [row["block"] for row in only] == [view.blocks[-1]]


def test_what_fails_is_a_row(tiny_model: Any, picture: np.ndarray, monkeypatch: Any) -> None:
    lens = nv.Lens(tiny_model, 32)
    (row,) = rows_of(lens, "a", b"junk", (), 8)
    assert (row["name"], row["block"]) == ("a", "") and "not a picture" in row["error"]
    assert all(math.isnan(row[name]) for name in NUMBERS)
    (row,) = rows_of(lens, "a", png(picture), ("none",), 8)
    assert "There is no block 'none'" in row["error"]
    monkeypatch.setattr(nv.Lens, "open", lambda *_a, **_k: 1 / 0)
    (row,) = rows_of(lens, "a", png(picture), (), 8)
    assert row["error"].startswith("ZeroDivisionError")


def test_a_clip_has_as_many_frames_as_are_asked_for(tiny_model: Any) -> None:
    from nonlocal_viz.media import encode_webm

    moving = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3)).astype(np.uint8)
    rows = rows_of(nv.Lens(tiny_model, 32), "a", encode_webm(list(moving), 8.0), (), 3)
    assert {row["frames"] for row in rows} == {3} and rows[0]["queries"] % 3 == 0


def test_a_worker_answers_for_every_item(folder: Path) -> None:
    worker = Worker(Look(short_side=32, blocks=("layer3.1",)), "cpu")
    items = [*find_items(str(folder)), Item("gone", str(folder / "gone.png"))]
    found = worker(pa.Table.from_pylist([item._asdict() for item in items]))
    assert found.schema == SCHEMA
    told = {row["name"]: row["error"] for row in found.to_pylist()}
    assert told.keys() == {"b.png", "below/a.png", "broken.jpg", "gone"}
    assert [bool(told[n]) for n in ("b.png", "below/a.png", "broken.jpg", "gone")] == [0, 0, 1, 1]


def rows(*said: str) -> pa.Table:
    plain = {"string": "", "int32": 0, "float32": 0.0}
    empty = {name: plain[kind] for name, kind in COLUMNS.items()}
    return pa.Table.from_pylist([{**empty, "name": name} for name in said], SCHEMA)


def test_parts_become_one_file_in_the_order_of_names(tmp_path: Path) -> None:
    out = tmp_path / "stats.parquet"
    parts = Parts(out, {"model": "a"})
    parts.add(rows("c"))
    parts.add(rows("a"))
    # As after a cut: another goes on, and neither overwrites the other's.
    again = Parts(out, {"model": "a"})
    assert again.done() == {"a", "c"}
    again.add(rows("b"))
    assert again.finish().column("name").to_pylist() == ["a", "b", "c"]
    assert pq.read_table(out).column("name").to_pylist() == ["a", "b", "c"]
    assert list(tmp_path.iterdir()) == [out]
    assert Parts(out, {"model": "a"}).done() == {"a", "b", "c"}
    with pytest.raises(WritingError, match="another survey"):
        Parts(out, {"model": "b"})
    begin_anew(out)
    assert Parts(out, {"model": "b"}).done() == set()


def test_parts_of_another_survey_are_not_gone_on_with(tmp_path: Path) -> None:
    out = tmp_path / "stats.parquet"
    Parts(out, {"model": "a"}).add(rows("c"))
    with pytest.raises(WritingError, match="another survey"):
        Parts(out, {"model": "b"})


def test_the_report_shows_both_ends_and_escapes_names(
    tiny_model: Any, picture: np.ndarray, tmp_path: Path
) -> None:
    lens, items, told = nv.Lens(tiny_model, 32), [], []
    for i in range(13):
        name = f"<b>{i}.png"
        (tmp_path / f"{i}.png").write_bytes(png(np.roll(picture, 7 * i, 1) // (1 + i % 3)))
        items.append(Item(name, str(tmp_path / f"{i}.png")))
        told += rows_of(lens, name, (tmp_path / f"{i}.png").read_bytes(), (), 8)
    told += rows_of(lens, "<i>bad", b"junk", (), 8)
    (tmp_path / "0.png").unlink()
    page = report(pa.Table.from_pylist(told, SCHEMA), items, lens, "a & b", 8)
    assert "<title>a &amp; b</title>" in page and "14 pictures" in page and "1 failed" in page
    assert "<b>0.png" not in page and "&lt;b&gt;0.png" in page and "&lt;i&gt;bad: " in page
    blocks = len({row["block"] for row in told} - {""})
    assert page.count("<img ") + page.count("no longer there") == 2 * 10 * blocks
    assert page.count("<svg ") + page.count("not told of") == len(NUMBERS) * blocks
    assert 'src="data:image/jpeg' in page and "http" not in page
    # The first of the first list has the largest number.
    best = max(
        (r for r in told if r["block"]), key=lambda r: (r["block"] == "", r["query_dependence"])
    )
    assert f"{best['query_dependence']:.3f}</figcaption>" in page
    assert MEANINGS.keys() == set(NUMBERS)


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NonlocalVizError, match="pip install"), driver._cluster(driver.Plan()):
        pass
