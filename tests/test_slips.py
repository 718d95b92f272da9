"""Slips on the command line: each is one sentence and exit code 2, before anything long begins."""

import io
import json
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nonlocal_viz import files
from nonlocal_viz.cli import main
from nonlocal_viz.errors import WritingError
from nonlocal_viz.media import open_image

AT = ("--at", "5,5", "--short-side", "32", "--device", "cpu")


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def no_models(monkeypatch) -> None:
    """Whoever loads a model here has begun something long."""
    # Whoever takes the name when it is imported must have the true one after this test.
    for module in ("evaluation.measure", "training.origin", "survey.worker", "web.page"):
        import_module(f"nonlocal_viz.{module}")
    for module in ("nonlocal_viz.sheet", "nonlocal_viz.zoo.loading"):
        monkeypatch.setattr(
            import_module(module), "load_model", lambda *_, **__: pytest.fail("a model is loaded")
        )


def sentence(capsys) -> str:
    err = capsys.readouterr().err
    assert err.startswith("nonlocal-viz: error: ") and err.count("\n") == 1 and err.endswith(".\n")
    return str(err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("overlay", "PHOTO", *AT, "--out", "a.npz", "--scale", "log"), "'scale' changes nothing"),
        (("overlay", "PHOTO", *AT, "--out", "a.csv", "--smooth"), "'smooth' changes nothing"),
        (("overlay", "PHOTO", *AT, "--out", "a.svg", "--caption"), "'caption' changes nothing"),
        (("video", "PHOTO", *AT, "--out", "a.svg", "--cmap", "magma"), "a .svg of a clip"),
        (("overlay", "PHOTO", *AT, "--out", "PHOTO.png"), "is there already; give --force"),
        (("overlay", "PHOTO", *AT, "--out", "folder.png"), "is a folder"),
        (("overlay", "example:dog", *AT), "no example 'dog'; there are astronaut"),
        (("overlay", "none.png", *AT), "no file none.png"),
        (("overlay", "PHOTO", *AT, "--scales", "log"), "no option --scales here"),
        (("overlay", "PHOTO", "b.png", *AT), "no use for 'b.png'"),
        (
            ("sheet", "PHOTO", "--models", "gaussian", "dot_product"),
            "no use for 'dot_product'",
        ),
        (("sheet", "PHOTO", "--model", "gaussian,"), "no list of names"),
        (("sheet", "-"), "standard input is no name"),
        (("sheet", "PHOTO", "--out", "PHOTO.png"), "is there already"),
        (("zoo", "none*"), "No model is called 'none*'"),
        (("evaluate", "a", "--queries", "5"), "no option --queries here"),
        (("evaluate", "a", "--limit", "5"), "--limit is about the images of --imagenette"),
        (("train", "a", "--fresh"), "--fresh is about the blocks that --from"),
        (("train", "a", "--tune", "x", "--instantiation", "gaussian"), "begin with --from"),
        (("evaluate", "a", "--short-side", "a,b"), "--short-side takes a whole number"),
        (("evaluate", "a", "--out", "PHOTO.png"), "is there already"),
        (("evaluate", "a", "--cells", "9" * 5000), "--cells"),
        (("train", "a", "--minutes", "1e99"), "above 0 and up to 1000000"),
        (("train", "a", "--out", "PHOTO.png"), "cannot be made"),
    ],
)
def test_a_slip(
    words: tuple[str, ...],
    said: str,
    photo_path: Path,
    tmp_path: Path,
    monkeypatch,
    capsys,
    no_models,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    before = sorted(tmp_path.rglob("*"))
    names = {"PHOTO": "photo.png", "PHOTO.png": "photo.png"}
    assert run(*(names.get(word, word) for word in words)) == 2
    assert said in sentence(capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_overwritten_unasked(
    photo_path: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "overlay.png").write_bytes(b"mine")
    assert run("overlay", photo_path, *AT) == 2
    assert (tmp_path / "overlay.png").read_bytes() == b"mine"
    assert run("overlay", photo_path, *AT, "--force", "--quiet") == 0
    assert open_image(tmp_path / "overlay.png").shape == (60, 90, 3)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1


def test_json_carries_the_weights_and_writes_no_picture(
    photo_path: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("overlay", photo_path, *AT, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    weights = np.array(told["weights"])
    assert list(weights.shape) == told["grid"] and weights.max() == pytest.approx(told["max"])
    assert told["file"] is None and len(told["x_edges"]) == weights.shape[2] + 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    assert run("overlay", photo_path, *AT, "--json", "--out", "a.csv") == 0
    assert json.loads(capsys.readouterr().out)["file"] == "a.csv" and Path("a.csv").is_file()
    assert run("zoo", "gaussian", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)) == ["gaussian"]


def test_from_standard_input_to_standard_output(
    photo_path: Path, monkeypatch, capsysbinary
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(photo_path.read_bytes())))
    assert run("overlay", "-", *AT, "--out", "-") == 0
    said = capsysbinary.readouterr()
    assert Image.open(io.BytesIO(said.out)).size == (90, 60)
    assert b"looks most at" in said.err and b"wrote" not in said.err


def test_options_in_front_of_photos_do_not_eat_them(
    photo_path: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out.png"
    words = ["sheet", "--model", "gaussian,dot_product", "--block", "layer2.1", "--tile", 60]
    assert run(*words, "--short-side", 32, "--out", out, photo_path) == 0
    said = capsys.readouterr().err
    assert said.index("asking gaussian") < said.index("asking dot_product")
    assert (
        run(*words, "--model", "concatenation", "--quiet", "--force", "--out", out, photo_path) == 0
    )
    assert capsys.readouterr() == ("", "")


def test_what_is_cut_is_said_and_quiet_is_quiet(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (900, 3)).save(tmp_path / "wide.png")
    out = ("--out", tmp_path / "o.csv")
    words = ("overlay", tmp_path / "wide.png", "--at", "1,1", "--short-side", 8, *out)
    assert run(*words) == 0
    assert "note: Encoded at a short side of 3 pixels, not 8" in capsys.readouterr().err
    assert run(*words, "--force", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_place_is_tried_and_nothing_is_left(tmp_path: Path, monkeypatch) -> None:
    files.try_writing(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
    for wrong in (tmp_path, tmp_path / "none" / "a.png"):
        with pytest.raises(WritingError, match="folder"):
            files.try_writing(wrong)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "open", full)
    with pytest.raises(WritingError, match="No space left"):
        files.try_writing(tmp_path / "a.png")


def test_an_overlay_imports_no_more_than_it_needs(photo_path: Path, tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys\nfrom nonlocal_viz.cli import main\n"
        f"main(['overlay', {str(photo_path)!r}, '--at', '5,5', '--out', {str(tmp_path / 'o.png')!r}])\n"
        "print(*sorted(sys.modules))"
    )
    root = Path(files.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    dear = {"torchvision", "torch._dynamo", "gradio", "matplotlib.figure", "sympy"}
    assert dear & loaded == set() and "torch" in loaded
