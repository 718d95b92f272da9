"""A NonLocalResNet over one picture or clip, in steps: each block's affinity as soon as there is one.

A row of a block needs what lies before the block, and of the block itself theta and phi alone; whoever
points at the first block need not wait for what it adds to the picture, nor for all that comes after.

Invariant: the numbers are those of ``forward``. A clip's frames go through the backbone a few at a time,
and the queries of a block part by part, both of which leave every sum as it was.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.source import Found, Step, Told

_Layer = Callable[[Tensor], Tensor]
#: Frames that go through the backbone together: a step of a fifth of a second on two cores.
FRAMES = 4


class Staged(Protocol):
    """What is asked of a :class:`~nonlocal_viz.core.resnet.NonLocalResNet`."""

    @property
    def avgpool(self) -> nn.Module: ...
    @property
    def fc(self) -> nn.Module: ...
    @property
    def block_names(self) -> tuple[str, ...]: ...
    def stem(self, x: Tensor) -> Tensor: ...
    def places(self) -> Iterator[tuple[str, nn.Module]]: ...
    def block(self, name: str) -> NonLocalBlock: ...


def walk(
    model: Staged, x: Tensor, frames: int, together: bool
) -> Generator[Step | Found | Told, None, None]:
    """Run the model over x, (frames, 3, H, W), from one step to the next.

    Args:
        together: whether a block relates the positions of all frames, or those of each by itself.
    """
    stretch: list[_Layer] = [model.stem]
    after = 0
    for name, residual_block in model.places():
        stretch.append(residual_block)
        if name not in model.block_names:
            continue
        x = yield from _through(stretch, x, _read(after, model))
        x = yield from _attend(model.block(name), name, x, frames if together else 1)
        stretch, after = [], after + 1
    x = yield from _through(stretch, x, _read(after, model))
    pooled = model.avgpool(x).flatten(1)
    logits = model.fc(pooled.unflatten(0, (-1, frames)).mean(1))
    yield Told(logits[0].float().cpu())


def _read(after: int, model: Staged) -> str:
    where = f" behind {model.block_names[after - 1]}" if after else ""
    return f"Reading the picture{where}"


def _through(stretch: list[_Layer], x: Tensor, words: str) -> Generator[Step, None, Tensor]:
    """Images through consecutive layers, a few at a time; returns what comes out."""
    done: list[Tensor] = []
    count = len(x)
    for first in range(0, count, FRAMES):
        part = x[first : first + FRAMES]
        for layer in stretch:
            part = layer(part)
        done.append(part)
        ready = min(first + FRAMES, count)
        if count > 1:
            yield Step(f"{words}: frame {ready} of {count}", ready, count)
    return torch.cat(done) if len(done) > 1 else done[0]


def _attend(
    block: nn.Module, name: str, x: Tensor, frames: int
) -> Generator[Step | Found, None, Tensor]:
    """A block's affinity, then its output in parts; returns the output."""
    if type(block) is not NonLocalBlock or _observed(block):
        # Somebody's own block, or one that somebody listens at, is called as the module that it is.
        z, affinity = block(x, "factored", frames)
        yield Found(name, affinity)
        return z  # type: ignore[no-any-return]
    z = x
    for found in block.attend_in_parts(x, frames):
        if isinstance(found, Affinity):
            yield Found(name, found)
        elif isinstance(found, tuple):
            done, total = found
            if done < total:
                yield Step(
                    f"{name} gathers from all positions: {100 * done // total} %", done, total
                )
        else:
            z = found
    return z


def _observed(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
