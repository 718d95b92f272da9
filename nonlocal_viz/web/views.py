"""Encoded pictures for everyone, bounded in bytes, re-derivable from their source.

A view is named by its source: an example of the page, or the path of a file that gradio took in (whose
folder is a hash of its content, so nobody can guess another's), by the model that looks at it, and for
clips by which frames were sampled and whether they look at one another. The browser sends the source with
every question; a view that was dropped to make room, or lost with a restarted server, is encoded
again. There is no per-person state to mix up.
"""

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nonlocal_viz.errors import BusyError, GoneError
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import moves
from nonlocal_viz.resources import assets_dir
from nonlocal_viz.view import View
from nonlocal_viz.web.models import Models


@dataclass(frozen=True)
class Example:
    """A picture or clip that comes with the page; ``query`` is a first point to look from, in pixels,
    and ``frame`` the sampled frame that it lies in."""

    name: str
    path: Path
    title: str
    alt: str
    query: tuple[float, float]
    licence: str
    frame: int = 0


def examples() -> tuple[Example, ...]:
    """The example photos of assets/examples.json, in the order of the page."""
    folder = assets_dir()
    return tuple(
        Example(
            e.get("name", Path(e["file"]).stem),
            folder / e["file"],
            e["title"],
            e["alt"],
            tuple(e["query"]),
            e["licence"],
            e.get("frame", 0),
        )
        for e in json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    )


class Views:
    """An LRU of views by source, bounded by the bytes that they keep alive.

    Args:
        lens: of the page's own model.
        uploads: the only folder that sources may lie in, besides the examples.
        opens: see :class:`~nonlocal_viz.web.models.Models`.
    """

    def __init__(self, lens: Lens, uploads: Path, opens: bool = False) -> None:
        self.limits = lens.limits
        self.models = Models(lens, opens)
        self.examples = {example.name: example for example in examples()}
        self._uploads = uploads.resolve()
        self._kept: OrderedDict[str, View] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(lens.limits.queue_size)
        self._clips = threading.BoundedSemaphore(lens.limits.clips_at_once)

    def get(self, source: object) -> View:
        """The view of a source: ``{"example": name}`` or ``{"upload": file}``, by its place within the
        folder of uploads or (``path``) as a whole path, with the name of a
        ``model`` if it is not the page's own; for clips with ``frames`` (count), ``start`` and
        ``stride`` (seconds) and ``spacetime`` (bool), all optional.

        Raises:
            GoneError: no such example or upload.
            MediaError: the file is not a picture that can be shown.
            CheckpointError: the page does not offer that model.
            BusyError: too many pictures are waiting already.
        """
        key, path = self._find(source)
        options = _clip_options(source) if moves(path) else {}
        model = source.get("model") if isinstance(source, dict) else None
        lens = self.models.lens(model)
        key += f" {sorted(options.items())} {self.models.called(model) or self.models.own}"
        with self._lock:
            if key in self._kept:
                return self._touched(key, self._kept[key])
        if not self._waiting.acquire(blocking=False):
            raise BusyError("Too many pictures are waiting to be encoded; try again in a minute.")
        try:
            # What nobody asks for is not computed; who asks is told how far it is (Desk).
            with self._clips if options else nullcontext():
                view = lens.open(path, **options, lazy=True)
        finally:
            self._waiting.release()
        with self._lock:
            return self._touched(key, view)

    def _touched(self, key: str, view: View) -> View:
        """The view as the newest. Views grow as they are asked: room is made at every question."""
        self._kept[key] = view
        self._kept.move_to_end(key)
        # The newest stays, whatever its size: somebody is about to look at it.
        while len(self._kept) > 1 and self.nbytes > self.limits.view_bytes:
            self._kept.popitem(last=False)
        return view

    def asked(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The source that the query of an address names, as far as it is here: else the first example,
        and the browser says what is missing."""
        source: dict[str, Any] = {"example": query.get("example")}
        if "example" not in query and "upload" in query:
            source = {"upload": query["upload"]}
        try:
            self._find(source)
        except (GoneError, OSError, ValueError):
            source = {"example": next(iter(self.examples))}
        if model := self.models.called(query.get("model")):
            source["model"] = model
        for name in ("frames", "start", "stride"):
            if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", query.get(name, "")):
                source[name] = float(query[name])
        if not 1 <= source.get("frames", 1) <= self.limits.clip_frames:
            del source["frames"]
        return source | ({"spacetime": False} if query.get("spacetime") == "0" else {})

    @property
    def nbytes(self) -> int:
        """Bytes that the kept views hold."""
        return sum(view.nbytes for view in self._kept.values())

    def path(self, source: object) -> Path:
        """The file of a source.

        Raises:
            GoneError: there is none.
        """
        return self._find(source)[1]

    def _find(self, source: object) -> tuple[str, Path]:
        if isinstance(source, dict):
            example = self.examples.get(str(source.get("example")))
            if example is not None:
                return f"example {example.name}", example.path
            named = source.get("upload") or source.get("path")
            if isinstance(named, str):
                # What the browser names is not trusted: only files that gradio itself took in.
                path = (self._uploads / named).resolve()
                if path.is_relative_to(self._uploads) and path.is_file():
                    return f"upload {path}", path
        raise GoneError("That picture is no longer here; open it again.")


#: What a source may say.
_SAID = ("example", "upload", "path", "model", "frames", "start", "stride", "spacetime")


def named(source: object) -> dict[str, Any]:
    """A source as the browser named it, with nothing in it but plain values of known names: it is sent
    back, and what is sent back may hold no file of its own."""
    given = source if isinstance(source, dict) else {}
    return {
        k: v for k, v in given.items() if k in _SAID and isinstance(v, str | int | float | bool)
    }


def _clip_options(source: object) -> dict[str, Any]:
    """How a clip is sampled, from what the browser says; numbers that are none are as if not said."""
    said = source if isinstance(source, dict) else {}

    def number(name: str) -> float | None:
        value = said.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None

    return {
        "frames": round(number("frames") or 8),
        "start": number("start") or 0.0,
        "stride": number("stride") or None,
        "spacetime": said.get("spacetime") is not False,
    }
