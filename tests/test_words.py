"""What is printed for people runs as printed: README, docs, every --help, the docstrings of the face."""

import doctest
import io
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

import nonlocal_viz as nv
from nonlocal_viz import cli
from nonlocal_viz.commands import commands

ROOT = Path(nv.__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "models" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
#: Held to the parsers alone: it serves, trains, or takes files that only a reader has.
PARSED = "parsed"
FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.S | re.M)


class Block(NamedTuple):
    page: Path
    language: str
    mark: str
    text: str


BLOCKS = [
    Block(page, *found)
    for page in PAGES
    for found in FENCE.findall(page.read_text("utf-8"))
    # tests/probe/test_docs.py runs those of docs/attach.md.
    if page.name != "attach.md"
]


def named(block: Block) -> str:
    return f"{block.page.name}: {block.text.splitlines()[0][:40]}"


def of(language: str, mark: str) -> list[Block]:
    return [block for block in BLOCKS if (block.language, block.mark) == (language, mark)]


def command_lines(text: str) -> list[list[str]]:
    """The words of every call of ours, without what the shell does with its streams."""
    lines = [re.split(r" [<>|] ", line)[0] for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("nonlocal-viz ")]


def parsed(words: list[str]) -> None:
    namespace, extra = cli._parser(words).parse_known_args(words)
    cli._refuse(extra)
    assert callable(namespace.run)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    kinds = {(block.language, block.mark) for block in BLOCKS}
    # tests/web/test_door.py holds the answer in docs/serve.md to the server's.
    ran = {(lang, mark) for lang in ("sh", "python") for mark in ("", PARSED)}
    assert kinds <= ran | {("text", ""), ("json", ""), ("nginx", "")}
    assert len(of("python", "")) >= 5 and len(of("sh", "")) >= 2
    for page in PAGES:
        assert page.read_text("utf-8").count("\n```") == 2 * len(
            FENCE.findall(page.read_text("utf-8"))
        )


@pytest.mark.parametrize("block", of("python", ""), ids=named)
def test_a_block_of_python_runs(block: Block, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.page.name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", of("python", PARSED), ids=named)
def test_a_block_of_python_is_python(block: Block) -> None:
    compile(block.text, block.page.name, "exec")


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``nonlocal-viz`` is this checkout's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    entry = folder / "nonlocal-viz"
    entry.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nonlocal_viz "$@"\n')
    entry.chmod(entry.stat().st_mode | stat.S_IXUSR)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("block", of("sh", ""), ids=named)
def test_a_block_of_the_shell_runs(block: Block, tmp_path: Path, shell: dict[str, str]) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    done = subprocess.run(
        ["sh", "-e", "-c", block.text],
        cwd=folder,
        env=shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for name in re.findall(r"(?:--out|>) ([\w.]+\.\w+)", block.text):
        assert (folder / name).stat().st_size > 100, name


@pytest.mark.parametrize("block", of("sh", PARSED), ids=named)
def test_a_block_that_serves_or_trains_is_understood(block: Block) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for words in command_lines(block.text):
        parsed(words)
    for line in block.text.splitlines():
        if target := re.match(r"make (\w+)", line):
            assert re.search(rf"^{target[1]}:", makefile, re.M), line
        elif extra := re.search(r"\.\[(\w+)\]", line):
            assert extra[1] in extras["optional-dependencies"]
        elif line.startswith("docker "):
            # tests/test_deploy.py reads what it is given.
            assert "nonlocal-viz" in line or "deploy/compose.yaml" in line
        else:
            assert line.startswith("nonlocal-viz "), line


@pytest.mark.parametrize("name", commands())
def test_the_examples_of_a_command_are_understood(name: str, capsys) -> None:
    lines = command_lines(commands()[name].EXAMPLES)
    assert lines and all(line[0] == name for line in lines)
    for line in lines:
        parsed(line)
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    assert commands()[name].EXAMPLES.splitlines()[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "Lens",
        "NonLocalBlock",
        "NonLocalResNet",
        "Row",
        "View",
        "compare",
        "examples",
        "list_models",
        "load_model",
    ],
)
def test_the_example_of_a_docstring_is_true(name: str) -> None:
    thing = getattr(nv, name)
    finder = doctest.DocTestFinder(recurse=False)
    tests = finder.find(thing, name, module=False, globs={"nv": nv, "torch": torch})
    assert tests and tests[0].examples
    said = io.StringIO()
    assert doctest.DocTestRunner().run(tests[0], out=said.write).failed == 0, said.getvalue()


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
    cards = sorted((ROOT / "models").glob("*.md"))
    for page in {*PAGES, *cards, *ROOT.glob("*.md")}:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readmes_numbers_are_the_manifests() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name in nv.list_models():
        found = re.search(rf"^\| `{name}`.*\| (\.\d+) \|$", text, re.M)
        measured = nv.zoo.read_manifest().find(name).metrics.get("layer2.1 ap")
        assert (found is None) == (measured is None), name
        if found and measured is not None:
            assert float(found[1]) == pytest.approx(measured, abs=5e-4)


def test_the_project_says_who_and_which() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["authors"][0]["name"] in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {nv.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert nv.__version__ in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_an_sdist_carries_its_tests(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(
        ".*", "node_modules", "__pycache__", "*.egg-info", "build", "dist"
    )
    shutil.copytree(ROOT, copy, ignore=left_out)
    home = "git@example.org:someone/fork.git"
    with tarfile.open(tmp_path / built("build_sdist", copy, tmp_path, home)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    wanted = ("tests/test_words.py", "tests/web/js/affinity.test.js", "models/imagenet-1k.txt")
    wanted += ("CHANGELOG.md", "CITATION.cff", "docs/page.png", "assets/photos/cat.jpg", "Makefile")
    assert set(wanted) <= names, set(wanted) - names

    # Away from its folder the README shows its picture, and what is made of the sdist still knows where.
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    folder = built("prepare_metadata_for_build_wheel", unpacked, tmp_path, "")
    for told in (unpacked / "PKG-INFO", tmp_path / folder / "METADATA"):
        text = told.read_text("utf-8")
        assert "\nProject-URL: Source, https://example.org/someone/fork\n" in text
        assert "](https://example.org/someone/fork/raw/HEAD/docs/page.png)" in text
        assert "](https://example.org/someone/fork/blob/HEAD/docs/reading.md)" in text
        assert not re.search(r"\]\((?!https:)", text)


def built(how: str, folder: Path, to: Path, home: str) -> str:
    """The name of what a build of the folder makes, without what it prints of its work."""
    code = f"from setuptools import build_meta; print(build_meta.{how}({str(to)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "NONLOCAL_VIZ_HOME": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_copy_that_nobody_can_reach_has_no_address(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "*.egg-info", "tests")
    shutil.copytree(ROOT, copy, ignore=left_out)
    folder = built("prepare_metadata_for_build_wheel", copy, tmp_path, "/srv/git/copy")
    text = (tmp_path / folder / "METADATA").read_text("utf-8")
    assert "Project-URL" not in text and "](docs/page.png)" in text


def test_examples_lie_in_a_wheel_too(tmp_path: Path) -> None:
    from nonlocal_viz import resources

    (tmp_path / "_assets" / "photos").mkdir(parents=True)
    (tmp_path / "_assets" / "photos" / "cat.jpg").touch()
    assert resources.assets_dir(tmp_path) == tmp_path / "_assets"
    assert all(path.is_file() for path in nv.examples().values())
    assert set(nv.examples()) >= {"cat", "coffee", "clip"}
