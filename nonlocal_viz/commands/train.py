"""``nonlocal-viz train``: its arguments, and what runs behind them."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.training.recipes import DEFAULT, RECIPES

if TYPE_CHECKING:
    from nonlocal_viz.core.resnet import NonLocalResNet
    from nonlocal_viz.training.config import Config
    from nonlocal_viz.zoo import ModelInfo


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz train``."""
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        help="folders of images, searched at every depth (for example torchvision's Imagenette)",
    )
    parser.add_argument("--name", default="student", help="the model's name in the manifest")
    parser.add_argument(
        "--apart",
        metavar="NAME",
        help="save the network without its blocks under this name, and the blocks in a file of their own, "
        "so that blocks trained later with --from share the network",
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for the weights")
    parser.add_argument("--cache", type=Path, help="folder for teacher features (OUT/cache)")
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default=DEFAULT,
        help="the network and its schedule: default is a ResNet-18 for a CPU, large a ResNet-50 of "
        "output stride 8 for a GPU; the options below change it",
    )
    # None is what the recipe says, so that an option that is given can be told from one that is not.
    parser.add_argument(
        "--minutes", type=float, help=f"training time, cache aside ({_of_recipes('minutes')})"
    )
    parser.add_argument(
        "--side",
        type=int,
        help="side of the cached images, pixels "
        f"({', '.join(f'{name} {recipe.side}' for name, recipe in RECIPES.items())})",
    )
    parser.add_argument("--limit", type=int, help="use this many of the images, drawn at random")
    parser.add_argument("--batch", type=int, help=f"images a step ({_of_recipes('batch')})")
    parser.add_argument(
        "--rate", type=float, help=f"learning rate ({_of_recipes('rate')}; with --start 0.001)"
    )
    parser.add_argument("--seed", type=int, help="of weights, order and views (0)")
    parser.add_argument(
        "--instantiation",
        metavar="NAME",
        help="embedded_gaussian (unless given), gaussian, dot_product or concatenation",
    )
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument(
        "--start",
        metavar="MODEL",
        help="train on from all the weights of this model, a name or a path as for --from",
    )
    parser.add_argument(
        "--blend",
        type=float,
        metavar="SHARE",
        help="with --start: how much of the new weights is saved, the rest being the old (1: all new)",
    )
    origin.add_argument(
        "--from",
        dest="backbone",
        metavar="MODEL",
        help="train new blocks alone, in the backbone of this model: a name (of OUT's models first, "
        "then of the zoo's) or a path",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="with --from: begin with random blocks, not with what they share with the model's",
    )
    parser.add_argument(
        "--objective",
        choices=("rows", "classes"),
        default="rows",
        help="with --from: what the blocks learn; classes shows what the class label alone asks for. With "
        "--start, classes trains the last stage and the classifier alone, and no row changes",
    )
    parser.add_argument(
        "--dilate",
        metavar="BLOCK=STEPS",
        type=_dilation,
        action="append",
        help="dilate the 3x3 convolutions of this residual block, as in layer2.1=4,3, so that its cells "
        "see further; with --start, on top of the model's own",
    )
    parser.add_argument("--device", default="auto")


def _dilation(text: str) -> tuple[str, tuple[int, ...]]:
    """layer2.1=4,3 -> ("layer2.1", (4, 3))."""
    block, _, steps = text.partition("=")
    try:
        return block, tuple(int(step) for step in steps.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no residual block with its steps, such as layer2.1=4,3"
        ) from None


def run_train(args: argparse.Namespace) -> int:
    """Make the cache if there is none, train, and write weights, manifest, log and config to OUT.

    A run that was killed goes on when the same command is given again.
    """
    import torch

    from nonlocal_viz.core.block import NonLocalBlock
    from nonlocal_viz.core.resnet import NonLocalResNet, resolve_device
    from nonlocal_viz.training.cache import open_cache
    from nonlocal_viz.training.config import save_config
    from nonlocal_viz.training.fit import fit
    from nonlocal_viz.training.frozen import config_on
    from nonlocal_viz.training.start import blended, config_from
    from nonlocal_viz.zoo import save_apart, save_model

    if args.recipe != DEFAULT and (args.backbone or args.start):
        raise CheckpointError(
            f"The recipe {args.recipe!r} is of a network of its own, and --from and --start take that of "
            "a model; leave one of them out."
        )
    recipe = RECIPES[args.recipe]
    given = {name: getattr(args, name) for name in ("minutes", "batch", "seed", "instantiation")}
    config = replace(recipe.config, **{k: v for k, v in given.items() if v is not None})
    if args.dilate and (args.backbone or args.objective == "classes"):
        raise CheckpointError(
            "--dilate changes the network, which --from and --objective classes leave as it is; give "
            "--start alone instead."
        )
    if args.dilate:
        config = replace(config, dilations=dict(args.dilate))
    # Refused before the cache is made, which takes a while: a device, an instantiation, a model, a
    # dilation.
    device = resolve_device(args.device)
    NonLocalBlock(2, instantiation=config.instantiation)
    backbone, shared = _open_backbone(args)
    start = _open(args.start, args.out)[0] if args.start else None
    if args.apart and (backbone is not None or args.apart == args.name):
        raise CheckpointError(
            "--apart names the backbone of a run that trains one: not together with --from, and not the "
            "same as --name."
        )
    if backbone is not None:
        config = replace(
            config_on(backbone, _called(args.backbone), args.objective, config), fresh=args.fresh
        )
    elif start is not None:
        config = config_from(start, _called(args.start), config, args.objective)
    if args.rate is not None:
        config = replace(config, rate=args.rate)
    if args.blend is not None:
        if start is None or not 0 <= args.blend <= 1:
            raise CheckpointError("--blend takes a share from 0 to 1, and a model to --start from.")
        config = replace(config, blend=args.blend)
    with torch.device("meta"):
        NonLocalResNet(**config.architecture)
    args.out.mkdir(parents=True, exist_ok=True)
    cache = open_cache(
        args.images,
        args.cache or args.out / "cache",
        side=recipe.side if args.side is None else args.side,
        teacher_side=recipe.teacher_side if args.side is None else None,
        limit=args.limit,
        device=device,
    )
    log = args.out / f"{args.name}.log.jsonl"
    checkpoint = args.out / f"{args.name}.checkpoint.pt"
    doing = "going on" if checkpoint.exists() else "training"
    print(f"{len(cache)} images; {doing} for {config.minutes:g} minutes; losses go to {log}")
    model = fit(
        cache,
        config,
        log,
        args.out / f"{args.name}.snapshot.pt",
        args.device,
        backbone=backbone,
        start=start,
        checkpoint=checkpoint,
        bar=True,
    )
    if start is not None and config.blend < 1:
        model = blended(model, start, config.blend)
    save_config(config, args.out / f"{args.name}.config.json")
    seen = f"{len(cache)} images, {config.minutes:g} minutes"
    info = _describe(args.name, config, seen, backbone, shared, start)
    # Only where it is needed: a model of its own is saved whole.
    options: dict[str, Any] = {} if shared is None else {"backbone": shared}
    if args.apart:
        saved = save_apart(model, args.out, info, args.apart)[1]
    else:
        saved = save_model(model, args.out, info, **options)
    # The same command once more is a new run, not the end of this one.
    checkpoint.unlink(missing_ok=True)
    print(f"wrote {args.out / saved.file} ({saved.bytes / 1e6:.1f} MB)")
    return 0


def _called(model: str) -> str:
    """A model's name, or the name of its file: a config says nothing of the folders of one machine."""
    return Path(model).name


def _of_recipes(name: str) -> str:
    return ", ".join(f"{key} {getattr(r.config, name):g}" for key, r in RECIPES.items())


def _open_backbone(args: argparse.Namespace) -> "tuple[NonLocalResNet | None, str | None]":
    """The model of --from, and the name of the model in OUT whose file has its backbone, if any."""
    from nonlocal_viz.zoo import read_manifest

    own = read_manifest(args.out).models if (args.out / "manifest.json").exists() else {}
    # Until the zoo knows of shared backbones, no model has one.
    needed = {getattr(info, "backbone", None) for info in own.values()} - {None}
    for option, name in (("--name", args.name), ("--apart", args.apart)):
        if name is not None and name in needed:
            raise CheckpointError(
                f"{name!r} is the backbone of other models in {args.out}; give another {option}."
            )
    if args.backbone is None:
        if args.objective != "rows" and args.start is None:
            raise CheckpointError(
                f"--objective {args.objective} trains a part of an existing model: its blocks (--from) "
                "or its last stage (--start)."
            )
        return None, None
    model, named = _open(args.backbone, args.out)
    if not named:
        # By a path, or of another folder: the new file cannot lean on it.
        return model, None
    if args.name == model.info.name:
        raise CheckpointError(
            f"{args.name!r} would overwrite the model that it is trained from; give another --name."
        )
    return model, getattr(model.info, "backbone", None) or model.info.name


def _open(name: str, out: Path) -> "tuple[NonLocalResNet, bool]":
    """A model of OUT or else of the zoo, or by path; and whether OUT's manifest names it."""
    from nonlocal_viz.zoo import load_model, read_manifest

    own = read_manifest(out).models if (out / "manifest.json").exists() else {}
    named = name in own
    model = load_model(name, "cpu", directory=out if named else None)
    if name == "default":
        named = read_manifest().directory.resolve() == out.resolve()
    return model, named


def _describe(
    name: str,
    config: "Config",
    seen: str,
    backbone: "NonLocalResNet | None",
    shared: str | None,
    start: "NonLocalResNet | None",
) -> "ModelInfo":
    from nonlocal_viz.zoo.manifest import IMAGENET_1K, ModelInfo

    if start is not None:
        before: ModelInfo = start.info
        return replace(
            before,
            name=name,
            architecture=config.architecture,
            default_block=before.default_block or config.blocks[0],
            class_list=IMAGENET_1K,
            classes=None,
            trained_on=f"{seen}, on from {before.name} ({before.trained_on})",
            metrics={},
            card=None,
            title=None,
            backbone=None,
        )
    if backbone is None:
        return ModelInfo(
            name,
            architecture=config.architecture,
            default_block=config.blocks[0],
            class_list=IMAGENET_1K,
            licence="yours",
            trained_on=seen,
        )
    base: ModelInfo = backbone.info
    # Another list of classes is a file of the other folder.
    keeps_list = shared is not None or base.class_list == IMAGENET_1K
    return replace(
        base,
        name=name,
        architecture=config.architecture,
        default_block=base.default_block or config.blocks[0],
        class_list=base.class_list if keeps_list else None,
        classes=None,
        trained_on=f"blocks: {seen}; backbone: that of {base.name} ({base.trained_on})",
        metrics={},
        card=None,
        title=None,
    )
