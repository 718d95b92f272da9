"""How the page is served."""

from pathlib import Path
from typing import Any

from nonlocal_viz.core.source import Source
from nonlocal_viz.errors import NonlocalVizError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.web.page import build
from nonlocal_viz.web.theme import PAGE_CSS, THEME


def launch(
    model: Source | str | Path = "default",
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
