"""nonlocal_viz: point at a pixel and see what a non-local (self-attention) block looks at from there.

Names are loaded when they are first used: ``import nonlocal_viz`` imports neither torch nor gradio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nonlocal_viz.version import __version__ as __version__

if TYPE_CHECKING:
    from nonlocal_viz import errors, limits, media, render, zoo
    from nonlocal_viz.compare import compare
    from nonlocal_viz.core import diagnostics
    from nonlocal_viz.core.affinity import Affinity
    from nonlocal_viz.core.anatomy import Anatomy
    from nonlocal_viz.core.ancestor import nonlocal_means
    from nonlocal_viz.core.block import NonLocalBlock
    from nonlocal_viz.core.equivalent import as_attention
    from nonlocal_viz.core.factored import Factored
    from nonlocal_viz.core.geometry import Grid, Rect
    from nonlocal_viz.core.pairwise import INSTANTIATIONS, Pairwise
    from nonlocal_viz.core.resnet import NonLocalResNet
    from nonlocal_viz.core.rollout import attention_flow, rollout
    from nonlocal_viz.core.source import About, Prepare, Source
    from nonlocal_viz.lens import Lens
    from nonlocal_viz.probe.attach import attach
    from nonlocal_viz.probe.families import register_family
    from nonlocal_viz.probe.proving import proven
    from nonlocal_viz.resources import examples
    from nonlocal_viz.row import Row
    from nonlocal_viz.view import View
    from nonlocal_viz.zoo.manifest import list_models
    from nonlocal_viz.zoo.opening import load_model
    from nonlocal_viz.zoo.saving import save_model

#: public name -> the module that holds it
_HOMES = {
    "INSTANTIATIONS": "core.pairwise",
    "About": "core.source",
    "Affinity": "core.affinity",
    "Anatomy": "core.anatomy",
    "Factored": "core.factored",
    "Grid": "core.geometry",
    "Lens": "lens",
    "NonLocalBlock": "core.block",
    "NonLocalResNet": "core.resnet",
    "Pairwise": "core.pairwise",
    "Prepare": "core.source",
    "Rect": "core.geometry",
    "Row": "row",
    "Source": "core.source",
    "View": "view",
    "as_attention": "core.equivalent",
    "attach": "probe.attach",
    "attention_flow": "core.rollout",
    "compare": "compare",
    "examples": "resources",
    "list_models": "zoo.manifest",
    "load_model": "zoo.opening",
    "nonlocal_means": "core.ancestor",
    "proven": "probe.proving",
    "register_family": "probe.families",
    "rollout": "core.rollout",
    "save_model": "zoo.saving",
}
_MODULES = {
    "diagnostics": "core.diagnostics",
    "errors": "errors",
    "limits": "limits",
    "media": "media",
    "render": "render",
    "zoo": "zoo",
}

__all__ = [
    "INSTANTIATIONS",
    "About",
    "Affinity",
    "Anatomy",
    "Factored",
    "Grid",
    "Lens",
    "NonLocalBlock",
    "NonLocalResNet",
    "Pairwise",
    "Prepare",
    "Rect",
    "Row",
    "Source",
    "View",
    "as_attention",
    "attach",
    "attention_flow",
    "compare",
    "diagnostics",
    "errors",
    "examples",
    "limits",
    "list_models",
    "load_model",
    "media",
    "nonlocal_means",
    "proven",
    "register_family",
    "render",
    "rollout",
    "save_model",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{_MODULES[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
