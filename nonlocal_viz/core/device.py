"""Where to compute. Invariant: a device that is returned is here and is one that is tested."""

import torch

from nonlocal_viz.errors import DeviceError

_SUPPORTED = ("cpu", "cuda")


def resolve_device(device: str | torch.device) -> torch.device:
    """``"auto"`` -> CUDA when present, else the CPU; else cpu or cuda, with or without an index.

    Raises:
        DeviceError: the device is unknown, not present, or of a kind that is not supported.
    """
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(device, str | torch.device):
        raise DeviceError(f"{device!r} is no device; use auto, cpu or cuda.")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"Unknown device {device!r}; use auto, cpu or cuda.") from None
    if found.type not in _SUPPORTED:
        raise DeviceError(
            f"The device {found.type!r} is not supported here; use auto, cpu or cuda."
        )
    if found.type == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceError("There is no CUDA device here; use device='auto' or device='cpu'.")
    count = torch.cuda.device_count()
    if found.index is not None and found.index >= count:
        raise DeviceError(f"There is no {found}; the CUDA devices here are 0 to {count - 1}.")
    return found
