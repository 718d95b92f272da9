"""The page's JavaScript by node's own test runner, held to what Python answers (golden.json)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web import golden

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def node() -> str:
    """Node. Where there is none the tests skip, unless NONLOCAL_VIZ_REQUIRE_NODE is set."""
    found = shutil.which("node")
    if found is None:
        message = "no node was found, so the page's JavaScript was not tested"
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
    assert done.returncode == 0, done.stdout + done.stderr
