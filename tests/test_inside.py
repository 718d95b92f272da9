"""What a view knows of the inside of its blocks, and what a row says of what its keys carry."""

import gc
import pickle

import numpy as np
import pytest
import torch

import nonlocal_viz as nv
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import BlockError, OptionError, QueryError


@pytest.fixture(scope="module")
def view(unusual_model: NonLocalResNet, picture: np.ndarray) -> nv.View:
    return nv.Lens(unusual_model).open(picture, lazy=True)


@pytest.fixture(scope="module")
def clip(tiny_model: NonLocalResNet, picture: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(picture, 9 * t, 1) for t in range(3)])


@pytest.mark.parametrize("block", ["layer2.0", "layer3.1"])
def test_an_anatomy_has_the_map_of_the_view_and_what_the_network_goes_on_with(
    unusual_model: NonLocalResNet, view: nv.View, block: str
) -> None:
    a = view.anatomy(block)
    torch.testing.assert_close(a.affinity.dense(), view.affinity(block).dense())
    # What goes on is the block's z: the rest of the network makes the view's logits of it.
    seen: list[torch.Tensor] = []
    hook = unusual_model.block(block).register_forward_hook(lambda *call: seen.append(call[2][0]))
    nv.Lens(unusual_model).open(view.image)
    hook.remove()
    torch.testing.assert_close(a.z, seen[0].flatten(2).mT, rtol=1e-4, atol=1e-5)


def test_the_newest_is_kept_and_counted(view: nv.View) -> None:
    first = view.anatomy("layer2.0")
    assert view.anatomy("layer2.0") is first
    with_first = view.nbytes
    second = view.anatomy("layer3.1")
    assert view.nbytes - with_first == second.nbytes - first.nbytes
    assert view.anatomy("layer2.0") is not first
    with pytest.raises(BlockError):
        view.anatomy("layer4.0")


def test_of_frames_by_themselves_one_is_asked(tiny_model: NonLocalResNet, clip: np.ndarray) -> None:
    alone = nv.Lens(tiny_model, short_side=32).open(clip, frames=3, spacetime=False)
    a = alone.anatomy("layer3.1", frame=2)
    assert a.affinity.query_grid[0] == 1 and len(a) == 1
    torch.testing.assert_close(a.affinity.dense(), alone.affinity("layer3.1", 2).dense())
    with pytest.raises(QueryError):
        alone.anatomy("layer3.1", frame=3)
    together = nv.Lens(tiny_model, short_side=32).open(clip, frames=3)
    assert together.anatomy("layer3.1").affinity.query_grid[0] == 3


@pytest.mark.parametrize("block", ["layer2.0", "layer3.1"])
@pytest.mark.parametrize("direction", ["row", "column"])
def test_contributions_add_up_to_what_is_added(view: nv.View, block: str, direction: str) -> None:
    ask = view.query if direction == "row" else view.column
    row = ask(31, 20, block=block)
    a = view.anatomy(block)
    values, change = a.g[0] @ a.weight.T, a.z[0] - a.x[0]
    weights = torch.from_numpy(row.map).ravel()
    grid = view.query_grid(block) if direction == "row" else view.key_grid(block)
    cell = grid.flat(row.query_cell)
    if direction == "row":
        terms, change = weights[:, None] * values, change[cell].expand(len(weights), -1)
    else:
        terms = weights[:, None] * values[cell]
    size, share = row.contribution
    assert size.shape == share.shape == row.map.shape and size.dtype == np.float32
    np.testing.assert_allclose(size.ravel(), terms.norm(dim=1), rtol=1e-4, atol=1e-7)
    expected = (terms * change).sum(1) / change.square().sum(1)
    np.testing.assert_allclose(share.ravel(), expected, rtol=1e-3, atol=1e-6)
    if direction == "row":
        bias = float(a.bias @ change[0] / change[0].square().sum())
        assert share.sum() + bias == pytest.approx(1, abs=1e-4)


def test_a_block_that_adds_nothing_shares_nothing(picture: np.ndarray) -> None:
    fresh = nv.NonLocalResNet(18, ["layer2.1"]).eval()
    view = nv.Lens(fresh, short_side=32).open(picture)
    size, share = view.query(20, 20).contribution
    assert not size.any() and not share.any() and np.isfinite(share).all()


def test_without_the_view_or_its_network_it_is_said(
    tiny_model: NonLocalResNet, picture: np.ndarray
) -> None:
    lens = nv.Lens(tiny_model, short_side=32)
    row = lens.open(picture).query(20, 20)
    gc.collect()
    with pytest.raises(QueryError, match="kept without it"):
        _ = row.contribution
    view = lens.open(picture)
    kept = pickle.loads(pickle.dumps(view.query(20, 20)))
    with pytest.raises(QueryError, match="kept without it"):
        _ = kept.contribution
    again = pickle.loads(pickle.dumps(view))
    with pytest.raises(OptionError, match="only while the view"):
        again.anatomy()
    probed = nv.Lens(nv.attach(torch.nn.Sequential(tiny_model))).open(picture)
    with pytest.raises(OptionError, match="NonLocalResNet"):
        probed.query(20, 20).contribution  # noqa: B018
