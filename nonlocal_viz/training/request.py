"""What whoever trains has asked for, before anything is opened. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nonlocal_viz.errors import OptionError
from nonlocal_viz.training.recipes import DEFAULT, RECIPES, Recipe


@dataclass(frozen=True)
class Request:
    """A training as it was asked for; None is what the recipe says.

    Attributes:
        images: folders, searched at every depth.
        name: of the model in the manifest of ``out``.
        out, cache: folders for the weights and for the teacher's features (OUT/cache).
        apart: a name to save the network under without its blocks.
        recipe: a key of :data:`~nonlocal_viz.training.recipes.RECIPES`.
        minutes, batch, rate, seed, instantiation: see :class:`~nonlocal_viz.training.config.Config`.
        side: of the cached images, pixels; ``limit`` how many of them are used.
        start: a model whose weights are all trained on, ``blend`` the share of the new ones that is saved.
        backbone: a model in whose backbone blocks alone are trained, ``fresh`` ones.
        objective: ``rows`` or ``classes``.
        dilations: {residual block: steps}.
    """

    images: Sequence[Path]
    name: str = "student"
    out: Path = Path("runs")
    cache: Path | None = None
    apart: str | None = None
    recipe: str = DEFAULT
    minutes: float | None = None
    side: int | None = None
    limit: int | None = None
    batch: int | None = None
    rate: float | None = None
    seed: int | None = None
    instantiation: str | None = None
    start: str | None = None
    blend: float | None = None
    backbone: str | None = None
    fresh: bool = False
    objective: str = "rows"
    dilations: Mapping[str, Sequence[int]] = field(default_factory=dict)
    device: str = "auto"

    @property
    def the_recipe(self) -> Recipe:
        """The recipe by its name."""
        return RECIPES[self.recipe]

    def check(self) -> None:
        """Refuse wishes that contradict each other.

        Raises:
            OptionError: two do; the message names both.
        """
        if self.recipe not in RECIPES:
            raise OptionError(
                f"There is no recipe {self.recipe!r}; choose one of {', '.join(RECIPES)}."
            )
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise OptionError(f"--minutes is a number above 0, not {self.minutes:g}.")
        if self.recipe != DEFAULT and (self.backbone or self.start):
            raise OptionError(
                f"The recipe {self.recipe!r} is of a network of its own, and --from and --tune take "
                "that of a model; leave one of them out."
            )
        if self.dilations and (self.backbone or self.objective == "classes"):
            raise OptionError(
                "--dilate changes the network, which --from and --objective classes leave as it is; "
                "give --tune alone instead."
            )
        if self.objective != "rows" and self.backbone is None and self.start is None:
            raise OptionError(
                f"--objective {self.objective} trains a part of an existing model: its blocks (--from) "
                "or its last stage (--tune)."
            )
        if self.apart and (self.backbone is not None or self.apart == self.name):
            raise OptionError(
                "--apart names the backbone of a run that trains one: not together with --from, and not "
                "the same as --name."
            )
        if self.fresh and self.backbone is None:
            raise OptionError(
                "--fresh is about the blocks that --from would take over; give it, too."
            )
        if self.instantiation is not None and self.start is not None:
            raise OptionError(
                "--tune trains on what a model is; blocks of another --instantiation begin with --from."
            )
        if self.blend is not None and (self.start is None or not 0 <= self.blend <= 1):
            raise OptionError("--blend takes a share from 0 to 1, and a model to --tune.")
