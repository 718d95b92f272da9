"""Networks of transformers, by their names on the hub, in a folder, or by their kind."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nonlocal_viz.core.fitting import Normalisation, Prepare
from nonlocal_viz.errors import OptionError
from nonlocal_viz.zoo.fetching import Made, about_of, built, hub, library


def from_transformers(name: str, pretrained: bool | None, options: dict[str, Any]) -> Made:
    transformers = library("transformers", "transformers")
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    kind = name in mapping
    if kind and pretrained:
        raise OptionError(f"{name!r} is a kind of network, which has no weights of its own.")
    with hub(False if kind else pretrained):
        try:
            config = (
                mapping[name](**options)
                if kind
                else transformers.AutoConfig.from_pretrained(name, **options)
            )
        except (OSError, ValueError) as error:
            raise OptionError(
                f"There is no {name[:80]!r} on this machine, and it could not be fetched; hf: takes a name "
                "of the hub, a folder, or a kind such as vit."
            ) from error

        def build(weights: bool) -> nn.Module:
            wanted = getattr(config, "vision_config", config)
            if weights and not kind:
                whole: nn.Module = transformers.AutoModel.from_pretrained(name, config=config)
                return whole if wanted is config else whole.get_submodule("vision_model")
            built: nn.Module = transformers.AutoModel.from_config(wanted)
            return built

        model, trained = built(build, False if kind else pretrained, f"hf:{name}")
        prepare, said = _processed(transformers, None if kind else name, model)
    call = _call_of(model)
    about = about_of(name.split("/")[-1], f"hf:{name}", trained, pretrained, None, said)
    return Made(model, prepare, about, call, True if call in (_videos, _frames_first) else None)


#: Kinds whose pictures are called as those of clips are elsewhere, and yet are clips (B, T, C, H, W).
_FRAMES_FIRST = ("videomae", "timesformer", "vivit")


def _call_of(model: nn.Module) -> Callable[[nn.Module, torch.Tensor], Any]:
    wanted = inspect.signature(model.forward).parameters
    if "pixel_values_videos" in wanted:
        return _videos
    if "spatial_shapes" in wanted:
        return _patches
    kind = getattr(getattr(model, "config", None), "model_type", "")
    return _frames_first if kind in _FRAMES_FIRST else _pixel_values


def _pixel_values(model: nn.Module, x: torch.Tensor) -> Any:
    return model(pixel_values=x)


def _patches(model: nn.Module, x: torch.Tensor) -> Any:
    """Called with patches (B, N, P * P * 3) in rows, and how many rows and columns these are."""
    config: Any = model.config
    side = config.patch_size
    height, width = (length // side for length in x.shape[-2:])
    parted = x[..., : height * side, : width * side].unflatten(-2, (height, side))
    patches = parted.unflatten(-1, (width, side)).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    return model(
        pixel_values=patches,
        pixel_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=x.device),
        spatial_shapes=torch.tensor([[height, width]], device=x.device).expand(len(x), -1),
    )


def _frames_first(model: nn.Module, x: torch.Tensor) -> Any:
    return model(pixel_values=_frames(x))


def _videos(model: nn.Module, x: torch.Tensor) -> Any:
    return model(pixel_values_videos=_frames(x))


def _frames(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(1, 2) if x.ndim == 5 else x[:, None]


def _processed(transformers: Any, name: str | None, model: nn.Module) -> tuple[Prepare, str]:
    """What an image processor does, and a sentence where there is none."""
    config: Any = getattr(model, "config", None)
    side = getattr(config, "image_size", None)
    if side is None and getattr(config, "num_patches", None):
        # Of any sides: as many patches as it learnt places for.
        side = math.isqrt(config.num_patches) * config.patch_size
    size = (side, side) if isinstance(side, int) else tuple(side) if side else None
    if name is not None:
        try:
            told = transformers.AutoImageProcessor.from_pretrained(name).to_dict()
        except (OSError, ValueError, ImportError):
            told = {}
        if told.get("image_mean") and told.get("size"):
            return _read_processor(told), ""
        if told.get("image_mean") and size is not None:
            return Prepare(_colours(told), size=size), ""
    said = (
        "No image processor says how its pictures are prepared: squashed, with ImageNet's colours."
    )
    return Prepare(size=size), said


def _colours(told: dict[str, Any]) -> Normalisation:
    return Normalisation(tuple(told["image_mean"]), tuple(told["image_std"]))


def _read_processor(told: dict[str, Any]) -> Prepare:
    colours = _colours(told)
    size, cut = dict(told["size"]), dict(told.get("crop_size") or {})
    resample = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}.get(
        int(told.get("resample") or 2), "bilinear"
    )
    short = size.get("shortest_edge")
    if short and told.get("do_center_crop") and cut:
        return Prepare(
            colours,
            size=(cut["height"], cut["width"]),
            crop=min(1.0, min(cut.values()) / short),
            resample=resample,
        )
    if short:
        return Prepare(colours, short_side=short, resample=resample)
    return Prepare(colours, size=(size["height"], size["width"]), resample=resample)
