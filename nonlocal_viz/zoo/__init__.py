"""Models by name or by file: what is shipped, and checkpoints of the user's own, loaded safely.

Lazy, so that ``nonlocal-viz zoo`` reads the manifest without importing torch.
"""

from typing import TYPE_CHECKING, Any

from nonlocal_viz.core.source import Normalisation
from nonlocal_viz.zoo.manifest import Manifest, ModelInfo, check_name, list_models, read_manifest

if TYPE_CHECKING:
    from nonlocal_viz.zoo.blocks import load_blocks, save_blocks
    from nonlocal_viz.zoo.opening import load_model
    from nonlocal_viz.zoo.saving import save_apart, save_metrics, save_model

__all__ = [
    "Manifest",
    "ModelInfo",
    "Normalisation",
    "check_name",
    "list_models",
    "load_blocks",
    "load_model",
    "read_manifest",
    "save_apart",
    "save_blocks",
    "save_metrics",
    "save_model",
]


def __getattr__(name: str) -> Any:
    if name in ("load_blocks", "save_blocks"):
        from nonlocal_viz.zoo import blocks

        return getattr(blocks, name)
    if name == "load_model":
        from nonlocal_viz.zoo.opening import load_model

        return load_model
    if name in ("save_apart", "save_metrics", "save_model"):
        from nonlocal_viz.zoo import saving

        return getattr(saving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
