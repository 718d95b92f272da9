"""New blocks in a network that stays as it is: ``nonlocal-viz train --from MODEL``.

The backbone of an existing model is taken over with its running statistics and never changed; its
non-local blocks are replaced by new ones, which are trained alone. What can be learned differs by
instantiation:

embedded_gaussian   theta and phi from the rows; g and W from the features.
dot_product         the same; see :func:`nonlocal_viz.training.losses.log_rows` for what its rows are
                    compared as.
concatenation       the same; but w_f [theta_i, phi_j] = a_i + b_j ranks the keys alike for every query,
                    so no training gives its rows more than a threshold that depends on the query.
gaussian            it has no theta and no phi: its rows are those of the features that the block reads.
                    Only g and W learn, and so the rows of the first block are fixed for good; a later
                    block's rows can move as far as the blocks before it change the features it reads.

Two objectives. ``rows``: the relational loss, and for g and W the teacher's features, predicted from
the block's output by 1x1 heads that are thrown away, and a little of the teacher's logits, so that what
the blocks add stays of use to the layers behind them, which are frozen, too. ``classes``: the teacher's
logits alone, through the frozen last stage; it shows what rows the class label asks for when nothing
else does.
"""

from dataclasses import replace

from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.training.config import BORDER, FINE_OUTLINE, Config, Phase
from nonlocal_viz.training.schedule import phases_of
from nonlocal_viz.training.student import TRAINED_STAGES
from nonlocal_viz.training.teacher import CLASSES

#: Objective -> its schedule. For the rows, views are as large as a backbone has seen them that was trained
#: on with --tune: of at most 320 px, rows of stride 16 lost .01 AP at 640 px.
OBJECTIVES: dict[str, tuple[Phase, ...]] = {
    "rows": (
        Phase(1.0, 144, features=0.3, logits=0.1, largest=512, border=BORDER, outline=FINE_OUTLINE),
    ),
    "classes": (
        Phase(0.4, 128, relational=0.0, features=0.0, logits=1.0),
        Phase(0.6, 160, relational=0.0, features=0.0, logits=1.0),
    ),
}


#: Blocks alone are trained in a thousand steps or so: an average over the last hundred.
AVERAGE = 0.99


def takes_blocks(config: Config, backbone: NonLocalResNet) -> bool:
    """Whether new blocks begin with the convolutions that they have in common with the model's own.

    For the rows they do, whatever their instantiation: the layers behind a block are then given what they
    are used to from the start, and what comes of two instantiations differs by their pairwise function
    alone. For the class label alone they do not: such blocks have to come from nothing, as in the
    literature; and a ``fresh`` config never does, for a model whose own rows are saturated or useless.
    """
    relational = any(phase.relational > 0 for phase in config.phases)
    return relational and not config.fresh and backbone.block_names == config.blocks


def config_on(
    backbone: NonLocalResNet, name: str, objective: str = "rows", config: Config | None = None
) -> Config:
    """``config`` with the network of ``backbone`` and the schedule of ``objective``.

    Args:
        backbone: the model whose backbone is taken; its blocks say where the new ones go, and where
            it has none, the config does.
        name: what to call that model in the config.
        objective: a key of :data:`OBJECTIVES`.
        config: everything else, the new blocks' instantiation included; default ``Config()``.

    Raises:
        CheckpointError: a block of the model lies where there are no targets (only the stages layer2
            and layer3 have them), or its classes are not the teacher's and the objective needs them;
            or the objective is unknown.
    """
    phases = phases_of(objective, OBJECTIVES)
    blocks = backbone.block_names or (config or Config()).blocks
    astray = [b for b in blocks if b.partition(".")[0] not in TRAINED_STAGES]
    if astray:
        raise CheckpointError(
            f"The blocks of {name!r} are at {', '.join(blocks)}; blocks can be trained in the stages "
            "layer2 and layer3 alone."
        )
    classes = backbone.fc.out_features
    if objective == "classes" and classes != CLASSES:
        raise CheckpointError(
            f"{name!r} tells {classes} classes apart and the teacher {CLASSES}; train its blocks with the "
            "objective rows."
        )
    if classes != CLASSES:
        phases = tuple(replace(phase, logits=0.0) for phase in phases)
    return replace(
        config or Config(),
        depth=backbone.depth,
        blocks=blocks,
        num_classes=classes,
        padding_mode=backbone.padding_mode,
        output_stride=backbone.output_stride,
        dilations=backbone.dilations,
        backbone=name,
        average=AVERAGE,
        phases=phases,
    )
