"""A run that is killed goes on where it was: everything that its next step depends on, in one file.

Invariants: the file is written whole or not at all; it is read with ``weights_only=True``, so it can
hold nothing but tensors, numbers and names; and it is taken up by the run that wrote it alone (the
same config, the same images, the same backbone).
"""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.files import opened_atomically
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config
from nonlocal_viz.training.student import Student

_LAYOUT = 1


class Average:
    """An exponential moving average of a student, its running statistics included.

    Args:
        student: what to begin with.
        decay: how much is kept a step, later on.
        parts: beginnings of the names of what is averaged; the rest stays as it is, to the bit.
    """

    def __init__(self, student: Student, decay: float, parts: tuple[str, ...] = ("",)) -> None:
        self.student = copy.deepcopy(student).eval()
        self.decay, self.steps, self.parts = decay, 0, parts

    @torch.no_grad()
    def update(self, student: Student) -> None:
        """Take in the student as it is now; early on the average forgets faster."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        news = student.state_dict()
        for key, own in self.student.state_dict().items():
            if not key.startswith(self.parts):
                continue
            new = news[key]
            if own.is_floating_point():
                own.lerp_(new, 1 - keep)
            else:
                own.copy_(new)


class Run:
    """A training run between two steps: what it has, and where on its schedule it is.

    ``stretch`` is the index of the phase, ``warm`` the steps taken in it, ``optimiser`` None until its
    first step; ``step`` and ``seen`` count the steps and the images of the whole run, ``seconds``
    the time trained.
    """

    def __init__(self, student: Student, average: Average, batches: Batches) -> None:
        self.student, self.average, self.batches = student, average, batches
        self.optimiser: torch.optim.Optimizer | None = None
        self.stretch = self.warm = self.step = self.seen = 0
        self.seconds = 0.0
        self._pending: dict[str, Any] | None = None

    def begin(self, optimiser: torch.optim.Optimizer) -> None:
        """Go on with this new optimiser; a phase that was broken off gets its moments back."""
        self.optimiser = optimiser
        if self._pending is None:
            self.warm = 0
        else:
            optimiser.load_state_dict(self._pending)
            self._pending = None

    def end(self) -> None:
        """The phase is over; the next one has an optimiser of its own."""
        self.stretch, self.warm, self.optimiser = self.stretch + 1, 0, None

    def save(self, path: Path, mark: dict[str, Any]) -> None:
        """Write the run to ``path``, as one that belongs to ``mark`` (see :func:`mark_of`)."""
        counts = {name: getattr(self, name) for name in ("stretch", "warm", "step", "seen")}
        content = {
            # As JSON: numpy's generator counts in integers of 128 bits, and its state is names.
            "run": json.dumps(
                {
                    "layout": _LAYOUT,
                    "mark": mark,
                    "counts": counts,
                    "seconds": self.seconds,
                    "averaged": self.average.steps,
                    "numpy": self.batches.random.bit_generator.state,
                }
            ),
            "student": self.student.state_dict(),
            "average": self.average.student.state_dict(),
            "optimiser": None if self.optimiser is None else self.optimiser.state_dict(),
            "order": torch.from_numpy(self.batches.order),
            "torch": torch.get_rng_state(),
        }
        save_atomically(content, path)

    def load(self, path: Path, mark: dict[str, Any]) -> None:
        """Become the run that is saved in ``path``.

        Raises:
            CheckpointError: the file is broken, or belongs to a run of another ``mark``.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            run = json.loads(content["run"])
            if run["layout"] != _LAYOUT:
                raise ValueError("another layout")
            theirs = run["mark"]
        except Exception:  # damaged bytes make the unpickler raise whatever they like
            raise CheckpointError(
                f"{path} is no checkpoint of a training run that can go on; delete it to begin anew."
            ) from None
        # Compared as JSON gives it back: tuples as lists.
        ours = json.loads(json.dumps(mark))
        if theirs != ours:
            different = [k for k in (ours | theirs) if ours.get(k) != theirs.get(k)]
            raise CheckpointError(
                f"{path} belongs to another run ({', '.join(different)} differ); give the options of that "
                "run to go on with it, or delete the file to begin anew."
            )
        self.student.load_state_dict(content["student"])
        self.average.student.load_state_dict(content["average"])
        self.average.steps = run["averaged"]
        self._pending = content["optimiser"]
        self.seconds = run["seconds"]
        for name, count in run["counts"].items():
            setattr(self, name, count)
        self.batches.random.bit_generator.state = run["numpy"]
        self.batches.order = content["order"].numpy()
        torch.set_rng_state(content["torch"])


def mark_of(config: Config, cache: Cache, source: nn.Module | None = None) -> dict[str, Any]:
    """What a run is recognised by: its config, its images and the model that it takes weights from."""
    mark = config.document | {"images": [cache.made_from, len(cache)]}
    return mark if source is None else mark | {"weights taken over": _digest(source)}


def save_atomically(content: object, path: Path) -> None:
    """``torch.save``, whole or not at all.

    Raises:
        WritingError: the file cannot be written.
    """
    with opened_atomically(path) as file:
        torch.save(content, file)


def _digest(module: nn.Module) -> str:
    found = hashlib.sha256()
    value: Tensor
    for key, value in module.state_dict().items():
        found.update(key.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
