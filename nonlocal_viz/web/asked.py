"""What a question of the page asks for, as the browser said it: nothing of it is trusted."""

import math
from pathlib import Path
from typing import Any

from nonlocal_viz.errors import QueryError
from nonlocal_viz.row import Row
from nonlocal_viz.view import View


def pointed(request: dict[str, Any]) -> tuple[float, float, int, str]:
    """(x, y, frame, block) of a question of the page.

    Raises:
        QueryError: one of them is missing or is no number.
    """
    try:
        x, y, frame = float(request["x"]), float(request["y"]), int(request.get("frame") or 0)
        return x, y, frame, str(request["block"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise QueryError("A question needs a place in numbers; point again.") from None


def head_of(request: dict[str, Any], view: View, block: str) -> int | None:
    """The head that a question is about; None for the mean, also where there is no such head."""
    head = request.get("head")
    known = type(head) is int and 0 <= head < view.whole(block).heads
    return head if known and type(head) is int else None


def row_asked(
    request: dict[str, Any], view: View, at: tuple[float, float, int], block: str, head: int | None
) -> Row:
    """What a question asks for: the row of a token on no cell, or the row or column of a place."""
    token = request.get("token")
    if isinstance(token, str):
        return view.token(token, block, head, at[2])
    ask = view.column if request.get("direction") == "column" else view.query
    return ask(*at, block=block, head=head)


def file_name(request: dict[str, Any], view: View, row: Row) -> str:
    """What a download is called, without its suffix."""
    at = f"x{math.floor(row.x)}-y{math.floor(row.y)}" if not row.token else stem(row.token)
    frame = int(request.get("frame") or 0)
    parts = [
        stem(title_of(request.get("source"))),
        stem(view.about.name),
        row.block,
        *([] if row.head is None else [f"head{row.head}"]),
        row.direction,
        at,
        *([f"frame{frame}"] if row.is_clip else []),
    ]
    return "-".join(parts)


def title_of(source: object) -> str:
    """What a picture is called: an example by its name, an upload as its file was; letters that move others
    about, or that nobody sees, are left out."""
    given = source if isinstance(source, dict) else {}
    name = str(
        given.get("example")
        or Path(str(given.get("upload") or given.get("path") or "picture")).name
    )
    seen = "".join(c for c in name if c.isprintable()).strip()
    return seen if len(seen) <= 80 else f"{seen[:60]}\N{HORIZONTAL ELLIPSIS}{seen[-16:]}"


def stem(title: str) -> str:
    """A file name's first part from a picture's title; only tame characters survive."""
    name = Path(title).stem if Path(title).suffix[1:].isalnum() else title
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40] or "picture"


def colours_asked(request: dict[str, Any]) -> dict[str, Any]:
    """How a download is painted; an alpha that is no number is as if nothing was said."""
    alpha = request.get("alpha")
    usable = isinstance(alpha, int | float) and math.isfinite(alpha)
    return {
        "cmap": str(request["cmap"]) if request.get("cmap") else None,
        "alpha": alpha if usable else None,
        "scale": str(request.get("scale", "linear")),
        "smooth": bool(request.get("smooth")),
        "grey": not request.get("colour"),
        "veil": request.get("veil") is not False,
    }
