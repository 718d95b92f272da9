"""A survey as one html file that works alone: how the numbers are spread, and the pictures at both ends.

Everything that a file or a model is called is escaped; pictures are JPEGs within the page.
"""

import base64
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import encode_jpeg, moves, thumbnail
from nonlocal_viz.survey.items import Item, read_item
from nonlocal_viz.survey.numbers import NUMBERS

#: Pictures at each end, and pixels of a map's long side.
ENDS, SIDE = 10, 300
#: What each number is, for whoever reads no code.
MEANINGS = {
    "query_dependence": "how much rows differ from query to query: 0 all the same, 1 nothing in common",
    "entropy_share": "how spread a row is: 0 one key, 1 all keys alike",
    "largest_column": "the most looked-at key, in multiples of an equal share (a sink)",
    "border_share": "weight at the picture's border, beside that of all keys (1: as much)",
    "distance": "how far a query looks on average, as a share of the diagonal",
    "input_distance": "how much positions differ before the block",
    "output_distance": "how much what the block adds differs from position to position",
    "residual_share": "what the block adds, beside what it was given (0: a dead block)",
}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
body { color: #222; background: #fafafa; } rect { fill: #46688f; }
h1, h2 { font-weight: 600; } .quiet { color: #666; }
.spread { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .75rem; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; } svg { width: 100%; height: 5rem; }
.ends { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; }
.ends img { width: 100%; display: block; border-radius: 4px; }
"""


def report(table: pa.Table, items: Sequence[Item], lens: Lens, title: str, frames: int) -> str:
    """The page.

    Args:
        table: all rows of a survey.
        items: where its pictures are; those of the two ends are opened again.
        lens: through which they are seen.
        title: what was surveyed.
        frames: of a clip.
    """
    rows = table.to_pylist()
    whole = [row for row in rows if not row["error"]]
    broken = [row for row in rows if row["error"]]
    blocks = list(dict.fromkeys(row["block"] for row in whole))
    pictures = len({row["name"] for row in rows})
    model = html.escape(lens.source.about.title or lens.source.about.name)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1><p>{pictures} pictures through {model}; {len(broken)} failed.</p>",
    ]
    for block in blocks:
        of_block = [row for row in whole if row["block"] == block]
        parts.append(f"<h2>{html.escape(block)}</h2><div class=spread>")
        parts += [_spread(name, [row[name] for row in of_block]) for name in NUMBERS]
        parts.append("</div>")
        parts.append(_ends(of_block, block, {item.name: item for item in items}, lens, frames))
    if broken:
        told = "".join(
            f"<li>{html.escape(row['name'])}: {html.escape(row['error'])}" for row in broken[:200]
        )
        parts.append(f"<h2>What failed</h2><ul>{told}</ul>")
    return "\n".join(parts) + "\n</html>\n"


def _spread(name: str, values: list[float]) -> str:
    """A histogram with the median and the quartiles in words."""
    numbers = np.array([v for v in values if math.isfinite(v)])
    words = f"<b>{name}</b> <span class=quiet>{MEANINGS[name]}</span>"
    if not len(numbers):
        return f"<figure><figcaption>{words}<br>not told of these maps</figcaption></figure>"
    low, middle, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    counts, edges = np.histogram(numbers, bins=min(24, max(1, len(numbers))))
    tall = counts.max()
    bars = "".join(
        f"<rect x={4 * i} y={40 - 40 * n / tall:.2f} width=3.6 height={40 * n / tall:.2f} />"
        for i, n in enumerate(counts)
    )
    drawn = f"<svg viewBox='0 0 {4 * len(counts)} 40' preserveAspectRatio=none role=img aria-label="
    drawn += f"'{name}, {edges[0]:.3g} to {edges[-1]:.3g}'>{bars}</svg>"
    ends = f"{edges[0]:.3g} to {edges[-1]:.3g}; median {middle:.3g}, half of all {low:.3g} to {high:.3g}"
    return f"<figure>{drawn}<figcaption>{ends}<br>{words}</figcaption></figure>"


def _ends(
    rows: list[dict[str, Any]], block: str, items: dict[str, Item], lens: Lens, frames: int
) -> str:
    """The pictures whose rows differ most and least from query to query, each with one row."""
    told = [row for row in rows if math.isfinite(row["query_dependence"])]
    ordered = sorted(told, key=lambda row: (row["query_dependence"], row["name"]))
    count = min(ENDS, len(ordered))
    found = []
    for words, chosen in (
        ("Most query-dependent", ordered[::-1][:count]),
        ("Least query-dependent", ordered[:count]),
    ):
        shown = "".join(_shown(row, block, items.get(row["name"]), lens, frames) for row in chosen)
        found.append(f"<h3>{words}</h3><div class=ends>{shown}</div>")
    return "".join(found)


def _shown(row: dict[str, Any], block: str, item: Item | None, lens: Lens, frames: int) -> str:
    caption = (
        f"<figcaption>{html.escape(row['name'])}<br>{row['query_dependence']:.3f}</figcaption>"
    )
    try:
        content = read_item(item) if item is not None else b""
        view = lens.open(content, frames=frames if moves(content) else None)
        width, height = view.size
        # From the middle, so that pictures can be compared.
        painted = view.query(width / 2, height / 2, block=block).overlay(grey=True)
    except NonlocalVizError:
        return f"<figure>{caption}<p class=quiet>no longer there</p></figure>"
    image = base64.b64encode(encode_jpeg(thumbnail(painted, SIDE), 80)).decode()
    alt = html.escape(f"{row['name']}: what its middle looks at", quote=True)
    return f'<figure><img alt="{alt}" src="data:image/jpeg;base64,{image}">{caption}</figure>'
