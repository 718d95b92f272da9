"""Every number of every page of the lesson, in both languages, against the core: from what a page starts
from, and from a photo of one's own. The literal numbers are those that the texts are about: weights that
no longer show them must not ship."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nonlocal_viz as nv
from tests.web import lesson_numbers as numbers
from tests.web.lesson_visit import PAGES, Learner, Shown, at_the_lesson, rounded

pytestmark = pytest.mark.browser

OWN = nv.examples()["rocket"]
#: Of the page's maximum: float16 travels.
CLOSE = 2e-2


@pytest.fixture(scope="module")
def learner(address: str, chromium: Any) -> Iterator[Learner]:
    with at_the_lesson(address, chromium) as one:
        yield one


@pytest.fixture(scope="module")
def shipped(learner: Learner) -> dict[str, Shown]:
    return learner.all_pages()


@pytest.fixture(scope="module")
def doors(shipped: dict[str, Shown], learner: Learner) -> dict[str, Shown]:
    """The cards of the page about what a map does not say."""
    learner.page.locator('[data-page="10"]').click()
    learner.ready(10)
    found = {}
    for name in ("alike", "sink", "dead"):
        learner.page.locator(f'[data-door="{name}"]').click()
        learner.ready(10)
        found[name] = learner.look()
    return found


@pytest.fixture(scope="module")
def own(doors: dict[str, Shown], learner: Learner) -> dict[str, Shown]:
    """All pages with a photo that somebody brought."""
    learner.page.locator('[data-page="1"]').click()
    learner.ready(1)
    with learner.page.expect_file_chooser() as chosen:
        learner.page.locator('[data-act="own"]').click()
    chosen.value.set_files(str(OWN))
    learner.visit.wait("tool.lesson.own && tool.lesson.ready")
    return learner.all_pages()


@pytest.fixture(scope="module")
def lens() -> Any:
    return numbers.lenses()


def seen(lens: Any, state: dict[str, Any], source: Path, model: str = "default") -> Any:
    at, view = state["state"], lens(model).open(source)
    return numbers.Seen(view, at["block"], at["x"], at["y"], at["t"], lens, source)


STARTS = {
    "guess": ("cat", "layer3.1", 318, 128),
    "cells": ("astronaut", "layer2.1", 160, 400),
    "score": ("cat", "layer3.1", 318, 128),
    "row": ("coffee", "layer2.1", 140, 270),
    "output": ("bunny", "layer2.1", 376, 250),
    "channels": ("astronaut", "layer2.1", 160, 400),
    "same": ("astronaut", "layer2.1", 160, 400),
    "cousins": ("bunny", "layer2.1", 376, 250),
    "time": ("clip", "layer3.1", 300, 200),
    "limits": ("astronaut", "layer2.1", 416, 83),
    "code": ("astronaut", "layer2.1", 160, 400),
}
MODELS = {"limits": "labels_only"}
CARDS = {
    "alike": ("bunny", "concatenation"),
    "sink": ("rocket", "labels_only"),
    "dead": ("bunny", "default"),
}
#: Differences that are rounding, and have no other truth than to be small beside their greatest.
TINY = {"shuffleApart": 1e-6, "mapDiff": 1e-6, "zDiff": 1e-4, "channelApart": 1e-3}


def expected(name: str, of: Any, shown: Shown) -> dict[str, float]:
    if name == "score":
        said = shown.numbers["en"]
        strong = of.key(167, 112) if not shown.state["own"] else int(of.row.argmax())
        weak = of.key(420, 150)
        if shown.state["own"]:
            weak = int(np.abs(of.scores - said["s2"]).argmin())
            ring = 0.25 * np.hypot(*of.view.size)
            assert np.linalg.norm(of.centre(weak) - of.centre(of.q)) == pytest.approx(
                ring, rel=0.15
            )
        return numbers.score(of, strong, weak)
    work = numbers.carry if name == "limits" else getattr(numbers, name)
    return work(of)


def agree(found: dict[str, Any], wanted: dict[str, float], *, least: int) -> None:
    common = found.keys() & wanted.keys()
    assert len(common) >= least, sorted(found)
    for key in sorted(common):
        off = CLOSE * max(abs(wanted[key]), 1e-9)
        if key in ("nowFar", "distance"):
            off = 1
        assert found[key] == pytest.approx(wanted[key], abs=off), key


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_core_computes(
    shipped: dict[str, Shown], lens: Any, name: str
) -> None:
    shown = shipped[name]
    source, block, x, y = STARTS[name]
    state = shown.state["state"]
    assert (state["block"], round(state["x"]), round(state["y"])) == (block, x, y)
    assert not shown.state["neutral"] and not shown.state["own"]
    of = seen(lens, shown.state, nv.examples()[source], MODELS.get(name, "default"))
    wanted = expected(name, of, shown)
    for said in shown.numbers.values():
        assert wanted.keys() - said.keys() <= {
            "sum_gaussian",
            "sum_embedded_gaussian",
            "sum_dot_product",
            "sum_concatenation",
            "askTruth",
        }, "the page lacks numbers"
        agree(said, wanted, least=len(wanted) - 4)
        small = said.keys() & TINY.keys()
        assert all(0 <= said[key] < TINY[key] for key in small)


@pytest.mark.parametrize("name", [page for page in PAGES if page not in ("time", "code")])
def test_a_page_says_what_the_core_computes_of_ones_own_photo(
    own: dict[str, Shown], lens: Any, name: str
) -> None:
    shown = own[name]
    assert shown.state["own"] and shown.state["neutral"]
    of = seen(lens, shown.state, OWN, MODELS.get(name, "default"))
    for said in shown.numbers.values():
        agree(said, expected(name, of, shown), least=2)


@pytest.mark.parametrize("name", ["alike", "sink", "dead"])
def test_a_card_says_what_the_core_computes(doors: dict[str, Shown], lens: Any, name: str) -> None:
    example, model = CARDS[name]
    of = seen(lens, doors[name].state, nv.examples()[example], model)
    wanted = getattr(numbers, name)(of)
    for said in doors[name].numbers.values():
        agree(said, wanted, least=len(wanted))


def test_what_is_written_is_what_was_computed(
    shipped: dict[str, Shown], doors: dict[str, Shown], own: dict[str, Shown]
) -> None:
    """Every number that can be read keeps what it was rounded from, in both languages alike."""
    for shown in [*shipped.values(), *doors.values(), *own.values()]:
        assert set(shown.outputs) == {"en", "zh"}
        names = {language: sorted(o[0] for o in said) for language, said in shown.outputs.items()}
        assert set(names["en"]) == set(names["zh"])
        for name, text, value in (one for said in shown.outputs.values() for one in said):
            if text in ("\u2013", "NaN"):
                continue
            read, half = rounded(text)
            assert abs(read - float(value)) <= half * 1.001, (name, text, value)
        assert not [words for words in shown.words.values() if "{" in words or "undefined" in words]


#: page -> what its text is about, as measured when it was written.
ANCHORS: dict[str, dict[str, tuple[float, float]]] = {
    "guess": {
        "peakTimes": (17.4, 0.3),
        "selfTimes": (10.2, 0.3),
        "distance": (146, 1),
        "selfShare": (23.5, 3),
    },
    "cells": {"n": (1600, 0), "c": (128, 0), "d": (64, 0), "thetaNumbers": (8256, 0)},
    "score": {"s1": (9.11, 0.05), "s2": (4.15, 0.05), "ratio": (144, 4), "tallest": (19, 0)},
    "row": {
        "ask0": (3.42, 0.1),
        "ask1": (0.55, 0.05),
        "ask2": (1.13, 0.05),
        "colsum": (2.02, 0.05),
    },
    "output": {"movedWhole": (0.99, 0.03), "alikeBefore": (0.69, 0.01), "alikeAfter": (0.23, 0.02)},
    "channels": {"positionNumbers": (2_560_000, 0), "channelNumbers": (4096, 0)},
    "same": {
        "mapDiff": (0, 1e-6),
        "zDiff": (0, 1e-5),
        "supportOurs": (510, 5),
        "supportScaled": (1545, 5),
    },
    "cousins": {
        "colour_stone": (3.04, 0.1),
        "colour_belly": (0.38, 0.05),
        "learned_stone": (0.81, 0.05),
        "learned_belly": (3.42, 0.1),
    },
    "time": {"first": (3.3, 0.3), "kt": (3, 0), "queryFrame": (4, 0), "ask0": (8.5, 0.5)},
    "limits": {"rank": (9, 1), "heavyAdds": (2.6, 0.2), "bestAdds": (6.3, 0.3)},
    "code": {"n": (1600, 0)},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_still_shows_its_point(shipped: dict[str, Shown], name: str) -> None:
    said = shipped[name].numbers["en"]
    for key, (value, off) in ANCHORS[name].items():
        assert said[key] == pytest.approx(value, abs=off or 1e-9), f"{name}: {key}"


def test_the_cards_still_show_their_point(doors: dict[str, Shown]) -> None:
    said = {name: shown.numbers["en"] for name, shown in doors.items()}
    assert said["alike"]["cosine"] > 0.98
    sink = said["sink"]
    assert sink["sinkTimes"] > 100 and sink["fewShare"] > 30 and 25 < sink["sinkOver"] < 75
    assert 40 < sink["sinkTenth"] < 60
    assert sink["givesNow"] > 500 and sink["sinkShare"] > 20
    assert (
        said["dead"]["deadAdded"] == 0 and said["dead"]["alikeDead"] > 2 * said["dead"]["alikeLive"]
    )


@pytest.mark.parametrize("name", ["guess", "score", "row", "cousins", "time", "limits"])
def test_nothing_leaks_through_the_veil(
    shipped: dict[str, Shown], own: dict[str, Shown], name: str
) -> None:
    for shown in (shipped[name], own[name]):
        if shown is own[name] and name == "time":
            continue
        before = shown.before
        assert before is not None, "the page was not veiled"
        assert before["pixels"] == 0 and before["answer"] is None and before["key"] is None
        assert not any(c.isdigit() for c in before["words"]), before["words"]
        assert not before["found"]
        behind = shown.numbers["en"]
        hidden = {k: v for k, v in behind.items() if k not in before["numbers"] and v}
        assert hidden
        texts = {text for key, text, _ in shown.outputs["en"] if key in hidden and len(text) > 3}
        assert not [a for a in before["attributes"] if any(t in a for t in texts)]
