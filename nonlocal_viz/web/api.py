"""Named endpoints for programs (gradio_client, curl): the page's own events are private."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from nonlocal_viz.errors import MediaError, NonlocalVizError, OptionError
from nonlocal_viz.render import VEIL_ALPHA
from nonlocal_viz.web.gradio_private import into_cache
from nonlocal_viz.web.views import Views

_log = logging.getLogger(__name__)


def add_endpoints(views: Views) -> None:
    """Add ``/affinity`` to the Blocks that is being built, for what these views can show."""

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
        model: str | None,
    ) -> tuple[dict[str, Any], str]:
        colours = {"cmap": cmap or None, "alpha": alpha, "scale": scale or "linear"}
        try:
            return _affinity(views, image, (x, y, frame), frames, block, direction, colours, model)
        except NonlocalVizError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except (TypeError, ValueError, OverflowError):
            message = "x, y, frame and frames are finite numbers; x and y are in pixels."
            raise gr.Error(message, print_exception=False) from None
        except Exception:
            _log.exception("/affinity failed")
            message = "Something went wrong on the server; it has been logged."
            raise gr.Error(message, print_exception=False) from None

    outputs = [gr.JSON(label="row", visible=False), gr.File(label="overlay", visible=False)]
    # A hidden button carries the endpoint: gr.api would hand over unchecked paths instead of files.
    gr.Button(visible=False).click(
        affinity,
        _inputs(),
        outputs,
        api_name="affinity",
        api_description=(
            "The affinity row (or column) of the cell at pixel (x, y) of the upright image: weights on "
            "the key grid (T, H, W) with their statistics and bright regions, and the overlay: of an "
            "image a PNG at its size, of a video a WebM of the frames sampled. frame "
            "counts the sampled frames from 0."
        ),
        concurrency_limit=2,
    )


def _inputs() -> list[Any]:
    return [
        gr.File(label="image", type="filepath", visible=False),
        gr.Number(label="x", visible=False),
        gr.Number(label="y", visible=False),
        gr.Number(label="frame", value=0, visible=False),
        gr.Number(label="frames", value=8, visible=False),
        gr.Textbox(label="block", value="", visible=False),
        gr.Textbox(label="direction", value="row", visible=False),
        gr.Textbox(label="cmap", value="", visible=False),
        gr.Number(label="alpha", value=VEIL_ALPHA, visible=False),
        gr.Textbox(label="scale", value="linear", visible=False),
        gr.Textbox(label="model", value="", visible=False),
    ]


def _affinity(
    views: Views,
    image: str,
    at: tuple[float, float, float | None],
    frames: float | None,
    block: str | None,
    direction: str,
    colours: dict[str, Any],
    model: str | None,
) -> tuple[dict[str, Any], str]:
    """Numbers and the path of an overlay that gradio may serve; ``at`` is (x, y, frame)."""
    if not image:
        raise MediaError("Give an image file.")
    source: dict[str, Any] = {"path": image}
    if frames:
        source["frames"] = round(frames)
    if model:
        source["model"] = model
    # As the page asks: encoded once, whoever asks again is answered at once.
    view = views.get(source)
    ask = {"row": view.query, "column": view.column}.get(direction or "row")
    if ask is None:
        raise OptionError(f"direction is 'row' or 'column', not {direction!r}.")
    x, y, frame = at
    row = ask(x, y, round(frame or 0), block=block or None)
    name = "overlay.webm" if row.is_clip else "overlay.png"
    with tempfile.TemporaryDirectory(prefix="nonlocal-viz-") as folder:
        saved = into_cache(row.save(Path(folder) / name, **colours))
    numbers = {
        **row.numbers(),
        "weights": row.map.tolist(),
        "assumptions": list(view.about.assumptions),
    }
    return numbers, saved["path"]
