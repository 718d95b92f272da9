"""Where a training's weights come from, and what the manifest says of where they went."""

from dataclasses import dataclass, replace
from pathlib import Path

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import OptionError
from nonlocal_viz.training.config import Config
from nonlocal_viz.training.frozen import config_on
from nonlocal_viz.training.request import Request
from nonlocal_viz.training.start import config_from
from nonlocal_viz.zoo import ModelInfo, Normalisation, read_manifest
from nonlocal_viz.zoo.loading import load_model
from nonlocal_viz.zoo.manifest import FILE_NAME, IMAGENET_1K


@dataclass(frozen=True)
class Origin:
    """The models that weights are taken from; at most one of the two.

    Attributes:
        backbone: that of ``--from``: its network stays, its blocks are trained.
        start: that of ``--tune``: everything is trained on.
        shared: the model in OUT whose file has the backbone, so that the new file need not.
    """

    backbone: NonLocalResNet | None = None
    start: NonLocalResNet | None = None
    shared: str | None = None


def open_origin(wanted: Request) -> Origin:
    """The models that a request names: of OUT's first, then of the zoo's, or by path.

    Raises:
        OptionError: the new model would overwrite one that others need, or that it is trained from.
        CheckpointError: there is no such model.
    """
    own = _models_of(wanted.out)
    needed = {info.backbone for info in own.values()} - {None}
    for option, name in (("--name", wanted.name), ("--apart", wanted.apart)):
        if name is not None and name in needed:
            raise OptionError(
                f"{name!r} is the backbone of other models in {wanted.out}; give another {option}."
            )
    if wanted.start is not None:
        return Origin(start=_open(wanted.start, wanted.out)[0])
    if wanted.backbone is None:
        return Origin()
    model, named = _open(wanted.backbone, wanted.out)
    if not named:
        # By a path, or of another folder: the new file cannot lean on it.
        return Origin(backbone=model)
    if wanted.name == model.about.name:
        raise OptionError(
            f"{wanted.name!r} would overwrite the model that it is trained from; give another --name."
        )
    entry = own.get(model.about.name)
    return Origin(backbone=model, shared=(entry and entry.backbone) or model.about.name)


def config_of(wanted: Request, origin: Origin) -> Config:
    """The config of a request.

    Raises:
        CheckpointError: the origin cannot be trained on in this way.
    """
    given = {name: getattr(wanted, name) for name in ("minutes", "batch", "seed", "instantiation")}
    config = replace(
        wanted.the_recipe.config,
        dilations=dict(wanted.dilations),
        **{name: value for name, value in given.items() if value is not None},
    )
    if origin.backbone is not None and wanted.backbone is not None:
        name = called(wanted.backbone)
        config = config_on(origin.backbone, name, wanted.objective, config)
        config = replace(config, fresh=wanted.fresh)
    elif origin.start is not None and wanted.start is not None:
        config = config_from(origin.start, called(wanted.start), config, wanted.objective)
    changed = {name: getattr(wanted, name) for name in ("rate", "blend")}
    return replace(config, **{k: v for k, v in changed.items() if v is not None})


def called(model: str) -> str:
    """A model's name, or the name of its file: a config says nothing of the folders of one machine."""
    return Path(model).name


def describe(wanted: Request, config: Config, seen: str, origin: Origin) -> ModelInfo:
    """What the manifest says of the model that came of it; ``seen`` are words for what it was shown."""
    parent = origin.start if origin.start is not None else origin.backbone
    fresh = ModelInfo(
        wanted.name,
        architecture=config.architecture,
        default_block=config.blocks[0],
        class_list=IMAGENET_1K,
        licence="yours",
        trained_on=seen,
    )
    if parent is None:
        return fresh
    about, prepare = parent.about, parent.prepare
    taken = replace(
        fresh,
        normalisation=Normalisation(prepare.normalisation.mean, prepare.normalisation.std),
        short_side=prepare.short_side,
        default_block=about.default_block or config.blocks[0],
        licence=about.licence,
        trained_on=f"{seen}, on from {about.name} ({about.trained_on})",
    )
    if origin.start is not None:
        return taken
    # Another list of classes is a file of the other folder.
    keeps_list = origin.shared is not None or about.class_list == IMAGENET_1K
    return replace(
        taken,
        class_list=about.class_list if keeps_list else None,
        trained_on=f"blocks: {seen}; backbone: that of {about.name} ({about.trained_on})",
    )


def _models_of(out: Path) -> dict[str, ModelInfo]:
    return dict(read_manifest(out).models) if (out / FILE_NAME).exists() else {}


def _open(name: str, out: Path) -> tuple[NonLocalResNet, bool]:
    """A model of OUT or else of the zoo, or by path; and whether OUT's manifest names it."""
    named = name in _models_of(out)
    model = load_model(name, "cpu", directory=out if named else None)
    if name == "default":
        named = read_manifest().directory.resolve() == out.resolve()
    return model, named
