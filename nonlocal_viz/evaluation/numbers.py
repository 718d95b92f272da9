"""Every number that an evaluation gives, in one table; the report, the manifest and the order on the
screen follow it. A number that is not in it is a defect, and a test says so.
"""

from dataclasses import dataclass
from typing import Literal

#: Names of object sizes with the least share of the photo that each begins at. The bounds cut the
#: instances of coco128 that cover more than 3 % of their photo into thirds, nearly (88, 87 and 70 of
#: 245, in 51, 54 and 60 of 108 photos).
SIZES = {"small": 0.0, "medium": 0.06, "large": 0.18}
_ENDS = ("", "_low", "_high")
_BY_SIZE = tuple(f"_{size}" for size in SIZES)


@dataclass(frozen=True)
class Number:
    """One number of a block.

    Attributes:
        name: as it is called in JSON; also by size where it is measured so: ``ap_small``.
        meaning: a sentence.
        role: ``score`` of the block itself, a ``baseline`` that is the same for every model on one grid,
            or a ``diagnostic`` of the map as a whole.
        words: of its row or column in the report; "" where the report has none of its own.
        kept: endings of the name under which a manifest keeps it; none: not at all.
    """

    name: str
    meaning: str
    role: Literal["score", "baseline", "diagnostic"] = "score"
    words: str = ""
    kept: tuple[str, ...] = ()


NUMBERS: tuple[Number, ...] = (
    Number(
        "ap",
        "AP of the block's rows; also by the size of the query's object",
        kept=(*_ENDS, *_BY_SIZE),
    ),
    Number("ap_features", "AP of the cosine of the block's input; also by size", kept=("",)),
    Number("ap_gain", "ap - ap_features of the same queries; also by size", kept=("", *_BY_SIZE)),
    Number(
        "ap_edge",
        "AP among the cells along the object's outline alone, on both sides of it: does the row end "
        "where the object does?",
        kept=("",),
    ),
    Number("ap_edge_features", "the same of ap_features", kept=("",)),
    Number(
        "ap_chance",
        "the share of positives; also by size (small objects are harder to find)",
        "baseline",
        "chance: the share of positives",
    ),
    Number(
        "ap_edge_chance",
        "the share of positives among the cells along the outline",
        "baseline",
        "chance along the outlines",
    ),
    Number("ap_distance", "AP of: the nearer, the higher", "baseline", "distance alone"),
    Number(
        "ap_colour",
        "AP of: the nearer in Lab colour and distance, the higher",
        "baseline",
        "colour and distance",
    ),
    Number(
        "ap_flipped",
        "AP of the photo mirrored, the rows mirrored back (with flips)",
        kept=("",),
    ),
    Number(
        "ap_random",
        "AP of a block of the same kind at PyTorch's random initialisation, another for each photo",
        kept=("",),
    ),
    Number(
        "ap_teacher",
        "AP of the teacher's similarity, undiffused (with teacher)",
        "baseline",
        "the teacher's similarity",
        kept=("",),
    ),
    Number(
        "ap_target",
        "AP of the walk along it, exact (with teacher)",
        "baseline",
        "the walk along it, the target",
        kept=("",),
    ),
    Number(
        "ap_target_stored",
        "AP of the walk from its low-rank factors, as training stores and uses it (with teacher)",
    ),
    Number(
        "query_dependence",
        "mean cosine distance between rows, 0 to 1",
        "diagnostic",
        "query dependence",
        kept=("",),
    ),
    Number(
        "entropy_share",
        "entropy of a row, of the greatest possible",
        "diagnostic",
        "entropy / log M",
        kept=("",),
    ),
    Number(
        "gcnet_input",
        "GCNet's distance, half of a cosine distance, 0 to 1, between positions of the block's input",
        "diagnostic",
        "GCNet input",
        kept=("",),
    ),
    Number("gcnet_attention", "the same between rows", "diagnostic", "rows", kept=("",)),
    Number(
        "gcnet_output",
        "the same between positions of what the block adds",
        "diagnostic",
        "output",
        kept=("",),
    ),
    Number(
        "attention_distance",
        "how far a query looks, in pixels of the network's input",
        "diagnostic",
        "looks how far, px",
        kept=("",),
    ),
    Number(
        "border_share",
        "the border's weight, as a multiple of the mean",
        "diagnostic",
        "border",
        kept=("",),
    ),
    Number(
        "largest_column",
        "the most looked-at key, as a multiple of the mean",
        "diagnostic",
        "greatest key",
        kept=("",),
    ),
    Number(
        "residual_share",
        "norm of what the block adds over the norm of its input; 0 is a dead block",
        "diagnostic",
        "dead block",
        kept=("",),
    ),
)


def words_of(role: str) -> dict[str, str]:
    """{name: words} of the numbers of a role that the report has words for, in order."""
    return {n.name: n.words for n in NUMBERS if n.role == role and n.words}


def kept_names() -> tuple[str, ...]:
    """The names under which a manifest keeps numbers of a block, in order."""
    return tuple(n.name + ending for n in NUMBERS for ending in n.kept)


def known_names() -> frozenset[str]:
    """Every name that a block's scores can have: those of the table, by size where that is measured."""
    return frozenset(n.name + ending for n in NUMBERS for ending in ("", *_BY_SIZE))
