"""Windows in the place of images, heads given apart, slots that pass for heads, hooks of its own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nonlocal_viz as nv
from nonlocal_viz.probe.inner import outputs
from nonlocal_viz.probe.patches import cubes, square_patches
from nonlocal_viz.probe.records import Call, Given


class Attend(nn.Module):
    """Given queries, keys and values of all heads, (B, H, N, D)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.used = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        y: Tensor = self.used @ v
        return y


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.attend, self.heads = Attend(), 2

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3)
        y: Tensor = self.out(self.attend(q, k, v).transpose(-2, -3).flatten(-2))
        return y


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Heads()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Folded(nn.Module):
    """Convolves, folds pixels of 2 x 2 patches into the batch (as MobileViT does), attends twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.into = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU(), nn.Conv2d(8, 8, 3, 1, 1))
        self.one, self.two = Residual(), Residual()

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        b, c, h, w = x.shape
        x = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 2, 4, 1).reshape(b * 4, -1, c)
        y: Tensor = self.two(self.one(x))
        return y


class Net(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 3, 3, 1, 1), inner

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(self.stem(x))
        return y


def seen(net: nn.Module, x: Tensor) -> nv.attach:
    with torch.no_grad(), nv.attach(net.eval()) as probe:
        net(x)
    return probe


def test_pixels_folded_into_the_batch_are_put_back() -> None:
    net = Net(Folded())
    probe = seen(net, torch.randn(1, 3, 16, 24))
    place = torch.arange(8 * 12).view(4, 2, 6, 2).permute(1, 3, 0, 2).reshape(4, 24)
    for name in ("one", "two"):
        a = probe.maps[f"inner.{name}.inner.attend"]
        assert (a.query_grid, a.key_grid, a.heads) == ((1, 8, 12), (1, 8, 12), 2)
        used = getattr(net.inner, name).inner.attend.used
        wanted = torch.zeros(2, 96, 96)
        for which, cells in enumerate(place):
            wanted[:, cells[:, None], cells] = used[which]
        torch.testing.assert_close(a.dense(heads=True)[0], wanted)


def test_tokens_that_do_not_stay_in_their_places_are_not_taken_for_those_before() -> None:
    class Turned(Folded):
        def forward(self, x: Tensor) -> Tensor:
            x = self.into(x)
            b, c, h, w = x.shape
            x = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 2, 4, 1).reshape(b * 4, -1, c)
            y: Tensor = self.two(self.one(x).flip(1))
            return y

    net = Net(Turned())
    probe = seen(net, torch.randn(1, 3, 16, 24))
    assert probe.maps["inner.one.inner.attend"].query_grid == (1, 8, 12)
    a = probe.maps.get("inner.two.inner.attend")
    assert a is None or a.query_grid != (1, 8, 12)


def test_heads_that_a_module_is_given_are_no_positions() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), Turn(), Residual())
    a = seen(net, torch.randn(1, 3, 24, 32)).maps["3.inner.attend"]
    assert (a.query_grid, a.heads) == ((1, 6, 8), 2)
    torch.testing.assert_close(a.dense(heads=True), net[3].inner.attend.used)


class Turn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mT


class Blurred(nn.Module):
    """Mixes what its patches hold before it attends within them: 4 pixels of one patch are no heads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.attend, self.heads = nn.Linear(4, 4), Heads(), 2

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).flatten(4)
        x = self.mix(x).permute(0, 4, 1, 2, 3).flatten(2, 3).flatten(0, 1)
        y: Tensor = self.attend(x)
        return y


def test_pixels_of_a_patch_do_not_pass_for_heads() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), Blurred())
    probe = seen(net, torch.randn(1, 3, 8, 12))
    for a in probe.maps.values():
        assert a.heads == 2, probe


def test_what_a_network_hangs_on_itself_it_keeps() -> None:
    class Recording(Residual):
        """Gives out what a hook of its own sees, as transformers does."""

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            if not hasattr(self, "hung"):
                self.hung = True
                self.inner.register_forward_hook(_keeps)
            y = x + self.inner(x)
            return (y, *KEPT)

    KEPT.clear()
    torch.manual_seed(0)
    net = Recording().eval()
    with torch.no_grad(), nv.attach(net, grid=(3, 4)) as probe:
        net(torch.randn(1, 12, 8))
    KEPT.clear()
    assert set(probe.maps) == {"inner.attend"}, probe


KEPT: list[Tensor] = []


def _keeps(_module: nn.Module, _given: object, output: Tensor) -> None:
    KEPT.append(output)


def test_overlapping_patches_and_clips_have_grids() -> None:
    assert (15, 20) in square_patches(300, (64, 85))
    assert (2, 1) not in square_patches(4, (64, 64))
    assert (2, 6, 8) in cubes(97, (4, 48, 64))


def test_outputs_are_asked_from_the_last_and_of_modules_that_run_once() -> None:
    calls = [Call(path, nn.Identity(), (), {}) for path in ("", "a", "a.b")]
    made = [Call(path, nn.Identity(), (), {}) for path in ("c", "a.d", "a.b.e", "a.b.e", "a.b.f")]
    within = (tuple(calls[:1]), tuple(calls[:2]), *[tuple(calls)] * 3)
    shapes = ((1, 2, 4, 4), (1, 2, 8, 8), (1, 2, 5, 5), (1, 2, 5, 5), (1, 2, 6, 1))
    given = [Given(c, w, s, 0) for c, w, s in zip(made, within, shapes, strict=True)]
    found = [(call.path, path, shape) for _, call, path, shape in outputs(given, calls, 1)]
    assert found == [("a", "d", (1, 2, 8, 8)), ("", "c", (1, 2, 4, 4))]
    assert not list(outputs(given, calls, 2))


def test_images_in_a_list_are_pictures() -> None:
    class Packed(Residual):
        def forward(self, pictures: list[Tensor]) -> Tensor:
            tokens = [F.unfold(p[None], 4, stride=4)[0, :8].mT for p in pictures]
            y: Tensor = super().forward(torch.cat(tokens)[None])
            return y

    torch.manual_seed(0)
    net = nn.ModuleDict({"net": Packed()})["net"].eval()
    probe = nv.attach(net)
    with torch.no_grad(), probe:
        net([torch.randn(3, 24, 16), torch.randn(3, 8, 16)])
    assert not any(a.query_grid[1] > 1 for a in probe.maps.values())
