"""The real command with two workers of Ray: it is cut off, a worker is killed, and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nonlocal_viz.media import encode_webm
from nonlocal_viz.survey.items import find_items
from nonlocal_viz.survey.parts import Parts
from nonlocal_viz.survey.worker import Look, Worker
from tests.web.test_hostile import png

ROOT = Path(__file__).parents[2]
COUNT = 22


def workers(mark: str) -> list[int]:
    """Processes of Ray's that run a worker of ours, of this test alone."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            ours = mark.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if ours and words.startswith(b"ray::MapWorker"):
            found.append(int(folder.name))
    return found


def parts(out: Path) -> int:
    return len(list(out.with_name(f"{out.name}.parts").glob("part-*")))


def read(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="workers are found by /proc")
def test_a_survey_loses_nothing(tmp_path: Path, picture: np.ndarray) -> None:
    photos, out, page = tmp_path / "photos", tmp_path / "stats.parquet", tmp_path / "page.html"
    photos.mkdir()
    for i in range(COUNT - 2):
        (photos / f"{i:02}.png").write_bytes(png(np.roll(picture, 3 * i, 1)))
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "clip.webm").write_bytes(encode_webm([np.roll(picture, i, 0) for i in range(6)], 8.0))
    mark = uuid.uuid4().hex
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TEST_MARK": mark, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "nonlocal_viz", "survey", str(photos), "--short-side", "48"]
    command += ["--out", str(out), "--report", str(page), "--workers", "2", "--frames", "3"]

    # As an earlier one left it that was cut off after a batch.
    look = Look("default", short_side=48, frames=3)
    begun = Parts(out, {**asdict(look), "folder": ""})
    batch = [item._asdict() for item in find_items(str(photos))[:4]]
    begun.add(Worker(look, "cpu")(pa.Table.from_pylist(batch)))
    kept = parts(out)
    old = {row["name"]: row["seconds"] for path in begun.folder.iterdir() for row in read(path)}

    pipe = subprocess.PIPE
    run = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=pipe, stdout=pipe, text=True
    )
    while parts(out) == kept and run.poll() is None:
        time.sleep(0.02)
    there = workers(mark)
    assert len(there) == 2
    os.kill(there[0], signal.SIGKILL)
    told, complaints = run.communicate(timeout=100)
    assert run.returncode == 0, complaints
    assert f"wrote {out}: {COUNT} pictures, 1 failed" in told
    assert f"{COUNT} of {COUNT} pictures" in complaints and "Traceback" not in complaints

    rows = read(out)
    # Two blocks a picture, each once; one row for what is broken.
    assert len(rows) == 2 * (COUNT - 1) + 1
    assert len({(row["name"], row["block"]) for row in rows}) == len(rows)
    assert {row["name"] for row in rows if row["error"]} == {"broken.jpg"}
    assert {row["frames"] for row in rows if row["name"] == "clip.webm"} == {3}
    # What was done before the cut was not done again.
    now = {row["name"]: row["seconds"] for row in rows}
    assert len(old) >= 4 and all(now[name] == runs for name, runs in old.items())
    assert page.read_text("utf-8").count("<img ") == 40
    assert not out.with_name(f"{out.name}.parts").exists()
