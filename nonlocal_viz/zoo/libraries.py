"""Networks of other libraries, and of one's own, by name: ``timm:``, ``hf:``, ``torchvision:``, a factory.

Invariants: what a library knows of how its pictures are prepared is taken from it, the rest is a sentence
in ``about.assumptions``; and weights are fetched by the library itself, under its own terms, or not at
all: where they cannot be, a network of random weights says that it is one.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.fitting import Normalisation, Prepare
from nonlocal_viz.core.source import About
from nonlocal_viz.errors import CheckpointError, OptionError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.probe.attach import Probe
from nonlocal_viz.probe.prepared import colours_of, prepare_of, reads_any_shape
from nonlocal_viz.probe.shown import reads_clips
from nonlocal_viz.zoo.checkpoint import read_checkpoint
from nonlocal_viz.zoo.fetching import (
    Made,
    about_of,
    built,
    hub,
    library,
    prepared,
    random_weights,
    unknown,
)
from nonlocal_viz.zoo.foreign import unwrapped
from nonlocal_viz.zoo.given import normalisation_of
from nonlocal_viz.zoo.of_transformers import from_transformers

#: What networks of several stages halve a picture's sides to, by five halvings.
_STAGES = 32
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_named(name: str) -> bool:
    """Whether a name says a library, or a factory of one's own; such a file does not exist."""
    return bool(_FACTORY.fullmatch(name)) or name.split(":")[0] in _LIBRARIES


def open_named(
    name: str,
    device: str | torch.device = "auto",
    *,
    pretrained: bool | None = None,
    checkpoint: str | Path | None = None,
    prepare: Prepare | None = None,
    size: tuple[int, int] | None = None,
    normalisation: Any = None,
    grid: tuple[int, ...] | None = None,
    limits: Limits = LIMITS,
    **options: Any,
) -> Probe:
    """A network that is looked into as it runs, in eval mode and without gradients.

    Args:
        name: ``timm:NAME``, ``hf:NAME`` (of the hub, a folder, or a kind such as ``vit``),
            ``torchvision:NAME``, or ``package.module:factory``, which is called with ``options`` and
            returns a module.
        pretrained: None: the library's weights where they are here or can be fetched, else random ones,
            and a sentence; True: those or an error; False: random ones.
        checkpoint: a file of weights for it.
        prepare, grid: see :func:`nonlocal_viz.attach`; default what the library says.
        size, normalisation: of ``prepare``, where the rest is as the library or the network says: (height,
            width) that pictures are squashed to, and (mean, std) of their colours, three numbers each.
        options: for the library's own function that builds it.

    Raises:
        OptionError: the library is not installed, or builds no such network.
        CheckpointError: weights that were asked for cannot be had, or do not fit.
    """
    where = resolve_device(device)
    source, _, rest = name.partition(":")
    wanted = False if checkpoint is not None else pretrained
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if source in _LIBRARIES:
            made = _LIBRARIES[source](rest, wanted, options)
        else:
            made = _of_ones_own(source, rest, options)
    about = made.about
    if checkpoint is not None:
        _load(made.model, Path(checkpoint), limits)
        kept = tuple(said for said in about.assumptions if said != random_weights(False))
        about = About(about.name, about.title, assumptions=kept)
    made.model.eval().requires_grad_(False).to(where)
    prepare = prepare or made.prepare
    colours = None if normalisation is None else normalisation_of(normalisation)
    if prepare is None and (size or colours):
        called = made.call or (lambda network, x: network(x))
        clips = reads_clips(made.model) if made.clips is None else made.clips
        prepare, said = prepare_of(made.model, called, clips, size, colours)
        about = replace(about, assumptions=(*about.assumptions, *said))
    elif prepare is not None:
        prepare = replace(prepare, normalisation=colours or prepare.normalisation)
        if size is not None:
            prepare = replace(prepare, size=size, crop=None, short_side=None)
    return Probe(made.model, grid, prepare, made.call, about, clips=made.clips)


def _from_timm(name: str, pretrained: bool | None, options: dict[str, Any]) -> Made:
    timm = library("timm", "timm")
    if name.split(".")[0] not in timm.list_models():
        raise OptionError(unknown("timm", name, timm.list_models()))

    def build(weights: bool) -> nn.Module:
        built: nn.Module = timm.create_model(name, pretrained=weights, **options)
        return built

    with hub(pretrained):
        model, trained = built(build, pretrained, f"timm:{name}")
    told: Any = model.pretrained_cfg
    config = timm.data.resolve_model_data_config(model)
    sides = tuple(config["input_size"][-2:])
    # A network that was built for another size than its weights were trained at says so itself.
    patches = getattr(model, "patch_embed", None)
    own = getattr(patches, "img_size", None)
    strict = getattr(patches, "strict_img_size", True)
    sides = tuple(own) if own is not None and strict else sides
    multiple = None if told.get("fixed_input_size") else _STAGES
    if not strict:
        multiple = max(getattr(patches, "patch_size", (_STAGES,)))
    elif multiple and not reads_any_shape(model, sides, multiple):
        multiple = None
    colours = colours_of(config)
    crop = config["crop_pct"] if config["crop_mode"] != "squash" else None
    prepare = prepared(colours, sides, crop, config["interpolation"], multiple)
    return Made(
        model, prepare, about_of(name, f"timm:{name}", trained, pretrained, told.get("license"))
    )


def _from_torchvision(name: str, pretrained: bool | None, options: dict[str, Any]) -> Made:
    torchvision = library("torchvision", "torchvision")
    models = torchvision.models
    if name not in models.list_models():
        raise OptionError(unknown("torchvision", name, models.list_models()))
    weights = models.get_model_weights(name).DEFAULT

    def build(trained: bool) -> nn.Module:
        built: nn.Module = models.get_model(name, weights=weights if trained else None, **options)
        return built

    model, trained = built(build, pretrained, f"torchvision:{name}")
    told = weights.transforms()
    prepare = None
    if hasattr(told, "crop_size"):
        side, whole = told.crop_size[0], told.resize_size[0]
        size = options.get("image_size", side)
        colours = Normalisation(tuple(told.mean), tuple(told.std))
        # Sides that no power of two divides, as photos have.
        anyhow = not hasattr(model, "image_size") and reads_any_shape(model, (size, size), 33)
        prepare = prepared(
            colours, (size, size), side / whole, told.interpolation.value, 1 if anyhow else None
        )
    return Made(model, prepare, about_of(name, f"torchvision:{name}", trained, pretrained, None))


def _of_ones_own(module: str, factory: str, options: dict[str, Any]) -> Made:
    try:
        found: Any = import_module(module)
        for part in factory.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"{module}:{factory} cannot be imported ({error}).") from error
    try:
        model = found if isinstance(found, nn.Module) else found(**options)
    except TypeError as error:
        raise OptionError(f"{module}:{factory} cannot be called so ({error}).") from error
    if not isinstance(model, nn.Module):
        raise OptionError(f"{module}:{factory} gives no module, but {type(model).__name__}.")
    return Made(model, None, About(factory.split(".")[-1].lower(), f"{module}:{factory}"))


def _load(model: nn.Module, path: Path, limits: Limits) -> None:
    state, _, _ = read_checkpoint(path, limits)
    own = model.state_dict()
    if set(state) != set(own):
        state, _ = unwrapped(state, path.name)
    missing, unknown = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    other = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unknown or other:
        said = [
            f"{what} {', '.join(keys[:3])}{' ...' if len(keys) > 3 else ''}"
            for what, keys in (
                ("lacks", missing),
                ("has besides", unknown),
                ("has other shapes of", other),
            )
            if keys
        ]
        raise CheckpointError(f"{path.name} does not fit this network: it {'; it '.join(said)}.")
    model.load_state_dict(state)


_LIBRARIES: dict[str, Callable[[str, bool | None, dict[str, Any]], Made]] = {
    "timm": _from_timm,
    "hf": from_transformers,
    "torchvision": _from_torchvision,
}
