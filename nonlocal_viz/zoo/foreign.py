"""What the keys of somebody else's state dict say: where the network lies, and what its blocks are called.

Invariant: a file that holds a block under a name which is not ours is never said to hold none. The names
are those of the public sources; see the words beside each pattern.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from nonlocal_viz.core.resnet import BLOCKS_PREFIX

Value = TypeVar("Value")

#: What wrappers of a network put before its names: nn.DataParallel, Lightning, mmcv, torch.compile.
PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.", "net.", "network.")
#: Keys that are of a wrapper and no part of a network: torch.optim.swa_utils.AveragedModel counts.
_COUNTERS = ("n_averaged",)
#: A weight that every ResNet has, beneath whatever stands before it.
_LANDMARK = "layer1.0.conv1.weight"
_WRAPPED = re.compile(
    "((?:" + "|".join(map(re.escape, PREFIXES)) + ")*)" + re.escape(_LANDMARK) + "$"
)
#: Which siblings make a block: names of its projections, whatever stands around them.
_SIBLINGS = (
    frozenset({"theta", "phi"}),
    frozenset({"t", "p", "g"}),
    frozenset({"g", "w"}),
    frozenset({"g", "out"}),
    frozenset({"query", "key"}),
    frozenset({"q", "k"}),
    frozenset({"f_query", "f_value"}),
    frozenset({"f_key", "f_value"}),
    frozenset({"qkv"}),
    frozenset({"in_proj"}),
)
_PART = re.compile(
    r"(?P<block>.*?)(?:^|[._])(?:conv_|to_)?"
    r"(?P<part>theta|phi|qkv|in_proj|f_query|f_key|f_value|query|key|value|out|[tpgzqkvwW])"
    r"(?:_conv|_proj)?(?:[._](?:\d+|conv|weight|bias|[wb]))+$"
)
#: What a file with such keys looks like, the most particular first.
_LOOKS: tuple[tuple[str, str], ...] = (
    (r"pathway\d_nonlocal\d", "SlowFast or PyTorchVideo"),
    (r"nonlocal_conv\d", "Caffe2's video-nonlocal-net"),
    (r"\.non_local_block\.", "mmaction2"),
    (r"decode_head\.", "mmsegmentation"),
    (r"\.(?:t|p|z)\.weight$", "timm's NonLocalAttn"),
    (r"layer\d\.\d+\.nl\.(?:theta|phi|g|W)", "TSM or pytorch-resnet3d"),
    (r"(?:^|\.)nl_\d+\.(?:theta|phi|g|W)", "AlexHex7/Non-local_pytorch"),
    (r"\.conv_out\.conv\.", "mmcv"),
    (r"qkv|in_proj|query|\.q\.|to_q", "a Transformer or another attention block"),
)


def unwrapped(state: Mapping[str, Value], name: str) -> tuple[dict[str, Value], tuple[str, ...]]:
    """The state dict without what wrappers put before its keys, and a sentence about what was left out.

    The prefix is the one behind which a ResNet lies, whatever lies beside it; where there is no ResNet,
    the one that all keys have.
    """
    found = sorted({m[1] for key in state if (m := _WRAPPED.match(key))}, key=len)
    prefix = found[0] if found else _common(state)
    inner = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
    outside = [key for key in state if not key.startswith(prefix) and key not in _COUNTERS]
    if not outside:
        return inner, ()
    return inner, (
        f"{name} holds {len(outside)} other weights beside the network behind {prefix!r} "
        f"({some(outside)}); they were left out.",
    )


def _common(state: Iterable[str]) -> str:
    keys = [key for key in state if key not in _COUNTERS]
    prefix = ""
    while keys:
        step = next((p for p in PREFIXES if all(k.startswith(prefix + p) for k in keys)), None)
        if step is None:
            break
        prefix += step
    return prefix


def foreign_blocks(state: Iterable[str]) -> dict[str, list[str]]:
    """{what stands before a block's projections: its keys} of every block that is not under our names."""
    parts: dict[str, set[str]] = {}
    keys: dict[str, list[str]] = {}
    for key in state:
        match = None if key.startswith(BLOCKS_PREFIX + "layer") else _PART.match(key)
        if match:
            parts.setdefault(match["block"], set()).add(match["part"].lower())
            keys.setdefault(match["block"], []).append(key)
    whole = [b for b, found in parts.items() if any(wanted <= found for wanted in _SIBLINGS)]
    return {block: keys[block] for block in whole}


def sentence_on(blocks: Mapping[str, list[str]]) -> str:
    """A clause that names the blocks and their keys, and says what kind of file has such."""
    keys = [key for block in blocks.values() for key in block]
    looks = next(
        (words for pattern, words in _LOOKS if any(re.search(pattern, k) for k in keys)), None
    )
    kind = f"; its keys look like those of {looks}" if looks else ""
    names = [name or "(no name)" for name in blocks]
    parts = some(next(iter(blocks.values())))
    return f"holds {some(names)} ({parts}), which may be non-local blocks{kind}"


def some(names: list[str], count: int = 4) -> str:
    """The first few of the names, for a sentence."""
    shown = ", ".join(name[:80] for name in names[:count])
    return shown + (", ..." if len(names) > count else "")
