"""Keys that follow no position of what a module is given: padding, and what is made of something else."""

from nonlocal_viz.probe.known import NOWHERE
from nonlocal_viz.probe.layout import Slots
from nonlocal_viz.probe.records import Capture, relative

#: Groups whose keys are looked at, and how near those of padding are to each other.
_LOOKED_AT, _ALIKE = 8, 1e-3


def names_of_extra(capture: Capture, slots: Slots, count: int) -> tuple[str, ...]:
    """Names of ``count`` keys that follow no position. Padding is all alike in a group; others are learnt,
    or made of another input (text)."""
    alike = True
    nowhere = slots.key == NOWHERE
    for group in nowhere.any(1).nonzero()[:_LOOKED_AT, 0].tolist():
        keys = capture.key[group][nowhere[group].to(capture.key.device)].float()
        alike &= relative(keys, keys[:1].expand_as(keys)) < _ALIKE
    return tuple(f"{'padding' if alike else 'extra'} {i + 1}" for i in range(count))
