"""``nonlocal-viz train`` and ``nonlocal-viz evaluate``: arguments, and what runs behind them."""

import argparse
from dataclasses import replace
from pathlib import Path


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
    """Make the cache if there is none, train, and write weights, manifest, log and config to OUT.

    A run that was killed goes on when the same command is given again.
    """
    from nonlocal_viz.core.resnet import resolve_device
    from nonlocal_viz.training.batches import MEAN, STD
    from nonlocal_viz.training.cache import open_cache
    from nonlocal_viz.training.config import Config, save_config
    from nonlocal_viz.training.fit import fit
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
    checkpoint = args.out / f"{args.name}.checkpoint.pt"
    doing = "going on" if checkpoint.exists() else "training"
    print(f"{len(cache)} images; {doing} for {args.minutes:g} minutes; losses go to {log}")
    model = fit(
        cache,
        config,
        log,
        args.out / f"{args.name}.snapshot.pt",
        args.device,
        checkpoint=checkpoint,
        bar=True,
    )
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
    # The same command once more is a new run, not the end of this one.
    checkpoint.unlink(missing_ok=True)
    print(f"wrote {args.out / saved.file} ({saved.bytes / 1e6:.1f} MB)")
    return 0


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz evaluate``."""
    parser.add_argument("segments", type=Path, help="folder with images/ and instances.json (COCO)")
    parser.add_argument("--model", default="default", help="a name of the zoo, or a path")
    parser.add_argument(
        "--short-side", type=int, nargs="+", default=[256], help="input sizes, pixels"
    )
    parser.add_argument("--queries", type=int, default=20, help="cells drawn a photo and block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")


def run_evaluate(args: argparse.Namespace) -> int:
    """Print a table of the numbers of :func:`nonlocal_viz.training.evaluate.evaluate`."""
    import json

    from tqdm import tqdm

    from nonlocal_viz.training.evaluate import evaluate
    from nonlocal_viz.training.segments import open_segments
    from nonlocal_viz.zoo import load_model

    model = load_model(args.model, device=args.device)
    photos = list(open_segments(args.segments))
    found: dict[str, dict[str, float]] = {}
    for side in args.short_side:
        with tqdm(total=len(photos), desc=f"{side} px", unit="photo") as bar:
            scores = evaluate(model, photos, side, args.queries, args.seed, bar.update)
        for block, numbers in scores.items():
            low, high = numbers.interval("ap")
            found[f"{block} @ {side}"] = {
                **numbers.summary(),
                "ap_low": round(low, 4),
                "ap_high": round(high, 4),
            }
    names = list(next(iter(found.values())))
    print("| block @ short side | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for block, row in found.items():
        print(f"| {block} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0
