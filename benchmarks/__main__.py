"""``python -m benchmarks [CASE ...] [--quick] [--json FILE]``: prints Markdown tables."""

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.cases import CASES
from benchmarks.timing import table


def main() -> None:
    """Run the named cases, or all."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, fewer turns")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the numbers (s, MiB)")
    args = parser.parse_args()
    unknown = [name for name in args.cases if name not in CASES]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; choose of {', '.join(CASES)}")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}; median (quartiles) of turns taken in one run\n"
    )
    report: dict[str, object] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "quick": args.quick,
    }
    for name in args.cases or CASES:
        title, header, rows = CASES[name](args.quick)
        print(f"### {title}\n\n{table(header, rows)}\n", flush=True)
        report[name] = [dict(zip(header, cells, strict=True)) for cells in rows]
        if args.json:  # after every case, so that a run cut short leaves what it measured
            args.json.write_text(json.dumps(report, indent=1, default=asdict) + "\n")


if __name__ == "__main__":
    main()
