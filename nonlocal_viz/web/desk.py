"""The desk: questions of the page in, JSON values out. It knows no gradio and no person.

Every answer has a ``kind`` that says what it is: ``view`` (a picture or clip with its first block),
``block`` (another block of it), ``row`` (for blocks too big to send), ``file`` (a download), ``progress``
(any number of them before each of these) or ``error`` (one sentence). The browser never shows anything
else, so no failure of ours can put a traceback on the page. Whoever stops listening ends the work.
"""

import itertools
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from nonlocal_viz.canvas import document
from nonlocal_viz.canvas.payload import (
    Keep,
    about_payload,
    block_payload,
    inline,
    kept,
    picture_payload,
    row_payload,
)
from nonlocal_viz.errors import BusyError, GoneError, NonlocalVizError, WritingError
from nonlocal_viz.export import metadata, suffixes, useful
from nonlocal_viz.media import WebmWriter
from nonlocal_viz.view import View
from nonlocal_viz.web import lesson
from nonlocal_viz.web.asked import (
    colours_asked,
    file_name,
    head_of,
    pointed,
    row_asked,
    title_of,
)
from nonlocal_viz.web.field import field
from nonlocal_viz.web.views import Views, named

Answers = Iterator[dict[str, Any]]
#: Seconds between two answers that say how far something is: nobody reads faster.
OFTEN = 0.2
#: Letters of what a page that works alone shows at first: a hundred pins and more.
_QUERY = 32_768
_log = logging.getLogger(__name__)
_sequence = itertools.count(1)


class Step(Protocol):
    """How far something long is: ``done`` of ``total``, in words for people."""

    @property
    def words(self) -> str: ...
    @property
    def done(self) -> float: ...
    @property
    def total(self) -> float: ...


class Desk:
    """Answers the page's questions. Stateless but for the LRU of views, so any replica can answer.

    Args:
        views: what was encoded.
        keep: is given each file of an answer before it is deleted.
    """

    def __init__(self, views: Views, keep: Keep = inline) -> None:
        self.views = views
        self._keep = keep

    def open(self, source: object, block: object = None) -> Answers:
        """A picture with the factors of one block, and the query to start from."""
        source = named(source)
        view, limits = self.views.get(source), self.views.limits
        name = str(block) if block in view.blocks else view.default_block
        yield from progress(_steps(view, name))
        example = self.views.examples.get(str(source.get("example")))
        width, height = view.size
        start = (*example.query, example.frame) if example else (width / 2, height / 2, 0)
        title = example.title if example else title_of(source)
        with tempfile.TemporaryDirectory() as folder:
            yield {
                "kind": "view",
                "source": source,
                "about": about_payload(view.about),
                "title": title,
                "alt": example.alt if example else f"the picture that you opened, {title}",
                "start": list(start),
                **self._with_files(picture_payload(view, Path(folder), limits)),
                "best": self.views.models.best_block(source.get("model")),
                "first": self._with_files(block_payload(view, name, Path(folder), limits)),
            }

    def block(self, source: object, block: str) -> Answers:
        """The factors of another block of the same picture."""
        source = named(source)
        view = self.views.get(source)
        yield from progress(_steps(view, block))
        with tempfile.TemporaryDirectory() as folder:
            first = self._with_files(block_payload(view, block, Path(folder), self.views.limits))
        yield {"kind": "block", "source": source, "first": first}

    def row(self, request: dict[str, Any]) -> Answers:
        """One row, for a browser that does not hold the factors of the block."""
        source = named(request.get("source"))
        view = self.views.get(source)
        x, y, frame, block = pointed(request)
        yield from progress(_steps(view, block))
        head = head_of(request, view, block)
        row = row_asked(request, view, (x, y, frame), block, head)
        with tempfile.TemporaryDirectory() as folder:
            found = self._with_files(row_payload(row, Path(folder)))
        yield {"kind": "row", "source": source, "head": head, **found}

    def field(self, request: dict[str, Any]) -> Answers:
        """Small pictures of one row in all blocks and heads."""
        source = named(request.get("source"))
        view = self.views.get(source)
        x, y, frame, block = pointed(request)
        yield from progress(_steps(view, block))
        token = request.get("token")
        with tempfile.TemporaryDirectory() as folder:
            asked = str(token) if isinstance(token, str) else None
            found = self._with_files(field(view, (x, y, frame), asked, Path(folder)))
        yield {"kind": "field", "source": source, **found}

    def lesson(self, request: dict[str, Any]) -> Answers:
        """What a page of the lesson asks for; see lesson.py."""
        source = named(request.get("source"))
        view = self.views.get(source)
        x, y, frame, block = pointed(request)
        yield from progress(_steps(view, block))
        view.frame_number(frame)
        asked = lesson.Asked(source, view, block, x, y, frame, request)
        want = request.get("want")
        with tempfile.TemporaryDirectory() as folder:
            found = self._with_files(lesson.answer(self.views, want, asked, Path(folder)))
        yield {"kind": "lesson", "want": want, "source": source, **found}

    def save(self, request: dict[str, Any]) -> Answers:
        """A download of one row or column, exact, at the photo's size: ``suffix`` png, npz, csv, svg, pdf,
        or for clips webm; or html, a page of its ``blocks`` that works alone. Yields how far it is, then
        the file."""
        view = self.views.get(named(request.get("source")))
        suffix = request.get("suffix")
        known = [*(own.removeprefix(".") for own in suffixes(clip=True)), "html"]
        if suffix not in known:
            raise WritingError(f"Downloads are {', '.join(known[:-1])} or {known[-1]}.")
        x, y, frame, block = pointed(request)
        yield from progress(_steps(view, block))
        head = head_of(request, view, block)
        row = row_asked(request, view, (x, y, frame), block, head)
        options = colours_asked(request)
        name = f"{file_name(request, view, row)}.{suffix}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            if suffix == "webm" and row.is_clip:
                # Frame by frame, so that whoever waits sees how far it is, and may stop it.
                writer, count = WebmWriter(metadata=metadata(row)), len(view.frames)
                for t in range(count):
                    yield said(f"Writing frame {t + 1} of {count}", t / count)
                    writer.write(row.overlay(frame=t, **options))
                path.write_bytes(writer.finish())
            elif suffix == "html":
                names = _blocks(request, view, block)
                for one in names:
                    yield from progress(_steps(view, one))
                yield said("Writing the page")
                query = request.get("query")
                shown = query if isinstance(query, str) and len(query) <= _QUERY else None
                path.write_text(document.of_views([view], names, (x, y, frame), shown), "utf-8")
            else:
                look = {**options, "caption": bool(request.get("caption"))}
                row.save(path, **useful(name, row.is_clip, look))
            yield {"kind": "file", "name": name, "file": self._keep(path)}

    def answers(self, ask: Callable[[], Answers], request: dict[str, Any]) -> Answers:
        """What ``ask`` yields, a failure as one sentence; each with the number of its ``question``, where
        the request has one, and ``seq``, which makes every answer a new value: the browser would not
        notice two equal ones."""
        number = request.get("question")
        echo = {"question": number} if type(number) is int else {}
        try:
            for found in ask():
                yield {**found, **echo, "seq": next(_sequence)}
        except NonlocalVizError as error:
            yield {
                "kind": "error",
                "message": str(error),
                **_why(error),
                **echo,
                "seq": next(_sequence),
            }
        except Exception:
            _log.exception("a question of the page failed")
            message = "Something went wrong on the server; it has been logged. Try again."
            yield {"kind": "error", "message": message, **echo, "seq": next(_sequence)}

    def _with_files(self, value: Any) -> Any:
        return kept(value, self._keep)


def said(words: str, done: float | None = None) -> dict[str, Any]:
    """How far an answer is, as the browser is told."""
    return {"kind": "progress", "words": words, "done": done}


def progress(steps: Iterable[Step]) -> Answers:
    """Take the steps of something long and say how far it is: at once, then every now and then."""
    last = -math.inf
    for step in steps:
        now = time.monotonic()
        if now - last >= OFTEN:
            last = now
            yield said(step.words, min(1.0, step.done / step.total) if step.total else None)


def _blocks(request: dict[str, Any], view: View, first: str) -> list[str]:
    """The blocks of a page that works alone: the one shown, and others that were opened."""
    asked = request.get("blocks")
    others = asked if isinstance(asked, list) else []
    return [first, *(name for name in view.blocks if name in others and name != first)]


def _steps(view: View, block: str) -> Iterable[Step]:
    """What is left to compute of a block, step by step."""
    return view.steps(block)


def _why(error: NonlocalVizError) -> dict[str, str]:
    """What a later try may mend."""
    if isinstance(error, BusyError):
        return {"why": "busy"}
    return {"why": "gone"} if isinstance(error, GoneError) else {}
