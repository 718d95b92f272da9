"""Everything that the page needs of gradio and gradio does not promise: the one place to look when a new
gradio breaks it. Each function says what is private about it; the rest of the package is public use.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder


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
