"""What of a probed network can be put over a picture, and what is said of the rest.

Invariant: every map that was found is shown, or there is a sentence that says why it is not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.probe.records import relative

#: What the module that was attached to is called among blocks: its path is empty.
ITSELF = "(itself)"
#: Rows that are held against the recorded ones where factors are made of them, and how near they are.
_ROWS, _NEAR = 16, 1e-5


def over_picture(
    maps: Mapping[str, Affinity], frames: int, images: int = 1
) -> tuple[dict[str, Affinity], list[str]]:
    """The maps whose queries and keys lie on the picture, by name, and a sentence for each other.

    Args:
        frames: cells in time of a clip that was run as such; else 1.
        images: that the network was given.
    """
    shown: dict[str, Affinity] = {}
    said = []
    for path, found in maps.items():
        why = _off_picture(found, frames, images)
        if why:
            said.append((path, f"{why}; attach and probe.maps have it."))
        else:
            shown[path or ITSELF] = factored(found)
    return shown, grouped(said)


def depth_of(maps: Iterable[Affinity], frames: int) -> int:
    """Into how many cells most of the maps divide the time of a clip, where its frames can be shared out
    among them; else ``frames``."""
    depths = Counter(a.query_grid[0] for a in maps if a.queries.cells and a.keys.cells)
    found = [depth for depth, _ in depths.most_common() if frames % depth == 0]
    return found[0] if found and frames not in depths else frames


def _off_picture(found: Affinity, frames: int, images: int) -> str:
    if not found.queries.cells or not found.keys.cells:
        return "Its queries or its keys are no places of the picture"
    if len(found) != images:
        return "It is only known within its windows, not where these lie"
    if found.query_grid[0] != frames or found.key_grid[0] != frames:
        return (
            f"Its cells have {found.query_grid[0]} places in depth or time, and {frames} is shown"
        )
    if found.query_grid[1] == 1 and any("sequence" in note for note in found.notes):
        return "Its positions are a sequence that is not known to be a picture"
    return ""


def factored(found: Affinity) -> Affinity:
    """The map as data that a browser can hold, where nothing but scales lies between its products and
    its softmax; else as it was. Held against the recorded rows."""
    if not isinstance(found, Recorded):
        return found
    capture, heads = found.capture, found.heads
    groups, keys, _ = capture.key.shape
    scales, last = capture.steps[:-1], capture.steps[-1:]
    plain = all(step.kind == "softmax" for step in last) and all(
        step.kind == "mul" and step.operand.numel() == 1 for step in scales
    )
    # Every group is one head of one image, and has each key once.
    if not last or not plain or keys != found.keys.tokens or bool((found.token < 0).any()):
        return found
    n = capture.query.shape[1]
    group = found.slot // n
    whole = bool((group == group[:, :, :1]).all())
    if not whole or groups < len(found) * heads or not _permuted(found.token, keys):
        return found
    scale = 1.0
    for step in scales:
        scale *= float(step.operand)
    at = group[:, :, 0]
    order = found.token.argsort(1)[at]
    key = capture.key[at].gather(2, order[..., None].expand(-1, -1, -1, capture.key.shape[2]))
    made = Factored(
        Pairwise(scale=scale),
        capture.query.flatten(0, 1)[found.slot],
        key,
        found.query_grid,
        found.key_grid,
        found.query_aside,
        found.key_aside,
        instantiation=found.instantiation,
        notes=found.notes,
        proof=found.proof,
    )
    picked = torch.linspace(0, found.queries.cells - 1, _ROWS).long()
    ours, theirs = (a.rows(picked, heads=True, off_grid=True) for a in (made, found))
    return made if relative(ours, theirs) < _NEAR else found


def _permuted(token: Tensor, keys: int) -> bool:
    return bool((token.sort(1).values == torch.arange(keys, device=token.device)).all())


def grouped(said: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences about paths, each once: ``blocks.0.attn and 11 more: ...``."""
    paths: dict[str, list[str]] = {}
    for path, sentence in said:
        paths.setdefault(sentence, []).append(path or ITSELF)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {sentence}"
        for sentence, names in paths.items()
    ]


def logits_of(output: Any) -> Tensor | None:
    """(classes,) of one picture, where a network's output is the logits of one; float32 on the CPU."""
    told = getattr(output, "logits", output)
    if isinstance(told, Tensor) and told.ndim == 2 and len(told) == 1 and told.shape[1] > 1:
        return told[0].detach().float().cpu()
    return None


def reads_clips(model: nn.Module) -> bool:
    """Whether a network convolves over time, as those do that are given clips."""
    return any(isinstance(module, nn.Conv3d) for module in model.modules())


def not_taken(error: Exception, x: Tensor, clips: bool) -> str:
    """A sentence on a network that did not take x, and what may help; ``clips``: it reads these."""
    first = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
    what, size = "a picture", f"{x.shape[-1]} x {x.shape[-2]} pixels"
    if x.ndim == 5:
        what = f"a clip of {x.shape[2]} frames"
    elif clips:
        return f"This network reads clips, and took no picture of {size} ({first}); open a clip."
    frames = "frames=N how many frames, " if x.ndim == 5 else ""
    return (
        f"The network does not take {what} of {size} ({type(error).__name__}: {first}); "
        f"prepare=nv.Prepare(size=(H, W)) says which it reads, {frames}or --size HxW on the command line, "
        "and call=lambda model, x: ... how it is called."
    )
