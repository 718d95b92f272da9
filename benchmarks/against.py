"""``python -m benchmarks.against FOLDER``: this checkout beside another of the project, in one run.

Each runs in a process of its own, and the two take turns, so that both see the same noise of the
machine; what counts is the ratio. Only names that every version has are used.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import Ratio, table

ROOT = Path(__file__).parent.parent


def cases() -> dict[str, Callable[[], Any]]:
    """What is timed: {words: run}, with the package that this process imports."""
    from nonlocal_viz.core.block import NonLocalBlock
    from nonlocal_viz.core.pairwise import INSTANTIATIONS
    from nonlocal_viz.lens import Lens
    from nonlocal_viz.zoo import load_model

    found: dict[str, Callable[[], Any]] = {}
    for kind in INSTANTIATIONS:
        torch.manual_seed(0)
        block = NonLocalBlock(128, instantiation=kind, sub_sample=False)
        torch.nn.init.ones_(block.get_parameter("W.1.weight"))
        x = torch.randn(1, 128, 56, 56)
        found[f"{kind}: forward"] = torch.inference_mode()(lambda b=block, x=x: b(x))
        found[f"{kind}: training step"] = lambda b=block, x=x: _step(b, x)
        affinity = block.attend(x)[1].detach()
        found[f"{kind}: row"] = lambda a=affinity: [a.row(q) for q in range(20)]
        affinity.column(0)  # the normalisers are found once
        found[f"{kind}: column"] = lambda a=affinity: [a.column(k) for k in range(20)]
        found[f"{kind}: dense"] = lambda a=affinity: a.dense()
    lens = Lens(load_model("default", "cpu"))
    photo = ROOT / "assets" / "photos" / "bunny.jpg"
    view = lens.open(photo)
    found["default model: open a photo"] = lambda: lens.open(photo)
    found["default model: query"] = lambda: [view.query(100 + i, 90) for i in range(20)]
    found["default model: column"] = lambda: [view.column(100 + i, 90) for i in range(20)]
    row = view.query(100, 90)
    found["default model: overlay"] = lambda: row.overlay()
    return found


def _step(block: torch.nn.Module, x: torch.Tensor) -> None:
    block.zero_grad()
    block(x).square().mean().backward()


class Checkout:
    """The package of one folder in a process of its own, which runs a case when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD.format(here=str(ROOT), folder=str(folder))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = self._answer().split("|")

    def run(self, name: str) -> tuple[float, float]:
        """(seconds, MiB by which the peak resident size grew) of one run of a case."""
        assert self._child.stdin is not None
        self._child.stdin.write(name + "\n")
        self._child.stdin.flush()
        seconds, grown = self._answer().split()
        return float(seconds), float(grown)

    def close(self) -> None:
        """End the process."""
        self._child.terminate()
        self._child.communicate()

    def _answer(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline().strip()


# The package is that of the other folder, wherever its parts are imported; the benchmark is ours.
_CHILD = """
import sys, time, torch
sys.path.insert(0, {folder!r})
import nonlocal_viz
sys.path[0] = {here!r}
from benchmarks.against import cases
from benchmarks.timing import resident, forget_peak
runs = cases()
print("|".join(runs), flush=True)
for line in sys.stdin:
    run = runs[line.strip()]
    forget_peak()
    before, begun = resident("VmRSS"), time.perf_counter()
    run()
    print(time.perf_counter() - begun, (resident("VmHWM") - before) / 1024, flush=True)
"""


def compare(other: Path, turns: int, wanted: Sequence[str] = ()) -> str:
    """A table of all cases: medians of both, their ratio with quartiles, and the memory of both."""
    checkouts = {"before": Checkout(other), "now": Checkout(ROOT)}
    rows: list[list[object]] = []
    try:
        for name in checkouts["now"].names:
            if wanted and not any(word in name for word in wanted):
                continue
            taken: dict[str, list[tuple[float, float]]] = {key: [] for key in checkouts}
            for turn in range(turns + 1):
                # Whoever goes first finds the caches cold: by turns.
                for key in sorted(checkouts, reverse=bool(turn % 2)):
                    found = checkouts[key].run(name)
                    if turn:
                        taken[key].append(found)
            ratios = [n[0] / b[0] for b, n in zip(taken["before"], taken["now"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            times = [statistics.median(t for t, _ in taken[key]) for key in checkouts]
            memory = [max(m for _, m in taken[key]) for key in checkouts]
            rows.append(
                [
                    name,
                    *(f"{1e3 * t:.3g} ms" for t in times),
                    f"{Ratio(middle)} ({low:.3g} to {high:.3g})",
                    *(f"{m:.0f} MiB" for m in memory),
                ]
            )
    finally:
        for checkout in checkouts.values():
            checkout.close()
    return table(["case", "before", "now", "now / before", "memory before", "now"], rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.against", description=__doc__)
    parser.add_argument("folder", type=Path, help="another checkout of the project")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=[], help="cases with one of these words")
    args = parser.parse_args()
    print(compare(args.folder.resolve(), args.turns, args.only))


if __name__ == "__main__":
    main()
