"""What looking in costs: a network alone, with ``nv.attach``, and giving out dense maps, in turns.

Within the block next to nothing is recorded (``recording``); a run that is, reading and proving come
when maps are first asked for.
"""

from collections.abc import Callable
from typing import Any

import timm
import torch
from torch import Tensor, nn

import nonlocal_viz as nv
from benchmarks.timing import MiB, Ratio, in_turns

#: {name: side of the picture}
_NETWORKS = {
    "vit_tiny_patch16_224": 224,
    "vit_small_patch16_224": 224,
    "vit_small_patch16_384": 384,
}


def cases(quick: bool) -> tuple[str, list[str], list[list[object]]]:
    """A row a network: seconds of each way, and MiB of factors and of dense maps."""
    rows: list[list[object]] = []
    for name, side in list(_NETWORKS.items())[: 1 if quick else None]:
        torch.manual_seed(0)
        net = timm.create_model(name).eval().requires_grad_(False)
        x = torch.randn(1, 3, side, side)
        times = in_turns(_ways(net, x), 3 if quick else 9)
        with torch.inference_mode(), nv.attach(net) as probe:
            net(x)
        factors = sum(a.nbytes for a in probe.maps.values())
        dense = sum(4 * a.heads * a.queries.tokens * a.keys.tokens for a in probe.maps.values())
        rows.append(
            [
                name,
                times["alone"],
                times["recording"],
                Ratio(times["recording"].median / times["alone"].median),
                times["attached"],
                times["output_attentions"],
                MiB(factors / 2**20),
                MiB(dense / 2**20),
            ]
        )
    header = [
        "network",
        "forward alone",
        "recording",
        "ratio",
        "with reading and proving",
        "giving out dense maps",
        "factors",
        "dense maps",
    ]
    return "Attached", header, rows


def _ways(net: nn.Module, x: Tensor) -> dict[str, Callable[[], Any]]:
    def recording() -> None:
        with torch.inference_mode(), nv.attach(net):
            net(x)

    def attached() -> None:
        with torch.inference_mode():
            with nv.attach(net) as probe:
                net(x)
            assert probe.maps

    return {
        "alone": torch.inference_mode()(lambda: net(x)),
        "recording": recording,
        "attached": attached,
        "output_attentions": lambda: _dense(net, x),
    }


@torch.inference_mode()
def _dense(net: nn.Module, x: Tensor) -> list[Tensor]:
    """As ``output_attentions=True`` of transformers: every map is computed whole and kept."""
    kept: list[Tensor] = []
    handles = []
    for block in net.get_submodule("blocks"):
        attention = block.attn
        attention.fused_attn = False
        handles.append(attention.attn_drop.register_forward_hook(_keep(kept)))
    try:
        net(x)
    finally:
        for handle in handles:
            handle.remove()
        for block in net.get_submodule("blocks"):
            block.attn.fused_attn = True
    return kept


def _keep(kept: list[Tensor]) -> Callable[[Any, Any, Tensor], None]:
    return lambda _module, _given, weights: kept.append(weights)
