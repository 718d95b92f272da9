"""The page: one gr.HTML that is the whole tool, the events that feed it, and how it is served.

Every event answers with a small JSON value whose ``kind`` says what it is: ``view`` (a picture or clip
with its first block), ``block`` (another block of it), ``row`` (for blocks too big to
send), ``progress`` and ``file`` (a download) or
``error`` (one sentence). The
browser never shows anything else, so no failure of ours can put a traceback on the page.
"""

import base64
import itertools
import logging
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import MediaError, NonlocalVizError, QueryError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import (
    WebmWriter,
    encode_jpeg,
    is_video,
    open_image,
    open_video,
    thumbnail,
)
from nonlocal_viz.render import DIVERGING, SEQUENTIAL, lookup
from nonlocal_viz.web.api import add_endpoints
from nonlocal_viz.web.canvas import canvas_html, canvas_js
from nonlocal_viz.web.payload import block_payload, picture_payload, row_payload
from nonlocal_viz.web.theme import PAGE_CSS, THEME
from nonlocal_viz.web.views import Views
from nonlocal_viz.zoo import load_model

TITLE = "nonlocal_viz"
_log = logging.getLogger(__name__)
_sequence = itertools.count(1)


class Desk:
    """Answers the page's questions. Stateless but for the LRU of views, so any replica can answer."""

    def __init__(self, views: Views) -> None:
        self.views = views

    def open(self, source: object, block: str | None = None) -> dict[str, Any]:
        """A picture with the factors of one block, and the query to start from."""
        source = named(source)
        view = self.views.get(source)
        name = block if block in view.blocks else view.default_block
        example = self.views.examples.get(str(source.get("example")))
        width, height = view.size
        start = (*example.query, example.frame) if example else (width / 2, height / 2, 0)
        with tempfile.TemporaryDirectory() as folder:
            return {
                "kind": "view",
                "source": source,
                "title": example.title if example else "your picture",
                "alt": example.alt if example else "the picture that you opened",
                "start": list(start),
                **_kept(picture_payload(view, Path(folder))),
                "first": _kept(block_payload(view, name, Path(folder))),
            }

    def block(self, source: object, block: str) -> dict[str, Any]:
        """The factors of another block of the same picture."""
        source = named(source)
        view = self.views.get(source)
        view.affinity(block)
        with tempfile.TemporaryDirectory() as folder:
            first = _kept(block_payload(view, block, Path(folder)))
        return {"kind": "block", "source": source, "first": first}

    def row(self, request: dict[str, Any]) -> dict[str, Any]:
        """One row, for a browser that does not hold the factors of the block."""
        source = named(request.get("source"))
        view = self.views.get(source)
        x, y, frame, block = place(request)
        direction = "column" if request.get("direction") == "column" else "row"
        with tempfile.TemporaryDirectory() as folder:
            found = _kept(row_payload(view, block, x, y, frame, direction, Path(folder)))
        return {"kind": "row", "source": source, **found}

    def save(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A download of one row or column, exact, at the photo's size: ``suffix`` png, npz, csv, svg, or
        for clips webm. Yields how far it is, then the file."""
        view = self.views.get(named(request.get("source")))
        suffix = request.get("suffix")
        if suffix not in ("png", "npz", "csv", "svg", "pdf", "webm"):
            raise MediaError("Downloads are png, npz, csv, svg, pdf or webm.")
        x, y, frame, block = place(request)
        alpha = request.get("alpha")
        usable = isinstance(alpha, int | float) and math.isfinite(alpha)
        column = request.get("direction") == "column"
        row = (view.column if column else view.query)(x, y, frame, block=block)
        options: dict[str, Any] = {}
        if suffix in ("png", "webm"):
            options = {
                "cmap": str(request["cmap"]) if request.get("cmap") else None,
                "alpha": alpha if usable else None,
                "scale": str(request.get("scale", "linear")),
                "smooth": bool(request.get("smooth")),
                "grey": not request.get("colour"),
            }
        at = f"x{x:.0f}-y{y:.0f}" + (f"-frame{frame}" if row.is_clip else "")
        name = f"{_stem(request)}-{block}-{row.direction}-{at}.{suffix}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            if suffix == "webm" and row.is_clip:
                # Frame by frame, so that whoever waits sees how far it is, and may stop it.
                writer, count = WebmWriter(), len(view.frames)
                for t in range(count):
                    yield {"kind": "progress", "words": f"Writing frame {t + 1} of {count}"}
                    writer.write(row.overlay(frame=t, **options))
                path.write_bytes(writer.finish())
            else:
                row.save(path, **options)
            yield _kept(
                {"kind": "file", "name": name, "file": gr.FileData(path=str(path)).model_dump()}
            )


def build(
    model: NonLocalResNet | str = "default",
    *,
    device: str = "auto",
    short_side: int | None = None,
    limits: Limits = LIMITS,
) -> gr.Blocks:
    """The page for a model, with its first picture encoded already.

    Args:
        model: a model, or what ``load_model`` takes.
        device: where a named model is put.
        short_side: see :class:`nonlocal_viz.Lens`.
        limits: bounds; see limits.py.
    """
    net = model if isinstance(model, NonLocalResNet) else load_model(model, device)
    views = Views(Lens(net, short_side, limits), Path(get_upload_folder()))
    desk = Desk(views)
    first = next(iter(views.examples))
    views.get({"example": first})

    with gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 6 * 3600)
    ) as demo:
        page = gr.HTML(
            value=None,
            html_template=canvas_html(),
            js_on_load=canvas_js(),
            apply_default_css=False,
            elem_id="nonlocal-viz",
            config=_config(views),
        )
        # gr.HTML answers every unknown attribute with an event listener, gradio asks it for one named
        # "self", and would then copy the whole server at every visit to put it into the page's config.
        setattr(page, "self", None)  # noqa: B010

        def answers(question: Callable[[], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
            # seq makes every answer a new value, so that the browser notices two equal ones.
            try:
                for found in question():
                    yield {**found, "seq": next(_sequence)}
            except NonlocalVizError as error:
                yield {"kind": "error", "message": str(error), "seq": next(_sequence)}
            except Exception:
                _log.exception("a question of the page failed")
                message = "Something went wrong on the server; it has been logged. Try again."
                yield {"kind": "error", "message": message, "seq": next(_sequence)}

        def answer(question: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
            return next(answers(lambda: iter([question(*given)])))

        def start(request: gr.Request) -> dict[str, Any]:
            asked = dict(request.query_params) if request else {}
            name = asked.get("example")
            source = {"example": name if name in views.examples else first}
            if asked.get("model") in views.models.titles:
                source["model"] = asked["model"]
            return answer(desk.open, source, asked.get("block"))

        def said(event: gr.EventData) -> dict[str, Any]:
            return event._data if isinstance(event._data, dict) else {}

        def on_picture(event: gr.EventData) -> dict[str, Any]:
            data = said(event)
            return answer(desk.open, data.get("source"), data.get("block"))

        def on_block(event: gr.EventData) -> dict[str, Any]:
            data = said(event)
            return answer(desk.block, data.get("source"), str(data.get("block")))

        def on_row(event: gr.EventData) -> dict[str, Any]:
            return answer(desk.row, said(event))

        def on_save(event: gr.EventData) -> Iterator[dict[str, Any]]:
            yield from answers(lambda: desk.save(said(event)))

        quiet: dict[str, Any] = {
            "outputs": page,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        demo.load(start, **quiet)
        page.picture(on_picture, trigger_mode="multiple", concurrency_limit=2, **quiet)
        page.block(on_block, trigger_mode="multiple", concurrency_limit=2, **quiet)
        page.row(on_row, trigger_mode="multiple", concurrency_limit=2, **quiet)
        saving = page.save(on_save, trigger_mode="multiple", concurrency_limit=2, **quiet)
        page.cancel(None, cancels=[saving], api_visibility="private")
        add_endpoints(views.models)
    demo.queue(max_size=limits.queue_size, default_concurrency_limit=2)
    return demo


def launch(
    model: NonLocalResNet | str = "default",
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    device: str = "auto",
    short_side: int | None = None,
    inbrowser: bool = False,
    limits: Limits = LIMITS,
    **options: Any,
) -> Any:
    """Build the page and serve it until interrupted; arguments as :func:`build`.

    ``options`` go to gradio's ``launch`` (``prevent_thread_lock``, ``auth``, ``root_path`` ...).

    Raises:
        NonlocalVizError: the model cannot be loaded, or the port is taken.
    """
    demo = build(model, device=device, short_side=short_side, limits=limits)
    settings: dict[str, Any] = {
        "server_name": host,
        "server_port": port,
        "inbrowser": inbrowser,
        "share": False,
        "max_file_size": limits.video_bytes,
        "show_error": False,
        "enable_monitoring": False,
        "run_history": False,
        "footer_links": [],
        "state_session_capacity": 100,
        "theme": THEME,
        "css": PAGE_CSS,
        "ssr_mode": False,
        **options,
    }
    try:
        return demo.launch(**settings)
    except OSError as error:
        raise NonlocalVizError(
            f"Port {port} on {host} cannot be used ({error}); choose another with --port."
        ) from None


#: What a source may say, in the order in which the browser compares it.
_SAID = ("example", "path", "model", "frames", "start", "stride", "perFrame")


def named(source: object) -> dict[str, Any]:
    """A source as the browser named it, with nothing in it but plain values of known names: it is sent
    back, and what is sent back may hold no file of its own."""
    given = source if isinstance(source, dict) else {}
    return {
        k: v for k, v in given.items() if k in _SAID and isinstance(v, str | int | float | bool)
    }


def place(request: dict[str, Any]) -> tuple[float, float, int, str]:
    """(x, y, frame, block) of a question of the page.

    Raises:
        QueryError: one of them is missing or is no number.
    """
    try:
        x, y, frame = float(request["x"]), float(request["y"]), int(request.get("frame") or 0)
        return x, y, frame, str(request["block"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise QueryError("A question needs a place in numbers; point again.") from None


def _config(views: Views) -> dict[str, Any]:
    """What the browser is told once: examples, colour tables, bounds, the models on offer."""
    return {
        "examples": [
            {
                "name": e.name,
                "title": e.title,
                "alt": e.alt,
                "thumb": _thumb(e.path),
                "clip": is_video(e.path),
            }
            for e in views.examples.values()
        ],
        "maps": {
            "sequential": {name: lookup(name).tobytes().hex() for name in SEQUENTIAL},
            "diverging": {name: lookup(name).tobytes().hex() for name in DIVERGING},
        },
        "fileBytes": {
            "picture": views.lens.limits.file_bytes,
            "clip": views.lens.limits.video_bytes,
        },
        "models": [{"name": n, "title": t} for n, t in views.models.titles.items()],
    }


def _thumb(path: Path) -> str:
    image = open_video(path, 1).frames[0] if is_video(path) else open_image(path)
    jpeg = encode_jpeg(thumbnail(image, 192), 80)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _stem(request: dict[str, Any]) -> str:
    """A file name's first part from the picture's own name; only tame characters survive."""
    source = request.get("source") or {}
    name = source.get("example") or Path(str(source.get("path", "picture"))).stem
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in str(name))[:40] or "picture"


def _kept(value: dict[str, Any]) -> dict[str, Any]:
    """Copy the files of a value into gradio's cache now, while their temporary folder exists."""
    from gradio.processing_utils import save_file_to_cache

    def move(item: Any) -> Any:
        if isinstance(item, dict):
            if item.get("meta", {}).get("_type") == "gradio.FileData":
                return {**item, "path": save_file_to_cache(item["path"], get_upload_folder())}
            return {key: move(inner) for key, inner in item.items()}
        return [move(inner) for inner in item] if isinstance(item, list) else item

    return move(value)
