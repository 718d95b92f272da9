"""Everything that the page needs of gradio and gradio does not promise: the one place to look when a new
gradio breaks it. Each function says what is private about it; the rest of the package is public use.
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

_log = logging.getLogger(__name__)


def upload_folder() -> Path:
    """Where gradio puts what people upload; ``gradio.utils`` is not documented."""
    return Path(get_upload_folder())


def into_cache(path: Path) -> dict[str, Any]:
    """Copy a file to where gradio serves it from, under a hash of its content, as a value that a
    component may hold.

    ``save_file_to_cache`` is not documented; the dump of a ``FileData`` has the mark by which gradio
    knows a file within any JSON value, which is not documented either.
    """
    kept = save_file_to_cache(path, get_upload_folder())
    return gr.FileData(path=kept).model_dump()


def scripted_html(markup: str, script: str, element: str, config: dict[str, Any]) -> gr.HTML:
    """A ``gr.HTML`` that is a whole tool: its markup, a script that runs once, and a value for it.

    ``js_on_load`` and what the script is called with, and further keywords (``config``) that reach it as
    properties, are young and have changed between minor versions of gradio.
    """
    html = gr.HTML(
        value=None,
        html_template=markup,
        js_on_load=script,
        apply_default_css=False,
        elem_id=element,
        config=config,
    )
    # gr.HTML answers every unknown attribute with an event listener, gradio asks it for one named
    # "self", and would then copy the whole server at every visit to put it into the page's config.
    setattr(html, "self", None)  # noqa: B010
    return html


def admitted(blocks: gr.Blocks, cookies: dict[str, str]) -> bool:
    """Whether whoever sent these cookies has signed in, or nobody has to. Gradio asks this of most of its
    routes, not of all. ``App.auth``, ``tokens`` and ``cookie_id`` are not documented."""
    app = getattr(blocks, "app", None)
    if app is None or app.auth is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(cookies.get(name)) is not None for name in names)


class QueueState:
    """Gradio's queue, seen from outside: one asyncio task takes every event, and where it dies nothing is
    answered any more, though pages are served as ever. Nothing of ``Blocks._queue`` is documented."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self._blocks = blocks

    @property
    def alive(self) -> bool:
        """Whether its task runs."""
        return not self._blocks._queue.stopped

    @property
    def total(self) -> int:
        """Questions that wait, of all kinds."""
        return len(self._blocks._queue)

    def waiting(self, path: str, content: bytes) -> int:
        """How many questions wait for what this one asks: by the name in the path of a call, or by the
        number in its ``fn_index``. Of what there is not, none waits."""
        name = re.search(r"/call/(?:v2/)?(\w+)", path)
        index = json.loads(content).get("fn_index")
        for fn in self._blocks.fns.values():
            if fn.api_name == name.group(1) if name else fn._id == index:
                lines = self._blocks._queue.event_queue_per_concurrency_id
                line = lines.get(fn.concurrency_id)
                return len(line.queue) if line else 0
        return 0

    def offers(self, name: str) -> bool:
        """Whether there is an endpoint of this name: asked for one that there is not, gradio fails."""
        return any(fn.api_name == name for fn in self._blocks.fns.values())

    def knows(self, question: str) -> bool:
        """Whether a question of this number is waiting, being answered, or not heard to its end. Whoever
        listens to another is told so by gradio only once the answer has begun, and the log with it."""
        queue = self._blocks._queue
        return (
            question in queue.event_ids_to_events
            or question in queue.pending_messages_per_session
            or any(question in known for known in queue.pending_event_ids_session.values())
        )

    def revive(self) -> None:
        """Begin the task anew, should it have died; whoever waited is forgotten and asks again."""
        queue = self._blocks._queue
        if not queue.stopped or not self._blocks.is_running:
            return
        _log.error("gradio's queue had stopped; it begins anew")
        for line in queue.event_queue_per_concurrency_id.values():
            line.queue.clear()
            line.current_concurrency = 0
        queue.stopped = False
        queue.start()  # type: ignore[no-untyped-call]
