"""What merely looks like attention over positions is never shown as it."""

import contextlib

import pytest

import nonlocal_viz as nv
from nonlocal_viz.errors import ProbeError
from tests.probe import more_lookalikes  # noqa: F401  (they list themselves)
from tests.probe.lookalikes import LOOKALIKES


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_lookalike_is_not_shown(name: str) -> None:
    net, x = LOOKALIKES[name]()
    probe = nv.attach(net)
    with contextlib.suppress(ProbeError), probe:
        net(x)
    assert not probe.maps, probe
    assert all(probe.refused.values())
