"""The page's JavaScript by node's own test runner, held to what Python answers (golden.json)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nonlocal_viz.canvas import canvas_js
from tests.web import golden

ROOT = Path(__file__).parents[2]


OLDEST = 20  # the first with the timers that the tests play with


@pytest.fixture(scope="session")
def node() -> str:
    """Node. Where there is none the tests skip, unless NONLOCAL_VIZ_REQUIRE_NODE is set."""
    found = shutil.which("node")
    version = (
        subprocess.run([found, "--version"], capture_output=True, text=True) if found else None
    )
    if not found or not version or int(version.stdout.lstrip("v").split(".")[0]) < OLDEST:
        message = f"no node of version {OLDEST} was found, so the page's JavaScript was not tested"
        if os.environ.get("NONLOCAL_VIZ_REQUIRE_NODE"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def test_the_javascript_agrees_with_python(node: str, tmp_path: Path) -> None:
    golden.main(tmp_path / "golden.json")
    tests = sorted(map(str, (ROOT / "tests/web/js").glob("*.test.js")))
    done = subprocess.run(
        [node, "--test", *tests],
        env={**os.environ, "NONLOCAL_VIZ_GOLDEN": str(tmp_path / "golden.json")},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert tests and done.returncode == 0, done.stdout[-20_000:] + done.stderr


def test_the_joined_script_is_one_that_runs(node: str, tmp_path: Path) -> None:
    script = tmp_path / "page.cjs"
    script.write_text(canvas_js(), encoding="utf-8")
    done = subprocess.run([node, "--check", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
