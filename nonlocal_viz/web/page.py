"""The page: one scripted element that is the whole tool, and the endpoints that feed it.

The browser asks and :mod:`.desk` answers; nothing here computes anything.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from nonlocal_viz.canvas import canvas_html, canvas_js, canvas_words
from nonlocal_viz.canvas.payload import looks
from nonlocal_viz.core.source import Source
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import encode_jpeg, is_video, open_image, open_video, thumbnail
from nonlocal_viz.web.api import add_endpoints
from nonlocal_viz.web.desk import Answers, Desk
from nonlocal_viz.web.gradio_private import (
    into_cache,
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
    opens: bool = False,
) -> gr.Blocks:
    """The page for a model, with its first picture encoded already.

    Args:
        model: any Source, or what ``load_model`` takes.
        device: where a named model is put.
        short_side: see :class:`nonlocal_viz.Lens`.
        limits: bounds; see limits.py.
        opens: whether whoever sees the page may open other models by name, files of this machine too.
    """
    source = load_model(model, device) if isinstance(model, str | Path) else model
    views = Views(Lens(source, short_side, limits, apart=True), upload_folder(), opens)
    desk = Desk(views, into_cache)
    views.get({"example": next(iter(views.examples))}).affinity()
    demo: gr.Blocks = gr.Blocks(
        title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 6 * 3600)
    )
    with demo:
        page = scripted_html(canvas_html(), canvas_js(), "nonlocal-viz", page_config(views))
        _wire(page, desk)
        add_endpoints(views)
    # How many may wait is bounded at the door, each kind of question by itself.
    demo.queue(default_concurrency_limit=2)
    return demo


def _wire(page: gr.HTML, desk: Desk) -> None:
    """An endpoint for each kind of question, hidden from the list of those for programs.

    The page asks them by gradio's HTTP API (canvas/core/line.js) and not by events of a component: the
    channel of those reloads the page once the server was away, and tells no script that it was. Whoever
    hangs up ends the question: gradio then asks the generator for no more.
    """

    def start(request: dict[str, Any]) -> Answers:
        query = request.get("query")
        known = query.items() if isinstance(query, dict) else ()
        asked = {name: value for name, value in known if isinstance(value, str)}
        return desk.open(desk.views.asked(asked), asked.get("block"))

    def picture(request: dict[str, Any]) -> Answers:
        return desk.open(request.get("source"), request.get("block"))

    def block(request: dict[str, Any]) -> Answers:
        return desk.block(request.get("source"), str(request.get("block")))

    for name, ask in {
        "start": start,
        "picture": picture,
        "block": block,
        "row": desk.row,
        "field": desk.field,
        "save": desk.save,
        "lesson": desk.lesson,
    }.items():
        # A hidden button carries the endpoint: it has no use for the page's own events.
        gr.Button(visible=False).click(
            _answering(desk, ask),
            gr.JSON(visible=False),
            page,
            api_name=name,
            api_visibility="undocumented",
            show_progress="hidden",
            # Many may be answered at once: what is heavy waits for its turn in encoding.py, where a
            # photo goes between the steps of a clip.
            concurrency_limit=desk.views.limits.at_once,
        )


def _answering(desk: Desk, ask: Callable[[dict[str, Any]], Answers]) -> Callable[[object], Answers]:
    """What gradio calls: a question that is none is an empty one, and a failure is an answer."""

    def answers(question: object) -> Answers:
        request = question if isinstance(question, dict) else {}
        yield from desk.answers(lambda: ask(request), request)

    return answers


def page_config(views: Views) -> dict[str, Any]:
    """What the browser is told once: examples, colour tables and scales, bounds, the models on offer."""
    return {
        "examples": [_shown(example) for example in views.examples.values()],
        **looks(),
        "words": canvas_words(),
        "bounds": {"picture": views.limits.file_bytes, "clip": views.limits.video_bytes},
        "models": [
            {"name": n, "title": t, "expect": views.models.expectations[n]}
            for n, t in views.models.titles.items()
        ],
        **({"opens": True} if views.models.opens else {}),
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
