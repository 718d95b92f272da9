"""The canvas: what a browser is told of a view, and the modules that show it. It knows no server.

protocol.py has the words, payload.py and factors.py say a view in them, document.py puts both into one
html file that works alone. The modules: ``core`` (no DOM) <- ``parts`` <- session.js and its neighbours <-
mount.js <- gradio.js | alone.js. All are plain ES modules; join.py says what they may say, and joins them
into the one script that gradio, or a file, takes.
"""

import base64
import json
from pathlib import Path

from nonlocal_viz.canvas.join import JoinError, join

__all__ = [
    "FOLDER",
    "JoinError",
    "alone_js",
    "canvas_html",
    "canvas_js",
    "canvas_markup",
    "canvas_words",
    "join",
]

FOLDER = Path(__file__).parent


def canvas_markup() -> str:
    """Markup with its style in front."""
    return f"<style>{_read('style.css')}{_read('print.css')}</style>{_read('page.html')}"


def canvas_html() -> str:
    """The markup for gradio, with the style of the lesson. It holds no ``${``: gradio would re-render it on
    every value; and as gradio makes a JavaScript template string of it, backslashes have to survive."""
    font = base64.b64encode((FOLDER / "lesson/math.woff2").read_bytes()).decode()
    style = _read("lesson/lesson.css").replace("math.woff2", f"data:font/woff2;base64,{font}")
    return (f"<style>{style}</style>" + canvas_markup()).replace("\\", r"\\")


def canvas_words() -> dict[str, dict[str, str]]:
    """Sentences by language and key: a language is one file of lesson/words."""
    found = sorted((FOLDER / "lesson/words").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}


def alone_js() -> str:
    """The modules in one strict function, for a page without a server."""
    return f'(() => {{ "use strict";\n{join(FOLDER / "alone.js")}\n}})();'


def canvas_js() -> str:
    """The modules in one strict function, called with what gradio provides."""
    return f'(() => {{ "use strict";\n{join(FOLDER / "gradio.js")}\n}})();'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
