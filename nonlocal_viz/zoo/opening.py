"""``load_model``: anything that has a name, to a network that a Lens looks through."""

from pathlib import Path
from typing import Any

import torch

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.probe.attach import Probe
from nonlocal_viz.zoo import loading
from nonlocal_viz.zoo.libraries import is_named, open_named
from nonlocal_viz.zoo.manifest import DEFAULT


def load_model(
    name_or_path: str | Path = DEFAULT,
    device: str | torch.device = "auto",
    *,
    directory: Path | str | None = None,
    limits: Limits = LIMITS,
    **options: Any,
) -> NonLocalResNet | Probe:
    """A network in eval mode, without gradients, that says of itself what was read and assumed.

    >>> nv.load_model("default", "cpu").block_names
    ('layer2.1', 'layer3.1')

    Args:
        name_or_path: ``"default"`` or another name of the zoo; a file of weights; or a network that
            somebody else wrote, as ``"timm:NAME"``, ``"hf:NAME"``, ``"torchvision:NAME"`` or
            ``"package.module:factory"``.
        device, directory, limits, options: of the zoo and of files see
            :func:`nonlocal_viz.zoo.loading.load_model`, of others
            :func:`nonlocal_viz.zoo.libraries.open_named` (``pretrained``, ``checkpoint``, ``prepare``,
            ``grid``, and what the library's own function takes).

    Raises:
        CheckpointError: an unknown name; a missing, altered, broken or foreign file; weights that cannot
            be had.
        OptionError: an argument that there is not, one that contradicts the file, or a library that
            is not installed.
        DeviceError: an unknown or absent device.
    """
    if isinstance(name_or_path, str) and is_named(name_or_path) and not Path(name_or_path).exists():
        return open_named(name_or_path, device, limits=limits, **options)
    return loading.load_model(name_or_path, device, directory=directory, limits=limits, **options)
