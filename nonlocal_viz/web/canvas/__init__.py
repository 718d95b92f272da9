"""The page's own html, css and JavaScript, joined into what gr.HTML takes.

The scripts share one function scope, in this order; each file begins with what it gives to the next.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent
SCRIPTS = (
    "rows.js",
    "colours.js",
    "stage.js",
    "readout.js",
    "lesson.js",
    "film.js",
    "tool.js",
    "pins.js",
    "remote.js",
    "controls.js",
    "pictures.js",
    "answers.js",
)


def canvas_html() -> str:
    """Markup with its style in front. It holds no ``${``: gradio would re-render it on every value;
    and as gradio makes a JavaScript template string of it, backslashes have to survive that."""
    return f"<style>{_read('style.css')}</style>{_read('page.html')}".replace("\\", r"\\")


def canvas_js() -> str:
    """The scripts in one strict function, called with what gradio provides."""
    body = "\n".join(_read(name) for name in SCRIPTS)
    return f'(() => {{ "use strict";\n{body}\n}})();'


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
