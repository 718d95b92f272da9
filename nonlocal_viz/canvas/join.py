"""ES modules -> one script.

Node and editors read the modules as they are; gradio takes one script, so they are put one behind the
other, each after those that it imports. For that a module may use ``import { a, b } from "./x.js";`` and
``export`` in front of a declaration, nothing else of modules; and as they then share one scope, a
top-level name, which begins in column 0, stands in one module only.
"""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"\n]*)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_DECLARED = re.compile(
    r"^(export )?(?:async )?(?:function\*?|class|const|let|var) +(?:(\w+)|[\[{]([^\]}=]*)[\]}])",
    re.MULTILINE,
)
_OTHER_FORMS = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class JoinError(Exception):
    """The modules cannot be put into one script."""


def join(entry: Path) -> str:
    """The text of a module behind those that it imports, each once.

    Raises:
        JoinError: modules import one another in a circle, import what is not there, use a form of
            import or export other than the two above, or two of them declare one name.
    """
    joined = _Joined()
    joined.add(entry.resolve(), ())
    return "\n".join(joined.texts.values())


class _Joined:
    def __init__(self) -> None:
        self.texts: dict[Path, str] = {}
        self.exported: dict[Path, set[str]] = {}
        self.owners: dict[str, Path] = {}

    def add(self, path: Path, above: tuple[Path, ...]) -> None:
        """A module, whose importers are ``above``, behind what it imports."""
        if path in above:
            circle = (*above[above.index(path) :], path)
            raise JoinError("Modules import one another: " + " -> ".join(p.name for p in circle))
        if path in self.texts:
            return
        if not path.is_file():
            raise JoinError(f"There is no {path.name}, which {_name(above)} imports.")
        text = path.read_text(encoding="utf-8")
        for names, target in _IMPORT.findall(text):
            other = (path.parent / target).resolve()
            self.add(other, (*above, path))
            self._check_exported(path, other, names)
        self._declare(path, text)
        body = _EXPORT.sub("", _IMPORT.sub("", text))
        left = _OTHER_FORMS.search(body)
        if left:
            raise JoinError(f"{path.name} has a line that cannot be joined: {left.group()}")
        self.texts[path] = body

    def _check_exported(self, path: Path, other: Path, names: str) -> None:
        for name in filter(None, (part.strip() for part in names.split(","))):
            if name not in self.exported[other]:
                raise JoinError(
                    f"{other.name} does not export {name!r}, which {path.name} imports."
                )

    def _declare(self, path: Path, text: str) -> None:
        self.exported[path] = set()
        for public, name, several in _DECLARED.findall(text):
            for one in [name] if name else re.findall(r"\w+(?= *(?:,|$))", several.strip()):
                if one in self.owners:
                    owner = self.owners[one].name
                    raise JoinError(f"Both {owner} and {path.name} declare {one!r}.")
                self.owners[one] = path
                if public:
                    self.exported[path].add(one)


def _name(above: tuple[Path, ...]) -> str:
    return above[-1].name if above else "nobody"
