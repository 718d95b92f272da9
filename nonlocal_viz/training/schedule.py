"""When each phase begins and ends, and how far its cosine is, in trained seconds.

Everything here is a function of the seconds trained, never of the time of day: a run that was killed
and goes on later finds itself at the same place of the same schedule.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nonlocal_viz.errors import OptionError
from nonlocal_viz.training.config import Config, Phase


@dataclass(frozen=True)
class Stretch:
    """A phase from ``begins`` to ``ends``, within a cosine of ``span`` seconds that is ``offset`` seconds
    old when the phase begins; all in trained seconds."""

    phase: Phase
    begins: float
    ends: float
    offset: float
    span: float

    def progress(self, seconds: float) -> float:
        """How far the phase's cosine is: 0 at its start, 1 at its end."""
        return (self.offset + seconds - self.begins) / self.span


def phases_of(objective: str, objectives: Mapping[str, tuple[Phase, ...]]) -> tuple[Phase, ...]:
    """The phases of a named objective.

    Raises:
        OptionError: there is none of that name.
    """
    if objective not in objectives:
        raise OptionError(
            f"There is no objective {objective!r}; choose one of {', '.join(objectives)}."
        )
    return objectives[objective]


def schedule(config: Config) -> tuple[Stretch, ...]:
    """The phases in order. All trunk phases share one cosine; every head phase has its own."""
    whole = config.minutes * 60
    trunk = whole * sum(phase.share for phase in config.phases if not phase.head)
    stretches: list[Stretch] = []
    begins = trunk_done = 0.0
    for phase in config.phases:
        lasts = whole * phase.share
        offset, span = (0.0, lasts) if phase.head else (trunk_done, trunk)
        stretches.append(Stretch(phase, begins, begins + lasts, offset, span))
        begins += lasts
        trunk_done += 0.0 if phase.head else lasts
    return tuple(stretches)


class Stopwatch:
    """Seconds trained: those of the sessions before, and those since this one began.

    Args:
        clock: seconds that never go back, from any origin, such as ``time.monotonic``.
        before: seconds trained before now.
    """

    def __init__(self, clock: Callable[[], float], before: float = 0.0) -> None:
        self._clock, self._before, self._begun = clock, before, clock()

    def __call__(self) -> float:
        return self._before + self._clock() - self._begun


def cosine(progress: float) -> float:
    """1 at 0, 0 at 1, half a cosine between."""
    return 0.5 * (1 + math.cos(min(max(progress, 0.0), 1.0) * math.pi))
