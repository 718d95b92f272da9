"""models/manifest.json as typed values: which models there are, and what each was made to expect.

Invariants: nothing here imports torch, so that ``nonlocal-viz zoo`` answers at once; a manifest is
checked whole when it is read, so that later code can trust every field; and a file name in it is a
bare name in the manifest's own folder, never a path to somewhere else. A Manifest's backbones are
models of its own that have none themselves.

Layout (schema 1)::

    {"schema": 1, "default": NAME, "models": {NAME: {
        "file": "NAME-1a2b3c4d.safetensors", "sha256": 64 hex digits, "bytes": int, "licence": str,
        "architecture": keyword arguments of NonLocalResNet,
        "normalisation": {"mean": [r, g, b], "std": [r, g, b]},
        "short_side": int, "default_block": "layer2.1",
        "classes": "imagenet-1k" | a text file, a name a line | null,
        "trained_on": str, "metrics": {name: number}, "card": "NAME.md" | null,
        "title": a few words for a list | null, also when absent,
        "expect": a few words on what its rows are like | null, also when absent,
        "backbone": another model's NAME (the file then has the non-local blocks alone, and that
                    model's file the rest) | null, also when absent,
        "class_names": [a name a class], where there is no list of classes | null, also when absent}},
     "aliases": {former NAME: NAME}, also absent}
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nonlocal_viz.core.options import BLOCK_OPTIONS, NETWORK_OPTIONS, OUTPUT_STRIDES
from nonlocal_viz.core.source import Normalisation
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.resources import models_dir
from nonlocal_viz.zoo.fields import of_type, take, take_numbers, take_three

SCHEMA = 1
FILE_NAME = "manifest.json"
#: The alias of whatever model the manifest names as its default.
DEFAULT = "default"
IMAGENET_1K = "imagenet-1k"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelInfo:
    """One model of the manifest, or what a checkpoint file says about itself.

    ``class_list`` says where the names of the classes come from; ``classes`` are the names themselves,
    where the entry has them instead.
    ``architecture`` holds the keyword arguments of ``NonLocalResNet``; ``bytes`` is the file's size.
    With a ``backbone`` the file holds the non-local blocks alone, and that model's file the rest.
    ``title`` is what a list calls it, ``expect`` a few words on what its rows are like.
    """

    name: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Normalisation = field(default_factory=Normalisation)
    short_side: int | None = None
    default_block: str | None = None
    class_list: str | None = None
    classes: tuple[str, ...] | None = None
    licence: str = "unknown"
    trained_on: str = "unknown"
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: str | None = None
    file: str = ""
    sha256: str = ""
    bytes: int = 0
    backbone: str | None = None
    title: str | None = None
    expect: str | None = None

    @property
    def has_blocks(self) -> bool:
        """False for a backbone alone: a network without a non-local block, which others share."""
        blocks = self.architecture.get("blocks", "5-block")
        return isinstance(blocks, str) or len(blocks) > 0

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the non-local blocks; empty where the architecture names a preset instead."""
        blocks = self.architecture.get("blocks", ())
        return () if isinstance(blocks, str) else tuple(blocks)

    @property
    def own_classes(self) -> bool:
        """Whether the entry itself names the classes, since no list does."""
        return self.class_list is None and self.classes is not None

    def __repr__(self) -> str:
        kind = self.architecture.get("block", {}).get("instantiation", "")
        looks = f"{kind} at {', '.join(self.blocks)}" if self.blocks else "no block"
        return (
            f"ModelInfo({self.name!r}: ResNet-{self.architecture.get('depth', '?')}, {looks}; "
            f"{self.bytes / 1e6:.1f} MB, {self.licence})"
        )

    def entry(self) -> dict[str, Any]:
        """The manifest's JSON value for this model."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "licence": self.licence,
            "architecture": dict(self.architecture),
            "normalisation": {
                "mean": list(self.normalisation.mean),
                "std": list(self.normalisation.std),
            },
            "short_side": self.short_side,
            "default_block": self.default_block,
            "classes": self.class_list,
            "trained_on": self.trained_on,
            "metrics": dict(self.metrics),
            "card": self.card,
            "backbone": self.backbone,
            "title": self.title,
            **({"expect": self.expect} if self.expect is not None else {}),
            **({"class_names": list(self.classes or ())} if self.own_classes else {}),
        }


@dataclass(frozen=True)
class Manifest:
    """The models of one folder. ``default`` is a name in ``models``; ``aliases`` are former names.

    Raises:
        CheckpointError: a model's backbone is none of the models, or has a backbone itself; an alias
            is the name of a model, or leads to none.
    """

    directory: Path
    default: str
    models: Mapping[str, ModelInfo]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for alias, name in self.aliases.items():
            check_name(alias)
            if alias in self.models or name not in self.models:
                raise CheckpointError(
                    f"{alias!r} cannot be the former name of {name!r}: it is that of no model, and leads "
                    f"to one of {', '.join(self.models)}."
                )
        for info in self.models.values():
            self.backbone_of(info)

    def __repr__(self) -> str:
        return f"Manifest({', '.join(self.models)}; default {self.default} in {self.directory})"

    def has(self, name: str) -> bool:
        """Whether :meth:`find` finds a model of this name."""
        return name == DEFAULT or name in self.models or name in self.aliases

    def find(self, name: str) -> ModelInfo:
        """The model called ``name``, now or formerly; ``"default"`` is the manifest's default.

        Raises:
            CheckpointError: there is no such model; the message lists those that there are.
        """
        info = self.models.get(self.default if name == DEFAULT else self.aliases.get(name, name))
        if info is None:
            raise CheckpointError(
                f"There is no model {name!r}; choose one of {', '.join((DEFAULT, *self.models))}, "
                "or give the path of a file."
            )
        return info

    def backbone_of(self, info: ModelInfo) -> ModelInfo | None:
        """The model whose file has what is not in that of ``info``; None where that file is whole.

        Raises:
            CheckpointError: it is none of the models, or has a backbone itself.
        """
        if info.backbone is None:
            return None
        backbone = self.models.get(info.backbone)
        if backbone is None:
            raise CheckpointError(
                f"The model {info.name!r} needs the backbone {info.backbone!r}, which is none of the "
                f"models {', '.join(self.models)}."
            )
        if backbone.backbone is not None:
            raise CheckpointError(
                f"The model {info.name!r} cannot have the backbone {backbone.name!r}, which is not "
                f"whole either: it has the backbone {backbone.backbone!r} itself."
            )
        return backbone

    def text(self) -> str:
        """The JSON document, ready to be written."""
        models = {name: info.entry() for name, info in self.models.items()}
        document = {"schema": SCHEMA, "default": self.default, "models": models}
        if self.aliases:
            document["aliases"] = dict(self.aliases)
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(directory: Path | str | None = None, limits: Limits = LIMITS) -> Manifest:
    """Read and check ``directory``/manifest.json; the shipped folder by default.

    Raises:
        CheckpointError: it is missing, too big, no JSON, or not as the module's docstring says.
        NonlocalVizError: the shipped folder itself is missing.
    """
    directory = models_dir() if directory is None else Path(directory)
    path = directory / FILE_NAME
    try:
        with path.open("rb") as file:
            raw = file.read(limits.manifest_bytes + 1)
    except OSError as error:
        raise CheckpointError(
            f"Cannot read the list of models {path} ({error.strerror}); install the package again."
        ) from None
    if len(raw) > limits.manifest_bytes:
        raise CheckpointError(f"The list of models {path} is too big to be one; restore the file.")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise CheckpointError(f"The list of models {path} is not JSON; restore the file.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CheckpointError(
            f"The list of models {path} is not of schema {SCHEMA}; it belongs to another version "
            "of nonlocal_viz."
        )
    entries = take(document, "models", dict, str(path))
    models = {name: parse_entry(name, entry) for name, entry in entries.items()}
    default = take(document, "default", str, str(path))
    if default not in models:
        raise CheckpointError(f"The default {default!r} of {path} is none of its models.")
    aliases = take(document, "aliases", (dict, type(None)), str(path)) or {}
    for name in aliases.values():
        of_type(name, str, f"{path} has an alias that is no name; restore the file.")
    return Manifest(directory, default, MappingProxyType(models), MappingProxyType(aliases))


def list_models(pattern: str = "*", *, directory: Path | str | None = None) -> list[str]:
    """Names that :func:`~nonlocal_viz.load_model` takes, the default first.

    Args:
        pattern: as of file names: ``"*"`` is every model, ``"*gaussian"`` some.
        directory: folder of another manifest.

    Raises:
        CheckpointError: there is no list of models there.

    >>> nv.list_models("*gaussian")
    ['embedded_gaussian', 'gaussian']
    """
    manifest = read_manifest(directory)
    found = [name for name in manifest.models if fnmatchcase(name, pattern)]
    return sorted(found, key=lambda name: name != manifest.default)


def check_name(name: str) -> None:
    """A model can be called so: it is a file's name too, so nothing that is a path.

    Raises:
        CheckpointError: it cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == DEFAULT:
        raise CheckpointError(
            f"{str(name)[:200]!r} cannot be the name of a model: use up to 64 letters, digits, dots, "
            f"hyphens and underscores, and not {DEFAULT!r}."
        )


def parse_entry(name: str, entry: object, *, shipped: bool = True) -> ModelInfo:
    """One value of ``models`` as a ModelInfo.

    Args:
        shipped: the entry must name its file, size and sha256; a checkpoint that describes itself
            (``shipped=False``) cannot know those.

    Raises:
        CheckpointError: a field is missing or is not what it should be; the message names it.
    """
    where = f"the entry of the model {name!r}"
    check_name(name)
    if not isinstance(entry, dict):
        raise CheckpointError(f"{where} should be a JSON object; restore the file.")
    colours = take(entry, "normalisation", dict, where)
    info = ModelInfo(
        name=name,
        architecture=MappingProxyType(check_architecture(entry.get("architecture"), where)),
        normalisation=Normalisation(
            take_three(colours, "mean", where), take_three(colours, "std", where, positive=True)
        ),
        short_side=take(entry, "short_side", (int, type(None)), where),
        default_block=take(entry, "default_block", (str, type(None)), where),
        class_list=take(entry, "classes", (str, type(None)), where),
        licence=take(entry, "licence", str, where),
        trained_on=take(entry, "trained_on", str, where),
        metrics=MappingProxyType(take_numbers(entry, "metrics", where)),
        card=take(entry, "card", (str, type(None)), where),
        file=take(entry, "file", str, where) if shipped else "",
        sha256=take(entry, "sha256", str, where) if shipped else "",
        bytes=take(entry, "bytes", int, where) if shipped else 0,
        backbone=take(entry, "backbone", (str, type(None)), where),
        title=take(entry, "title", (str, type(None)), where),
        expect=take(entry, "expect", (str, type(None)), where),
        classes=_class_names(entry, where),
    )
    if shipped and not (_SHA256.fullmatch(info.sha256) and info.bytes > 0):
        raise CheckpointError(f"{where} has no valid sha256 and size; restore the file.")
    listed = None if info.class_list == IMAGENET_1K else info.class_list
    for file_name in filter(None, (info.file, info.card, listed)):
        if not _NAME.fullmatch(file_name):
            raise CheckpointError(f"{where} names {file_name!r}, which is no bare file name.")
    if info.backbone is not None and not _NAME.fullmatch(info.backbone):
        raise CheckpointError(f"{where} has a 'backbone' that cannot be the name of a model.")
    if info.short_side is not None and info.short_side < 1:
        raise CheckpointError(f"{where} should have a positive 'short_side'.")
    if info.blocks and info.default_block is not None and info.default_block not in info.blocks:
        raise CheckpointError(
            f"{where} has the default block {info.default_block!r}, which is none of its blocks "
            f"{', '.join(info.blocks)}."
        )
    return info


def _class_names(entry: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    names = take(entry, "class_names", (list, type(None)), where)
    complaint = f"{where} should have names alone as 'class_names'."
    return None if names is None else tuple(of_type(name, str, complaint) for name in names)


def check_architecture(value: object, where: str) -> dict[str, Any]:
    """``value`` as keyword arguments of ``NonLocalResNet``; unknown ones are refused, not passed on.

    Raises:
        CheckpointError: not an object, an unknown key, a value of the wrong type, or an output stride
            that there is not.
    """
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{where} should have an object 'architecture'.")
    _check_types(value, NETWORK_OPTIONS, where)
    _check_types(value.get("block", {}), BLOCK_OPTIONS, where)
    if value.get("output_stride", 32) not in OUTPUT_STRIDES:
        raise CheckpointError(
            f"{where} has an unusable architecture option 'output_stride': it is one of "
            f"{', '.join(map(str, OUTPUT_STRIDES))}."
        )
    for steps in value.get("dilations", {}).values():
        if not isinstance(steps, list | tuple) or not all(type(step) is int for step in steps):
            raise CheckpointError(
                f"{where} has an unusable architecture option 'dilations': it gives a list of whole "
                "numbers for the name of a residual block."
            )
    blocks = value.get("blocks", ())
    if not isinstance(blocks, str) and not all(isinstance(block, str) for block in blocks):
        raise CheckpointError(f"{where} should list the names of its blocks as 'blocks'.")
    return dict(value)


def _check_types(
    value: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]], where: str
) -> None:
    for key, item in value.items():
        if key not in known:
            raise CheckpointError(
                f"{where} has the unknown architecture option {key!r}; known are "
                f"{', '.join(known)}."
            )
        of_type(item, known[key], f"{where} has an unusable architecture option {key!r}.")
