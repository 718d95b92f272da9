"""``nonlocal-viz zoo``: what comes with the package."""

import argparse

ORDER = 5
HELP = "list the models that come with the package"


def add(parser: argparse.ArgumentParser) -> None:
    """``nonlocal-viz zoo`` has no arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Print the models of the manifest, without opening one."""
    from nonlocal_viz.zoo import read_manifest

    manifest = read_manifest()
    for name, info in manifest.models.items():
        mark = " (default)" if name == manifest.default else ""
        print(f"{name}{mark}: {info.bytes / 1e6:.1f} MB, {info.licence}")
        print(f"  blocks {', '.join(info.blocks)}; trained on {info.trained_on}")
        numbers = ", ".join(f"{key} {value:g}" for key, value in info.metrics.items())
        print(f"  {numbers or 'no metrics'}")
    return 0
