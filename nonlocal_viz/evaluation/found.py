"""What the evaluation of one model gave, and as what it is written down.

``Found`` is {"layer2.1 @ 256": {"ap": .64, "ap_low": .61, ...}, "imagenette @ 256": {"top1": .8, ...}},
and for sizes that were scored lightly {"layer2.1 @ 640": {"ap": .59, ...}}.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nonlocal_viz.evaluation.numbers import kept_names
from nonlocal_viz.evaluation.scores import BlockScores
from nonlocal_viz.files import write_atomically

Found = Mapping[str, Mapping[str, float]]
#: What stands for the block where the classifier was measured.
IMAGENETTE = "imagenette"


def column(block: str, side: int) -> str:
    """The key of a block's numbers at an input size."""
    return f"{block} @ {side}"


def with_intervals(numbers: BlockScores) -> dict[str, float]:
    """The summary, and after every AP its 95 % interval as ``<name>_low`` and ``<name>_high``."""
    found: dict[str, float] = {}
    for name, mean in numbers.summary().items():
        found[name] = mean
        if name.startswith("ap"):
            low, high = numbers.interval(name)
            found |= {f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
    return found


def metrics(found: Found, side: int, sizes: Sequence[int]) -> dict[str, float]:
    """What a manifest keeps of a model's numbers: those at ``side``, AP alone at other ``sizes``, and
    the accuracy; named "layer2.1 ap", "layer2.1 ap@640", "imagenette top1"."""
    kept: dict[str, float] = {}
    for (block, size), numbers in _split(found).items():
        if block == IMAGENETTE:
            if size == side:
                kept["imagenette top1"] = numbers["top1"]
                kept["imagenette top1 of ten"] = numbers["top1_of_ten"]
        elif size == side:
            kept |= {f"{block} {name}": numbers[name] for name in kept_names() if name in numbers}
        elif size in sizes:
            kept[f"{block} ap@{size}"] = numbers["ap"]
    return kept


def write_json(path: Path, found: Mapping[str, Found], nested: bool) -> None:
    """The text of :func:`as_json` to a file."""
    write_atomically(path, as_json(found, nested).encode())


def as_json(found: Mapping[str, Found], nested: bool) -> str:
    """{model: its numbers}, NaN as null; not ``nested`` the numbers of the one model at the top, as they
    lie on the screen."""
    whole = {
        model: {
            column: {name: None if math.isnan(v) else v for name, v in numbers.items()}
            for column, numbers in columns.items()
        }
        for model, columns in found.items()
    }
    content = whole if nested else next(iter(whole.values()))
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def table(found: Found) -> str:
    """Markdown: a number a line, a block a column; an interval stands behind its mean."""
    names = dict.fromkeys(name for numbers in found.values() for name in numbers)
    ends = {f"{name}_{end}" for name in names for end in ("low", "high")}
    lines = [
        "| | " + " | ".join(found) + " |",
        "|---" + "|---:" * len(found) + "|",
    ]
    for name in names:
        if name not in ends:
            cells = (_cell(numbers, name) for numbers in found.values())
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _split(found: Found) -> dict[tuple[str, int], Mapping[str, float]]:
    parts = ((key.rpartition(" @ "), numbers) for key, numbers in found.items())
    return {(name, int(size)): numbers for (name, _, size), numbers in parts}


def _cell(numbers: Mapping[str, float], name: str) -> str:
    value = numbers.get(name, math.nan)
    if math.isnan(value):
        return "-"
    text = f"{value}" if isinstance(value, int) else f"{value:.3f}"
    if f"{name}_low" in numbers:
        text += f" ({numbers[f'{name}_low']:.3f} to {numbers[f'{name}_high']:.3f})"
    return text
