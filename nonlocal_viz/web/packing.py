"""The page goes out packed: it is one long text, and a third as long for whoever unpacks it."""

from typing import Any

from starlette.middleware.gzip import GZipMiddleware

#: The page takes 10 ms at this level; higher ones cost more than they save.
_LEVEL = 5


class PackedPage:
    """ASGI middleware: starlette's packing for the page alone.

    Events must not be held back, and rows and factors hardly shrink.
    """

    def __init__(self, app: Any) -> None:
        self._plain = app
        self._packed = GZipMiddleware(app, compresslevel=_LEVEL)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as the application does."""
        page = scope["type"] == "http" and _below(scope) == ""
        await (self._packed if page else self._plain)(scope, receive, send)


def _below(scope: Any) -> str:
    """The path behind whatever prefix the application was given."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).strip("/")
