"""What a map is called: the path of the module that computes it, and that of the module which made its
queries and keys, where the product is left to a part (``attn`` and ``attn.attend``)."""

from collections.abc import Sequence
from typing import TypeVar

from nonlocal_viz.probe.arguments import tensors
from nonlocal_viz.probe.nested import own_call
from nonlocal_viz.probe.records import Call, Capture

_Value = TypeVar("_Value")


class ByPath(dict[str, _Value]):
    """{path: value}, which answers to a second name of a path, too; it lists each path once.

    Args:
        names: {second name: path}, shared by all that are known by the same paths.
    """

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self._names = names

    def __getitem__(self, path: str) -> _Value:
        return super().__getitem__(
            path if super().__contains__(path) else self._names.get(path, path)
        )

    def __contains__(self, path: object) -> bool:
        return super().__contains__(path) or super().__contains__(self._names.get(str(path), path))

    def get(self, path: str, default: object = None) -> object:  # type: ignore[override]
        """As of a dict."""
        try:
            return self[path]
        except KeyError:
            return default


def second_name(calls: Sequence[Call], capture: Capture) -> str | None:
    """The path of the module that gave the last of the nested calls its queries and keys; None where it
    made them itself."""
    given = [t for _, t in tensors(calls[-1].args, calls[-1].kwargs)]
    if len(calls) < 2 or len(given) < 2:
        return None
    bare = not any(True for _ in calls[-1].module.parameters())
    # Of all heads: (B, heads, n, D) and (B, heads, m, D).
    sides = [t.shape[2] for t in given[:2] if t.ndim == 4]
    split = sides == [capture.query.shape[1], capture.key.shape[1]]
    return calls[-2].path if bare or split else None


def second_names(found: Sequence[tuple[Capture, tuple[Call, ...]]]) -> dict[str, str]:
    """{second name: path} of captures and the calls that they lay in, of parents of one map alone."""
    named: dict[str, set[str]] = {}
    for capture, calls in found:
        name = second_name(calls[: own_call(capture, calls) + 1], capture)
        if name is not None:
            named.setdefault(name, set()).add(capture.path)
    return {name: paths.pop() for name, paths in named.items() if len(paths) == 1}
