"""What merely looks like attention over positions is never shown as it."""

import pytest

import nonlocal_viz as nv
from nonlocal_viz.errors import ProbeError
from tests.probe.lookalikes import LOOKALIKES


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_lookalike_is_not_shown(name: str) -> None:
    net, x = LOOKALIKES[name]()
    try:
        with nv.attach(net) as probe:
            net(x)
    except ProbeError as error:
        assert "No attention over positions" in str(error)
        return
    assert not probe.maps, probe
    assert all(probe.refused.values())
