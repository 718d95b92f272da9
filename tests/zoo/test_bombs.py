"""Small files that would cost much: each is refused in a sentence, at once and with little memory."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo import load_model
from tests.zoo.bombs import bombs

BOMBS = dict(bombs())
SECONDS, MEGABYTES = 2.0, 56
CLEAR = Path("/proc/self/clear_refs")


def peak() -> int:
    """Megabytes that this process took at most since that was last forgotten."""
    told = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(told.group(1)) // 1024 if told else 0


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    make: Callable[[], bytes] = BOMBS[name]
    path.write_bytes(make())
    if CLEAR.exists():
        CLEAR.write_text("5")
    # Of the processor: others may be at work on this machine.
    before, began = peak() if CLEAR.exists() else 0, time.process_time()
    with pytest.raises(CheckpointError) as refused:
        load_model(path, "cpu")
    assert time.process_time() - began < SECONDS
    if CLEAR.exists():
        assert peak() - before < MEGABYTES
    said = str(refused.value)
    assert said.startswith(name) and said.endswith(".") and len(said) < 400
    path.unlink()
