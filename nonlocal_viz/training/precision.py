"""Whether half precision is worth having on a device."""

import time
from functools import cache

import torch
import torch.nn.functional as F


def half_precision(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware; emulated, it is a hundred times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


@cache
def trains_faster_in_half(kind: str) -> bool:
    """Whether dense convolutions are quicker in bfloat16, forth and back, on a device of this kind
    (``"cpu"``, ``"cuda"``).

    On a CPU it is tried, a few hundredths of a second, once a process: the flags do not tell. There are
    processors with bfloat16 instructions that are slower than those of float32 (Intel's, where their
    matrix unit is switched off), and others where they are twice as fast.
    """
    device = torch.device(kind)
    if kind != "cpu" or not half_precision(device):
        return half_precision(device)
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """Of a 3x3 convolution of a ResNet's second stage, forth and back; the best of some."""
    with torch.enable_grad():
        x = torch.zeros(4, 128, 28, 28, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.zeros(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        x.requires_grad_()
        weight.requires_grad_()
        best = float("inf")
        for _ in range(6):
            begun = time.perf_counter()
            F.conv2d(x, weight, padding=1).sum().backward()
            best = min(best, time.perf_counter() - begun)
    return best
