"""What something long says of itself, and what ^C leaves behind."""

import io
import json
import signal
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

from nonlocal_viz.cli import main
from nonlocal_viz.errors import OptionError, WritingError
from nonlocal_viz.training import fit as fit_module
from nonlocal_viz.training import progress
from nonlocal_viz.training import train as train_module
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.config import Config, Phase
from nonlocal_viz.training.fit import fit
from nonlocal_viz.training.request import Request

CONFIG = Config(minutes=0.2, batch=3, warm_up=2, phases=(Phase(0.5, 32), Phase(0.5, 64, head=True)))


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """^C comes in the middle of this step."""
    average = fit_module.Average.update

    def update(self, student) -> None:
        average(self, student)
        if self.steps == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fit_module.Average, "update", update)


def test_control_c_saves_the_step_and_the_run_goes_on(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking
) -> None:
    monkeypatch.setattr(fit_module, "LOG_EVERY", 1)
    whole = fit(cache, CONFIG, device="cpu", clock=ticking).state_dict()
    log, checkpoint = tmp_path / "log.jsonl", tmp_path / "run.pt"
    before = signal.getsignal(signal.SIGINT)
    ticking.now = 0
    with monkeypatch.context() as patched:
        interrupted(patched, 5)
        with pytest.raises(KeyboardInterrupt):
            fit(cache, CONFIG, log, device="cpu", clock=ticking, checkpoint=checkpoint)
    assert signal.getsignal(signal.SIGINT) is before
    assert checkpoint.exists() and len(log.read_text().splitlines()) == 5
    ticking.now = 0
    again = fit(cache, CONFIG, log, device="cpu", clock=ticking, checkpoint=checkpoint).state_dict()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 5 and all(line["left"] >= 0 for line in lines)
    assert [line["left"] for line in lines] == sorted((x["left"] for x in lines), reverse=True)
    assert whole.keys() == again.keys()


def test_a_second_control_c_is_one_as_ever() -> None:
    with progress.interruptible() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    # Elsewhere than in the main thread no signal is heard, and nothing fails.
    found: list[bool] = []

    def elsewhere() -> None:
        with progress.interruptible() as heard:
            found.append(heard.is_set())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [False]


def test_the_command_says_how_to_go_on(tmp_path: Path, monkeypatch, capsys) -> None:
    out = tmp_path / "runs"

    def stopped(*_: object) -> None:
        (out / "mine.checkpoint.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "_cache", lambda *_: None)
    monkeypatch.setattr(train_module, "_fitted", stopped)
    assert main(["train", str(tmp_path), "--name", "mine", "--out", str(out)]) == 130
    said = capsys.readouterr().err
    assert "mine.checkpoint.pt: give the same command again to go on" in said


def test_weights_that_nobody_trained_are_not_saved(cache: Cache, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.pt"
    late = count(0.0, 5.0).__next__
    config = Config(minutes=1e-9, batch=3)
    with pytest.raises(OptionError, match="Not one step fits into 1e-09 minutes"):
        fit(cache, config, device="cpu", clock=late, checkpoint=checkpoint)
    assert not checkpoint.exists()
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="--minutes is a number above 0"):
            Request(images=[tmp_path], minutes=minutes).check()


def test_places_for_results_are_tried_first(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(train_module, "_cache", lambda *_: pytest.fail("the cache is made"))
    (tmp_path / "file").touch()
    for places in ({"out": tmp_path / "file"}, {"out": tmp_path, "cache": tmp_path / "file" / "a"}):
        with pytest.raises(WritingError, match="cannot be made"):
            train_module.train(Request(images=[tmp_path], **places))
    (tmp_path / "student.config.json").mkdir()
    with pytest.raises(WritingError, match="is a folder"):
        train_module.train(Request(images=[tmp_path], out=tmp_path))


def test_a_log_file_gets_lines_with_what_is_left(monkeypatch, capsys) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.counted(40, "320 px", "photos") as more:
        for _ in range(40):
            clock[0] += 6
            more(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "320 px: 1 of 40 photos, about 3.9 min left"
    assert lines[1] == "320 px: 11 of 40 photos, about 2.9 min left"
    assert lines[-1] == "320 px: 40 of 40 photos, about 0.0 min left" and len(lines) == 5
    with progress.Bar(90, 0, shown=True) as bar:
        bar.show("144 px", 12.5, {"rows": 0.25})
        bar.show("144 px", 12.6, {"rows": 0.25})
    assert capsys.readouterr().err == "144 px: 12.5 of 90 min, 77.5 min left, rows=0.250\n"
    with progress.Bar(90, 0, shown=False) as bar:
        bar.show("144 px", 12.5, {"rows": 0.25})
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_with_what_is_left(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.Bar(90, 0, shown=True) as bar:
        bar.show("144 px", 12.5, {"rows": 0.25})
    with progress.counted(3, "320 px", "photos") as more:
        more(3)
    said = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "12.5/90.0 min" in said and "77.5 min left" in said and "3/3" in said
