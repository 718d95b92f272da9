"""``load_model``: a name of the zoo, or a file of one's own, to a model that is ready to be asked."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torchvision.models import ResNet18_Weights

from nonlocal_viz.core import source
from nonlocal_viz.core.resnet import NonLocalResNet, resolve_device
from nonlocal_viz.core.source import About, Prepare
from nonlocal_viz.errors import CheckpointError, NonlocalVizError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.zoo.backbone import complete, manifest_beside, read_weights
from nonlocal_viz.zoo.checkpoint import read_checkpoint
from nonlocal_viz.zoo.manifest import IMAGENET_1K, ModelInfo, parse_entry, read_manifest

_FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
#: (residual blocks a stage, bottleneck) -> depth
_DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
}


def load_model(
    name_or_path: str | Path = "default",
    device: str | torch.device = "auto",
    *,
    directory: Path | str | None = None,
    limits: Limits = LIMITS,
) -> NonLocalResNet:
    """A model in eval mode, in float32, without gradients, with its :class:`ModelInfo` as ``.info``.

    Args:
        name_or_path: ``"default"`` or another name of the manifest; or a file: ``.safetensors`` that
            describes its model (``nonlocal-viz train`` writes such), or a ``.pth``/``.pt`` state dict
            of a NonLocalResNet, whose architecture is then read off its keys. A file of blocks alone
            takes the rest from the backbone it names, by the manifest in its own folder.
        device: ``"auto"`` is CUDA when present, else the CPU.
        directory: folder of the manifest; default the shipped one.
        limits: bounds on a file's size.

    Raises:
        CheckpointError: an unknown name; a missing, altered, broken or foreign file, the backbone's
            included.
        ShapeError: an unknown or absent device.
    """
    where = resolve_device(device)
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(_FILE_SUFFIXES):
        path = Path(name_or_path)
        # A person who does not exist has no home; the path is then taken as it stands.
        with contextlib.suppress(RuntimeError):
            path = path.expanduser()
        state, described = read_checkpoint(path, limits)
        if described is not None:
            info = parse_entry(_entry_name(path), described, shipped=False)
        else:
            info = ModelInfo(_entry_name(path), architecture=read_architecture(state, path.name))
        if info.backbone is not None:
            state = complete(state, path.name, info, manifest_beside(path, info, limits), limits)
        folder = path.parent
    else:
        manifest = read_manifest(directory, limits)
        info = manifest.find(text)
        folder = manifest.directory
        state = read_weights(manifest, info, limits)
    model = _build(info, state)
    model.info = replace(info, classes=_classes(info, folder))
    model.about = About(
        info.name,
        info.title,
        model.info.classes,
        info.default_block,
        licence=info.licence,
        trained_on=info.trained_on,
        class_list=info.class_list,
    )
    colours = info.normalisation
    model.prepare = Prepare(source.Normalisation(colours.mean, colours.std), info.short_side)
    return model.eval().requires_grad_(False).to(where)


def read_architecture(state: Mapping[str, Tensor], name: str) -> Mapping[str, Any]:
    """Keyword arguments of NonLocalResNet from the keys and shapes of its state dict.

    What the weights do not tell is taken as the default: dot product looks like embedded Gaussian,
    pooling first like pooling after, and a dilated stage like a strided one (output stride 32).

    Raises:
        CheckpointError: it is not the state dict of such a network, or has no non-local block.
    """
    stages = tuple(
        1
        + max(
            (int(m[1]) for k in state if (m := re.match(rf"layer{s}\.(\d{{1,3}})\.", k))),
            default=-1,
        )
        for s in range(1, 5)
    )
    depth = _DEPTHS.get((stages, "layer1.0.conv3.weight" in state))
    blocks = sorted({m[1] for k in state if (m := re.match(r"nl\.(layer[1-4]_\d{1,3})\.", k))})
    if depth is None or "fc.weight" not in state or state["fc.weight"].ndim != 2:
        raise CheckpointError(
            f"{name} is no state dict of a ResNet-18, 34, 50 or 101 of this kind."
        )
    if not blocks:
        raise CheckpointError(
            f"{name} is a ResNet-{depth} without a non-local block (no key begins with 'nl.'), so there "
            "would be nothing to look at."
        )
    keys = [
        key.removeprefix(f"nl.{blocks[0]}.") for key in state if key.startswith(f"nl.{blocks[0]}.")
    ]
    instantiation = "embedded_gaussian"
    if "concat_project.0.weight" in keys:
        instantiation = "concatenation"
    elif not any(key.startswith("theta") for key in keys):
        instantiation = "gaussian"
    values = [state.get(f"nl.{b}.g.0.weight", state.get(f"nl.{b}.g.weight")) for b in blocks]
    widths = {tuple(w.shape[:2]) for w in values if w is not None and w.ndim == 4}
    usual = all(inner == max(1, channels // 2) for inner, channels in widths)
    return MappingProxyType(
        {
            "depth": depth,
            "blocks": [block.replace("_", ".") for block in blocks],
            "num_classes": int(state["fc.weight"].shape[0]),
            "block": {
                "instantiation": instantiation,
                "inter_channels": None if usual else int(next(iter(widths))[0]),
                "sub_sample": "g.0.weight" in keys,
                "bn_layer": "W.1.weight" in keys,
            },
        }
    )


def _build(info: ModelInfo, state: dict[str, Tensor]) -> NonLocalResNet:
    try:
        # Built without memory, then given the file's tensors: nothing is initialised only to be replaced.
        with torch.device("meta"):
            model = NonLocalResNet(**info.architecture)
        full = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
        model.load_state_dict(full, strict=True, assign=True)
    except NonlocalVizError as error:
        raise CheckpointError(f"The model {info.name!r} cannot be built: {error}") from None
    except (RuntimeError, TypeError, ValueError) as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), "other shapes")
        raise CheckpointError(
            f"The weights of {info.name!r} do not fit its architecture ({first[:200]})."
        ) from None
    return model


def _classes(info: ModelInfo, folder: Path) -> tuple[str, ...] | None:
    if info.class_list is None:
        return None
    if info.class_list == IMAGENET_1K:
        return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
    try:
        return tuple((folder / info.class_list).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(f"The list of classes {info.class_list} cannot be read.") from None


def _entry_name(path: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-")[:64]
    return name if name and name != "default" else "model"
