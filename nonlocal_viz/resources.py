"""Where the shipped files lie: the default weights (models/) and the example media (assets/).

In a checkout, and so in an editable install, they are folders beside the package; in an installed
wheel they are inside it as ``_models`` and ``_assets`` (pyproject.toml maps one to the other).
Invariant: nothing outside those two places is ever returned, so a stranger's ``models`` folder in
site-packages is not mistaken for ours.
"""

from pathlib import Path

from nonlocal_viz.errors import NonlocalVizError

PACKAGE = Path(__file__).resolve().parent


def models_dir(package: Path = PACKAGE) -> Path:
    """Folder of manifest.json and the weights. Raises NonlocalVizError when it is not there."""
    return _shipped(package, "models")


def assets_dir(package: Path = PACKAGE) -> Path:
    """Folder of the example photos. Raises NonlocalVizError when it is not there."""
    return _shipped(package, "assets")


def examples() -> dict[str, Path]:
    """The example media that come with the package, by name: photos, and one ``clip``.

    Raises:
        NonlocalVizError: the folder of them is missing.

    >>> list(nv.examples())
    ['astronaut', 'bunny', 'cat', 'coffee', 'rocket', 'clip']
    >>> nv.examples()["cat"].name
    'cat.jpg'
    """
    folder = assets_dir()
    photos = {path.stem: path for path in sorted((folder / "photos").iterdir())}
    return {**photos, "clip": folder / "clips" / "bunny.webm"}


def _shipped(package: Path, name: str) -> Path:
    installed = package / f"_{name}"
    if installed.is_dir():
        return installed
    checkout = package.parent
    # pyproject.toml tells a checkout from site-packages.
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise NonlocalVizError(
        f"The folder {name!r} that comes with nonlocal_viz is missing; "
        "install the package again, or run from a complete checkout."
    )
