"""What runs on the machines of a survey: one network, held as long as the worker lives."""

import sys
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nonlocal_viz.core.source import Source
from nonlocal_viz.errors import MediaError
from nonlocal_viz.lens import Lens
from nonlocal_viz.survey.items import Item, read_item
from nonlocal_viz.survey.numbers import empty, rows_of
from nonlocal_viz.survey.parts import SCHEMA
from nonlocal_viz.zoo import load_model


@dataclass(frozen=True)
class Look:
    """How every picture is looked at.

    Attributes:
        model: what ``load_model`` takes, CODE:NET among it.
        options: further arguments of it.
        folder: where code of one's own lies.
        short_side: see :class:`nonlocal_viz.Lens`.
        blocks: those that are asked about; none: all.
        frames: of a clip.
    """

    model: str = "default"
    options: tuple[tuple[str, Any], ...] = ()
    folder: str = ""
    short_side: int | None = None
    blocks: tuple[str, ...] = ()
    frames: int = 8

    def lens(self, device: str) -> Lens:
        """The network, loaded; files of strangers are decoded apart from it.

        Raises:
            CheckpointError: there is no such network.
        """
        if self.folder and self.folder not in sys.path:
            sys.path.insert(0, self.folder)
        source: Source = load_model(self.model, device, **dict(self.options))
        return Lens(source, self.short_side, apart=True)


class Worker:
    """Surveys batches of items: a column each of names, places and rows -> the rows of ``SCHEMA``."""

    def __init__(self, look: Look, device: str) -> None:
        import torch

        # As many workers as cores: each that took all of them would wait for the others.
        torch.set_num_threads(1)
        self._look, self._lens = look, look.lens(device)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Never raises for a picture's sake."""
        found: list[dict[str, Any]] = []
        for told in batch.to_pylist():
            item = Item(told["name"], told["place"], told["row"])
            try:
                content = read_item(item)
            except MediaError as error:
                found.append(empty(item.name, str(error), 0.0))
                continue
            found += rows_of(self._lens, item.name, content, self._look.blocks, self._look.frames)
        return pa.Table.from_pylist(found, SCHEMA)
