"""canvas/protocol.d.ts from the types of canvas/protocol.py: ``python -m tests.web.declare``."""

import types
import typing
from pathlib import Path
from typing import Any, Literal, NotRequired, is_typeddict

from nonlocal_viz import canvas
from nonlocal_viz.canvas import protocol

TARGET = Path(canvas.__file__).parent / "protocol.d.ts"
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def typescript() -> str:
    """The types above as a TypeScript declaration file."""
    lines = [
        "// Written by `python -m tests.web.declare` from nonlocal_viz/canvas/protocol.py: change that."
    ]
    for name, kind in vars(protocol).items():
        if is_typeddict(kind) and kind.__module__ == protocol.__name__:
            lines += ["", _comment(kind.__doc__ or ""), f"export interface {name} {{"]
            for field, hint in typing.get_type_hints(kind, include_extras=True).items():
                optional = typing.get_origin(hint) is NotRequired
                inner = typing.get_args(hint)[0] if optional else hint
                lines.append(f"  {field}{'?' if optional else ''}: {_type(inner)};")
            lines.append("}")
    lines += [
        "",
        "/** Whatever the server sends. */",
        f"export type Answer = {_type(protocol.Answer)};",
        "",
    ]
    return "\n".join(lines)


def _type(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(_type, inner)))
    if origin is list:
        item = _type(inner[0])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if origin is tuple:
        return f"[{', '.join(map(_type, inner))}]"
    if origin is dict:
        return f"Record<{_type(inner[0])}, {_type(inner[1])}>"
    return _PLAIN.get(hint) or str(hint.__name__)


def _comment(words: str) -> str:
    return f"/** {' '.join(words.split())} */"


if __name__ == "__main__":
    TARGET.write_text(typescript(), encoding="utf-8")
