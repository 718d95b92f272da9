"""The training loop: phases under one clock.

trunk   everything below the last stage, on views that grow from phase to phase: relational loss and
        feature loss, the relational loss leading more and more.
head    the last stage and the classifier on the frozen trunk, distilled from the teacher.

The learning rate follows a cosine over the wall clock of the trunk phases, and another over the head
phase, so that "an hour" means an hour on any machine. The exported weights are an exponential moving
average.
"""

import copy
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_viz.core.resnet import NonLocalResNet, resolve_device
from nonlocal_viz.training.batches import Batch, Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.student import Student

#: Steps between two lines of the log.
LOG_EVERY = 20
#: Output stride of a residual stage of a ResNet.
STRIDE = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}


@dataclass(frozen=True)
class Phase:
    """One stretch of the schedule. ``share`` of the minutes; ``side`` of the views in pixels; weights of
    the losses; ``head`` trains the last stage and the classifier alone."""

    share: float
    side: int
    relational: float = 1.0
    features: float = 1.0
    head: bool = False


@dataclass(frozen=True)
class Config:
    """All that decides the outcome but the images: kept beside the weights."""

    depth: int = 18
    blocks: tuple[str, ...] = ("layer2.1", "layer3.1")
    instantiation: str = "embedded_gaussian"
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
        Phase(0.37, 160, relational=1.0, features=0.4),
        Phase(0.13, 160, head=True),
    )

    @property
    def architecture(self) -> dict[str, object]:
        """Keyword arguments of :class:`NonLocalResNet`."""
        return {
            "depth": self.depth,
            "blocks": list(self.blocks),
            "num_classes": 1000,
            "padding_mode": "replicate",
            "block": {"instantiation": self.instantiation, "sub_sample": False},
        }


def relational_loss(rows: Tensor, target: Tensor) -> Tensor:
    """KL(target || rows), mean over rows (B, N, M), in nats."""
    log_ratio = target.clamp_min(1e-9).log() - rows.clamp_min(1e-9).log()
    return (target * log_ratio).sum(-1).mean()


def losses(student: Student, batch: Batch, phase: Phase, temperature: float) -> dict[str, Tensor]:
    """The weighted terms of the phase, by name."""
    if phase.head:
        with torch.no_grad():
            features, _, _ = student.trunk(batch.pixels)
        logits = student.classify(features)
        return {
            "logits": F.kl_div(
                F.log_softmax(logits / temperature, -1),
                F.log_softmax(batch.logits / temperature, -1),
                log_target=True,
                reduction="batchmean",
            )
            * temperature**2
        }
    _, maps, predictions = student(batch.pixels, classify=False)
    terms = {}
    for name, affinity in maps.items():
        stride = STRIDE[name.partition(".")[0]]
        terms[f"rows {name}"] = phase.relational * relational_loss(
            affinity.dense(), batch.rows[stride]
        )
        terms[f"features {name}"] = phase.features * F.mse_loss(
            predictions[name].float(), batch.features[stride]
        )
    return terms


def fit(
    cache: Cache,
    config: Config,
    log: Path | None = None,
    snapshot: Path | None = None,
    device: str = "auto",
) -> NonLocalResNet:
    """Train and return the exported model, on the CPU in eval mode.

    Args:
        cache: the images with their targets.
        config: the schedule and the rest.
        log: a JSON-lines file that gets a line every few steps: step, minutes, phase, rate, losses.
        snapshot: a file that gets the exported state dict every 200 steps, so that a run that is cut
            short leaves something to look at.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """
    where = resolve_device(device)
    torch.manual_seed(config.seed)
    student = Student(config.architecture).to(where).to(memory_format=torch.channels_last).train()
    batches = Batches(cache, config.batch, config.seed, where)
    average = Average(student, config.average)
    half = half_precision(where)
    step, started, seen = 0, time.monotonic(), 0
    for phase, clock in schedule(config):
        parameters = _trainable(student, phase)
        optimiser = torch.optim.AdamW(_groups(parameters, config.weight_decay), lr=config.rate)
        warm = 0
        while (progress := clock()) < 1:
            warm += 1
            rate = config.rate * cosine(progress) * min(1.0, warm / config.warm_up)
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = batches.draw(phase.side, config.smallest_region)
            pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
            with torch.autocast(where.type, torch.bfloat16, enabled=half):
                terms = losses(student, _with_pixels(batch, pixels), phase, config.temperature)
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(terms.values())).sum().backward()
            nn.utils.clip_grad_norm_(parameters, config.clip)
            optimiser.step()
            average.update(student)
            step, seen = step + 1, seen + len(pixels)
            if log is not None and step % LOG_EVERY == 0:
                _write(log, step, seen, started, rate, phase, terms)
            if snapshot is not None and step % 200 == 0:
                torch.save(average.student.export().state_dict(), snapshot)
    return average.student.export()


class Average:
    """An exponential moving average of a student, its running statistics included."""

    def __init__(self, student: Student, decay: float) -> None:
        self.student = copy.deepcopy(student).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, student: Student) -> None:
        """Take in the student as it is now; early on the average forgets faster."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for own, new in zip(
            self.student.state_dict().values(), student.state_dict().values(), strict=True
        ):
            if own.is_floating_point():
                own.lerp_(new, 1 - keep)
            else:
                own.copy_(new)


def schedule(config: Config) -> Iterator[tuple[Phase, "Clock"]]:
    """Each phase with its clock. Consecutive trunk phases share one cosine; head phases have their own."""
    trunk_share = sum(p.share for p in config.phases if not p.head)
    begun = time.monotonic()
    done = 0.0
    for phase in config.phases:
        if phase.head:
            yield phase, Clock(time.monotonic(), config.minutes * 60 * phase.share, 0.0, 1.0)
        else:
            until = (done + phase.share) / trunk_share
            yield phase, Clock(begun, config.minutes * 60 * trunk_share, 0.0, until)
            done += phase.share


@dataclass(frozen=True)
class Clock:
    """Progress of a cosine by wall clock; reads 1 or more once its phase is over."""

    begun: float
    seconds: float
    offset: float
    until: float

    def __call__(self) -> float:
        progress = (time.monotonic() - self.begun) / self.seconds
        return progress if progress < self.until else max(progress, 1.0)


def cosine(progress: float) -> float:
    """1 at 0, 0 at 1, half a cosine between."""
    return 0.5 * (1 + float(torch.cos(torch.tensor(min(max(progress, 0.0), 1.0) * torch.pi))))


def half_precision(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware; emulated, it is a hundred times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def save_config(config: Config, path: Path) -> None:
    """The config as JSON, beside the weights it made."""
    path.write_text(json.dumps(asdict(config), indent=2) + "\n")


def _with_pixels(batch: Batch, pixels: Tensor) -> Batch:
    return Batch(pixels, batch.rows, batch.features, batch.logits)


def _trainable(student: Student, phase: Phase) -> list[nn.Parameter]:
    last = [student.net.layer4, student.net.fc]
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


def _write(
    log: Path,
    step: int,
    seen: int,
    started: float,
    rate: float,
    phase: Phase,
    terms: dict[str, Tensor],
) -> None:
    line = {
        "step": step,
        "images": seen,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "side": phase.side,
        "head": phase.head,
        "rate": rate,
        **{name: round(float(term.detach()), 4) for name, term in terms.items()},
    }
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
