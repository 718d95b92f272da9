"""The page: one scripted element that is the whole tool, and the events that feed it.

The browser asks and :mod:`.desk` answers; nothing here computes anything.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from nonlocal_viz.core.source import Source
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import encode_jpeg, is_video, open_image, open_video, thumbnail
from nonlocal_viz.render import DIVERGING, SCALES, SEQUENTIAL, lookup
from nonlocal_viz.web.api import add_endpoints
from nonlocal_viz.web.canvas import canvas_html, canvas_js
from nonlocal_viz.web.desk import Desk
from nonlocal_viz.web.gradio_private import (
    into_cache,
    listen,
    said,
    scripted_html,
    upload_folder,
)
from nonlocal_viz.web.views import Example, Views
from nonlocal_viz.zoo import load_model

TITLE = "nonlocal_viz"


def build(
    model: Source | str | Path = "default",
    *,
    device: str = "auto",
    short_side: int | None = None,
    limits: Limits = LIMITS,
) -> gr.Blocks:
    """The page for a model, with its first picture encoded already.

    Args:
        model: any Source, or what ``load_model`` takes.
        device: where a named model is put.
        short_side: see :class:`nonlocal_viz.Lens`.
        limits: bounds; see limits.py.
    """
    source = load_model(model, device) if isinstance(model, str | Path) else model
    views = Views(Lens(source, short_side, limits), upload_folder())
    desk = Desk(views, into_cache)
    views.get({"example": next(iter(views.examples))})
    demo: gr.Blocks = gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 6 * 3600)
    )
    with demo:
        page = scripted_html(canvas_html(), canvas_js(), "nonlocal-viz", page_config(views))
        _wire(demo, page, desk)
        add_endpoints(views.models)
    demo.queue(max_size=limits.queue_size, default_concurrency_limit=2)
    return demo


def _wire(demo: gr.Blocks, page: gr.HTML, desk: Desk) -> None:
    """Bind every event of the page to an answer of the desk."""

    def answer(
        ask: Callable[..., dict[str, Any]], request: dict[str, Any], *given: Any
    ) -> dict[str, Any]:
        return next(desk.answers(lambda: iter([ask(*given)]), request))

    def start(request: gr.Request) -> dict[str, Any]:
        asked = dict(request.query_params) if request else {}
        return answer(desk.open, {}, desk.views.asked(asked), asked.get("block"))

    def on_picture(event: gr.EventData) -> dict[str, Any]:
        request = said(event)
        return answer(desk.open, request, request.get("source"), request.get("block"))

    def on_block(event: gr.EventData) -> dict[str, Any]:
        request = said(event)
        return answer(desk.block, request, request.get("source"), str(request.get("block")))

    def on_row(event: gr.EventData) -> dict[str, Any]:
        request = said(event)
        return answer(desk.row, request, request)

    def on_save(event: gr.EventData) -> Iterator[dict[str, Any]]:
        request = said(event)
        yield from desk.answers(lambda: desk.save(request), request)

    quiet: dict[str, Any] = {
        "outputs": page,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    asked = {**quiet, "trigger_mode": "multiple", "concurrency_limit": 2}
    demo.load(start, **quiet)
    listen(page, "picture")(on_picture, **asked)
    listen(page, "block")(on_block, **asked)
    listen(page, "row")(on_row, **asked)
    saving = listen(page, "save")(on_save, **asked)
    listen(page, "cancel")(None, cancels=[saving], api_visibility="private")


def page_config(views: Views) -> dict[str, Any]:
    """What the browser is told once: examples, colour tables and scales, bounds, the models on offer."""
    return {
        "examples": [_shown(example) for example in views.examples.values()],
        "maps": {
            "sequential": {name: lookup(name).tobytes().hex() for name in SEQUENTIAL},
            "diverging": {name: lookup(name).tobytes().hex() for name in DIVERGING},
        },
        "scales": list(SCALES),
        "bounds": {"picture": views.limits.file_bytes, "clip": views.limits.video_bytes},
        "models": [
            {"name": n, "title": t, "expect": views.models.expectations[n]}
            for n, t in views.models.titles.items()
        ],
    }


def _shown(example: Example) -> dict[str, Any]:
    clip = is_video(example.path)
    image = open_video(example.path, 1).frames[0] if clip else open_image(example.path)
    jpeg = base64.b64encode(encode_jpeg(thumbnail(image, 192), 80)).decode()
    return {
        "name": example.name,
        "title": example.title,
        "alt": example.alt,
        "thumb": f"data:image/jpeg;base64,{jpeg}",
        "clip": clip,
    }
