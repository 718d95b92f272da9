import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.cli import main
from nonlocal_viz.sheet import draw_sheet, encode_sheet, read_subjects

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, make_model) -> dict[str, Path]:
    """name -> file, one of softmax and one of signed rows."""
    from nonlocal_viz.zoo import ModelInfo, save_model

    found = {}
    for name in ("embedded_gaussian", "dot_product"):
        folder = tmp_path_factory.mktemp(name)
        architecture = {
            "depth": 18,
            "blocks": ["layer2.1", "layer3.1"],
            "padding_mode": "replicate",
            "block": {"instantiation": name},
        }
        info = ModelInfo(name, architecture=architecture)
        found[name] = folder / save_model(make_model(instantiation=name), folder, info).file
    return found


@pytest.fixture
def queries(tmp_path: Path, photo_path: Path) -> Path:
    path = tmp_path / "sheet.json"
    path.write_text(json.dumps({photo_path.name: [[10, 10], [80, 50]]}))
    return path


def run(*args: object) -> int:
    return main(["sheet", *map(str, args)])


def small(zoo: dict[str, Path], *names: str) -> tuple[object, ...]:
    models = [zoo[name] for name in names or ("embedded_gaussian",)]
    return (
        "--models",
        ",".join(map(str, models)),
        "--short-side",
        32,
        "--device",
        "cpu",
        "--tile",
        60,
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".pdf"])
def test_sheet_of_a_list(zoo, queries: Path, tmp_path: Path, capsys, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    asked = small(zoo, "embedded_gaussian", "dot_product")
    assert run("--queries", queries, *asked, "--out", out) == 0
    printed = capsys.readouterr()
    assert "wrote" in printed.out and "asking" in printed.err
    if suffix == ".pdf":
        assert out.read_bytes().startswith(b"%PDF")
        return
    with Image.open(out) as page:
        assert page.width > 3 * 60 and page.height > 2 * 40


def test_photos_without_a_list_get_four_queries(zoo, photo_path: Path) -> None:
    from nonlocal_viz.sheet import Subject

    options = {"short_side": 32, "tile": 60, "device": "cpu"}
    model = [str(zoo["embedded_gaussian"])]
    found = draw_sheet([Subject(photo_path)], model, **options)
    by_hand = Subject(photo_path, ((30, 20), (60, 20), (30, 40), (60, 40)))
    np.testing.assert_array_equal(found, draw_sheet([by_hand], model, **options))


def test_several_blocks_are_columns(zoo, queries: Path) -> None:
    subjects = read_subjects(queries)
    options = {"short_side": 32, "tile": 60, "device": "cpu"}
    one = draw_sheet(subjects, [str(zoo["dot_product"])], ["layer2.1"], **options)
    two = draw_sheet(subjects, [str(zoo["dot_product"])], ["layer2.1", "layer3.1"], **options)
    # The second line of headers names the blocks.
    assert two.shape[1] >= one.shape[1] and two.shape[0] > one.shape[0]


def test_photos_that_are_named_choose_from_the_list(
    zoo, queries: Path, photo_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    Image.open(photo_path).rotate(180).save(other)
    queries.write_text(json.dumps({"photo.png": [[10, 10]], "weak": {"other.png": [[1, 1]]}}))
    assert [subject.section for subject in read_subjects(queries)] == ["", "weak"]
    sizes = []
    for named in ((), (photo_path,)):
        out = tmp_path / f"out{len(sizes)}.png"
        command = (*named, "--queries", queries, "--columns", 1, *small(zoo), "--out", out)
        assert run(*command) == 0
        with Image.open(out) as page:
            sizes.append(page.height)
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "no list of photos"),
        ("{}", "no list of photos"),
        ('{"weak": {}}', "names no photo"),
        ('{"photo.png": 3}', "list of points"),
        ('{"photo.png": []}', "list of points"),
        ('{"photo.png": [[1]]}', "two numbers"),
        ('{"photo.png": [[1, true]]}', "two numbers"),
        ('{"photo.png": [["a", 1]]}', "two numbers"),
        ('{"photo.png": [[NaN, 1]]}', "outside photo.png"),
        ('{"photo.png": [[90, 1]]}', "outside photo.png, which is 90 x 60"),
        ('{"none.png": [[9, 1]]}', "no file none.png"),
        ('{"sheet.json": [[9, 1]]}', "not a picture"),
        ("\udcff", "is not JSON"),
    ],
)
def test_slips_in_the_list_get_one_sentence(
    zoo, queries: Path, capsys, content: str, words: str
) -> None:
    queries.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert run("--queries", queries, *small(zoo), "--out", queries.parent / "o.png") == 2
    err = capsys.readouterr().err
    assert err.startswith("nonlocal-viz: error: ") and words in err and err.count("\n") == 1
    assert not (queries.parent / "o.png").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--models", "large"), "embedded_gaussian"),
        (("--models", "none.pth"), "none.pth"),
        (("--block", "layer9.1"), "layer2.1, layer3.1"),
        (("--out", "o.gif"), ".png, .jpg"),
        (("--out", "nowhere/o.png"), "no folder"),
        (("--cmap", "mango"), "magma"),
        (("--scale", "sqrt"), "linear"),
        (("--alpha", "2"), "between 0 and 1"),
        (("--tile", "3"), "between 40 and 1000"),
        (("--columns", "0"), "1 and 50"),
        (("--short-side", "0"), "at least 1"),
        (("--queries", "none.json"), "no file none.json"),
        (("--queries", "."), "folder"),
    ],
)
def test_slips_get_one_sentence(
    zoo, queries: Path, tmp_path: Path, capsys, monkeypatch, changed: tuple[str, str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["--queries", queries, *small(zoo), "--out", "o.png", *changed]
    assert run(*command) == 2
    err = capsys.readouterr().err.replace("asking embedded_gaussian\n", "")
    assert err.startswith("nonlocal-viz: error: ") and words in err and err.count("\n") == 1


def test_nothing_to_draw(capsys) -> None:
    assert run() == 2
    assert "no photo to draw" in capsys.readouterr().err


def test_a_large_png_gets_a_palette() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    content = encode_sheet(noise, ".png")
    assert len(content) < 1_300_000 and content.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["sheet.json", "weak.json"])
def test_the_lists_of_the_docs_point_into_their_photos(name: str) -> None:
    subjects = read_subjects(ROOT / "docs" / name)
    assert len(subjects) == 8 and any(subject.section for subject in subjects)
    for subject in subjects:
        assert len(subject.points) == 4
        with Image.open(subject.path) as photo:
            assert all(0 <= x < photo.width and 0 <= y < photo.height for x, y in subject.points)
