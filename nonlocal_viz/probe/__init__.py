"""See the attention of a network that nobody here wrote: attach, run, and every map that can be proven."""

from nonlocal_viz.probe.attach import Probe, attach
from nonlocal_viz.probe.families import register_family
from nonlocal_viz.probe.proving import proven

__all__ = ["Probe", "attach", "proven", "register_family"]
