"""Training on from a model that there is: ``nonlocal-viz train --tune MODEL``.

Unlike :mod:`.frozen`, everything goes on learning: for views that the model has seen too little of,
for other images, for better targets. (With the objective ``classes``, the last stage and the classifier
alone do: for better class probabilities.) What a saved model has no more (the normalisation in front of its
blocks, folded away; the heads that predicted the teacher, thrown away) is estimated from a few batches,
so that the first step finds the network as it was left and gets no noise from untrained heads.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nonlocal_viz.core.resnet import NonLocalResNet, block_key
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.config import BORDER, FINE_OUTLINE, Config, Phase
from nonlocal_viz.training.losses import stride_of
from nonlocal_viz.training.schedule import phases_of
from nonlocal_viz.training.student import TRAINED_STAGES, NormalisedBlock, Student
from nonlocal_viz.training.teacher import CLASSES

#: Objective -> its schedule. ``rows``: views of every size from the first step on; the last stage and the
#: classifier follow at the end. ``classes``: these alone, and every row stays what it was.
OBJECTIVES: dict[str, tuple[Phase, ...]] = {
    "rows": (
        Phase(0.88, 144, features=0.3, largest=512, border=BORDER, outline=FINE_OUTLINE),
        Phase(0.12, 160, head=True, largest=256),
    ),
    "classes": (Phase(1.0, 160, head=True, largest=256),),
}
#: Half of what a network from random weights learns best with.
RATE = 1e-3
_SIDE = 160
_BATCHES = 8
#: Ridge regression: how much of a channel's mean square is added to the diagonal.
_RIDGE = 1e-2


def config_from(
    model: NonLocalResNet, name: str, config: Config | None = None, objective: str = "rows"
) -> Config:
    """``config`` with the network of ``model``, the schedule of ``objective`` and the rate :data:`RATE`.

    Args:
        model: whose weights are trained on.
        name: what to call it in the config.
        config: everything else; default ``Config()``.
        objective: a key of :data:`OBJECTIVES`.

    Raises:
        CheckpointError: the objective is unknown, or the model has no blocks, or a block lies where
            there are no targets (only the stages layer2 and layer3 have them), or its classes are not
            the teacher's, or its blocks are not of the plain kind that training makes.
    """
    phases = phases_of(objective, OBJECTIVES)
    astray = [b for b in model.block_names if b.partition(".")[0] not in TRAINED_STAGES]
    if astray or not model.block_names:
        raise CheckpointError(
            f"The blocks of {name!r} are at {', '.join(model.block_names) or 'no place'}; blocks can be "
            "trained in the stages layer2 and layer3 alone."
        )
    if model.fc.out_features != CLASSES:
        raise CheckpointError(
            f"{name!r} tells {model.fc.out_features} classes apart and the teacher {CLASSES}; train its "
            "blocks alone with --from."
        )
    config = replace(
        config or Config(),
        depth=model.depth,
        blocks=model.block_names,
        padding_mode=model.padding_mode,
        output_stride=model.output_stride,
        dilations={**model.dilations, **(config or Config()).dilations},
        instantiation=model.block(model.block_names[0]).instantiation,
        num_classes=CLASSES,
        start=name,
        rate=RATE,
        phases=phases,
    )
    made = Student(config.architecture).export().state_dict()
    if {k: v.shape for k, v in made.items()} != {k: v.shape for k, v in model.state_dict().items()}:
        raise CheckpointError(
            f"The blocks of {name!r} have options that training does not know (pooled keys, another width, "
            "several kinds in one network); train new blocks in its backbone with --from."
        )
    return config


@torch.no_grad()
def blended(model: NonLocalResNet, start: NonLocalResNet, share: float) -> NonLocalResNet:
    """``model``, trained on from ``start``, with ``share`` of its own weights and the rest of the old.

    Between the two ends of a run of fine-tuning lies a network that is nearly as good as each where
    that one is best (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).

    Args:
        model: on the CPU; changed.
        start: of the same architecture, on the CPU.
        share: 0 (the start) to 1 (the model).
    """
    old = start.state_dict()
    for key, new in model.state_dict().items():
        if new.is_floating_point():
            new.lerp_(old[key].to(new), 1 - share)
    return model


@torch.no_grad()
def take_model(student: Student, model: NonLocalResNet, batches: Batches) -> None:
    """Make ``student`` compute what ``model`` computes, and give its heads the best linear guess.

    Args:
        student: of the model's architecture, on the device of the batches; its blocks may be of
            another instantiation, and then compute what they can.
        model: in eval mode, on any device.
        batches: a few of them are looked at.
    """
    student.take_backbone(model)
    was_training = student.training
    student.eval()
    blocks, inputs, heads = _blocks(student), {}, {}
    for name, block in blocks.items():
        device = next(block.parameters()).device
        neutral = torch.zeros(block.in_channels, device=device)
        block.unfold(model.block(name), neutral, neutral + 1)
        inputs[name] = _Watch(student.net.get_submodule(name), output=True)
        heads[name] = _Watch(student.heads[block_key(name)], output=False)
    moments = {name: _Moments() for name in blocks}
    ridges = {name: _Ridge() for name in blocks}
    for _ in range(_BATCHES):
        batch = batches.draw(_SIDE)
        student.trunk(batch.pixels)
        for name in blocks:
            moments[name].add(inputs[name].cells())
            wanted = batch.features[stride_of(name, student.net.output_stride)]
            ridges[name].add(heads[name].cells(), _cells(wanted))
    for name, block in blocks.items():
        inputs[name].end()
        heads[name].end()
        block.unfold(model.block(name), *moments[name].result())
        head = student.heads[block_key(name)]
        weight, bias = ridges[name].result()
        head.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})
    student.train(was_training)


def _blocks(student: Student) -> dict[str, NormalisedBlock]:
    found = {name: student.net.block(name) for name in student.net.block_names}
    return {name: block for name, block in found.items() if isinstance(block, NormalisedBlock)}


class _Watch:
    """What last went into or came out of a module."""

    def __init__(self, module: nn.Module, output: bool) -> None:
        self._seen: Tensor | None = None
        self._output = output
        self._handle = module.register_forward_hook(self._keep)

    def cells(self) -> Tensor:
        assert self._seen is not None
        return _cells(self._seen)

    def end(self) -> None:
        self._handle.remove()

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._seen = output if self._output else inputs[0]


class _Moments:
    """Mean and variance (C,) of the channels of cells (n, C), over everything that was added."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def add(self, cells: Tensor) -> None:
        self._count += len(cells)
        self._sum = self._sum + cells.sum(0)
        self._squares = self._squares + cells.square().sum(0)

    def result(self) -> tuple[Tensor, Tensor]:
        mean, square = (torch.as_tensor(s) / self._count for s in (self._sum, self._squares))
        return mean.float(), (square - mean.square()).clamp_min(0).float()


class _Ridge:
    """The linear map with offset from cells (n, C) to targets (n, K), over everything that was added."""

    def __init__(self) -> None:
        self._gram: Tensor | float = 0.0
        self._cross: Tensor | float = 0.0

    def add(self, cells: Tensor, targets: Tensor) -> None:
        known = torch.cat([cells, cells.new_ones(len(cells), 1)], 1)
        self._gram = self._gram + known.T @ known
        self._cross = self._cross + known.T @ targets

    def result(self) -> tuple[Tensor, Tensor]:
        """weight (K, C), bias (K,)."""
        gram, cross = torch.as_tensor(self._gram), torch.as_tensor(self._cross)
        weights = gram.diagonal() * _RIDGE
        weights[-1] = 0  # the offset is not pulled to zero
        # A channel that is always 0 would leave the system without a unique solution.
        solved = torch.linalg.solve(gram + torch.diag(weights.clamp_min(1e-9)), cross)
        return solved[:-1].T.float(), solved[-1].float()


def _cells(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B h w, C), in double precision: these are summed over many cells."""
    return x.permute(0, 2, 3, 1).flatten(0, 2).double()
