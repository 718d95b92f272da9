"""A run that is killed and started again is the run that was never killed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.training import fit as fit_module
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.resume import save_atomically
from nonlocal_viz.training.schedule import Stopwatch, cosine, schedule

#: 12 steps of the ticking clock's seconds, 8 of the trunk in two phases and 4 of the head.
CONFIG = Config(
    minutes=0.2,
    batch=3,
    warm_up=2,
    phases=(Phase(1 / 3, 32), Phase(1 / 3, 64, features=0.5), Phase(1 / 3, 64, head=True)),
)


class KilledError(Exception):
    """Stands for a power cut."""


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "LOG_EVERY", 1)
    monkeypatch.setattr(fit_module, "SAVE_EVERY", 2.0)


def kill(monkeypatch: pytest.MonkeyPatch, clock, second: float) -> None:
    """Break the run off in the middle of the step of that second."""
    average = fit_module.Average.update

    def update(self, student) -> None:
        if clock.now >= second:
            raise KilledError
        average(self, student)

    monkeypatch.setattr(fit_module.Average, "update", update)


# Killed within the first phase, at the edge of the second, and within the head phase; the checkpoints
# are of seconds 2, 4 and 10.
@pytest.mark.parametrize("second", [4, 5, 12])
def test_going_on_is_as_never_stopping(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking, second: int
) -> None:
    whole = fit(cache, CONFIG, tmp_path / "whole.jsonl", device="cpu", clock=ticking)
    wanted = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    assert [line["step"] for line in wanted] == list(range(1, 13))

    log, checkpoint = tmp_path / "log.jsonl", tmp_path / "run.pt"
    ticking.now = 0
    with monkeypatch.context() as patch:
        kill(patch, ticking, second)
        with pytest.raises(KilledError):
            fit(cache, CONFIG, log, device="cpu", checkpoint=checkpoint, clock=ticking)
    with log.open("a") as file:
        file.write('{"step": ')  # as a kill within a write leaves it
    ticking.now = 1e6  # the night between
    torch.manual_seed(99)
    model = fit(cache, CONFIG, log, device="cpu", checkpoint=checkpoint, clock=ticking)
    assert ticking.now - 1e6 < 12, "it began anew instead of going on"

    assert [json.loads(line) for line in log.read_text().splitlines()] == wanted
    for key, value in whole.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


def test_a_finished_run_is_exported_and_not_trained_again(
    cache: Cache, tmp_path: Path, ticking
) -> None:
    checkpoint = tmp_path / "run.pt"
    first = fit(cache, CONFIG, device="cpu", checkpoint=checkpoint, clock=ticking)
    spent = ticking.now
    again = fit(cache, CONFIG, device="cpu", checkpoint=checkpoint, clock=ticking)
    assert ticking.now == spent
    for key, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_a_checkpoint_of_another_run_is_refused(cache: Cache, tmp_path: Path, ticking) -> None:
    checkpoint = tmp_path / "run.pt"
    short = replace(CONFIG, minutes=0.02)
    fit(cache, short, device="cpu", checkpoint=checkpoint, clock=ticking)
    written = checkpoint.read_bytes()
    with pytest.raises(CheckpointError, match=r"another run \(rate differ\)"):
        fit(cache, replace(short, rate=1e-3), device="cpu", checkpoint=checkpoint, clock=ticking)
    other = replace(cache, made_from="others")
    with pytest.raises(CheckpointError, match=r"another run \(images differ\)"):
        fit(other, short, device="cpu", checkpoint=checkpoint, clock=ticking)
    assert checkpoint.read_bytes() == written


@pytest.mark.parametrize("content", [b"", b"nothing", "model"])
def test_a_broken_or_foreign_checkpoint_is_refused(
    cache: Cache, tmp_path: Path, ticking, content: bytes | str
) -> None:
    checkpoint = tmp_path / "run.pt"
    if isinstance(content, bytes):
        checkpoint.write_bytes(content)
    else:
        torch.save({"weight": torch.zeros(3)}, checkpoint)
    with pytest.raises(CheckpointError, match="no checkpoint of a training run"):
        fit(cache, CONFIG, device="cpu", checkpoint=checkpoint, clock=ticking)


def test_a_checkpoint_that_would_run_code_is_refused(cache: Cache, tmp_path: Path, ticking) -> None:
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save({"run": Hostile()}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError):
        fit(cache, CONFIG, device="cpu", checkpoint=tmp_path / "run.pt", clock=ticking)
    assert not ran.exists()


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    class Unwritable:
        def __reduce__(self):
            raise KilledError

    save_atomically({"step": 1}, tmp_path / "run.pt")
    with pytest.raises(KilledError):
        save_atomically({"step": 2, "then": Unwritable()}, tmp_path / "run.pt")
    assert torch.load(tmp_path / "run.pt", weights_only=True) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_the_schedule() -> None:
    first, second, head = schedule(CONFIG)
    assert (first.begins, second.begins, head.begins, head.ends) == pytest.approx((0, 4, 8, 12))
    # One cosine over both trunk phases, another over the head.
    assert [second.progress(4), second.progress(8)] == pytest.approx([0.5, 1])
    assert [head.progress(8), head.progress(12)] == pytest.approx([0, 1])
    assert [cosine(0), cosine(0.5), cosine(1), cosine(2)] == pytest.approx([1, 0.5, 0, 0])


def test_a_head_phase_between_trunk_phases_does_not_move_their_cosine() -> None:
    phases = (Phase(0.4, 32), Phase(0.2, 32, head=True), Phase(0.4, 32))
    last = schedule(Config(minutes=1, phases=phases))[2]
    assert [last.progress(36), last.progress(60)] == pytest.approx([0.5, 1])


def test_the_stopwatch_counts_trained_seconds() -> None:
    now = 500.0
    watch = Stopwatch(lambda: now, before=30)
    now = 512.0
    assert watch() == 42
