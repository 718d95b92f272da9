"""How something long says where it is: a log of JSON lines, bars with what is left, and ^C heard.

A bar is for a terminal; where there is none (a log file, CI) a line is written every now and then.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

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


#: Seconds between two lines in a log file.
_LINE_EVERY = 60.0


class Bar:
    """A bar over the minutes of a run, with its latest losses and what is left.

    Args:
        minutes: of the whole run.
        done: minutes trained before.
        shown: False shows nothing.
    """

    def __init__(self, minutes: float, done: float, shown: bool) -> None:
        self._minutes = minutes
        drawn = shown and sys.stderr.isatty()
        self._say = _Lines() if shown and not drawn else None
        self._bar = tqdm(
            total=minutes,
            initial=min(done, minutes),
            disable=not drawn,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} min {postfix}",
        )

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, phase: str, minutes: float, losses: Mapping[str, float]) -> None:
        """Move to ``minutes`` and show the losses."""
        left = f"{max(self._minutes - minutes, 0):.1f} min left"
        told = ", ".join([left, *(f"{k}={v:.3f}" for k, v in losses.items())])
        if self._say is not None:
            self._say(lambda: f"{phase}: {minutes:.1f} of {self._minutes:g} min, {told}")
        self._bar.set_description_str(phase, refresh=False)
        self._bar.set_postfix_str(told, refresh=False)
        self._bar.update(min(minutes, self._minutes) - self._bar.n)


@contextmanager
def counted(total: int, words: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Progress over so many photos or batches: gives what is called with how many more are done."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=words, unit=unit) as bar:
            yield bar.update
        return
    say, begun, done = _Lines(), time.monotonic(), 0

    def more(count: int = 1) -> None:
        nonlocal done
        done += count
        left = (time.monotonic() - begun) / done * (total - done) / 60
        line = f"{words}: {done} of {total} {unit}, about {left:.1f} min left"
        say(lambda: line, now=done == total)

    yield more


class _Lines:
    """Lines on stderr, one every now and then, the first one at once."""

    def __init__(self) -> None:
        self._last = -_LINE_EVERY

    def __call__(self, line: Callable[[], str], now: bool = False) -> None:
        if now or time.monotonic() - self._last >= _LINE_EVERY:
            self._last = time.monotonic()
            print(line(), file=sys.stderr, flush=True)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that is set by ^C, so that a step is never broken off; a second ^C is one as ever."""
    asked = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
