"""The load test of benchmarks/load.py, on a small server: a wrong answer would be seen."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

import nonlocal_viz as nv
from benchmarks.load import Person, crowd, pictures, summary, wrong
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.web.gradio_private import QueueState
from tests.web.test_door import awaited, running


def test_everybody_is_told_about_their_own_picture(tiny_model: Any) -> None:
    people = [Person(png) for png in pictures(8, side=96)]
    lens = nv.Lens(tiny_model, 32)
    with running(tiny_model, short_side=32) as (url, _):
        awaited(crowd(url, people, questions=3, pause=0.01))
    assert [len(person.seconds) for person in people] == [3] * 8
    # And the one before, for which the picture was encoded.
    assert [len(person.told) for person in people] == [4] * 8
    assert [(person.busy, person.failed) for person in people] == [(0, [])] * 8
    assert summary(people).low <= summary(people).median <= summary(people).high < 30
    assert wrong(people, lens) == 0
    people[2].told, people[5].told = people[5].told, people[2].told
    assert wrong(people, lens) == 8


def test_too_many_are_told_so_and_nobody_anything_wrong(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [Person(png) for png in pictures(12, side=96)]
    limits = replace(LIMITS, queue_size=2)
    with running(tiny_model, short_side=32, limits=limits) as (url, _):
        awaited(crowd(url, people[:1], questions=1, pause=0))
        # As if two waited all the time.
        waiting = QueueState.waiting
        monkeypatch.setattr(QueueState, "waiting", lambda *given: waiting(*given) + 1)
        awaited(crowd(url, people, questions=2, pause=0, encoded=False))
        assert httpx.get(f"{url}/health").json()["waiting"] == 0
    busy, answered = (sum(n) for n in zip(*((p.busy, len(p.seconds)) for p in people), strict=True))
    assert busy + answered == 25 and busy >= 6 and answered >= 2
    assert all(person.failed == [] for person in people)
    assert wrong(people, nv.Lens(tiny_model, 32, limits)) == 0
