"""A training from the request to the saved model; ``nonlocal-viz train`` is little more.

Everything that can be wrong with a request is said before anything long begins: a device, an
instantiation, a model, a dilation, a name.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import WritingError
from nonlocal_viz.files import try_writing
from nonlocal_viz.training.cache import Cache, open_cache
from nonlocal_viz.training.config import Config, save_config
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.origin import Origin, config_of, describe, open_origin
from nonlocal_viz.training.request import Request
from nonlocal_viz.training.start import blended
from nonlocal_viz.zoo import ModelInfo, save_apart, save_model
from nonlocal_viz.zoo.manifest import check_name


def train(wanted: Request) -> tuple[Path, ModelInfo]:
    """Make the cache if there is none, train, and write weights, manifest, log and config to OUT; the
    file of the weights and the manifest's entry.

    A run that was killed goes on when it is asked for again.

    Raises:
        OptionError: wishes that contradict each other.
        CheckpointError: no such model, or a name that no model can have.
        DeviceError, MediaError: no such device or images.
        WritingError: nowhere to write to.
        KeyboardInterrupt: ^C; the checkpoint lies in OUT.
    """
    wanted.check()
    for name in (wanted.name, wanted.apart):
        if name is not None:
            check_name(name)
    device = resolve_device(wanted.device)
    origin = open_origin(wanted)
    config = config_of(wanted, origin)
    with torch.device("meta"):
        NonLocalResNet(**config.architecture)
    _try_folders(wanted)
    cache = _cache(wanted, device)
    checkpoint = wanted.out / f"{wanted.name}.checkpoint.pt"
    try:
        model = _fitted(cache, config, wanted, origin, checkpoint)
    except KeyboardInterrupt:
        if checkpoint.exists():
            print(
                f"Stopped; the run lies in {checkpoint}: give the same command again to go on.",
                file=sys.stderr,
            )
        raise
    seen = f"{len(cache)} images, {config.minutes:g} minutes"
    saved = _save(model, wanted, describe(wanted, config, seen, origin), origin)
    # The same request once more is a new run, not the end of this one.
    checkpoint.unlink(missing_ok=True)
    return wanted.out / saved.file, saved


def _try_folders(wanted: Request) -> None:
    """Find out now, and not after an hour, whether the results can be written.

    Raises:
        WritingError: a folder cannot be made, or not written to.
    """
    for folder in (wanted.out, wanted.cache or wanted.out / "cache"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WritingError(
                f"The folder {folder} cannot be made ({error.strerror}); choose another."
            ) from None
        try_writing(folder / f"{wanted.name}.config.json")


def _cache(wanted: Request, device: torch.device) -> Cache:
    recipe = wanted.the_recipe
    return open_cache(
        wanted.images,
        wanted.cache or wanted.out / "cache",
        side=recipe.side if wanted.side is None else wanted.side,
        teacher_side=recipe.teacher_side if wanted.side is None else None,
        limit=wanted.limit,
        device=device,
    )


def _fitted(
    cache: Cache, config: Config, wanted: Request, origin: Origin, checkpoint: Path
) -> NonLocalResNet:
    log = wanted.out / f"{wanted.name}.log.jsonl"
    doing = "going on" if checkpoint.exists() else "training"
    print(f"{len(cache)} images; {doing} for {config.minutes:g} minutes; losses go to {log}")
    model = fit(
        cache,
        config,
        log,
        wanted.out / f"{wanted.name}.snapshot.pt",
        wanted.device,
        backbone=origin.backbone,
        start=origin.start,
        checkpoint=checkpoint,
        bar=True,
    )
    if origin.start is not None and config.blend < 1:
        model = blended(model, origin.start, config.blend)
    save_config(config, wanted.out / f"{wanted.name}.config.json")
    return model


def _save(model: NonLocalResNet, wanted: Request, info: ModelInfo, origin: Origin) -> ModelInfo:
    if wanted.apart:
        return save_apart(model, wanted.out, info, wanted.apart)[1]
    # Only where it is needed: a model of its own is saved whole.
    options: dict[str, Any] = {} if origin.shared is None else {"backbone": origin.shared}
    return save_model(model, wanted.out, info, **options)
