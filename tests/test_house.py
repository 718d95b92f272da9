"""The import arrows of the house, and what importing the package costs. Read off the source."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import nonlocal_viz

PACKAGE = Path(nonlocal_viz.__file__).parent
ROOT = PACKAGE.parent

#: part of the package -> the parts of ours that it may import, beside itself, errors and limits
ARROWS = {
    "errors": set(),
    "limits": set(),
    "files": set(),
    "resources": set(),
    "core": set(),
    "media": set(),
    "render": {"core"},
    "zoo": {"core", "files", "resources"},
    # A row knows its view for the type checker alone.
    "row": {"core", "lens", "media", "render"},
    "lens": {"core", "media", "render", "row", "zoo"},
    "sheet": {"core", "lens", "media", "render", "zoo"},
    "sheet_cli": {"sheet"},
    "training": {"core", "lens", "media", "render", "zoo"},
    "web": {"core", "lens", "media", "render", "resources", "zoo"},
    "cli": {"core", "lens", "media", "render", "sheet_cli", "training", "web", "zoo"},
    "__main__": {"cli"},
    # Names only: every import of the package's front door is lazy or for the type checker.
    "__init__": {"core", "lens", "media", "render", "row", "zoo"},
}
#: module of others -> the parts that may import it
OUTSIDERS = {
    "gradio": {"web"},
    "torch": {"core", "lens", "training", "web", "zoo"},
    "torchvision": {"core", "training", "zoo"},
    "safetensors": {"zoo"},
    "matplotlib": {"render"},
    "av": {"media"},
    "ray": set(),
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, the type checker's included, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; the arrows are read off full names"
            yield str(node.module)
            if node.module == "nonlocal_viz":
                yield from (f"nonlocal_viz.{alias.name}" for alias in node.names)


def test_every_part_has_its_arrows() -> None:
    assert {part_of(path) for path in sources()} == set(ARROWS)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_down(path: Path) -> None:
    part = part_of(path)
    allowed = ARROWS[part] | {part, "errors", "limits", "__version__"}
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "nonlocal_viz" and rest:
            assert rest[0] in allowed, f"{part} must not import {name}"
        if top in OUTSIDERS:
            assert part in OUTSIDERS[top], f"{part} must not import {top}"


def loaded_after(code: str) -> set[str]:
    """Top-level modules in sys.modules after running ``code`` in an interpreter of its own."""
    report = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "torchvision", "gradio", "matplotlib", "cv2", "PIL", "numpy"}


def test_importing_the_package_costs_nothing() -> None:
    assert not HEAVY & loaded_after("import nonlocal_viz as nv; dir(nv); nv.errors; nv.limits")
    assert "torch" in loaded_after("import nonlocal_viz as nv; nv.NonLocalBlock")


@pytest.mark.parametrize(
    "module",
    ["media", "render", "zoo", "resources", "sheet_cli", "training.cli", "training.evaluate_cli"],
)
def test_these_need_no_torch(module: str) -> None:
    assert not {"torch", "gradio"} & loaded_after(f"import nonlocal_viz.{module}")


def test_the_command_line_answers_help_without_torch() -> None:
    code = (
        "from nonlocal_viz.cli import main\ntry: main(['--help'])\nexcept SystemExit as e: print(e)"
    )
    assert not HEAVY & loaded_after(code)


def test_every_public_name_is_there_and_the_rest_is_not() -> None:
    for name in nonlocal_viz.__all__:
        assert getattr(nonlocal_viz, name) is not None, name
    assert set(nonlocal_viz.__all__) <= set(dir(nonlocal_viz))
    with pytest.raises(AttributeError, match="no attribute 'Attention'"):
        nonlocal_viz.Attention  # noqa: B018


def test_the_type_checker_sees_the_same_public_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    typed = {alias.name for node in block.body for alias in getattr(node, "names", [])}
    assert typed == set(nonlocal_viz.__all__)


def test_every_folder_of_the_package_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in sources()}
    found = {".".join(("nonlocal_viz", *f.relative_to(PACKAGE).parts)) for f in folders}
    assert listed == found | {"nonlocal_viz._models", "nonlocal_viz._assets"}


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", "Makefile", ".ci/run"])
def test_no_file_of_the_project_names_a_package_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for word in ("index-url", "--index", "find-links", "://", "trusted-host"):
        assert word not in text, f"{name} has {word}"
