"""Named endpoints for programs (gradio_client, curl): the page's own events are private."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.media import is_video


def add_endpoints(lens: Lens) -> None:
    """Add ``/affinity`` to the Blocks that is being built."""

    def affinity(
        image: str,
        x: float,
        y: float,
        frame: float | None,
        frames: float | None,
        block: str | None,
        direction: str,
        cmap: str | None,
        alpha: float | None,
        scale: str | None,
    ) -> tuple[dict[str, Any], str]:
        try:
            if not image:
                raise NonlocalVizError("Give an image file.")
            count = round(frames) if frames else None
            view = lens.open(image, frames=count if count and is_video(image) else None)
            ask = {"row": view.query, "column": view.column}.get(direction or "row")
            if ask is None:
                raise NonlocalVizError(f"direction is 'row' or 'column', not {direction!r}.")
            row = ask(x, y, round(frame or 0), block=block or None)
            folder = Path(tempfile.mkdtemp(prefix="nonlocal-viz-"))
            name = "overlay.webm" if row.is_clip else "overlay.png"
            path = row.save(folder / name, cmap=cmap or None, alpha=alpha, scale=scale or "linear")
        except NonlocalVizError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except (TypeError, ValueError):
            raise gr.Error("x and y are numbers, in pixels.", print_exception=False) from None
        return {**row.numbers(), "weights": row.map.tolist()}, str(path)

    inputs = [
        gr.File(label="image", type="filepath", visible=False),
        gr.Number(label="x", visible=False),
        gr.Number(label="y", visible=False),
        gr.Number(label="frame", value=0, visible=False),
        gr.Number(label="frames", value=8, visible=False),
        gr.Textbox(label="block", value="", visible=False),
        gr.Textbox(label="direction", value="row", visible=False),
        gr.Textbox(label="cmap", value="", visible=False),
        gr.Number(label="alpha", value=0.65, visible=False),
        gr.Textbox(label="scale", value="linear", visible=False),
    ]
    outputs = [gr.JSON(label="row", visible=False), gr.File(label="overlay", visible=False)]
    # A hidden button carries the endpoint: gr.api would hand over unchecked paths instead of files.
    gr.Button(visible=False).click(
        affinity,
        inputs,
        outputs,
        api_name="affinity",
        api_description=(
            "The affinity row (or column) of the cell at pixel (x, y) of the upright image: weights on "
            "the key grid (T, H, W) with their statistics, and the overlay: of an image a PNG at its "
            "size, of a video a WebM of the frames sampled. frame counts the sampled frames from 0."
        ),
        concurrency_limit=2,
    )
