"""What ``nonlocal-viz train --recipe NAME`` trains: a network, its schedule and the images' side.

``default`` is what the command does when it is told nothing: a ResNet-18 in an hour on two CPU cores.
``large`` is for a GPU: a ResNet-50 of output stride 8, both of whose blocks lie on a grid of stride 8, in
a file of 56 MB.
"""

from dataclasses import dataclass

from nonlocal_viz.training.config import BORDER, OUTLINE, Config, Phase


@dataclass(frozen=True)
class Recipe:
    """``side`` is that of the cached images, in pixels, ``teacher_side`` that of the same images as the
    teacher sees them; ``config`` decides everything else."""

    config: Config
    side: int
    teacher_side: int


DEFAULT = "default"
RECIPES: dict[str, Recipe] = {
    DEFAULT: Recipe(Config(), side=224, teacher_side=448),
    "large": Recipe(
        Config(
            depth=50,
            blocks=("layer2.3", "layer3.5"),
            output_stride=8,
            minutes=180.0,
            batch=64,
            # Twice the images a step and three times the layers: a slower start and a smaller rate than
            # ResNet-18's; many more steps: a longer average.
            rate=1e-3,
            warm_up=300,
            average=0.9995,
            phases=(
                Phase(0.12, 128, features=1.0, border=BORDER, outline=OUTLINE),
                Phase(0.33, 160, features=0.6, largest=224, border=BORDER, outline=OUTLINE),
                Phase(0.42, 160, features=0.4, largest=320, border=BORDER, outline=OUTLINE),
                Phase(0.13, 192, head=True, largest=256),
            ),
        ),
        side=256,
        teacher_side=512,
    ),
}
