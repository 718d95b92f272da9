"""The training loop: phases under one clock.

trunk   everything below the last stage, on views that grow from phase to phase: relational loss and
        feature loss, the relational loss leading more and more.
head    the last stage and the classifier on the frozen trunk, distilled from the teacher.
blocks  the non-local blocks alone, in the backbone of another model (:mod:`.frozen`).

A run begins with random weights, with another model's backbone, or with all of another model
(:mod:`.start`).

The learning rate follows a cosine over the seconds of the trunk phases, and another over the head
phase, so that "an hour" means an hour on any machine. The exported weights are an exponential moving
average.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.core.resnet import BLOCKS_PREFIX, NonLocalResNet
from nonlocal_viz.errors import OptionError
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.frozen import takes_blocks
from nonlocal_viz.training.losses import losses, stride_of
from nonlocal_viz.training.precision import trains_faster_in_half
from nonlocal_viz.training.progress import Bar, Log, interruptible
from nonlocal_viz.training.resume import Average, Run, mark_of, save_atomically
from nonlocal_viz.training.schedule import Stopwatch, Stretch, cosine, schedule
from nonlocal_viz.training.start import take_model
from nonlocal_viz.training.student import LAST_STAGE, Student

#: Steps between two lines of the log.
LOG_EVERY = 20
#: Steps between two snapshots.
SNAPSHOT_EVERY = 200
#: Trained seconds between two checkpoints.
SAVE_EVERY = 180.0


def fit(
    cache: Cache,
    config: Config,
    log: Path | None = None,
    snapshot: Path | None = None,
    device: str = "auto",
    *,
    backbone: NonLocalResNet | None = None,
    start: NonLocalResNet | None = None,
    checkpoint: Path | None = None,
    bar: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> NonLocalResNet:
    """Train and return the exported model, on the CPU in eval mode.

    Args:
        cache: the images with their targets.
        config: the schedule and the rest.
        log: a JSON-lines file that gets a line every few steps: step, minutes, phase, rate, losses.
        snapshot: a file that gets the exported state dict every 200 steps, so that a run that is cut
            short leaves something to look at.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        backbone: the model that ``config.backbone`` names, see :func:`.frozen.config_on`; its weights
            and pixel normalisation are taken, and nothing but the new blocks is trained; see
            :func:`.frozen.takes_blocks` for what these begin with.
        start: the model that ``config.start`` names, see :func:`.start.config_from`; everything is
            taken, and trained on.
        checkpoint: a file that gets the whole run every three minutes and at the end of a phase. Where
            it exists, the run goes on from it: the time between the two sessions does not count.
        bar: show a bar over the minutes, when stderr is a terminal.
        clock: seconds from any origin; what the schedule is measured by.

    Raises:
        CheckpointError: the checkpoint is of another config or other images, or is broken.
        KeyboardInterrupt: ^C; the checkpoint is written first.
        OptionError: there was no time for a step.
        DeviceError: an unknown or absent device.
        ValueError: ``config.backbone`` without ``backbone``, or the other way round; so for ``start``.
    """
    _check_together(config, backbone, start)
    source = backbone if backbone is not None else start
    run = _begun(cache, config, device, backbone, start, take=not _exists(checkpoint))
    files = _Files(log, snapshot, checkpoint, mark_of(config, cache, source), config.minutes)
    files.take_up(run)
    watch = Stopwatch(clock, run.seconds)
    with interruptible() as stopped, Bar(config.minutes, run.seconds / 60, bar) as shown:
        for stretch in schedule(config)[run.stretch :]:
            parameters = _trainable(run.student, stretch.phase, blocks_only=backbone is not None)
            run.begin(torch.optim.AdamW(_groups(parameters, config.weight_decay), lr=config.rate))
            while (seconds := watch()) < stretch.ends:
                run.seconds = seconds
                files.keep(run, stopped)
                told = _step(run, config, stretch, parameters)
                if run.step % LOG_EVERY == 0:
                    files.note(run, stretch.phase, watch() / 60, told, shown)
                files.show(run)
            files.end(run, seconds)
    files.refuse_untrained(run, config.minutes)
    return run.average.student.export()


def _check_together(config: Config, backbone: object, start: object) -> None:
    if (config.backbone is None) != (backbone is None):
        raise ValueError("config.backbone and the model backbone come together or not at all")
    if (config.start is None) != (start is None):
        raise ValueError("config.start and the model start come together or not at all")


class _Files:
    """What a run leaves behind while it goes on: log, snapshots, checkpoints; each None for none."""

    def __init__(
        self,
        log: Path | None,
        snapshot: Path | None,
        checkpoint: Path | None,
        mark: dict[str, Any],
        minutes: float,
    ) -> None:
        self._minutes = minutes
        self._path, self._snapshot, self._checkpoint = log, snapshot, checkpoint
        self._mark = mark
        self._saved = 0.0
        self._lines = Log(None)

    def take_up(self, run: Run) -> None:
        """Let the run go on where the checkpoint is, if there is one; the log's later lines are dropped.

        Raises:
            CheckpointError: the checkpoint is of another run, or is broken.
        """
        if self._checkpoint is not None and self._checkpoint.exists():
            run.load(self._checkpoint, self._mark)
        self._saved = run.seconds
        self._lines = Log(self._path, run.step)

    def keep(self, run: Run, stopped: threading.Event | None = None) -> None:
        """Write the checkpoint, if it is time.

        Args:
            stopped: set when the run has to end here; None: it is time in any case.

        Raises:
            KeyboardInterrupt: it was set, and the checkpoint is written.
        """
        now = stopped is None or stopped.is_set()
        if self._checkpoint is not None and (now or run.seconds - self._saved >= SAVE_EVERY):
            run.save(self._checkpoint, self._mark)
            self._saved = run.seconds
        if stopped is not None and stopped.is_set():
            raise KeyboardInterrupt

    def refuse_untrained(self, run: Run, minutes: float) -> None:
        """Raise OptionError, and leave no checkpoint, where there was no time for a single step."""
        # None at all is what a test of what a run begins with asks for.
        if run.step or minutes == 0:
            return
        if self._checkpoint is not None:
            self._checkpoint.unlink(missing_ok=True)
        raise OptionError(
            f"Not one step fits into {minutes:g} minutes, and weights that nobody trained are not saved; "
            "give more --minutes."
        )

    def end(self, run: Run, seconds: float) -> None:
        """A phase is over after so many trained seconds."""
        run.end()
        run.seconds = seconds
        self.keep(run)

    def note(
        self,
        run: Run,
        phase: Phase,
        minutes: float,
        step: tuple[float, int, Mapping[str, Tensor]],
        shown: Bar,
    ) -> None:
        """Add a line to the log, and move the bar; ``step`` is what :func:`_step` told."""
        rate, side, terms = step
        minutes = round(minutes, 2)
        losses_now = {name: round(float(t.detach()), 4) for name, t in terms.items()}
        shown.show(f"{side} px", minutes, losses_now)
        told: dict[str, float] = {
            "step": run.step,
            "images": run.seen,
            "minutes": minutes,
            "side": side,
        }
        told["left"] = round(max(self._minutes - minutes, 0.0), 2)
        self._lines.write({**told, "head": phase.head, "rate": rate, **losses_now})

    def show(self, run: Run) -> None:
        """Write the snapshot, if it is time."""
        if self._snapshot is not None and run.step % SNAPSHOT_EVERY == 0:
            save_atomically(run.average.student.export().state_dict(), self._snapshot)


def _begun(
    cache: Cache,
    config: Config,
    device: str,
    backbone: NonLocalResNet | None,
    start: NonLocalResNet | None,
    take: bool,
) -> Run:
    """A run before its first step; ``take`` says whether it takes weights of ``backbone`` or ``start``
    that a checkpoint would replace anyway."""
    where = resolve_device(device)
    torch.manual_seed(config.seed)
    student = Student(config.architecture)
    if backbone is not None:
        student.take_backbone(backbone)
    student = student.to(where).to(memory_format=torch.channels_last)
    source = backbone if backbone is not None else start
    normalisation = None if source is None else source.prepare.normalisation
    strides = {stride_of(block, config.output_stride) for block in config.blocks}
    # Scores that no softmax sharpens cannot follow a sharpened target: dot_product lost .02 to .04 AP.
    sharpened = INSTANTIATIONS[config.instantiation].normalise == "softmax"

    def batches() -> Batches:
        return Batches(
            cache, config.batch, config.seed, where, normalisation, strides, sharpened=sharpened
        )

    if start is not None and take:
        take_model(student, start, batches())
    elif backbone is not None and take and takes_blocks(config, backbone):
        take_model(student, backbone, batches())
    averaged = ("",) if backbone is None else (f"net.{BLOCKS_PREFIX}", "heads.")
    return Run(student, Average(student, config.average, averaged), batches())


def _exists(path: Path | None) -> bool:
    return path is not None and path.exists()


def _step(
    run: Run, config: Config, stretch: Stretch, parameters: Sequence[nn.Parameter]
) -> tuple[float, int, dict[str, Tensor]]:
    """One batch; the learning rate, the side of its views and the terms of the loss."""
    assert run.optimiser is not None
    run.warm += 1
    rate = config.rate * cosine(stretch.progress(run.seconds))
    rate *= min(1.0, run.warm / config.warm_up)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    phase = stretch.phase
    side, count = phase.sized(run.batches.random.random() if phase.largest else 0.0, config.batch)
    batch = run.batches.draw(side, config.smallest_region, count)
    pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
    where = pixels.device.type
    with torch.autocast(where, torch.bfloat16, enabled=trains_faster_in_half(where)):
        terms = losses(run.student, replace(batch, pixels=pixels), phase, config.temperature)
    run.optimiser.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    nn.utils.clip_grad_norm_(parameters, config.clip)
    run.optimiser.step()
    run.average.update(run.student)
    run.step, run.seen = run.step + 1, run.seen + len(pixels)
    return rate, side, terms


def _trainable(student: Student, phase: Phase, blocks_only: bool) -> list[nn.Parameter]:
    if blocks_only:
        # The backbone keeps its running statistics; eval mode is part of leaving it as it is.
        student.eval().requires_grad_(False)
        for part in (student.net.nl, student.heads):
            part.train().requires_grad_(True)
        return [p for p in student.parameters() if p.requires_grad]
    last = [student.net.get_submodule(LAST_STAGE), student.net.fc]
    in_head = {id(p) for module in last for p in module.parameters()}
    for parameter in student.parameters():
        parameter.requires_grad_((id(parameter) in in_head) == phase.head)
    # A frozen trunk is used as it will be exported: with its running statistics.
    student.train(not phase.head)
    for module in last:
        module.train()
    return [p for p in student.parameters() if p.requires_grad]


def _groups(parameters: Sequence[nn.Parameter], decay: float) -> list[dict[str, object]]:
    # Gains and offsets (BatchNorm, biases) are not pulled to zero.
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
