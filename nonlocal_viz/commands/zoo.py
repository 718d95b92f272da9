"""``nonlocal-viz zoo``: what comes with the package."""

import argparse
import json

ORDER = 5
HELP = "list the models that come with the package"
EXAMPLES = """\
nonlocal-viz zoo
nonlocal-viz zoo '*gaussian' --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``nonlocal-viz zoo``."""
    parser.add_argument("pattern", nargs="?", default="*", help="names, as of files: '*gaussian'")
    parser.add_argument("--json", action="store_true", help="print all that is known as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the models of the manifest, without opening one.

    Raises:
        CheckpointError: no model has such a name.
    """
    from nonlocal_viz.errors import CheckpointError
    from nonlocal_viz.zoo import list_models, read_manifest

    manifest = read_manifest()
    names = list_models(arguments.pattern)
    if not names:
        raise CheckpointError(
            f"No model is called {arguments.pattern!r}; there are {', '.join(manifest.models)}."
        )
    if arguments.json:
        print(json.dumps({name: manifest.find(name).entry() for name in names}))
        return 0
    for name in names:
        info = manifest.find(name)
        mark = " (default)" if name == manifest.default else ""
        print(f"{name}{mark}: {info.bytes / 1e6:.1f} MB, {info.licence}")
        print(f"  blocks {', '.join(info.blocks) or 'none'}; trained on {info.trained_on}")
        numbers = ", ".join(f"{key} {value:g}" for key, value in info.metrics.items())
        print(f"  {numbers or 'no metrics'}")
    return 0
