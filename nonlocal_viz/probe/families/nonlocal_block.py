"""The non-local block of this package in all its forms, those that compute no map included.

The dot product and the concatenation form are aggregated without their map (core/aggregate.py): there is
no product of weights and values to be seen, and the block is asked itself.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.probe.again import lowered
from nonlocal_viz.probe.proving import proven
from nonlocal_viz.probe.records import Call
from nonlocal_viz.probe.twins import twin_of

_NOTHING = (
    "This block adds nothing to its input: its output projection is 0, as where training begins."
)
#: Rows that the output is made of again for the proof.
_ROWS = 64


def recognises(module: nn.Module) -> bool:
    """Whether it is a NonLocalBlock."""
    return isinstance(module, NonLocalBlock)


def read(call: Call, output: Any) -> Affinity:
    """The block's own affinity. The proof: z of a copy in the same mode is the output of the call, and
    sum_j A_ij g_j of some rows is what that copy's output projection was given.

    Raises:
        UnprovenError: either differs.
    """
    block = call.module
    assert isinstance(block, NonLocalBlock)
    # With buffers of its own: in training mode BatchNorm counts the batch.
    twin = twin_of(block, own_buffers=True)
    assert isinstance(twin, NonLocalBlock)
    x, frames = _given(call)
    seen: list[Tensor] = []
    twin.W.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.no_grad(), lowered(call, x):
        z, affinity = twin.attend(x, frames)
        g = twin.project(x).g
    found = output[0] if isinstance(output, tuple) else output
    value = g.flatten(2).mT.reshape(len(affinity), -1, twin.inter_channels)
    y = seen[0].flatten(2).mT.reshape(len(affinity), -1, twin.inter_channels)
    picked = torch.linspace(0, affinity.shape[1] - 1, min(_ROWS, affinity.shape[1])).long()
    rows = affinity.rows(picked)
    notes = () if bool((z != x).any()) else (_NOTHING,)
    return proven(
        replace(affinity.detach(), notes=notes),
        call.lowered or x.dtype,
        output=(z, found),
        rows=(rows @ value.to(rows.dtype), y[:, picked].to(rows.dtype)),
    )


def example() -> tuple[nn.Module, Tensor]:
    """A concatenation block with pooled keys, whose output depends on its map."""
    torch.manual_seed(0)
    block = NonLocalBlock(6, instantiation="concatenation", bn_layer=False)
    nn.init.normal_(block.get_parameter("W.weight"))
    return block.eval(), torch.randn(2, 6, 6, 8)


def _given(call: Call) -> tuple[Tensor, int]:
    """x and the number of frames, as ``NonLocalBlock.forward`` takes them."""
    names = ("x", "return_nl_map", "frames")
    given = {**dict(zip(names, call.args, strict=False)), **call.kwargs}
    x, frames = given["x"], given.get("frames", 1)
    assert isinstance(x, Tensor) and isinstance(frames, int)
    return x, frames
