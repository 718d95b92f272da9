"""What an answer looks like as a picture, and what it is as a file: one writer a suffix.

Invariant: nothing here knows where an answer comes from. A :class:`Shown` is its weights, where their
cells lie, and the pictures they lie on; :class:`nonlocal_viz.Row` is one.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from nonlocal_viz import render
from nonlocal_viz.core.geometry import Cell, Grid, Rect
from nonlocal_viz.errors import OptionError, WritingError
from nonlocal_viz.files import write_atomically
from nonlocal_viz.media import encode_png, encode_webm
from nonlocal_viz.version import __version__


class Shown(Protocol):
    """An answer over pictures, as :class:`nonlocal_viz.Row` describes its fields."""

    @property
    def map(self) -> np.ndarray: ...
    @property
    def grid(self) -> Grid: ...
    @property
    def frames(self) -> np.ndarray: ...
    @property
    def times(self) -> tuple[float, ...]: ...
    @property
    def first_frame(self) -> int: ...
    @property
    def query_cell(self) -> Cell: ...
    @property
    def query_rect(self) -> Rect: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def place(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def head(self) -> int | None: ...
    @property
    def token(self) -> str: ...
    @property
    def block(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def instantiation(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def picture(self) -> str: ...
    @property
    def signed(self) -> bool: ...
    @property
    def shares(self) -> tuple[float, ...]: ...
    def peaks(self, count: int) -> "Sequence[Strong]": ...


class Strong(Protocol):
    """One cell of an answer with its weight."""

    @property
    def cell(self) -> Cell: ...
    @property
    def weight(self) -> float: ...
    @property
    def rect(self) -> Rect: ...


@dataclass(frozen=True)
class Writer:
    """A kind of file.

    Attributes:
        content: an answer and options -> the bytes of the file.
        takes: names of the options that it has a use for, those of :func:`overlay`; of a clip
            ``takes_of_clips``.
        of_photos, of_clips: what it can be of.
    """

    content: Callable[..., bytes]
    takes: tuple[str, ...] = ()
    takes_of_clips: tuple[str, ...] = ()
    of_photos: bool = True
    of_clips: bool = True


def overlay(
    row: Shown,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    smooth: bool = False,
    frame: int | None = None,
    grey: bool = False,
    veil: bool = True,
) -> np.ndarray:
    """An answer over one frame, (H, W, 3) uint8; see :meth:`nonlocal_viz.Row.overlay`."""
    shown = row.query_cell[0] if frame is None else frame
    at = shown - row.first_frame
    weights = row.map[at] if 0 <= at < len(row.map) else np.zeros_like(row.map[0])
    return render.overlay(
        row.frames[shown],
        weights,
        row.grid.x.edges(),
        row.grid.y.edges(),
        cmap=cmap,
        alpha=alpha,
        scale=scale,
        smooth=smooth,
        grey=grey,
        veil=veil,
        signed=row.signed,
        vmax=float(np.abs(np.nan_to_num(row.map, posinf=0, neginf=0)).max()),
        query_rect=row.query_rect if shown == row.query_cell[0] else None,
    )


def overlays(row: Shown, **options: Any) -> list[np.ndarray]:
    """The answer over every frame, options as :func:`overlay`."""
    return [overlay(row, frame=t, **options) for t in range(len(row.frames))]


def strip(row: Shown, **options: Any) -> np.ndarray:
    """The film strip: (H', W', 3) uint8, every frame with its row, its time and its share."""
    shares = [0.0] * len(row.frames)
    shares[row.first_frame : row.first_frame + len(row.map)] = row.shares
    return render.strip(overlays(row, **options), row.times, shares, marked=row.query_cell[0])


def arrows(row: Shown, suffix: str = "png", count: int = 20) -> bytes:
    """As the paper's Figure 3: frames in a row, arrows from the query to the strongest places.

    Places, not cells: the twenty strongest cells of a row are often neighbours of one another.
    """
    return render.arrows(
        list(row.frames),
        row.times,
        row.query_cell[0],
        row.query_rect,
        [(key.cell[0], key.rect, key.weight) for key in row.peaks(count)],
        suffix=suffix,
        metadata=metadata(row),
    )


def plot(row: Shown, ax: Any, bar: bool, **options: Any) -> Any:
    """An answer on axes of matplotlib, with a colour bar; options as :func:`overlay`."""
    axes = render.plot(ax, overlay(row, **options), caption(row))
    if bar:
        told = {k: v for k, v in options.items() if k in ("cmap", "scale", "veil")}
        render.add_bar(axes, row.map, signed=row.signed, **told)
    return axes


def caption(row: Shown) -> str:
    """What an answer is of, in one line: picture, model, block, query."""
    what = row.picture or ("clip" if len(row.frames) > 1 else "picture")
    through = f" through {row.model}" if row.model else ""
    frame = f" in frame {row.query_cell[0]}" if len(row.frames) > 1 else ""
    return f"{what}{through}: {row.direction} of {row.origin}{frame}, {row.place}" + (
        f" ({row.instantiation.replace('_', ' ')})" if row.instantiation else ""
    )


def metadata(row: Shown) -> dict[str, str]:
    """What every file says of itself, whatever it is called later."""
    told = {
        "picture": row.picture,
        "model": row.model,
        "block": row.block,
        "direction": row.direction,
        "x": row.x,
        "y": row.y,
        "frame": row.query_cell[0],
        **({} if row.head is None else {"head": row.head}),
        **({"token": row.token} if row.token else {}),
        "version": __version__,
    }
    return {
        "Title": caption(row),
        "Description": json.dumps(told),
        "Creator": f"nonlocal_viz {__version__}",
    }


def save(row: Shown, path: str | os.PathLike[str], **options: Any) -> Path:
    """Write an answer to a file of one of :data:`WRITERS`, whole or not at all.

    Raises:
        WritingError: another suffix, or the file cannot be written.
        OptionError: an unknown colour map or scale, or an option that changes nothing in such a file.
    """
    path = Path(path)
    write_atomically(path, encode(row, path.name, **options))
    return path


def encode(row: Shown, name: str, **options: Any) -> bytes:
    """The bytes of the file that :func:`save` writes under this name; None is no option."""
    clip = len(row.frames) > 1
    given = {key: value for key, value in options.items() if value is not None}
    check_options(name, clip, given)
    return _writer(name, clip).content(row, **given)


def suffixes(clip: bool) -> tuple[str, ...]:
    """The suffixes that an answer over a clip, or over a photo, can be written with."""
    return tuple(s for s, w in WRITERS.items() if (w.of_clips if clip else w.of_photos))


def check_suffix(path: Path, clip: bool) -> None:
    """Say now what :func:`save` would say after the work.

    Raises:
        WritingError: no answer of this kind can be written under this name.
    """
    _writer(path.name, clip)


def useful(name: str, clip: bool, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that change anything in such a file: for whoever has a whole look to give, and
    nobody asked for each part of it.

    Raises:
        WritingError: as :func:`check_suffix`.
    """
    writer = _writer(name, clip)
    known = writer.takes_of_clips if clip else writer.takes
    return {option: value for option, value in options.items() if option in known}


def check_options(name: str, clip: bool, options: Iterable[str]) -> None:
    """Refuse an option that would change nothing.

    Raises:
        OptionError: there is none of that name, or none for such a file; the message lists those of it.
        WritingError: as :func:`check_suffix`.
    """
    writer = _writer(name, clip)
    known = writer.takes_of_clips if clip else writer.takes
    for option in options:
        if option not in known:
            kind = name[name.rfind(".") :] if "." in name else name
            what = f"a {kind} of a {'clip' if clip else 'photo'}"
            raise OptionError(
                f"The option {option!r} changes nothing in {what}; "
                + (f"it takes {', '.join(known)}." if known else "it takes none.")
            )


def _writer(name: str, clip: bool) -> Writer:
    there = suffixes(clip)
    # The longest first: ".arrows.png" ends in ".png", too.
    for suffix in sorted(there, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return WRITERS[suffix]
    suffix = Path(name).suffix or "a file without a suffix"
    raise WritingError(f"Cannot write {suffix}; use {', '.join(there)}.")


def _png(row: Shown, caption: bool = False, **options: Any) -> bytes:
    if caption and len(row.frames) == 1:
        return _figure(row, "png", beside=False, **_whole(options))
    one = len(row.frames) == 1 or options.get("frame") is not None
    painted = overlay(row, **options) if one else strip(row, **_whole(options))
    return encode_png(painted, metadata(row))


def _webm(row: Shown, **options: Any) -> bytes:
    return encode_webm(overlays(row, **options), metadata=metadata(row))


def _figure(row: Shown, suffix: str, beside: bool = True, **options: Any) -> bytes:
    if len(row.frames) > 1:
        return arrows(row, suffix)
    return render.figure(
        row.frames[0],
        row.map[0],
        row.grid.x.edges(),
        row.grid.y.edges(),
        title=caption(row),
        suffix=suffix,
        beside=beside,
        metadata=metadata(row),
        signed=row.signed,
        query_rect=row.query_rect,
        **options,
    )


def _npz(row: Shown) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        weights=row.map,
        x_edges=np.array(row.grid.x.edges()),
        y_edges=np.array(row.grid.y.edges()),
        query_cell=np.array(row.query_cell),
        query_pixel=np.array([row.x, row.y]),
        picture_size=np.array(row.grid.size),
        first_frame=np.array(row.first_frame),
        times=np.array(row.times),
        block=np.array(row.block),
        instantiation=np.array(row.instantiation),
        direction=np.array(row.direction),
        model=np.array(row.model),
        picture=np.array(row.picture),
        version=np.array(__version__),
    )
    return buffer.getvalue()


def _csv(row: Shown) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["frame", "row", "column", "left", "top", "right", "bottom", "weight"])
    for index, weight in enumerate(row.map.ravel()):
        edges = (f"{v:.3f}" for v in row.grid.rect(index))
        t, h, w = row.grid.unflat(index)
        lines.writerow([t + row.first_frame, h, w, *edges, f"{weight:.9g}"])
    return text.getvalue().encode()


def _whole(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "frame"}


_COLOURS = ("cmap", "alpha", "scale", "smooth", "grey", "veil")
#: Every kind of file that an answer can be written as, by its suffix: the only list of them.
WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        ".png": Writer(_png, (*_COLOURS, "caption"), (*_COLOURS, "frame")),
        ".webm": Writer(_webm, takes_of_clips=_COLOURS, of_photos=False),
        ".npz": Writer(_npz),
        ".csv": Writer(_csv),
        ".pdf": Writer(lambda row, **options: _figure(row, "pdf", **options), _COLOURS),
        ".svg": Writer(lambda row, **options: _figure(row, "svg", **options), _COLOURS),
        ".arrows.png": Writer(lambda row: arrows(row, "png"), of_photos=False),
    }
)
