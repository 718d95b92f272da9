import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.cli import main


@pytest.fixture(scope="module")
def weights(tmp_path_factory, tiny_model) -> Path:
    from nonlocal_viz.zoo import ModelInfo, save_model

    folder = tmp_path_factory.mktemp("weights")
    architecture = {
        "depth": 18,
        "blocks": ["layer2.1", "layer3.1"],
        "padding_mode": "replicate",
    }
    saved = save_model(tiny_model, folder, ModelInfo("small", architecture=architecture))
    return folder / saved.file


def run(*args: object) -> int:
    return main([str(a) for a in args])


def test_overlay(weights: Path, photo_path: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "overlay.png"
    options = ("--model", weights, "--short-side", 64, "--device", "cpu")
    assert run("overlay", photo_path, "--at", "50,20", "--out", out, *options) == 0
    with Image.open(out) as png:
        assert png.size == (90, 60)
    assert "looks most at" in capsys.readouterr().out
    table = tmp_path / "row.npz"
    args = ("--at", "50,20", "--block", "layer3.1", "--column", "--json", "--out", table)
    assert run("overlay", photo_path, *args, *options) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["block"] == "layer3.1" and printed["direction"] == "column"
    with np.load(table) as numbers:
        assert float(numbers["weights"].max()) == pytest.approx(printed["max"])


def test_odd_files_get_the_right_picture_or_one_sentence(
    weights: Path, odd_files, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "overlay.png"
    options = ("--model", weights, "--short-side", 32, "--device", "cpu", "--out", out, "--force")
    for name, (path, size) in odd_files.items():
        code = run("overlay", path, "--at", "0,0", *options)
        err = capsys.readouterr().err
        if size is None:
            assert code == 2, name
            assert err.startswith("nonlocal-viz: error: ") and err.count("\n") == 1, name
            assert "Traceback" not in err and err.rstrip().endswith("."), name
        else:
            assert code == 0 and ("Encoded at a short side" in err) == (name == "sliver.png"), name
            with Image.open(out) as png:
                assert png.size == size, name


def test_video(weights: Path, picture: np.ndarray, tmp_path: Path, capsys) -> None:
    from nonlocal_viz.media import encode_webm, open_video

    frames = [np.roll(picture, 9 * t, axis=1) for t in range(6)]
    (tmp_path / "clip.webm").write_bytes(encode_webm(frames))
    out = tmp_path / "overlay.webm"
    options = ("--model", weights, "--short-side", 64, "--device", "cpu", "--at", "50,20")
    asked = ("video", tmp_path / "clip.webm", "--frame", 1, "--frames", 3)
    assert run(*asked, "--out", out, *options) == 0
    assert len(open_video(out)) == 3
    assert "of frame 1, at pixel" in capsys.readouterr().out
    assert run(*asked, "--per-frame", "--json", "--out", tmp_path / "a.npz", *options) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["grid"][0] == 1 and printed["first_frame"] == 1
    out = tmp_path / "other.webm"
    assert run("video", tmp_path / "clip.webm", "--frame", 7, "--out", out, *options) == 2
    assert "frames go from 0" in capsys.readouterr().err
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert run("video", tmp_path / "broken.mp4", "--out", out, *options) == 2
    assert "not a video" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--at", "500,20"), "outside the picture"),
        (("--at", "x"), "two numbers"),
        (("--at", "nan,3"), "finite"),
        (("--block", "layer9.1"), "layer2.1, layer3.1"),
        (("--out", "nowhere/o.png"), "no folder"),
        (("--out", "o.gif"), ".png, .npz"),
        (("--cmap", "mango"), "magma"),
        (("--scale", "sqrt"), "linear"),
        (("--at", "5"), "two numbers"),
        (("--model", "large"), "default"),
        (("--model", "none.pth"), "no checkpoint"),
        (("--device", "tpu9"), "Unknown device"),
    ],
)
def test_slips_get_one_sentence(
    weights: Path,
    photo_path: Path,
    capsys,
    changed: tuple[str, str],
    words: str,
    tmp_path,
    monkeypatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    args = {"--at": "50,20", "--model": str(weights), "--short-side": "32", "--device": "cpu"}
    args.update([changed])
    flat = [part for pair in args.items() for part in pair]
    assert run("overlay", photo_path, *flat) == 2
    err = capsys.readouterr().err
    assert err.startswith("nonlocal-viz: error: ") and words in err and "Traceback" not in err


def test_a_broken_photo(weights: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    for name in ("bad.jpg", "none.jpg", "."):
        assert run("overlay", tmp_path / name, "--at", "1,1", "--model", weights) == 2
    assert capsys.readouterr().err.count("nonlocal-viz: error:") == 3


def test_zoo(capsys) -> None:
    assert run("zoo") == 0
    assert "(default)" in capsys.readouterr().out


def test_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nonlocal_viz"]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "overlay" in done.stdout
    done = subprocess.run(
        [*command, "overlay", str(tmp_path / "none.png"), "--at", "1,2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr and "none.png" in done.stderr
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "COMMAND" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "--port", "70000"), "--port is a number between 1 and 65535, not 70000."),
        (("serve", "--port", "-1"), "--port"),
        (("overlay", "a.png", "--at", "1,1", "--alpha", "nan"), "--alpha"),
        (("overlay", "a.png", "--at", "1,1", "--alpha", "most"), "--alpha takes a number"),
        (("overlay", "a.png", "--at", "1,1", "--short-side", "0"), "at least 1, not 0"),
        (("video", "a.mp4", "--at", "1,1", "--stride", "0"), "--stride is a number above 0"),
        (("video", "a.mp4", "--at", "1,1", "--start", "inf"), "--start"),
        (("video", "a.mp4", "--at", "1,1", "--frames", "2.5"), "--frames takes a whole number"),
        (("train", "a", "--minutes", "nan"), "--minutes"),
        (("train", "a", "--rate", "0"), "--rate"),
        (("train", "a", "--batch", "0"), "--batch"),
        (("train", "a", "--seed", "-1"), "--seed"),
        (("evaluate", "a", "--cells", "0"), "--cells"),
        (("evaluate", "a", "--seed", "99999999999999999999"), "--seed"),
        (("train", "a", "--minutes", "0"), "--minutes is a number above 0"),
        (("sheet", "a.png", "--tile", "10000"), "--tile"),
        (("evaluate", "a", "--short-side", "256,0"), "--short-side"),
    ],
)
def test_a_number_out_of_its_range_is_one_sentence(words, said: str, capsys) -> None:
    assert run(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("nonlocal-viz: error: ") and said in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["../evil", "my model", "default", "", "a/b"])
def test_a_name_that_no_model_can_have_is_refused_before_training(
    tmp_path: Path, capsys, name: str
) -> None:
    out = tmp_path / "runs"
    assert run("train", tmp_path, "--name", name, "--out", out) == 2
    assert "cannot be the name of a model" in capsys.readouterr().err
    assert not out.exists()


def test_what_is_assumed_about_a_model_is_said(
    make_model, photo_path: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    model = make_model()
    model.about = replace(model.about, assumptions=("Its padding was guessed.",))
    monkeypatch.setattr("nonlocal_viz.zoo.opening.load_model", lambda *_: model)
    words = ("overlay", photo_path, "--at", "5,5", "--out", tmp_path / "o.csv")
    assert run(*words, "--short-side", 32) == 0
    assert capsys.readouterr().err == "note: Its padding was guessed.\n"
    assert run(*words[:4], "--short-side", 32, "--json") == 0
    assert json.loads(capsys.readouterr().out)["assumptions"] == ["Its padding was guessed."]


def test_a_network_of_ones_own_from_the_folder_one_is_in(
    photo_path: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    code = """
from torch import nn
class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(8, 8, 1) for _ in range(3))
    def forward(self, x):
        q, k, v = (f(x).flatten(2).mT for f in (self.q, self.k, self.v))
        return x + ((q @ k.mT).softmax(-1) @ v).mT.view_as(x)
def net():
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), Pixels())
"""
    (tmp_path / "somebodys_code.py").write_text(code, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    out = ("--out", tmp_path / "o.csv", "--force")
    words = ("overlay", photo_path, "--at", "5,5", "--short-side", 32, *out)
    assert run(*words, "--module", "somebodys_code:net", "--head", 0) == 0
    said = capsys.readouterr()
    assert "1, head 0: the cell in row 0" in said.out and "ImageNet are assumed" in said.err
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "best.pth")
    given = ("--module", "somebodys_code:net", "--checkpoint", tmp_path / "best.pth")
    assert run(*words, *given) != 0 and "does not fit this network" in capsys.readouterr().err
    assert run(*words, "--module", "nothing") != 0 and "CODE:NET" in capsys.readouterr().err
    assert run(*words, "--checkpoint", "x.pth") != 0 and "--model FILE" in capsys.readouterr().err
