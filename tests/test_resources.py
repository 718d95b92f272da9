from pathlib import Path

import pytest

from nonlocal_viz.errors import BlockError, CheckpointError, NonlocalVizError
from nonlocal_viz.resources import assets_dir, models_dir


def checkout(root: Path, *, project: bool = True) -> Path:
    package = root / "nonlocal_viz"
    for folder in (package, root / "models", root / "assets"):
        folder.mkdir()
    if project:
        (root / "pyproject.toml").touch()
    return package


def test_in_a_checkout_they_lie_beside_the_package(tmp_path: Path) -> None:
    package = checkout(tmp_path)
    assert models_dir(package) == tmp_path / "models"
    assert assets_dir(package) == tmp_path / "assets"


def test_in_a_wheel_they_lie_inside_it(tmp_path: Path) -> None:
    package = checkout(tmp_path)
    (package / "_models").mkdir()
    assert models_dir(package) == package / "_models"


def test_a_strangers_folder_in_site_packages_is_not_ours(tmp_path: Path) -> None:
    package = checkout(tmp_path, project=False)
    with pytest.raises(NonlocalVizError, match="install the package again"):
        models_dir(package)


def test_the_real_ones_are_there() -> None:
    assert list(assets_dir().rglob("*.jpg"))
    assert models_dir().is_dir()


def test_a_sentence_holds_nothing_that_a_terminal_would_obey() -> None:
    said = str(
        CheckpointError("a\x1b[31mb\x07 c\u202ed\ne \N{LATIN SMALL LETTER U WITH DIAERESIS}")
    )
    assert said == "a\ufffd[31mb\ufffd c\ufffdd\ne \N{LATIN SMALL LETTER U WITH DIAERESIS}"
    # A KeyError would show the repr of its sentence.
    assert str(BlockError("There is no block 'x\x00'.")) == "There is no block 'x\ufffd'."
