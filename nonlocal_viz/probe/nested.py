"""Calls of modules that lie in each other: whose a capture is, and what of it their inputs say."""

from nonlocal_viz.probe.arguments import first_tensor, tensors
from nonlocal_viz.probe.records import HEADED, Call, Capture

#: How many times as many features all heads together have at most as what a module is given.
_WIDER = 4


def own_call(capture: Capture, calls: tuple[Call, ...]) -> int:
    """Which of the calls that a capture lay in is its module's; of a fast path the last, its parent's."""
    for at, call in enumerate(calls):
        if call.path == capture.path:
            return at
    return len(calls) - 1


def up_to(calls: tuple[Call, ...], call: Call) -> tuple[Call, ...]:
    """The calls that a call lies in, the outermost first, and itself."""
    return calls[: next(i for i, c in enumerate(calls) if c is call) + 1]


def is_split(call: Call, capture: Capture) -> bool:
    """Whether a module is given the queries themselves, (B, heads, n, D), and keys besides: its heads are
    no positions. A map may have such sides by chance, but comes alone."""
    found = tensors(call.args, call.kwargs)
    n, features = capture.query.shape[1:]
    if len(found) < 2 or found[0][1].ndim != 4:
        return False
    sides = found[0][1].shape
    return sides[2:] == (n, features) and sides[:2].numel() == capture.groups


def given_tokens(calls: tuple[Call, ...], capture: Capture) -> tuple[Call, ...]:
    """The calls up to the innermost that is not given queries of all heads apart."""
    while len(calls) > 1 and is_split(calls[-1], capture):
        calls = calls[:-1]
    return calls


def may_be_heads(capture: Capture, own: Call, heads: int) -> bool:
    """Whether a module has so many heads, by what it says or by how wide it is: parts of a finer grid would
    pass for heads."""
    said = [getattr(own.module, name, None) for name in HEADED]
    first = first_tensor(own.args, own.kwargs)
    known = [number for number in said if isinstance(number, int)]
    features = None if first is None else max(first[1].shape[1], first[1].shape[-1])
    wide = features is not None and heads * capture.value.shape[-1] > _WIDER * features
    return heads in known if known else not wide
