"""``nonlocal-viz train`` and ``nonlocal-viz evaluate``: arguments, and what runs behind them."""

import argparse
from dataclasses import replace
from pathlib import Path

from nonlocal_viz.training.evaluate_cli import add_evaluate_arguments, run_evaluate  # noqa: F401


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz train``."""
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        help="folders of images, searched at every depth (for example torchvision's Imagenette)",
    )
    parser.add_argument("--name", default="student", help="the model's name in the manifest")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the weights")
    parser.add_argument("--cache", type=Path, help="folder for teacher features (OUT/cache)")
    parser.add_argument("--minutes", type=float, default=60.0, help="training time, cache aside")
    parser.add_argument("--side", type=int, default=192, help="side of the cached images, pixels")
    parser.add_argument("--limit", type=int, help="use this many of the images, drawn at random")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--instantiation", default="embedded_gaussian")
    parser.add_argument("--device", default="auto")


def run_train(args: argparse.Namespace) -> int:
    """Make the cache if there is none, train, and write weights, manifest, log and config to OUT."""
    from nonlocal_viz.core.resnet import resolve_device
    from nonlocal_viz.training.batches import MEAN, STD
    from nonlocal_viz.training.cache import open_cache
    from nonlocal_viz.training.fit import Config, fit, save_config
    from nonlocal_viz.zoo import save_model
    from nonlocal_viz.zoo.manifest import ModelInfo, Normalisation

    config = replace(
        Config(),
        minutes=args.minutes,
        batch=args.batch,
        seed=args.seed,
        instantiation=args.instantiation,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    cache = open_cache(
        args.images,
        args.cache or args.out / "cache",
        side=args.side,
        limit=args.limit,
        device=resolve_device(args.device),
    )
    log = args.out / f"{args.name}.log.jsonl"
    log.unlink(missing_ok=True)
    print(f"{len(cache)} images; training for {args.minutes:g} minutes; losses go to {log}")
    model = fit(cache, config, log, args.out / f"{args.name}.snapshot.pt", args.device)
    save_config(config, args.out / f"{args.name}.config.json")
    info = ModelInfo(
        name=args.name,
        architecture=config.architecture,
        normalisation=Normalisation(MEAN, STD),
        default_block=config.blocks[0],
        class_list="imagenet-1k",
        licence="yours",
        trained_on=f"{len(cache)} images, {args.minutes:g} minutes",
    )
    saved = save_model(model, args.out, info)
    print(f"wrote {args.out / saved.file} ({saved.bytes / 1e6:.1f} MB)")
    return 0
