"""What decides the outcome of a run but the images: kept beside the weights, as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nonlocal_viz.files import write_atomically

#: What the border loss weighs in the schedules that have a name: at first about as much as the rows.
BORDER = 1.0
#: What the outline loss weighs there: at first about as much, too.
OUTLINE = 4.0
#: And in networks whose rows are near that already: blocks of five minutes were .002 AP better with it
#: than with 4, and .001 along outlines (one seed, 54 photos of coco128).
FINE_OUTLINE = 16.0


@dataclass(frozen=True)
class Phase:
    """One stretch of the schedule. ``share`` of the minutes; ``side`` of the views in pixels, drawn
    batch by batch between it and ``largest`` where that is given; weights of the losses (``logits``
    through the last stage as it is, ``outline`` for rows that end where the target's do, ``border``
    against theta and phi that know where the picture ends); ``head`` trains the last stage and the
    classifier alone, by the logits.

    Objects of every apparent size are what makes rows keep their worth when a model is given more
    pixels than it mostly saw; views grow while the pixels of a batch do not (:meth:`sized`).
    """

    share: float
    side: int
    relational: float = 1.0
    features: float = 1.0
    logits: float = 0.0
    head: bool = False
    largest: int | None = None
    border: float = 0.0
    outline: float = 0.0

    def sized(self, luck: float, batch: int) -> tuple[int, int]:
        """The side of a batch's views and how many there are, for ``luck`` in [0, 1).

        Sides are multiples of 16, evenly spread over their logarithm. Of views larger than ``side``
        there are fewer, so that a step costs the same, but never fewer than an eighth.
        """
        if self.largest is None or self.largest <= self.side:
            return self.side, batch
        side = round(self.side * (self.largest / self.side) ** luck / 16) * 16
        return side, max(round(batch * (self.side / side) ** 2), batch // 8, 1)


@dataclass(frozen=True)
class Config:
    """The network, the schedule, the optimiser.

    ``backbone`` names the model whose backbone is taken over and left as it is, so that the blocks
    alone are trained, ``fresh`` ones if its own are no place to begin; ``start`` the model from whose
    weights everything is trained on, and ``blend`` the share of the new weights in those that are kept
    (:func:`.start.blended`). Without either everything begins with random weights.
    """

    depth: int = 18
    blocks: tuple[str, ...] = ("layer2.1", "layer3.1")
    instantiation: str = "embedded_gaussian"
    num_classes: int = 1000
    padding_mode: str = "replicate"
    output_stride: int = 32
    dilations: Mapping[str, Sequence[int]] = field(default_factory=dict)
    backbone: str | None = None
    fresh: bool = False
    start: str | None = None
    minutes: float = 60.0
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.03
    clip: float = 5.0
    warm_up: int = 60
    average: float = 0.998
    temperature: float = 2.0
    smallest_region: float = 0.5
    blend: float = 1.0
    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase(0.16, 96, features=1.0, border=BORDER, outline=OUTLINE),
        Phase(0.34, 128, features=0.6, border=BORDER, outline=OUTLINE),
        Phase(0.37, 144, features=0.4, largest=288, border=BORDER, outline=OUTLINE),
        Phase(0.13, 160, head=True),
    )

    @property
    def architecture(self) -> dict[str, Any]:
        """Keyword arguments of :class:`NonLocalResNet`."""
        made: dict[str, Any] = {
            "depth": self.depth,
            "blocks": list(self.blocks),
            "num_classes": self.num_classes,
            "padding_mode": self.padding_mode,
            "block": {"instantiation": self.instantiation, "sub_sample": False},
        }
        return made | self._unusual

    @property
    def document(self) -> dict[str, Any]:
        """Every field as JSON knows it, output stride and dilations where they are not the usual ones:
        configs and runs of before there was a choice stay what they were."""
        fields = asdict(self)
        del fields["output_stride"], fields["dilations"]
        return fields | self._unusual

    @property
    def _unusual(self) -> dict[str, object]:
        unusual: dict[str, object] = {}
        if self.output_stride != 32:
            unusual["output_stride"] = self.output_stride
        if self.dilations:
            unusual["dilations"] = {name: list(steps) for name, steps in self.dilations.items()}
        return unusual


def save_config(config: Config, path: Path) -> None:
    """The config as JSON, beside the weights it made."""
    write_atomically(path, (json.dumps(config.document, indent=2) + "\n").encode())
