"""The models that the page offers: the one it was started with, and those that come with the package."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from nonlocal_viz.errors import CheckpointError, NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.zoo import ModelInfo, load_model, read_manifest

#: Average precision by which a block is better than another; half of a usual interval.
_CLEAR = 0.02
#: Models opened by name that are kept: each may be a large network.
_OPENED = 3
_log = logging.getLogger(__name__)


class Models:
    """One lens a model, made when somebody first asks for it and kept: a handful of small networks.

    Args:
        lens: of the model that the page was started with; the others are opened on the same device,
            with the same short side and limits.

    Attributes:
        opens: whether models that are not listed are opened when somebody names them: only where who
            asks is who runs the page.
        titles: {name: words for the list}, the page's own model first. A model of the zoo that has
            no block, or the name of the page's own, is not among them.
        expectations: {name: a few words on what its rows are like}, "" where nobody knows.
    """

    def __init__(self, lens: Lens, opens: bool = False) -> None:
        about, self.opens = lens.source.about, opens
        self.own = about.name
        self._lenses = {self.own: lens}
        self._lock = threading.Lock()
        self._given: set[str] = set()
        self._listed, self._former = _zoo()
        titles = {name: info.title or name for name, info in self._listed.items()}
        self.titles: dict[str, str] = {
            self.own: about.title or self.own,
            **{name: title for name, title in titles.items() if name != self.own},
        }
        self.expectations: Mapping[str, str] = {
            name: self._measured(name).expect or "" for name in self.titles
        }

    def called(self, name: object) -> str | None:
        """What the model that somebody names is called now: links outlive names. None is none on offer."""
        if not isinstance(name, str):
            return None
        now = name if name in self.titles else self._former.get(name)
        return now if now in self.titles else None

    def best_block(self, name: object = None) -> str | None:
        """The block of a model whose rows rank objects best, as its measurements say; None where fewer
        than two were measured, where they hardly differ, or where its rows rank no better than the
        features that they are made of."""
        own = self.called(name) or self.own
        measured = self._measured(own).metrics
        scores = {
            block.removesuffix(" ap"): score
            for block, score in measured.items()
            if block.endswith(" ap")
        }
        if len(scores) < 2:
            return None
        best, second = sorted(scores, key=lambda block: scores[block], reverse=True)[:2]
        clear = scores[best] - scores[second] >= _CLEAR and measured.get(f"{best} ap_gain", 1.0) > 0
        return best if clear else None

    def ships(self, name: str) -> bool:
        """Whether it is a model of the package, and not one that only has the name of one."""
        about, info = self._lenses[self.own].source.about, self._listed.get(name)
        return info is not None and (name != self.own or about.title == info.title)

    def _measured(self, name: str) -> ModelInfo:
        """What the list says of a model: nothing, if the page's own only has the name of one in it."""
        return self._listed[name] if self.ships(name) else ModelInfo(name)

    def lens(self, name: object = None) -> Lens:
        """The lens of a model by its name; None is the page's own.

        Raises:
            CheckpointError: the page offers no such model, or its file is not as it should be.
        """
        asked = self.own if name is None else name
        name = self.called(asked)
        if name is None and self.opens and isinstance(asked, str):
            return self._opened(asked)
        if name is None:
            raise CheckpointError(
                f"There is no model {str(asked)[:80]!r} here; choose one of {', '.join(self.titles)}."
            )
        with self._lock:
            if name not in self._lenses:
                own = self._lenses[self.own]
                # A Source of somebody's own need not have a device.
                model = load_model(name, getattr(own.source, "device", "auto"))
                self._lenses[name] = Lens(model, own.short_side, own.limits, apart=own.apart)
            return self._lenses[name]

    def _opened(self, name: str) -> Lens:
        """The lens of a model that is not listed, which is listed from then on; the newest few are kept.

        Code is not run by a name: a network of one's own is opened by ``nonlocal-viz serve --module``.
        """
        library = name.partition(":")[0] in ("timm", "torchvision", "hf")
        if not library and not _is_file(name):
            raise CheckpointError(
                f"There is no file {name[:80]!r} on this machine; a network of a library is named as "
                "timm:NAME, torchvision:NAME or hf:NAME."
            )
        own = self._lenses[self.own]
        model = load_model(name, getattr(own.source, "device", "auto"))
        lens = Lens(model, own.short_side, own.limits)
        with self._lock:
            given = [other for other in self._lenses if other in self._given]
            for former in given[: max(0, len(given) - _OPENED + 1)]:
                del self._lenses[former], self.titles[former]
            self._given.add(name)
            self._lenses[name] = lens
            self.titles[name] = model.about.title or model.about.name
        return lens


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _zoo() -> tuple[Mapping[str, ModelInfo], Mapping[str, str]]:
    """The models with blocks that come with the package, by name, and {former name: name}."""
    try:
        manifest = read_manifest()
    except NonlocalVizError:
        # Whoever shows a model of their own can do without ours.
        _log.warning("the list of models cannot be read; only one is offered", exc_info=True)
        return {}, {}
    return {n: info for n, info in manifest.models.items() if info.has_blocks}, manifest.aliases
