"""A network that nobody here wrote, looked through: prepared as its library says, in its right place."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn

import nonlocal_viz as nv
from nonlocal_viz import export
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.fitting import Fitted, Lattice
from nonlocal_viz.errors import CheckpointError, OptionError, ProbeError, QueryError
from nonlocal_viz.probe import Probe, prepared
from nonlocal_viz.probe import shown as shown_over
from nonlocal_viz.probe.lattices import Lattices
from nonlocal_viz.probe.recorded import Recorded
from nonlocal_viz.zoo import fetching

TINY = {"img_size": 64, "depth": 2, "embed_dim": 24, "num_heads": 3, "pretrained": False}


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (90, 150, 3), np.uint8)


@pytest.fixture(scope="module")
def vit(photo: np.ndarray) -> tuple[Probe, nv.View]:
    before = torch.get_rng_state()
    source = nv.load_model("timm:vit_tiny_patch16_224", "cpu", **TINY)
    assert torch.equal(before, torch.get_rng_state())
    return source, nv.Lens(source).open(photo)


def test_a_picture_is_prepared_as_timm_does(vit, photo: np.ndarray) -> None:
    source, _ = vit
    seen: list[Tensor] = []
    handle = source.model.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    nv.Lens(source).open(photo)
    handle.remove()
    config = timm.data.resolve_model_data_config(source.model) | {"input_size": (3, 64, 64)}
    theirs = timm.data.create_transform(**config)(Image.fromarray(photo))
    torch.testing.assert_close(seen[0][0], theirs, atol=1e-6, rtol=0)


def test_a_row_is_the_networks_own_and_lies_where_it_saw(vit, photo: np.ndarray) -> None:
    _, view = vit
    assert view.blocks == ("blocks.0.attn", "blocks.1.attn")
    assert view.default_block == "blocks.1.attn"
    a = view.affinity()
    assert isinstance(a, Factored) and a.heads == 3 and a.proof["output"] < 1e-5
    # 90 rows become 71 (64 / .9), of which the middle 64 are read; 1.2676 pixels each, 16 a cell.
    seen, scale = view._fitted.seen(view.size), 90 / 71
    assert seen.top == pytest.approx(4 * scale, abs=0.01) and seen.width == pytest.approx(
        64 * 150 / 118, abs=0.01
    )
    x, y = seen.left + 2.5 * 16 * 150 / 118, seen.top + 1.5 * 16 * scale
    row = view.query(x, y, head=2)
    assert row.query_cell == (0, 1, 2) and row.head == 2
    expected = a.rows([(1, 2)], heads=True)[0, 2, 0]
    np.testing.assert_array_equal(row.map.ravel(), expected.numpy())
    mean = view.query(x, y)
    np.testing.assert_allclose(mean.map.ravel(), a.row((1, 2))[0].numpy(), atol=1e-7)
    assert mean.head is None and not np.array_equal(mean.map, row.map)
    assert "head 2" in row.describe() and "head 2" in repr(row)
    assert row.numbers()["head"] == 2 and "head 2" in export.caption(row)
    column = view.column(x, y, head=0)
    np.testing.assert_allclose(column.map.ravel(), a.head(0).column((1, 2))[0].numpy())
    with pytest.raises(QueryError, match="no head 3"):
        view.query(x, y, head=3)


def test_what_was_cut_away_is_said(vit) -> None:
    _, view = vit
    for x, y in ((1, 45), (75, 2), (149, 45), (75, 89)):
        with pytest.raises(QueryError, match=r"never saw the point .* cut|given the middle"):
            view.query(x, y)
    with pytest.raises(QueryError, match="outside the picture"):
        view.query(150, 45)


def test_a_token_on_no_cell_is_asked_by_name(vit) -> None:
    _, view = vit
    row = view.token("class", block="blocks.0.attn", head=1)
    expected = view.affinity("blocks.0.attn").head(1).row("class")[0]
    np.testing.assert_array_equal(row.map.ravel(), expected.numpy())
    assert row.token == "class" and "class token" in row.describe() and "class token" in repr(row)
    assert row.numbers()["token"] == "class" and "class token" in export.caption(row)
    assert row.overlay().shape == view.image.shape
    with pytest.raises(QueryError, match="no query token 'register 1'"):
        view.token("register 1")


def test_a_rollout_goes_through_all_blocks_from_a_place_or_a_token(vit) -> None:
    view = vit[1]
    maps = [view.affinity(block) for block in view.blocks]
    row = view.rollout(60, 40, residual=0.2)
    cell = view.query(60, 40, block=view.blocks[-1]).query_cell
    np.testing.assert_allclose(row.map.ravel(), nv.rollout(maps, cell, residual=0.2)[0, 1:])
    assert (row.instantiation, row.query_cell) == ("rollout", cell)
    assert row.block == "rollout of blocks.0.attn to blocks.1.attn"
    of_class = view.rollout(token="class")
    np.testing.assert_allclose(of_class.map.ravel(), nv.rollout(maps, "class")[0, 1:])
    assert of_class.token == "class" and "class token" in of_class.describe()
    last = view.rollout(token="class", blocks=["blocks.1.attn"], residual=0)
    np.testing.assert_allclose(last.map, view.token("class", "blocks.1.attn").map, rtol=1e-5)
    with pytest.raises(QueryError, match="never saw"):
        view.rollout(2, 40)


def test_a_rollout_takes_the_blocks_on_the_grid_of_the_last(photo: np.ndarray) -> None:
    net = nv.load_model(
        "timm:swin_tiny_patch4_window7_224", "cpu", pretrained=False, img_size=56, window_size=7,
        depths=(1, 2), num_heads=(1, 2), embed_dim=8,
    )  # fmt: skip
    view = nv.Lens(net).open(photo)
    row = view.rollout(70, 40)
    assert row.block == "rollout of layers.1.blocks.0.attn to layers.1.blocks.1.attn"
    assert row.map.shape == (1, 7, 7)
    assert float(row.map.sum()) == pytest.approx(1, abs=1e-5)


def test_random_weights_are_said_and_the_network_is_left_alone(vit, photo: np.ndarray) -> None:
    source, view = vit
    assert any("weights are random" in said for said in view.about.assumptions)
    assert view.logits is not None and view.logits.shape == (1000,)
    own = source.model.train()
    before = {k: v.clone() for k, v in own.state_dict().items()}
    again = nv.Lens(source).open(photo)
    assert own.training and own.blocks[0].training
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    own.eval()
    np.testing.assert_array_equal(again.query(75, 45).map, view.query(75, 45).map)
    copied = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(copied.query(75, 45).map, view.query(75, 45).map)


def test_a_network_of_one_size_takes_no_short_side(vit) -> None:
    with pytest.raises(OptionError, match="64 x 64 pixels and no others"):
        nv.Lens(vit[0], short_side=80)
    source = nv.load_model("timm:vit_tiny_patch16_224", "cpu", dynamic_img_size=True, **TINY)
    view = nv.Lens(source, short_side=48).open(np.zeros((60, 120, 3), np.uint8))
    assert view.query_grid().cells == (1, 3, 6)
    assert view.query(0, 0).query_cell == (0, 0, 0)


class Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(8, 8, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2).mT for f in (self.q, self.k, self.v))
        return x + ((q @ k.mT).softmax(-1) @ v).mT.view_as(x)


class Strided(nn.Module):
    """An attention over pixels behind convolutions that are padded as a ResNet's are."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(3, 2, 1))
        self.attend = Pixels()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attend(self.stem(x))
        return y


def test_cells_of_convolutions_lie_at_the_centres_of_what_they_see() -> None:
    net = Strided().eval()
    probe = nv.attach(net, prepare=nv.Prepare(short_side=64))
    view = nv.Lens(probe).open(np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8))
    assert not any("ImageNet" in said for said in view.about.assumptions)
    grid = view.query_grid()
    # Cell i is centred at 4 i + .5, not at 4 i + 2.
    assert grid.cells == (1, 16, 24)
    assert [grid.x.edge(i) for i in (0, 1, 2, 24)] == [0, 2.5, 6.5, 96]
    assert view.query(2.4, 2.6).query_cell == (0, 1, 0)
    said = nv.Lens(nv.attach(net)).open(view.image).about.assumptions
    assert any("ImageNet are assumed" in sentence for sentence in said)


def test_the_arithmetic_of_padded_strided_and_dilated_convolutions() -> None:
    x = torch.zeros(1, 1, 32, 40)
    found = Lattices()
    aten = torch.ops.aten
    padded = nn.functional.pad(x, (2, 1, 3, 0))
    found.see(aten.constant_pad_nd.default, (x, [2, 1, 3, 0]), padded)
    weight = torch.zeros(1, 1, 3, 3)
    args = (padded, weight, None, [2, 2], [0, 0], [2, 2], False, [0, 0], 1)
    out = aten.convolution.default(*args)
    found.see(aten.convolution.default, args, out)
    # The first centre: .5 - pad + dilation * (kernel - 1) / 2, cells 2 pixels apart.
    assert found[tuple(out.shape[2:])] == Lattice((2, 2), (-0.5, -1.5))
    assert found[7, 7] is None
    pooled = nn.functional.avg_pool2d(out, 2)
    found.see(aten.avg_pool2d.default, (out, [2, 2]), pooled)
    assert found[tuple(pooled.shape[2:])] == Lattice((4, 4), (-0.5, -1.5))


def test_sizes_are_cut_as_torchvision_cuts_them() -> None:
    prepare = nv.Prepare(size=(224, 224), crop=0.875)
    for (width, height), resized in (
        ((640, 480), (341, 256)),
        ((480, 640), (256, 341)),
        ((10, 10), (256, 256)),
    ):
        fitted = prepare.fitted((width, height), 1, 1)
        assert fitted.resized == resized and fitted.read == (224, 224)
        assert fitted.crop[:2] == tuple(round((side - 224) / 2) for side in resized)
    assert nv.Prepare(size=(4, 6)).fitted((9, 9), 1, 1) == Fitted((6, 4))
    assert nv.Prepare(multiple=32).fitted((640, 480), 224, 1024) == Fitted((288, 224))
    for wrong in (
        {"crop": 0.5},
        {"size": (4, 4), "crop": 1.5},
        {"size": (0, 4)},
        {"resample": "best"},
        {"multiple": 0},
    ):
        with pytest.raises(OptionError):
            nv.Prepare(**wrong)


def test_torchvision_by_name(photo: np.ndarray) -> None:
    source = nv.load_model("torchvision:vit_b_16", "cpu", pretrained=False, image_size=32)
    assert source.prepare.size == (32, 32) and source.prepare.crop == 0.875
    view = nv.Lens(source).open(photo)
    assert len(view.blocks) == 12 and view.affinity().query_grid == (1, 2, 2)
    with pytest.raises(OptionError, match="near it are vit_b_16"):
        nv.load_model("torchvision:vit_b_17")


def test_windows_stay_as_they_were_recorded(photo: np.ndarray) -> None:
    source = nv.load_model(
        "timm:swin_tiny_patch4_window7_224", "cpu", pretrained=False,
        img_size=56, depths=(2,), embed_dim=16, num_heads=(2,),
    )  # fmt: skip
    a = nv.Lens(source).open(photo).affinity("layers.0.blocks.1.attn")
    assert isinstance(a, Recorded) and a.heads == 2 and a.query_grid == (1, 14, 14)


@pytest.fixture
def mine() -> types.ModuleType:
    module = types.ModuleType("somebodys_nets")
    module.Strided = Strided  # type: ignore[attr-defined]
    module.ready = Strided()  # type: ignore[attr-defined]
    module.number = lambda: 3  # type: ignore[attr-defined]
    sys.modules["somebodys_nets"] = module
    yield module
    del sys.modules["somebodys_nets"]


def test_a_network_of_ones_own_with_its_checkpoint(mine, tmp_path: Path) -> None:
    torch.manual_seed(3)
    trained = Strided()
    nn.init.normal_(trained.attend.q.weight)
    path = tmp_path / "best.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in trained.state_dict().items()}}, path)
    loaded = nv.load_model("somebodys_nets:Strided", "cpu", checkpoint=path)
    assert torch.equal(loaded.model.attend.q.weight, trained.attend.q.weight)
    assert nv.load_model("somebodys_nets:ready", "cpu").model is mine.ready
    torch.save({"attend.q.weight": torch.zeros(2), "other": torch.zeros(1)}, path)
    with pytest.raises(
        CheckpointError, match=r"lacks .*; it has besides other; it has other shapes"
    ):
        nv.load_model("somebodys_nets:Strided", "cpu", checkpoint=path)
    for name, why in (
        ("somebodys_nets:nothing", "cannot be imported"),
        ("nowhere_at_all:net", "cannot be imported"),
        ("somebodys_nets:number", "gives no module"),
    ):
        with pytest.raises(OptionError, match=why):
            nv.load_model(name)
    with pytest.raises(OptionError, match="cannot be called so"):
        nv.load_model("somebodys_nets:Strided", width=3)


def test_a_library_that_is_not_there_and_weights_that_cannot_be_had(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(OptionError, match=r"pip install 'nonlocal_viz\[transformers\]'"):
        nv.load_model("hf:vit")
    with pytest.raises(OptionError, match="near it are"):
        nv.load_model("timm:vit_tinny_patch16_224")

    def gone(weights: bool) -> nn.Module:
        if weights:
            raise OSError("no route")
        return nn.Identity()

    assert fetching.weights_or_not(gone, None, "x")[1] is False
    with pytest.raises(CheckpointError, match="pretrained=False builds it"):
        fetching.weights_or_not(gone, True, "x")


def test_what_cannot_be_shown_is_said(photo: np.ndarray) -> None:
    with pytest.raises(ProbeError, match="does not take a picture of 53 x 32 pixels"):
        nv.Lens(nv.attach(nn.Sequential(nn.Linear(5, 5))), short_side=32).open(photo)
    clip = np.random.default_rng(2).integers(0, 255, (3, 16, 16, 3), np.uint8)
    with pytest.raises(ProbeError, match="spacetime=False"):
        nv.Lens(nv.attach(Strided())).open(clip, frames=len(clip))
    frames = nv.Lens(nv.attach(Strided().eval()), short_side=16).open(clip, spacetime=False)
    assert len(frames.whole()) == 3 and len(frames.query(3, 3, frame=2).map) == 1


def test_maps_that_lie_on_no_picture_are_said_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = torch.randn(4, 12, 8)
    with torch.no_grad(), nv.attach(layer, grid=(3, 4)) as probe:
        layer(x, x, x)
    shown, said = shown_over.over_picture(probe.maps, 1, 4)
    assert list(shown) == ["(itself)"] and not said
    # Windows that a module was given as images.
    shown, said = shown_over.over_picture(probe.maps, 1, 1)
    assert not shown and "within its windows" in said[0]
    shown, said = shown_over.over_picture(probe.maps, 2, 4)
    assert not shown and "depth or time" in said[0]
    # Factors whose rows were not the recorded ones would not be taken for them.
    recorded = probe.maps[""]
    assert isinstance(shown_over.factored(recorded), Factored)
    monkeypatch.setattr(shown_over, "_NEAR", -1.0)
    assert shown_over.factored(recorded) is recorded


def test_sentences_about_many_paths_are_said_once() -> None:
    said = shown_over.grouped([("a.0", "Same."), ("a.1", "Same."), ("", "Other.")])
    assert said == ["a.0 and 1 more: Same.", "(itself): Other."]


def test_a_checkpoint_needs_no_weights_of_the_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_given: object, **_more: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", never)
    options = {k: v for k, v in TINY.items() if k != "pretrained"}
    path = tmp_path / "best.pth"
    net = timm.create_model("vit_tiny_patch16_224", **options)
    torch.save(net.state_dict(), path)
    loaded = nv.load_model("timm:vit_tiny_patch16_224", "cpu", checkpoint=path, **options)
    assert not any("random" in said for said in loaded.about.assumptions)
    assert torch.equal(loaded.model.cls_token, net.cls_token)
    other = net.state_dict() | {"head.bias": torch.zeros(3)}
    torch.save(other, path)
    with pytest.raises(CheckpointError, match=r"it has other shapes of head\.bias\."):
        nv.load_model("timm:vit_tiny_patch16_224", "cpu", checkpoint=path, **options)


def test_a_picture_is_looked_at_in_eval_mode(photo: np.ndarray) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.Dropout(0.5), Pixels())
    lens = nv.Lens(nv.attach(net), short_side=32)
    rows = [lens.open(photo).query(40, 40).map for _ in range(2)]
    np.testing.assert_array_equal(*rows)
    assert net.training and net[1].num_batches_tracked == 0


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # Its halos divide every stage's map by eight.
        ("timm:eca_halonext26ts", (256, 256)),
        ("timm:botnet26t_256", (256, 256)),
        ("torchvision:maxvit_t", (224, 224)),
        ("timm:pvt_v2_b0", None),
        ("torchvision:swin_t", None),
    ],
)
def test_a_network_is_given_sizes_that_it_reads(name: str, size: tuple[int, int] | None) -> None:
    assert nv.load_model(name, "cpu", pretrained=False).prepare.size == size


def test_a_network_that_cannot_run_without_numbers_is_believed() -> None:
    class Asks(nn.Module):
        def __init__(self, side: int) -> None:
            super().__init__()
            self.side, self.seen = side, nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] % self.side == 0
            return self.seen(x) if bool(x.sum() > 0) else x

    class Shapes(Asks):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-1] % self.side == 0
            return self.seen(x)

    assert prepared.reads_any_shape(Asks(64), (64, 64), 32)
    network = Shapes(64)
    assert not prepared.reads_any_shape(network, (64, 64), 32)
    assert prepared.reads_any_shape(network, (64, 64), 64)
    assert network.training and int(network.seen.num_batches_tracked) == 0


CLIPS = {
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "image_size": 32,
    "num_frames": 4,
}


@pytest.mark.parametrize(
    ("kind", "options", "frames"),
    [
        ("videomae", {"patch_size": 16}, 2),
        ("vivit", {"tubelet_size": [2, 16, 16]}, 2),
        ("timesformer", {"patch_size": 16}, 4),
    ],
)
def test_a_clip_is_shown_at_the_first_frame_of_each_cell(
    kind: str, options: dict[str, object], frames: int
) -> None:
    clip = np.random.default_rng(0).integers(0, 255, (4, 32, 48, 3), np.uint8)
    source = nv.load_model(f"hf:{kind}", "cpu", pretrained=False, **CLIPS, **options)
    view = nv.Lens(source).open(clip, frames=4)
    assert view.frames.shape[0] == len(view.times) == frames
    np.testing.assert_array_equal(view.frames, clip[:: 4 // frames])
    a = view.affinity()
    assert a.query_grid == a.key_grid == (frames, 2, 2)
    assert view.query(40, 3, frame=frames - 1).map.shape == (frames, 2, 2)
    said = "Its cells hold 2 frames each; the first of them stands for all."
    assert (said in view.about.assumptions) == (frames == 2)
    with pytest.raises(ProbeError, match="reads clips"):
        nv.Lens(source).open(clip[0])


def test_a_clip_that_a_network_does_not_take_names_its_frames() -> None:
    source = nv.load_model("hf:timesformer", "cpu", pretrained=False, **CLIPS, patch_size=16)
    clip = np.zeros((3, 32, 32, 3), np.uint8)
    with pytest.raises(ProbeError, match=r"a clip of 3 frames .* frames=N"):
        nv.Lens(source).open(clip, frames=3)


def test_the_depth_of_a_clip_is_that_of_most_maps_that_share_its_frames() -> None:
    def at(depth: int) -> types.SimpleNamespace:
        some = types.SimpleNamespace(cells=depth)
        return types.SimpleNamespace(query_grid=(depth, 2, 2), queries=some, keys=some)

    assert shown_over.depth_of([], 8) == 8
    assert shown_over.depth_of([at(4), at(2), at(4)], 8) == 4
    assert shown_over.depth_of([at(3), at(3), at(4)], 8) == 4
    assert shown_over.depth_of([at(4), at(4), at(8)], 8) == 8
    assert shown_over.depth_of([at(0), at(3)], 8) == 8
