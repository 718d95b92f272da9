"""How a run says where it is: a log of JSON lines, and a bar over its minutes."""

import json
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm


class Log:
    """A JSON-lines file: step, images, minutes, side, head, rate, and every loss by its name.

    Args:
        path: the file; None writes nothing.
        step: of a run that goes on; later lines, which it will write again, and a last line that was
            cut short are dropped. 0 begins the file anew.
    """

    def __init__(self, path: Path | None, step: int = 0) -> None:
        self.path = path
        if path is None:
            return
        kept = [line for line in _lines(path) if _step(line) <= step] if step else []
        path.write_text("".join(f"{line}\n" for line in kept))

    def write(self, values: Mapping[str, object]) -> None:
        """Add a line."""
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(values) + "\n")


class Bar:
    """A bar over the minutes of a run, with its latest losses; shown in a terminal alone.

    Args:
        minutes: of the whole run.
        done: minutes trained before.
        shown: False shows nothing.
    """

    def __init__(self, minutes: float, done: float, shown: bool) -> None:
        self._minutes = minutes
        self._bar = tqdm(
            total=minutes,
            initial=min(done, minutes),
            disable=None if shown else True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} min {postfix}",
        )

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, phase: str, minutes: float, losses: Mapping[str, float]) -> None:
        """Move to ``minutes`` and show the losses."""
        self._bar.set_description_str(phase, refresh=False)
        self._bar.set_postfix({k: f"{v:.3f}" for k, v in losses.items()}, refresh=False)
        self._bar.update(min(minutes, self._minutes) - self._bar.n)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
