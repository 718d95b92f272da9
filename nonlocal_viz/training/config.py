"""What decides the outcome of a run but the images: kept beside the weights, as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Phase:
    """One stretch of the schedule. ``share`` of the minutes; ``side`` of the views in pixels; weights of
    the losses (``logits`` through the last stage as it is); ``head`` trains the last stage and the
    classifier alone, by the logits."""

    share: float
    side: int
    relational: float = 1.0
    features: float = 1.0
    logits: float = 0.0
    head: bool = False


@dataclass(frozen=True)
class Config:
    """The network, the schedule, the optimiser.

    ``backbone`` names the model whose backbone is taken over and left as it is, so that the blocks
    alone are trained; None trains everything from random weights.
    """

    depth: int = 18
    blocks: tuple[str, ...] = ("layer2.1", "layer3.1")
    instantiation: str = "embedded_gaussian"
    num_classes: int = 1000
    padding_mode: str = "replicate"
    backbone: str | None = None
    minutes: float = 60.0
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.03
    clip: float = 5.0
    warm_up: int = 60
    average: float = 0.998
    temperature: float = 2.0
    smallest_region: float = 0.5
    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase(0.16, 96, relational=1.0, features=1.0),
        Phase(0.34, 128, relational=1.0, features=0.6),
        Phase(0.37, 176, relational=1.0, features=0.4),
        Phase(0.13, 160, head=True),
    )

    @property
    def architecture(self) -> dict[str, object]:
        """Keyword arguments of :class:`NonLocalResNet`."""
        return {
            "depth": self.depth,
            "blocks": list(self.blocks),
            "num_classes": self.num_classes,
            "padding_mode": self.padding_mode,
            "block": {"instantiation": self.instantiation, "sub_sample": False},
        }


def save_config(config: Config, path: Path) -> None:
    """The config as JSON, beside the weights it made."""
    path.write_text(json.dumps(asdict(config), indent=2) + "\n")
