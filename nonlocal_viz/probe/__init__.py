"""See the attention of a network that nobody here wrote: attach, run, and every map that can be proven.

The way of a map, from the owner's call to what is shown, and the files on it:

1. The call. ``attach`` hands it to ``glance`` (at next to no cost) or ``watch`` (recorded as it runs);
   ``compiled``, ``kernels``, ``bricks``, ``memory``, ``draws`` know PyTorch.
2. From the weights back to queries and keys: ``trail`` over ``node``, ``traced``, ``inplace``, ``mixture``,
   ``sinks``; what is found is data in ``records``, held by ``proving``, gathered by ``gathered``,
   ``together``, ``names``, ``nested``; what is none is named by ``refusals``. ``families`` read what cannot
   be captured, with ``mixed``.
3. Run again on changed input: ``again`` on a twin (``twins``), with ``arguments`` and ``copies`` of what
   the owner gave, ``replay`` of what lies before the change.
4. Which token each query and key is: ``reading`` asks ``origins``, who reads inputs by ``axes`` and finds
   ``slots`` by ``layout`` (``windows``, ``known``), ``blocks``, ``strength``, ``inner``, ``summaries``,
   ``pairs``.
5. What these tokens are: ``grids`` asks ``firsts`` (``cells``, ``patches``), ``order``, ``rasters``,
   ``streams`` (``stream``, ``relay``), ``sides``, ``contexts``, ``dropped``; ``positions`` are the answer.
6. From slots to a map: ``places``, ``pooled``, ``halves``, ``extra``; ``recorded`` is the map.
7. Over a picture: ``prepared``, ``lattices``, ``shown``.
"""

from nonlocal_viz.probe.attach import Probe, attach
from nonlocal_viz.probe.families import register_family
from nonlocal_viz.probe.proving import proven

__all__ = ["Probe", "attach", "proven", "register_family"]
