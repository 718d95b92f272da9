"""See the attention of a network that nobody here wrote: attach, run, and every map that can be proven."""

from nonlocal_viz.probe.attach import Probe, attach

__all__ = ["Probe", "attach"]
