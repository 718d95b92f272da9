"""Times and memory that can be compared on a shared, noisy machine.

Competitors take turns within one run, and what is reported is the median of each with its quartiles;
a number from another run or another machine is never put beside it. Memory is the growth of the
peak resident size of a fresh process, so that one case cannot hide behind another's (Linux only: the
peak is reset through /proc).
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds: the median and the quartiles of all turns."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{1e3 * self.median:.3g} ms ({1e3 * self.low:.3g} to {1e3 * self.high:.3g})"


def in_turns(competitors: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, Timing]:
    """Run every competitor ``turns`` times, alternating, after one unmeasured turn each."""
    for run in competitors.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(turns):
        for name, run in competitors.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return {name: _summary(values) for name, values in seconds.items()}


def peak_growth(prepare: Callable[..., Callable[[], Any]], *given: Any) -> float | None:
    """MiB by which the peak resident size grows while ``prepare(*given)()`` runs in a fresh process;
    None when it cannot be told: no /proc, or the process was killed for the memory that it asked."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(sender, prepare, given))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:  # the child went away without an answer
        return None
    finally:
        child.join()


def _measure(
    sender: Any, prepare: Callable[..., Callable[[], Any]], given: tuple[Any, ...]
) -> None:
    run = prepare(*given)
    forget_peak()
    before = resident("VmRSS")
    run()
    sender.send((resident("VmHWM") - before) / 1024)


def forget_peak() -> None:
    """Set this process's peak back to what is resident now (man 5 proc, clear_refs: 5)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(field: str) -> int:
    """A field of /proc/self/status in KiB: VmRSS, what is resident, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _summary(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Timing(median, low, high)


class Ratio(float):
    """One median over another; reads as ``12 x``, and is a plain number in JSON."""

    def __str__(self) -> str:
        return f"{float(self):.3g} x"


class MiB(float):
    """An amount of memory; reads as ``12 MiB``, and is a plain number in JSON."""

    def __str__(self) -> str:
        return f"{float(self):.3g} MiB" if self < 100 else f"{float(self):,.0f} MiB"


def table(header: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; None reads as "not measured"."""
    texts = [["not measured" if cell is None else str(cell) for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *texts]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
