"""The page's own html, css and JavaScript, joined into what gr.HTML takes.

Layers: ``core`` (no DOM) <- ``parts`` <- session.js <- mount.js <- gradio.js. All are plain ES modules; see
join.py for what they may say.
"""

from pathlib import Path

from nonlocal_viz.web.canvas.join import JoinError, join

__all__ = ["FOLDER", "JoinError", "alone_js", "canvas_html", "canvas_js", "canvas_markup", "join"]

FOLDER = Path(__file__).parent


def canvas_markup() -> str:
    """Markup with its style in front."""
    return f"<style>{_read('style.css')}</style>{_read('page.html')}"


def canvas_html() -> str:
    """The markup for gradio. It holds no ``${``: gradio would re-render it on every value; and as gradio
    makes a JavaScript template string of it, backslashes have to survive that."""
    return canvas_markup().replace("\\", r"\\")


def alone_js() -> str:
    """The modules in one strict function, for a page without a server."""
    return f'(() => {{ "use strict";\n{join(FOLDER / "alone.js")}\n}})();'


def canvas_js() -> str:
    """The modules in one strict function, called with what gradio provides."""
    return f'(() => {{ "use strict";\n{join(FOLDER / "gradio.js")}\n}})();'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
