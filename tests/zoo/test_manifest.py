import copy
import json
from pathlib import Path
from typing import Any

import pytest

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.limits import Limits
from nonlocal_viz.zoo import load_model, save_metrics
from nonlocal_viz.zoo.manifest import FILE_NAME, Manifest, ModelInfo, parse_entry, read_manifest

ENTRY: dict[str, Any] = {
    "file": "small-01234567.safetensors",
    "sha256": "0" * 64,
    "bytes": 12,
    "licence": "Apache-2.0",
    "architecture": {"depth": 18, "blocks": ["layer2.1"], "block": {"sub_sample": False}},
    "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    "short_side": 320,
    "default_block": "layer2.1",
    "classes": "imagenet-1k",
    "trained_on": "nothing",
    "metrics": {"ap": 0.63},
    "card": "small.md",
}


def write(directory: Path, document: object) -> Path:
    (directory / FILE_NAME).write_text(json.dumps(document))
    return directory


def manifest(**models: Any) -> dict[str, Any]:
    return {"schema": 1, "default": next(iter(models)), "models": models}


def test_reads_what_it_writes(tmp_path: Path) -> None:
    found = read_manifest(write(tmp_path, manifest(small=ENTRY, other=ENTRY)))
    assert found.find("default") == found.find("small") == parse_entry("small", ENTRY)
    assert found.find("other").blocks == ("layer2.1",)
    assert found.find("other").normalisation.std == (0.2, 0.2, 0.2)
    (tmp_path / FILE_NAME).write_text(found.text())
    assert read_manifest(tmp_path) == found


def test_a_folder_may_be_named_by_a_string(tmp_path: Path) -> None:
    write(tmp_path, manifest(small=ENTRY))
    assert read_manifest(str(tmp_path)).models == read_manifest(tmp_path).models
    save_metrics(str(tmp_path), {"small": {"ap": 0.5}})
    assert read_manifest(tmp_path).find("small").metrics == {"ap": 0.5}
    with pytest.raises(CheckpointError, match="nobody"):
        load_model("nobody", "cpu", directory=str(tmp_path))


def test_an_unknown_name_is_answered_with_the_names_there_are(tmp_path: Path) -> None:
    found = read_manifest(write(tmp_path, manifest(small=ENTRY)))
    with pytest.raises(CheckpointError, match="choose one of default, small"):
        found.find("big")


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("file",), "../outside.safetensors", "no bare file name"),
        (("file",), "/etc/passwd", "no bare file name"),
        (("card",), "a/b.md", "no bare file name"),
        (("classes",), "../names.txt", "no bare file name"),
        (("sha256",), "0" * 63, "no valid sha256"),
        (("sha256",), None, "'sha256'"),
        (("bytes",), 0, "no valid sha256 and size"),
        (("bytes",), True, "'bytes'"),
        (("short_side",), 0, "positive 'short_side'"),
        (("short_side",), "320", "'short_side'"),
        (("default_block",), "layer4.1", "none of its blocks layer2.1"),
        (("metrics",), {"ap": "good"}, "no number"),
        (("normalisation", "std"), [0.2, 0, 0.2], "three positive numbers"),
        (("normalisation", "mean"), [0.2, 0.2], "three numbers"),
        (("normalisation", "mean"), [0.2, 0.2, "0"], "three numbers"),
        (("backbone",), 3, "'backbone'"),
        (("backbone",), "../base", "cannot be the name of a model"),
        (("backbone",), "", "cannot be the name of a model"),
        (("architecture",), [], "'architecture'"),
        (("architecture", "device"), "cuda", "unknown architecture option 'device'"),
        (("architecture", "depth"), "18", "'depth'"),
        (("architecture", "blocks"), [2], "names of its blocks"),
        (("architecture", "block"), {"dimension": 3}, "unknown architecture option 'dimension'"),
    ],
)
def test_each_unusable_field_is_named(path: tuple[str, ...], value: Any, complaint: str) -> None:
    entry = copy.deepcopy(ENTRY)
    inner = entry
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(CheckpointError, match=complaint):
        parse_entry("small", entry)


@pytest.mark.parametrize(
    ("backbones", "complaint"),
    [
        ({"small": "bass"}, "needs the backbone 'bass', which is none of the models base, small"),
        ({"small": "default"}, "needs the backbone 'default', which is none of the models"),
        ({"small": "small"}, "'small' cannot have the backbone 'small', which is not whole"),
        ({"small": "base", "base": "small"}, "cannot have the backbone '.*', which is not whole"),
        ({"small": "base", "third": "small"}, "'third' cannot have the backbone 'small', which"),
    ],
)
def test_a_backbone_that_leads_nowhere_is_refused(
    tmp_path: Path, backbones: dict[str, str], complaint: str
) -> None:
    models = dict.fromkeys(("base", "small", *backbones), ENTRY)
    models |= {name: {**ENTRY, "backbone": other} for name, other in backbones.items()}
    with pytest.raises(CheckpointError, match=complaint):
        read_manifest(write(tmp_path, manifest(**models)))


def test_the_backbone_is_a_field_that_may_be_absent(tmp_path: Path) -> None:
    small, null = {**ENTRY, "backbone": "base"}, {**ENTRY, "backbone": None}
    found = read_manifest(write(tmp_path, manifest(small=small, base=ENTRY, null=null)))
    assert found.backbone_of(found.find("small")) == found.find("base")
    assert found.find("base").backbone is None and found.backbone_of(found.find("null")) is None
    (tmp_path / FILE_NAME).write_text(found.text())
    assert read_manifest(tmp_path) == found


@pytest.mark.parametrize("name", ["", "default", "a b", "../x", "-x", "x" * 65])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be the name"):
        parse_entry(name, ENTRY)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema 1"),
        ('{"schema": 2}', "schema 1"),
        ('{"schema": 1, "models": []}', "'models'"),
        ('{"schema": 1, "models": {}, "default": "x"}', "none of its models"),
        ('{"schema": 1, "models": {"x": 3}, "default": "x"}', "JSON object"),
    ],
)
def test_a_damaged_manifest_is_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(CheckpointError, match=complaint):
        read_manifest(tmp_path)


def test_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Cannot read the list of models"):
        read_manifest(tmp_path)
    write(tmp_path, manifest(small=ENTRY))
    with pytest.raises(CheckpointError, match="too big"):
        read_manifest(tmp_path, Limits(manifest_bytes=20))


def test_a_preset_has_no_names_of_blocks() -> None:
    assert ModelInfo("x", architecture={"blocks": "5-block"}).blocks == ()
    assert Manifest(Path(), "x", {}).models == {}
