"""The import arrows of the house, and what importing the package costs. Read off the source."""

import argparse
import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import nonlocal_viz
from nonlocal_viz.commands import commands

PACKAGE = Path(nonlocal_viz.__file__).parent
ROOT = PACKAGE.parent

_SEES = {"core", "media", "render", "row", "view", "lens", "zoo", "files", "export"}
#: part of the package -> the parts of ours that it may import, beside itself, errors and limits
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "limits": set(),
    "version": set(),
    "resources": set(),
    "files": set(),
    "core": set(),
    "media": set(),
    "render": {"core"},
    "zoo": {"core", "files", "probe", "resources"},
    "probe": {"core"},
    "export": {"core", "files", "media", "render", "version"},
    "regions": {"core"},
    "row": {"canvas", "core", "export", "regions"},
    "turns": set(),
    "encoding": {"core", "turns"},
    "canvas": {"core", "media", "render"},
    "view": {"canvas", "core", "encoding", "files", "row"},
    "compare": {"canvas", "files", "row", "view"},
    "lens": {"core", "encoding", "media", "view", "zoo"},
    "sheet": {"core", "lens", "media", "render", "view", "zoo"},
    "training": {"core", "files", "media", "zoo"},
    "evaluation": _SEES | {"training"},
    "web": _SEES | {"canvas", "resources"},
    "survey": {"core", "files", "lens", "media", "view", "zoo"},
    "commands": _SEES | {"survey", "evaluation", "resources", "sheet", "training", "web"},
    "cli": {"commands"},
    "__main__": {"cli"},
    # Names only: every import of the package's front door is lazy or for the type checker.
    "__init__": {
        "compare",
        "version",
        "core",
        "lens",
        "media",
        "probe",
        "render",
        "resources",
        "row",
        "view",
        "zoo",
    },
}
#: module of others -> the parts that may import it
OUTSIDERS = {
    "gradio": {"web"},
    "torch": {
        "canvas",
        "core",
        "encoding",
        "evaluation",
        "lens",
        "probe",
        "survey",
        "training",
        "view",
        "web",
        "zoo",
    },
    # Its import takes longer than encoding a photo: tests hold our network to it.
    "torchvision": set(),
    "safetensors": {"zoo"},
    "matplotlib": {"render"},
    "av": {"media"},
    "ray": {"survey"},
    "pyarrow": {"survey"},
}
#: Lines that no function has, from its name to its end.
LONG = 60


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


def names() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for path in sources():
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph() -> dict[str, set[str]]:
    """{module: modules of ours that it imports}, those for the type checker included."""
    known = names()
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        meant = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                meant |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                # A name that is no module is one of the package it is imported from.
                meant |= {name if name in known else str(node.module) for name in inner}
        found[module] = (meant & set(known)) - {module}
    return found


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Modules of one circle, if there is any."""
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for other in sorted(arrows[module]):
            if found := visit(other):
                return found
        path.pop()
        done.add(module)
        return []

    return next(filter(None, map(visit, sorted(arrows))), [])


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    arrows = graph()
    assert "nonlocal_viz.core.block" in arrows["nonlocal_viz.core.resnet"]
    assert circle(arrows) == []


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in [*sources(), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_no_function_is_long() -> None:
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert len(lines) > 500
    assert {name: count for name, count in lines.items() if count >= LONG} == {}


def test_the_type_checker_is_told_what_to_overlook() -> None:
    bare = re.compile(r"type:\s*ignore(?!\[)|noqa(?!: ?[A-Z])")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*sources(), ROOT / "app.py"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def test_what_gradio_does_not_promise_stands_in_one_file() -> None:
    private = ("gradio.processing_utils", "gradio.utils", "gradio.data_classes", "gradio.blocks")
    for path in (PACKAGE / "web").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "gradio_private.py":
            assert all(word in text for word in private[:2])
            continue
        for word in (*private, "._data", "js_on_load", "FileData", "gr.HTML("):
            assert word not in text, f"{path.name} has {word}"


def test_the_desk_knows_no_gradio() -> None:
    arrows = graph()
    seen, todo = set(), ["nonlocal_viz.web.desk"]
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += arrows[module]
    assert "nonlocal_viz.canvas.payload" in seen
    for module in seen:
        assert "gradio" not in {name.partition(".")[0] for name in imports(names()[module])}, module


def test_every_command_says_what_it_is() -> None:
    found = commands()
    assert list(found) == [
        "serve",
        "overlay",
        "video",
        "sheet",
        "survey",
        "zoo",
        "convert",
        "train",
        "evaluate",
    ]
    assert len({command.ORDER for command in found.values()}) == len(found)
    for command in found.values():
        assert command.HELP and command.__doc__
        parser = argparse.ArgumentParser()
        command.add(parser)
        assert callable(command.run)


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
    "module", ["media", "render", "zoo", "resources", "export", "row", "core.source"]
)
def test_these_need_no_torch(module: str) -> None:
    assert not {"torch", "gradio"} & loaded_after(f"import nonlocal_viz.{module}")


def test_the_command_line_answers_help_without_torch() -> None:
    code = (
        "from nonlocal_viz.cli import main\ntry: main(['--help'])\nexcept SystemExit as e: print(e)"
    )
    assert not HEAVY & loaded_after(code)


@pytest.mark.parametrize("name", commands())
def test_a_command_answers_help_without_torch(name: str) -> None:
    code = (
        "from nonlocal_viz.cli import main\n"
        f"try: main([{name!r}, '--help'])\nexcept SystemExit as e: print(e)"
    )
    assert not {"torch", "gradio"} & loaded_after(code)


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
