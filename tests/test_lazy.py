"""A lazy view: the same numbers, each computed when it is first asked for and not before."""

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
from torch import nn

from nonlocal_viz.core import gradual
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import Found, Step, Told
from nonlocal_viz.encoding import Encoding
from nonlocal_viz.errors import BlockError
from nonlocal_viz.lens import Lens
from nonlocal_viz.turns import Turns
from nonlocal_viz.zoo import load_model

FORMS = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")


def network(instantiation: str = "embedded_gaussian", **block: object) -> NonLocalResNet:
    torch.manual_seed(3)
    model = NonLocalResNet(
        18, ("layer2.1", "layer3.1"), 5, block={"instantiation": instantiation, **block}
    ).eval()
    for name in model.block_names:
        # As it starts, a block adds nothing to what comes after it.
        w = model.block(name).W
        nn.init.constant_(w[1].weight if isinstance(w, nn.Sequential) else w.weight, 0.5)
    return model


def clip(frames: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (frames, 48, 64, 3), dtype=np.uint8)


def layers_run(model: NonLocalResNet) -> tuple[list[str], list[object]]:
    """Names of the residual stages that ran, as they run."""
    ran: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, layer in model.places()
    ]
    return ran, hooks


@pytest.mark.parametrize("spacetime", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_the_numbers_are_those_of_the_whole_pass(
    form: str, spacetime: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parts of a few rows, frames two by two: as many seams as there can be.
    monkeypatch.setattr(gradual, "FRAMES", 2)
    monkeypatch.setattr("nonlocal_viz.core.aggregate.PART_SCORES", 1000)
    lens = Lens(network(form, sub_sample=True), 32)
    for source in (clip(), clip(1)[0]):
        frames = {"frames": len(source)} if source.ndim == 4 else {}
        whole = lens.open(source, spacetime=spacetime, **frames)
        lazy = lens.open(source, spacetime=spacetime, lazy=True, **frames)
        assert lazy.blocks == whole.blocks and lazy.spacetime == whole.spacetime
        for name in whole.blocks:
            found, expected = lazy.whole(name), whole.whole(name)
            assert found.shape == expected.shape and found.query_grid == expected.query_grid
            torch.testing.assert_close(found.dense(), expected.dense(), rtol=1e-4, atol=1e-6)
            assert lazy.query_grid(name) == whole.query_grid(name)
        torch.testing.assert_close(lazy.logits, whole.logits, rtol=1e-4, atol=1e-5)


def test_nothing_behind_a_block_runs_before_it_is_asked_for() -> None:
    model = network()
    ran, _ = layers_run(model)
    attended = []
    model.nl["layer2_1"].g.register_forward_hook(lambda *_: attended.append("g"))
    view = Lens(model, 32).open(clip(1)[0], lazy=True)
    assert ran == [] and "layer3.1: not asked for yet" in repr(view)
    view.query(5, 5, block="layer2.1")
    assert ran == ["layer1.0", "layer1.1", "layer2.0", "layer2.1"] and attended == []
    before = view.nbytes
    view.query(9, 5, block="layer2.1")
    view.column(5, 9, block="layer3.1")
    assert ran[4:] == ["layer3.0", "layer3.1"] and attended == ["g"]
    assert view.nbytes > before
    assert view.top_classes() and ran[6:] == ["layer4.0", "layer4.1"]
    assert view.top_classes() and len(ran) == 8


@pytest.mark.parametrize(("form", "parts"), [("embedded_gaussian", 4), ("dot_product", 1)])
def test_what_costs_n_times_m_is_gathered_in_parts(
    form: str, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 4 x 6 cells look at 4 x 6: 6 queries a part.
    monkeypatch.setattr("nonlocal_viz.core.aggregate.PART_SCORES", 24 * 6)
    view = Lens(network(form), 32).open(np.zeros((32, 48, 3), np.uint8), lazy=True)
    assert view.affinity("layer2.1").shape == (1, 24, 24)
    expected = [(6 * i, 24) for i in range(1, parts)]
    assert [(s.done, s.total) for s in view.steps("layer3.1")] == expected


def test_steps_say_how_far_it_is_and_can_be_left_and_taken_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gradual, "FRAMES", 2)
    model = network()
    ran, _ = layers_run(model)
    view = Lens(model, 32).open(clip(), frames=5, lazy=True)
    first = next(view.steps("layer2.1"))
    assert first == Step("Reading the picture: frame 2 of 5", 2, 5) and len(ran) == 4
    assert [(s.done, s.total) for s in view.steps("layer2.1")] == [(4, 5), (5, 5)]
    assert list(view.steps("layer2.1")) == [] and len(ran) == 12
    words = [s.words for s in view.steps("layer3.1")]
    assert words[-1] == "Reading the picture behind layer2.1: frame 5 of 5"
    with pytest.raises(BlockError, match=r"layer9\.9"):
        view.steps("layer9.9")


def test_between_two_steps_the_network_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradual, "FRAMES", 2)
    model = network().train()
    steps = Lens(model, 32).open(clip(), frames=5, lazy=True).steps("layer3.1")
    modes = []
    model.layer1[0].register_forward_hook(lambda m, *_: modes.append(m.training))
    for _ in steps:
        assert model.training and model.layer1[0].training and not torch.is_inference_mode_enabled()
        assert (torch.ones(1, requires_grad=True) * 2).requires_grad
    assert modes == [False, False, False]


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_block_that_somebody_listens_at_is_called_as_the_module_it_is(register: str) -> None:
    model = network()
    heard: list[object] = []
    getattr(model.block("layer2.1"), register)(lambda *_: heard.append(1))
    view = Lens(model, 32).open(clip(1)[0], lazy=True)
    view.query(5, 5, block="layer3.1")
    assert heard == [1]


def test_a_block_of_somebodys_own_is_asked_itself() -> None:
    class Doubled(type(network().block("layer2.1"))):  # type: ignore[misc]
        def attend(self, x: torch.Tensor, frames: int = 1) -> object:
            z, affinity = super().attend(x, frames)
            return 2 * z, affinity

    model = network()
    model.block("layer2.1").__class__ = Doubled
    lens = Lens(model, 32)
    whole, lazy = (lens.open(clip(1)[0], lazy=lazy) for lazy in (False, True))
    torch.testing.assert_close(lazy.logits, whole.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "stride", "size"),
    [(18, 32, (48, 64)), (18, 32, (33, 97)), (18, 32, (70, 71)), (50, 8, (33, 41))],
)
def test_how_fine_a_block_is_is_known_before_it_has_run(
    depth: int, stride: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    blocks = ("layer1.0", "layer2.1", "layer3.0", "layer4.1")
    model = NonLocalResNet(depth, blocks, 5, output_stride=stride).eval()
    ran, _ = layers_run(model)
    view = Lens(model, 33).open(np.zeros((*size, 3), np.uint8), lazy=True)
    before = [view.fineness(name) for name in blocks]
    assert ran == []
    assert before == [view.query_grid(name).cells[1:] for name in blocks]
    assert before == [view.fineness(name) for name in blocks]
    with pytest.raises(BlockError):
        view.fineness("layer9.9")


def test_one_frame_by_itself_looks_at_all_frames_that_there_are() -> None:
    view = Lens(network(), 32).open(clip(1), frames=1, spacetime=False, lazy=True)
    assert view.spacetime and view.query(3, 3).map.shape == (1, 4, 6)


def test_a_pickled_view_is_complete_and_needs_no_network() -> None:
    model = network()
    ran, _ = layers_run(model)
    view = Lens(model, 32).open(clip(1)[0], lazy=True)
    copy = pickle.loads(pickle.dumps(view))
    assert len(ran) == 8
    for name in view.blocks:
        assert torch.equal(copy.affinity(name).row(3), view.affinity(name).row(3))
    assert torch.equal(copy.logits, view.logits) and list(copy.steps("layer3.1")) == []


def test_a_failure_is_told_to_whoever_asks_again() -> None:
    def failing() -> Iterator[Step | Found | Told]:
        yield Step("once", 1, 2)
        raise BlockError("It broke.")

    encoding = Encoding(failing(), ("a",), 1)
    for _ in range(2):
        with pytest.raises(BlockError, match="It broke"):
            encoding.affinity("a")
    assert not encoding.complete
    silent = Encoding(iter([Told(None)]), ("a", "b"), 1)
    with pytest.raises(BlockError, match="announced the blocks a, b and gave only none"):
        silent.affinity("b")
    assert silent.logits is None


def test_two_threads_take_each_step_once() -> None:
    taken: list[int] = []

    def steps() -> Iterator[Step | Found | Told]:
        for i in range(40):
            taken.append(i)
            time.sleep(0.001)
            yield Step("", i, 40)
        yield Found("a", "map")  # type: ignore[arg-type]
        taken.append(-1)

    encoding = Encoding(steps(), ("a",), 1)
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(encoding.affinity("a"))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["map", "map"] and taken == list(range(40))


def test_the_cheapest_goes_first_and_of_equals_the_first() -> None:
    turns, order = Turns(), []
    started: list[threading.Thread] = []

    def ask(name: str, price: int) -> None:
        with turns.turn(price):
            order.append(name)

    with turns.turn(1):
        for name, price in (("clip", 32), ("short clip", 8), ("photo", 1), ("other", 1)):
            started.append(threading.Thread(target=ask, args=(name, price)))
            started[-1].start()
            while len(turns._waiting) < len(started):
                time.sleep(0.001)
        assert order == []
    for thread in started:
        thread.join()
    assert order == ["photo", "other", "short clip", "clip"]


def test_a_turn_is_given_back_after_a_failure() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn(1):
        raise ZeroDivisionError
    with turns.turn(2):
        pass


def test_a_clip_costs_as_many_turns_as_it_has_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    prices: list[int] = []

    class Counted(Turns):
        def turn(self, price: int) -> AbstractContextManager[None]:
            prices.append(price)
            return super().turn(price)

    monkeypatch.setattr("nonlocal_viz.encoding._TURNS", Counted())
    lens = Lens(network(), 32)
    for lazy in (True, False):
        lens.open(clip(), frames=5, lazy=lazy).affinity("layer2.1")
        lens.open(clip(1)[0], lazy=lazy).affinity("layer2.1")
        assert set(prices[:-1]) == {5} and prices[-1] == 1
        prices.clear()


def test_a_photo_goes_between_the_steps_of_a_clip() -> None:
    lens = Lens(network(), 32)
    view = lens.open(clip(), frames=5, lazy=True)
    steps = view.steps("layer3.1")
    next(steps)
    # The clip stands still in the middle; nothing of it is held.
    assert lens.open(clip(1)[0]).query(3, 3).map.size
    assert list(steps)


def test_a_loaded_model_lies_in_memory_as_convolutions_are_quickest() -> None:
    weight = load_model("default", "cpu").layer3[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
