"""Contact sheets: which photos and queries, asked of which models; the drawing is render/sheet.py.

Everything that can be wrong with the list, the photos and the points is said before the first model
is opened. Models are opened one after the other, so memory is that of one model and one photo.
"""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from nonlocal_viz import render
from nonlocal_viz.core.geometry import Rect
from nonlocal_viz.errors import MediaError, QueryError
from nonlocal_viz.lens import Lens, View
from nonlocal_viz.limits import LIMITS, MIB, Limits
from nonlocal_viz.media import open_image
from nonlocal_viz.media.files import open_file
from nonlocal_viz.zoo import load_model, read_manifest

SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".webp", ".pdf")
#: Where nobody chose queries: the four crossings of the thirds, where photographers place things.
THIRDS: tuple[tuple[float, float], ...] = (
    (1 / 3, 1 / 3),
    (2 / 3, 1 / 3),
    (1 / 3, 2 / 3),
    (2 / 3, 2 / 3),
)
# A PNG in full colour is kept up to here; a larger one is written with 256 colours, at a third.
_PNG_BYTES = 2_400_000
_LIST_BYTES = 1 * MIB

Point = tuple[float, float]


@dataclass(frozen=True)
class Subject:
    """One photo of the sheet. ``points`` are (x, y), pixels of the upright photo; empty: thirds."""

    path: Path
    points: tuple[Point, ...] = ()
    section: str = ""


def read_subjects(path: Path) -> list[Subject]:
    """The list of a JSON file: ``{"photo.jpg": [[x, y], ...], "a section": {"photo.jpg": ...}}``.

    Photos are looked for from the file's own folder; an object instead of points is a section.

    Raises:
        MediaError: the file cannot be read, or is not such a list; the message says where.
        QueryError: a point is not two numbers.
    """
    with open_file(path, "a JSON file") as (file, name):
        content = file.read(_LIST_BYTES + 1)
    try:
        document = json.loads(content.decode("utf-8-sig")) if len(content) <= _LIST_BYTES else None
    except (ValueError, RecursionError):
        raise MediaError(
            f'{name} is not JSON; write it as {{"photo.jpg": [[x, y], ...]}}.'
        ) from None
    if not isinstance(document, dict) or not document:
        raise MediaError(
            f'{name} is no list of photos; write it as {{"photo.jpg": [[x, y], ...]}}.'
        )
    found = []
    for key, value in document.items():
        if isinstance(value, dict):
            found += [_subject(path.parent, key, photo, value[photo], name) for photo in value]
        else:
            found.append(_subject(path.parent, "", key, value, name))
    if not found:
        raise MediaError(f"{name} names no photo.")
    return found


def _subject(folder: Path, section: str, photo: str, points: object, name: str) -> Subject:
    if not isinstance(points, list) or not points:
        raise MediaError(f"{name} should give {photo!r} a list of points [[x, y], ...].")
    for point in points:
        # bool is a number to Python, and to nobody else.
        if (
            not isinstance(point, list)
            or len(point) != 2
            or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
        ):
            raise QueryError(
                f"{name} should give {photo!r} points of two numbers [x, y]; got {json.dumps(point)[:60]}."
            )
    return Subject(folder / photo, tuple((p[0], p[1]) for p in points), section)


def draw_sheet(
    subjects: Sequence[Subject],
    models: Sequence[str] | None = None,
    blocks: Sequence[str] = (),
    *,
    device: str = "auto",
    short_side: int | None = None,
    tile: int = 160,
    columns: int | None = None,
    cmap: str | None = None,
    alpha: float | None = None,
    scale: str = "linear",
    say: Callable[[str], None] = lambda _line: None,
    limits: Limits = LIMITS,
) -> np.ndarray:
    """The contact sheet, (H, W, 3) uint8 RGB.

    Args:
        models: names of the zoo or files; default every model of the zoo, the default one first.
        blocks: names of blocks; default each model's own default block.
        tile: width of a tile, pixels.
        columns: of photos on the page; default as many as make it a landscape one.
        cmap, alpha, scale: see ``render.overlay``.
        say: is told of each model that is opened.

    Raises:
        MediaError: no photo, one that cannot be read, or a sheet that would be too large.
        QueryError: a point outside its photo; an unknown colour map or scale; no useful tile size.
        BlockError, CheckpointError, ShapeError: no such block, model or device.
    """
    _check_numbers(tile, columns, short_side)
    names = _check_models(models)
    render.normalise(np.zeros(1), scale)
    render.lookup(cmap or "magma")
    if not subjects:
        raise MediaError("There is no photo to draw; name one, or give a list with --queries.")
    chosen = [_checked(subject, limits) for subject in subjects]

    asked = blocks or (None,)
    tiles: list[list[list[np.ndarray]]] = [[[] for _ in s.points] for s in chosen]
    headers: list[tuple[str, str]] = []
    signs: set[bool] = set()
    for name in names:
        model = load_model(name, device)
        # A file's name ends in eight digits of its hash, which nobody reads.
        label = re.sub(r"-[0-9a-f]{8}$", "", model.info.name)
        say(label)
        lens = Lens(model, short_side, limits)
        for number, subject in enumerate(chosen):
            view = lens.open(subject.path)
            if number == 0:
                headers += [(label, _block_name(view, block)) for block in asked]
            for row, (x, y) in zip(tiles[number], subject.points, strict=True):
                if not row:
                    cell = view.query(x, y, block=asked[0]).query_rect
                    row.append(render.photo_tile(view.image, tile, cell, (x, y)))
                for block in asked:
                    painted, signed = _row_tile(view, x, y, block, tile, cmap, alpha, scale)
                    row.append(painted)
                    signs.add(signed)
    shared = {second for _, second in headers}
    only = shared.pop() if len(shared) == 1 else ""
    if only:
        headers = [(label, "") for label, _ in headers]
    panels = [
        render.Panel(s.path.stem, rows, s.section) for s, rows in zip(chosen, tiles, strict=True)
    ]
    return render.sheet(
        panels,
        headers,
        tile=tile,
        columns=columns,
        caption=caption(only, scale),
        legends=[render.Legend.of(signed, cmap) for signed in sorted(signs)],
        limits=limits,
    )


def caption(block: str, scale: str = "linear") -> str:
    """The line under a sheet: what the colours mean, and what must not be compared by them."""
    where = f"{block}: how" if block else "How"
    how = "" if scale == "linear" else f" ({scale})"
    return (
        f"{where} much the marked cell looks at every other. "
        f"Each tile has colours scaled to its own maximum{how}."
    )


def encode_sheet(page: np.ndarray, suffix: str) -> bytes:
    """The bytes of a file of one of ``SUFFIXES``.

    Raises:
        MediaError: another suffix.
    """
    kinds: Mapping[str, tuple[str, dict[str, object]]] = {
        ".png": ("PNG", {"optimize": True}),
        ".jpg": ("JPEG", {"quality": 90, "subsampling": 0}),
        ".jpeg": ("JPEG", {"quality": 90, "subsampling": 0}),
        ".webp": ("WEBP", {"quality": 90, "method": 4}),
        # 144 pixels an inch: letters as large as those of a printed caption.
        ".pdf": ("PDF", {"resolution": 144.0, "quality": 92}),
    }
    if suffix.lower() not in kinds:
        raise MediaError(
            f"Cannot write {suffix or 'a file without a suffix'}; use {', '.join(SUFFIXES)}."
        )
    kind, options = kinds[suffix.lower()]
    picture = Image.fromarray(page)
    content = _bytes(picture, kind, options)
    if kind == "PNG" and len(content) > _PNG_BYTES:
        content = _bytes(_palette(picture), kind, options)
    return content


def _bytes(picture: Image.Image, kind: str, options: Mapping[str, object]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _palette(picture: Image.Image) -> Image.Image:
    table = picture.quantize(256, Image.Quantize.MEDIANCUT)
    return picture.quantize(palette=table, dither=Image.Dither.FLOYDSTEINBERG)


def _check_numbers(tile: int, columns: int | None, short_side: int | None) -> None:
    if not 40 <= tile <= 1000:
        raise QueryError(f"A tile is 40 to 1000 pixels wide, not {tile}.")
    if columns is not None and not 1 <= columns <= 50:
        raise QueryError(f"A sheet has 1 to 50 columns of photos, not {columns}.")
    if short_side is not None and short_side < 1:
        raise QueryError(f"The short side has to be at least 1 pixel, not {short_side}.")


def _check_models(models: Sequence[str] | None) -> list[str]:
    """The models by name; what is neither in the zoo nor a file is refused before one is opened."""
    manifest = read_manifest()
    if not models:
        usual = [name for name, info in manifest.models.items() if info.has_blocks]
        return sorted(usual, key=lambda name: name != manifest.default)
    for name in models:
        if not Path(name).expanduser().is_file():
            manifest.find(name)
    return list(models)


def _checked(subject: Subject, limits: Limits) -> Subject:
    """The subject with its points, each of which lies in the photo."""
    image = open_image(subject.path, limits)
    height, width = image.shape[:2]
    if not subject.points:
        points = tuple((width * x, height * y) for x, y in THIRDS)
        return Subject(subject.path, points, subject.section)
    for x, y in subject.points:
        if not (0 <= x < width and 0 <= y < height):
            raise QueryError(
                f"The point ({x:g}, {y:g}) lies outside {subject.path.name}, which is {width} x {height} "
                "pixels."
            )
    return subject


def _row_tile(
    view: View,
    x: float,
    y: float,
    block: str | None,
    tile: int,
    cmap: str | None,
    alpha: float | None,
    scale: str,
) -> tuple[np.ndarray, bool]:
    row = view.query(x, y, block=block)
    rect: Rect = row.query_rect
    painted = render.row_tile(
        view.image,
        tile,
        row.map[0],
        row.key_grid.x.edges(),
        row.key_grid.y.edges(),
        rect,
        (x, y),
        cmap=cmap,
        alpha=alpha,
        scale=scale,
        signed=row.signed,
    )
    return painted, row.signed


def _block_name(view: View, block: str | None) -> str:
    return view.default_block if block is None else block
