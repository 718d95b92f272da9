"""What the lesson asks of the server: tensors between x and z, and proofs that need the network.

The four kinds of question are those of :class:`nonlocal_viz.canvas.protocol.LessonQuestion`. Files of an
answer lie in the folder that is given, as :class:`~pathlib.Path`; the desk makes addresses of them.
"""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nonlocal_viz.canvas.payload import block_payload
from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.anatomy import Anatomy
from nonlocal_viz.core.ancestor import NAME as ANCESTOR
from nonlocal_viz.core.ancestor import nonlocal_means
from nonlocal_viz.core.equivalent import as_attention
from nonlocal_viz.core.geometry import Grid
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import About
from nonlocal_viz.errors import OptionError
from nonlocal_viz.view import View
from nonlocal_viz.web import by_hand
from nonlocal_viz.web.views import Views

#: Tensors that a page may ask for, by the names of the paper.
TENSORS = ("x", "theta", "phi", "g", "y", "projected", "added", "z", "weight", "bias", "sizes")
#: Scores of one part of a comparison, and of all of it: beyond, queries are taken evenly among all.
_PART, _ALL = 1 << 22, 1 << 27


@dataclass(frozen=True)
class Asked:
    """A question: the picture's source and view, a block, a place in pixels, and what it came with."""

    source: dict[str, Any]
    view: View
    block: str
    x: float
    y: float
    frame: int
    more: dict[str, Any]


def answer(views: Views, want: object, asked: Asked, folder: Path) -> dict[str, Any]:
    """The answer to one of the four kinds of question.

    Raises:
        OptionError: there is no such kind; else as the functions below.
    """
    kinds = {"tensors": tensors, "same": same, "cousin": cousin, "code": code}
    if not isinstance(want, str) or want not in kinds:
        raise OptionError(f"A lesson asks for {', '.join(kinds)}.")
    return kinds[want](views, asked, folder)


def tensors(views: Views, asked: Asked, folder: Path) -> dict[str, Any]:
    """The tensors of ``names``, of a frame where frames are by themselves.

    As float32 where they are small enough together (``lesson_bytes`` of limits.py), else as float16.

    Raises:
        OptionError: there is no such tensor, or they are too much for a page.
    """
    names = asked.more.get("names")
    if not isinstance(names, list) or not names or any(name not in TENSORS for name in names):
        raise OptionError(f"The tensors of a block are {', '.join(TENSORS)}.")
    anatomy, limits = asked.view.anatomy(asked.block, asked.frame), views.limits
    found = {name: _tensor(anatomy, name) for name in dict.fromkeys(names)}
    size = sum(4 * tensor.numel() for tensor in found.values())
    if size > limits.factor_bytes:
        raise OptionError(
            "What this block computes of this clip is too much for a page; take fewer frames."
        )
    kind = "float32" if size <= limits.lesson_bytes else "float16"
    return {
        "tensors": {
            name: _file(folder / f"{name}.bin", tensor, kind) for name, tensor in found.items()
        }
    }


def same(views: Views, asked: Asked, folder: Path) -> dict[str, Any]:
    """The block's numbers copied into torch.nn.MultiheadAttention, asked beside it.

    Raises:
        OptionError: the block cannot be expressed so; the sentence says why.
    """
    view, name = asked.view, asked.block
    anatomy = view.anatomy(name, asked.frame)
    network = views.models.lens(asked.source.get("model")).source
    assert isinstance(network, NonLocalResNet)  # there was an anatomy
    block = network.block(name)
    heads = as_attention(block)
    # Those that pool behind their projection were refused.
    keys = _pooled(block, anatomy) if block.sub_sample else anatomy.x
    count, many = anatomy.x.shape[1], keys.shape[1]
    cell = _cell(asked)
    evenly = torch.linspace(0, count - 1, min(count, max(1, _ALL // many))).long()
    queries = torch.cat([evenly, torch.tensor([cell])]).unique()
    off_map = off_z = 0.0
    with torch.no_grad():
        for part in queries.split(max(1, _PART // many)):
            added, weights = heads(anatomy.x[:, part], keys, keys)
            off_map = max(off_map, _apart(weights, anatomy.affinity.rows(part)))
            off_z = max(off_z, _apart(anatomy.x[:, part] + added, anatomy.z[:, part]))
        row = heads(anatomy.x[:, [cell]], keys, keys)[1][0, 0]
    return {
        "weights": _file(folder / "same.bin", row, "float32"),
        "map_difference": off_map,
        "z_difference": off_z,
        "z_greatest": float(anatomy.z.abs().max()),
        "queries": len(queries),
    }


def cousin(views: Views, asked: Asked, folder: Path) -> dict[str, Any]:
    """The block of another ``model``, or of non-local means, for the same picture.

    Raises:
        CheckpointError: the page offers no such model.
        BlockError: it has no such block.
    """
    model = asked.more.get("model")
    if model == ANCESTOR:
        seen: Any = Ancestor(asked.view, asked.block)
    else:
        seen = views.get({**asked.source, "model": model})
        seen.affinity(asked.block)
    first = block_payload(seen, asked.block, folder, views.limits)
    return {"model": str(model), "cousin": first}


def code(views: Views, asked: Asked, folder: Path) -> dict[str, Any]:
    """The dozen lines with what was chosen for their gaps, run as they are shown.

    Of a clip, and of a picture whose map is too large to be held here, they are not run: then the answer
    is the text alone, for whoever runs it elsewhere.

    Raises:
        OptionError: they are not of this model or block.
    """
    view, model = asked.view, asked.view.about.name
    if not views.models.ships(model):
        raise OptionError("These lines are run for the models that come with the package.")
    grid = view.query_grid(asked.block)  # what is no block is refused before anything runs
    network = views.models.lens(asked.source.get("model")).source
    assert isinstance(network, NonLocalResNet)  # those that ship are
    if network.block(asked.block).instantiation != "embedded_gaussian":
        raise OptionError(
            "These lines are those of an embedded Gaussian block, with theta, phi and a BatchNorm; "
            "this block is another."
        )
    chosen = {gap: asked.more.get(gap, 0) for gap in by_hand.GAPS}
    frames = len(view.frames)
    shown, opened = _opened(views, asked, frames)
    text = by_hand.lines(model, asked.block, shown, **chosen)
    said = {"text": text, "gaps": {gap: list(choices) for gap, choices in by_hand.GAPS.items()}}
    if frames > 1 or 4 * prod(grid.cells) ** 2 > views.limits.lesson_map_bytes:
        return said
    runs = by_hand.lines(model, asked.block, opened, **chosen)
    found = by_hand.run(runs, asked.block, asked.x, asked.y)
    return said | {
        "weights": _file(folder / "code.bin", found.row, "float32"),
        "map_difference": found.map_difference,
        "z_difference": found.z_difference,
        "map_greatest": found.map_greatest,
        "z_greatest": found.z_greatest,
    }


def _opened(views: Views, asked: Asked, frames: int) -> tuple[str, str]:
    """What the lines open: as they show it, and as they run."""
    example = views.examples.get(str(asked.source.get("example")))
    if example is not None and frames == 1:
        return (by_hand.example(example.name),) * 2
    path = views.path(asked.source)
    return by_hand.file(path.name, frames), by_hand.file(str(path), frames)


class Ancestor:
    """Non-local means as a view of the same picture, as far as a payload asks one."""

    def __init__(self, view: View, block: str) -> None:
        self.frames, self.times, self.spacetime = view.frames, view.times, view.spacetime
        self.about, self.name, self.size = About(ANCESTOR), view.name, view.size
        self.blocks, self.default_block = (block,), block
        self._grid, self._count = view.query_grid(block), len(view.whole(block))

    def whole(self, _block: str | None = None) -> Affinity:
        """One image, or as many as there are frames by themselves."""
        frames, cells = torch.from_numpy(np.array(self.frames)), self._grid.cells
        if self._count == 1:
            return nonlocal_means(frames, cells)
        one = [nonlocal_means(frame, cells) for frame in frames]
        query, key = (torch.cat([getattr(a, side) for a in one]) for side in ("query", "key"))
        return replace(one[0], query=query, key=key)

    def query_grid(self, _block: str | None = None) -> Grid:
        """That of the block."""
        return self._grid

    key_grid = query_grid

    def fineness(self, _block: str) -> tuple[int, int] | None:
        """Rows and columns of cells."""
        return self._grid.cells[1:]


def _cell(asked: Asked) -> int:
    """The query asked about, among those of the anatomy."""
    grid = asked.view.query_grid(asked.block)
    return grid.flat(grid.cell(asked.x, asked.y, asked.frame if asked.view.spacetime else 0))


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _tensor(anatomy: Anatomy, name: str) -> Tensor:
    if name == "sizes":
        return anatomy.sizes()[0]
    found: Tensor = getattr(anatomy, name)
    return found if name in ("weight", "bias") else found[0]


def _pooled(block: Any, anatomy: Anatomy) -> Tensor:
    """The tokens of x as a block that pools first reads them, (B, M, C)."""
    steps, rows, columns = anatomy.affinity.query_grid
    frames = anatomy.x.mT.unflatten(2, (steps, rows, columns)).transpose(1, 2).flatten(0, 1)
    pooled = block.pool(frames).unflatten(0, (-1, steps))
    tokens: Tensor = pooled.transpose(1, 2).flatten(2).mT
    return tokens


def _file(path: Path, tensor: Tensor, kind: str) -> dict[str, Any]:
    numbers = tensor.detach().float().cpu()
    if kind == "float16":
        numbers = numbers.clamp(-65504, 65504).half()
    little = numbers.contiguous().numpy()
    path.write_bytes(little.astype(little.dtype.newbyteorder("<")).tobytes())
    return {"file": path, "type": kind, "shape": list(tensor.shape)}
