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
from typing import Any

import numpy as np
from PIL import Image

from nonlocal_viz import render
from nonlocal_viz.errors import MediaError, OptionError, QueryError, WritingError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS, MIB, Limits
from nonlocal_viz.media import open_image
from nonlocal_viz.media.files import open_file
from nonlocal_viz.view import View
from nonlocal_viz.zoo import load_model, read_manifest

_JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": 90, "subsampling": 0})
#: suffix -> Pillow's name of the format, and its options
_KINDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"optimize": True}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", {"quality": 90, "method": 4}),
    # 144 pixels an inch: letters as large as those of a printed caption.
    ".pdf": ("PDF", {"resolution": 144.0, "quality": 92}),
}
#: Where nobody chose queries: the four crossings of the thirds, where photographers place things.
THIRDS: tuple[tuple[float, float], ...] = (
    (1 / 3, 1 / 3),
    (2 / 3, 1 / 3),
    (1 / 3, 2 / 3),
    (2 / 3, 2 / 3),
)
# A PNG in full colour is kept up to here; a larger one is written with 256 colours, at a third.
_PNG_BYTES = 2_400_000
#: Names of models that are not ours: load_model knows them.
_LIBRARIES = ("timm:", "torchvision:", "hf:")
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


def chosen_subjects(photos: Sequence[Path], listed: Path | None) -> list[Subject]:
    """The photos of a list, or of those the ``photos`` that are named; a photo that is named and is not
    in the list gets queries of its own.

    Args:
        photos: files; none: all of the list.
        listed: a JSON file, see :func:`read_subjects`; None: no list.
    """
    subjects = [] if listed is None else read_subjects(listed)
    if not photos:
        return subjects
    known = {subject.path.resolve(): subject for subject in subjects}
    return [known.get(path.resolve(), Subject(path)) for path in photos]


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
        say: is given a line for each model that is opened, and for what is assumed about it.

    Raises:
        MediaError: no photo, one that cannot be read, or a sheet that would be too large.
        QueryError: a point outside its photo.
        OptionError: an unknown colour map or scale; no useful tile size or number of columns.
        BlockError, CheckpointError, DeviceError: no such block, model or device.
    """
    _check_numbers(tile, columns, short_side)
    names = _check_models(models)
    look = _Colours(cmap, alpha, scale)
    look.check()
    if not subjects:
        raise MediaError("There is no photo to draw; name one, or give a list with --queries.")
    chosen = [_checked(subject, limits) for subject in subjects]
    tiles: list[list[list[np.ndarray]]] = [[[] for _ in s.points] for s in chosen]
    headers: list[tuple[str, str]] = []
    signs: set[bool] = set()
    for name in names:
        model = load_model(name, device)
        # A file's name ends in eight digits of its hash, which nobody reads.
        label = re.sub(r"-[0-9a-f]{8}$", "", model.about.name)
        say(f"asking {label}")
        for sentence in model.about.assumptions:
            say(f"note: {sentence}")
        lens = Lens(model, short_side, limits)
        for number, subject in enumerate(chosen):
            view = lens.open(subject.path)
            asked = blocks or (view.default_block,)
            if number == 0:
                headers += [(label, block) for block in asked]
            signs |= _ask(view, subject, asked, tiles[number], tile, look)
    return _page(chosen, tiles, headers, signs, look, tile=tile, columns=columns, limits=limits)


def _ask(
    view: View,
    subject: Subject,
    blocks: Sequence[str],
    tiles: list[list[np.ndarray]],
    tile: int,
    look: "_Colours",
) -> set[bool]:
    """Add a view's tiles to those of its subject, a line a point; whether its rows are signed."""
    signs = set()
    for line, (x, y) in zip(tiles, subject.points, strict=True):
        if not line:
            cell = view.query(x, y, block=blocks[0]).query_rect
            line.append(render.photo_tile(view.image, tile, cell, (x, y)))
        for block in blocks:
            painted, signed = _row_tile(view, x, y, block, tile, look)
            line.append(painted)
            signs.add(signed)
    return signs


def _page(
    subjects: Sequence[Subject],
    tiles: Sequence[Sequence[Sequence[np.ndarray]]],
    headers: Sequence[tuple[str, str]],
    signs: set[bool],
    look: "_Colours",
    **layout: Any,
) -> np.ndarray:
    shared = {second for _, second in headers}
    only = shared.pop() if len(shared) == 1 else ""
    if only:
        headers = [(label, "") for label, _ in headers]
    panels = [
        render.Panel(s.path.stem, rows, s.section) for s, rows in zip(subjects, tiles, strict=True)
    ]
    return render.sheet(
        panels,
        headers,
        caption=caption(only, look.scale),
        legends=[render.Legend.of(signed, look.cmap) for signed in sorted(signs)],
        **layout,
    )


def caption(block: str, scale: str = "linear") -> str:
    """The line under a sheet: what the colours mean, and what must not be compared by them."""
    where = f"{block}: how" if block else "How"
    how = "" if scale == "linear" else f" ({scale})"
    return (
        f"{where} much the marked cell looks at every other. "
        f"Each tile has colours scaled to its own maximum{how}."
    )


def check_suffix(path: Path) -> None:
    """Say now what :func:`encode_sheet` would say after the work.

    Raises:
        WritingError: no sheet can be written under this name.
    """
    if path.suffix.lower() not in _KINDS:
        raise WritingError(
            f"Cannot write {path.suffix or 'a file without a suffix'}; use {', '.join(_KINDS)}."
        )


def encode_sheet(page: np.ndarray, suffix: str) -> bytes:
    """The bytes of a file of one of the kinds that :func:`check_suffix` lets pass.

    Raises:
        WritingError: another suffix.
    """
    check_suffix(Path(f"sheet{suffix}"))
    kind, options = _KINDS[suffix.lower()]
    picture = Image.fromarray(page)
    content = _bytes(picture, kind, options)
    if kind == "PNG" and len(content) > _PNG_BYTES:
        content = _bytes(_palette(picture), kind, options)
    return content


def _bytes(picture: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _palette(picture: Image.Image) -> Image.Image:
    table = picture.quantize(256, Image.Quantize.MEDIANCUT)
    return picture.quantize(palette=table, dither=Image.Dither.FLOYDSTEINBERG)


def _check_numbers(tile: int, columns: int | None, short_side: int | None) -> None:
    if not 40 <= tile <= 1000:
        raise OptionError(f"A tile is 40 to 1000 pixels wide, not {tile}.")
    if columns is not None and not 1 <= columns <= 50:
        raise OptionError(f"A sheet has 1 to 50 columns of photos, not {columns}.")
    if short_side is not None and short_side < 1:
        raise OptionError(f"The short side has to be at least 1 pixel, not {short_side}.")


def _check_models(models: Sequence[str] | None) -> list[str]:
    """The models by name; what is neither in the zoo nor a file is refused before one is opened."""
    manifest = read_manifest()
    if not models:
        usual = [name for name, info in manifest.models.items() if info.has_blocks]
        return sorted(usual, key=lambda name: name != manifest.default)
    for name in models:
        if not name.startswith(_LIBRARIES) and not Path(name).expanduser().is_file():
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


@dataclass(frozen=True)
class _Colours:
    """How weights become colours; see ``render.overlay``."""

    cmap: str | None
    alpha: float | None
    scale: str

    def check(self) -> None:
        """Raise OptionError now, where painting would after a model is opened."""
        render.normalise(np.zeros(1), self.scale)
        render.lookup(self.cmap or render.default_cmap(False))
        render.check_alpha(self.alpha)


def _row_tile(
    view: View, x: float, y: float, block: str, tile: int, look: _Colours
) -> tuple[np.ndarray, bool]:
    row = view.query(x, y, block=block)
    painted = render.row_tile(
        view.image,
        tile,
        row.map[0],
        row.grid.x.edges(),
        row.grid.y.edges(),
        row.query_rect,
        (x, y),
        cmap=look.cmap,
        alpha=look.alpha,
        scale=look.scale,
        signed=row.signed,
    )
    return painted, row.signed
