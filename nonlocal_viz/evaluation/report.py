"""Measured numbers as markdown, for the README: models side by side."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nonlocal_viz.errors import MediaError
from nonlocal_viz.evaluation.found import IMAGENETTE, Found, column
from nonlocal_viz.evaluation.numbers import SIZES, words_of
from nonlocal_viz.files import write_atomically

BEGIN, END = "<!-- evaluation -->", "<!-- /evaluation -->"


def report(found: Mapping[str, Found], side: int, sizes: Sequence[int], command: str) -> str:
    """Tables of all models: baselines, AP by object size, AP by input size, diagnostics, accuracy.

    Args:
        found: {model: its numbers}, the first with the teacher's if they were measured.
        side: the short side of the full numbers.
        sizes: all short sides whose AP is listed, ``side`` among them.
        command: what made it.
    """
    blocks = {
        name: [key.partition(" @ ")[0] for key in numbers if key.endswith(f" @ {side}")]
        for name, numbers in found.items()
    }
    rows = [
        (name, block) for name, names in blocks.items() for block in names if block != IMAGENETTE
    ]
    parts = [
        f"Made by `{command}`. Segment AP on the photos of coco128 with an object over 3 % of the picture, "
        f"short side {side} px; in brackets 95 % bootstrap intervals over the photos. "
        "*Gain* is rows minus the cosine of the block's own input features, of the same queries. "
        "*Edges*: only the cells along the object's outline are ranked, on both sides of it. "
        "Small objects cover 3 to 6 % of the picture, large ones 18 % and more.",
        _ap(found, rows, side),
        _baselines(found, rows, side),
    ]
    if len(sizes) > 1:
        parts.append(_by_input(found, rows, sizes))
    parts += [
        _diagnostics(found, rows, side),
        "GCNet: mean cosine distance / 2 between positions of the block's input, between rows, and "
        "between positions of what the block adds; near 0 the block does the same for every query. "
        "Border and greatest key: weight they get as a multiple of the mean (signed weights cancel: theirs "
        "say little). "
        "Dead block: norm of what it adds over that of its input.",
    ]
    if accuracy := _accuracy(found, side):
        parts.append(accuracy)
    return "\n\n".join(parts)


def write_into(path: Path, text: str) -> None:
    """Put ``text`` between the marks :data:`BEGIN` and :data:`END` of a markdown file.

    Raises:
        MediaError: there is no such file, or it does not have the two marks in this order.
    """
    before, after = _around(path)
    write_atomically(path, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())


def check_marks(path: Path) -> None:
    """Raise MediaError now, where :func:`write_into` would after an hour's work."""
    _around(path)


def _around(path: Path) -> tuple[str, str]:
    try:
        whole = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise MediaError(f"{path} cannot be read as a text file.") from None
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MediaError(f"{path} does not have the marks {BEGIN} and {END}, one after the other.")
    return before, after


def _ap(found: Mapping[str, Found], rows: Sequence[tuple[str, str]], side: int) -> str:
    sized = [f"{size}: AP, gain" for size in SIZES]
    head = [
        "model",
        "block",
        "AP of the rows",
        "gain",
        *sized,
        "edges (features)",
        "mirrored",
        "random block",
    ]
    lines = []
    for name, block in rows:
        n = found[name][column(block, side)]
        sizes = [f"{_n(n, f'ap_{s}')}, {_n(n, f'ap_gain_{s}', True)}" for s in SIZES]
        lines.append(
            [
                *(name, block, _n(n, "ap", True), _n(n, "ap_gain", True)),
                *(*sizes, f"{_n(n, 'ap_edge')} ({_n(n, 'ap_edge_features')})"),
                *(_n(n, "ap_flipped"), _n(n, "ap_random")),
            ]
        )
    return _table(head, lines)


def _baselines(found: Mapping[str, Found], rows: Sequence[tuple[str, str]], side: int) -> str:
    first = rows[0][0]
    blocks = [block for name, block in rows if name == first]
    lines = [
        [words, *(_n(found[first][column(block, side)], name) for block in blocks)]
        for name, words in words_of("baseline").items()
        if any(name in found[first][column(block, side)] for block in blocks)
    ]
    features = [_n(found[first][column(block, side)], "ap_features", True) for block in blocks]
    lines.append([f"cosine of the features of {first}", *features])
    return _table(["instead of rows", *blocks], lines)


def _by_input(
    found: Mapping[str, Found], rows: Sequence[tuple[str, str]], sizes: Sequence[int]
) -> str:
    lines = []
    for name, block in rows:
        cells = [found[name].get(column(block, size), {}) for size in sizes]
        if sum("ap" in cell for cell in cells) < 2:
            continue
        lines.append([name, block, *(f"{_n(c, 'ap')} ({_n(c, 'ap_features')})" for c in cells)])
    head = ["AP at (features)", "block", *(f"{size} px" for size in sizes)]
    return _table(head, lines)


def _diagnostics(found: Mapping[str, Found], rows: Sequence[tuple[str, str]], side: int) -> str:
    shown = words_of("diagnostic")
    lines = [
        [name, block, *(_n(found[name][column(block, side)], key) for key in shown)]
        for name, block in rows
    ]
    return _table(["model", "block", *shown.values()], lines)


def _accuracy(found: Mapping[str, Found], side: int) -> str:
    lines = []
    for name, numbers in found.items():
        n = numbers.get(column(IMAGENETTE, side))
        if n is not None:
            lines.append([name, f"{n['top1']:.1%}", f"{n['top1_of_ten']:.1%}", f"{n['images']:,}"])
    head = [f"Imagenette top-1 @ {side}", "of 1,000", "of its ten", "photos"]
    return _table(head, lines) if lines else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *lines))


def _n(numbers: Mapping[str, float], name: str, interval: bool = False) -> str:
    value = numbers.get(name, math.nan)
    if math.isnan(value):
        return "-"
    text = _short(value)
    low, high = (numbers.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return f"{text} ({_short(low)} to {_short(high)})" if interval and low == low else text


def _short(value: float) -> str:
    """Three digits without the 0 in front; larger numbers with one."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    if abs(value) >= 1:
        return f"{value:.1f}"
    return f"{value:.3f}".replace("0.", ".", 1)
