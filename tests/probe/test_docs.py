"""Every snippet of docs/attach.md runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nonlocal_viz import probe

ROOT = Path(__file__).parents[2]
SNIPPETS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "attach.md").read_text("utf-8"), re.S
)


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) == 7


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_runs(code: str, tmp_path: Path) -> None:
    path = tmp_path / "snippet.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}", "utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_map_of_the_probe_names_every_file() -> None:
    named = set(re.findall(r"``([a-z_]+)``", probe.__doc__ or ""))
    there = {path.stem for path in (ROOT / "nonlocal_viz" / "probe").iterdir()} - {"__init__"}
    assert there - named - {"__pycache__"} == set() and named - there == set()
