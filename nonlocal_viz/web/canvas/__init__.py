"""The page's own html, css and JavaScript, joined into what gr.HTML takes.

The JavaScript is plain ES modules, which node and editors read as they are. gradio takes one script, so
they are put one behind the other, each after those that it imports, in one strict function. For that a
module may use ``import { a, b } from "./x.js";`` at its beginning and ``export`` in front of a declaration,
nothing else of modules, and a top-level name stands in one module only.

Layers: ``core`` (no DOM) <- ``parts`` <- session.js <- mount.js <- gradio.js.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parent

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]*)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_DECLARED = re.compile(
    r"^(export )?(?:async )?(?:function\*?|class|const|let|var) +(?:(\w+)|[\[{]([^\]}=]*)[\]}])",
    re.MULTILINE,
)
# Further names of one statement: `const A = 1, B = 2;`
_FURTHER = re.compile(r"^(?:export )?(?:const|let|var) [^\n({\[`]*?, *(\w+) *=", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*$|\bimport\((?!\")", re.MULTILINE)


class JoinError(Exception):
    """The modules cannot be put into one script."""


def canvas_html() -> str:
    """Markup with its style in front. It holds no ``${``: gradio would re-render it on every value;
    and as gradio makes a JavaScript template string of it, backslashes have to survive that."""
    return f"<style>{_read('style.css')}</style>{_read('page.html')}".replace("\\", r"\\")


def canvas_js(entry: str = "gradio.js") -> str:
    """The modules in one strict function, which gradio calls with what it provides."""
    return f'(() => {{ "use strict";\n{join(FOLDER / entry)}\n}})();'


def join(entry: Path) -> str:
    """The text of a module behind those that it imports, each once.

    Raises:
        JoinError: modules import one another in a circle, import what is not there, use a form of
            import or export other than the two above, or two of them declare one name.
    """
    texts: dict[Path, str] = {}
    exported: dict[Path, set[str]] = {}
    owners: dict[str, Path] = {}

    def visit(path: Path, above: tuple[Path, ...]) -> None:
        if path in above:
            circle = (*above[above.index(path) :], path)
            raise JoinError("Modules import one another: " + " -> ".join(p.name for p in circle))
        if path in texts:
            return
        if not path.is_file():
            raise JoinError(
                f"{above[-1].name if above else 'Nobody'} imports {path.name}, which is not there."
            )
        text = path.read_text(encoding="utf-8")
        for names, target in _IMPORT.findall(text):
            other = (path.parent / target).resolve()
            visit(other, (*above, path))
            for name in filter(None, (part.strip() for part in names.split(","))):
                if name not in exported[other]:
                    raise JoinError(
                        f"{path.name} imports {name!r}, which {other.name} does not export."
                    )
        exported[path] = set()
        for name, public in _declared(text):
            if name in owners:
                raise JoinError(f"Both {owners[name].name} and {path.name} declare {name!r}.")
            owners[name] = path
            if public:
                exported[path].add(name)
        body = _EXPORT.sub("", _IMPORT.sub("", text))
        left = _LEFT.search(body)
        if left:
            raise JoinError(f"{path.name} has a line that cannot be joined: {left.group()}")
        texts[path] = body

    visit(entry.resolve(), ())
    return "\n".join(texts.values())


def _declared(text: str) -> list[tuple[str, bool]]:
    """(name, whether it is exported) of what stands at the top level, which begins in column 0."""
    found = []
    for public, name, several in _DECLARED.findall(text):
        names = [name] if name else re.findall(r"(\w+) *(?:,|$)", several.strip())
        found += [(n, bool(public)) for n in names]
    return found + [(name, False) for name in _FURTHER.findall(text)]


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
