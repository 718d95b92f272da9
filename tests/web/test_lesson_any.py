"""The lesson with pictures that nobody chose for it: of one colour, very wide, very small, a clip. What is
said follows what was measured, holds by hand, and no number is missing or none at all."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nonlocal_viz as nv
from nonlocal_viz.canvas import canvas_words
from nonlocal_viz.media import encode_webm
from tests.web import lesson_numbers as numbers
from tests.web.lesson_visit import Learner, Shown, at_the_lesson, rounded

pytestmark = pytest.mark.browser

WORDS = canvas_words()
CARDS = ("carry", "sink", "alike", "dead")
#: What is looked at of each; 10 stands for its four cards.
LOOKED = {
    "flat": (1, 3, 4, 8, 9, 10, 11),
    "wide": (1, 3, 10),
    "small": (1, 3, 5, 11),
    "clip": (2, 4, 9, 11),
}


def coffee(width: int, height: int) -> Image.Image:
    return Image.open(nv.examples()["coffee"]).convert("RGB").resize((width, height))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    found = {name: folder / f"{name}.png" for name in ("flat", "wide", "small")}
    Image.new("RGB", (160, 120), (120, 140, 90)).save(found["flat"])
    wide = Image.new("RGB", (3000, 200))
    for i in range(5):
        wide.paste(coffee(600, 400).crop((0, 100, 600, 300)), (600 * i, 0))
    wide.save(found["wide"])
    coffee(20, 20).save(found["small"])
    found["clip"] = folder / "clip.webm"
    frames = [np.asarray(coffee(320, 320).crop((x, 0, x + 96, 96))) for x in (0, 90, 180)]
    found["clip"].write_bytes(encode_webm(frames))
    return found


@pytest.fixture(scope="module")
def learner(address: str, chromium: Any) -> Iterator[Learner]:
    with at_the_lesson(address, chromium) as one:
        yield one


@pytest.fixture(scope="module")
def shown(learner: Learner, files: dict[str, Path]) -> Callable[[str], dict[str, Shown]]:
    """What the pages show of a picture, each looked at once; a card by its name."""
    known: dict[str, dict[str, Shown]] = {}

    def of(name: str) -> dict[str, Shown]:
        if name in known:
            return known[name]
        bring(learner, files[name])
        found: dict[str, Shown] = {}
        for number in LOOKED[name]:
            turn(learner, number)
            for card in CARDS if number == 10 else (str(number),):
                if number == 10:
                    learner.page.locator(f'[data-door="{card}"]').click()
                    learner.visit.wait("tool.lesson.ready && tool.lesson.idle")
                found[card] = learner.look()
        known[name] = found
        return found

    return of


def bring(learner: Learner, file: Path) -> None:
    turn(learner, 1)
    with learner.page.expect_file_chooser() as chosen:
        learner.page.locator('[data-act="own"]').click()
    chosen.value.set_files(str(file))
    learner.visit.wait(
        f"tool.lesson.own && tool.lesson.ready && location.href.includes('{file.name}')"
    )


def turn(learner: Learner, number: int) -> None:
    learner.page.locator(f'.nlv-dots [data-page="{number}"]').click()
    learner.ready(number)
    learner.visit.wait("tool.lesson.idle")


def says(page: Shown, key: str) -> bool:
    """Whether a text is on the page, in both languages."""
    return all(says_in(page.words[lang], WORDS[lang][key]) for lang in ("en", "zh"))


def says_in(text: str, sentence: str) -> bool:
    plain = re.sub(r"\[\[\w+\|(.+?)\]\]", r"\1", sentence).replace("*", "")
    plain = re.sub(r"([Wb])_([z\u03b8])", r"\1\2", plain)
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", plain)]
    return bool(re.search(".{1,24}?".join(parts), text))


@pytest.fixture(scope="module")
def lens() -> Any:
    return numbers.lenses()


def seen(lens: Any, page: Shown, source: Path, model: str = "default") -> Any:
    at = page.state["state"]
    return numbers.Seen(
        lens(model).open(source), at["block"], at["x"], at["y"], at["t"], lens, source
    )


@pytest.mark.parametrize("name", LOOKED)
def test_no_number_is_missing_or_none(shown: Any, name: str) -> None:
    for page, one in shown(name).items():
        for language, words in one.words.items():
            assert not re.search(r"NaN|undefined|Infinity|\{\w+\}|\u2013", words), (page, language)
        assert {*map(len, one.outputs.values())} == {len(one.outputs["en"])}
        for number, text, value in one.outputs["en"] + one.outputs["zh"]:
            read, half = rounded(text)
            assert abs(read - float(value)) <= half * 1.001, (page, number, text, value)


@pytest.mark.parametrize("name", ["flat", "wide", "small"])
def test_the_worked_sums_hold_by_hand(shown: Any, lens: Any, files: Any, name: str) -> None:
    page = shown(name)["3"]
    said = {key: rounded(text)[0] for key, text, _ in page.outputs["en"]}
    text = {key: text for key, text, _ in page.outputs["en"]}
    for a, b, c in (
        ("s1", "s2", "diff"),
        ("plus", "minus", "score"),
        ("tallOne", "tallTwo", "tallLead"),
    ):
        if a in said:
            decimals = len(text[c].partition(".")[2])
            assert f"{said[a] - said[b]:.{decimals}f}" == f"{said[c]:.{decimals}f}", (a, b, c)
    assert np.exp(said["diff"]) == pytest.approx(said["ratio"], rel=6e-3)
    assert np.exp(said["score"] - said["normaliser"]) == pytest.approx(said["weight"], rel=6e-3)
    of = seen(lens, page, files[name])
    assert said["weight"] * len(of.row) == pytest.approx(said["times"], rel=6e-3)
    # The two keys are two of this row's.
    assert page.numbers["en"]["diff"] == pytest.approx(
        of.scores.max() - of.scores[np.abs(of.scores - of.scores.max() + said["diff"]).argmin()],
        abs=2e-2,
    )


def test_the_first_page_says_where_the_strongest_place_lies(
    shown: Any, lens: Any, files: Any
) -> None:
    for name in ("flat", "wide", "small"):
        page = shown(name)["1"]
        of = seen(lens, page, files[name])
        row, best = of.row, int(of.row.argmax())
        cells = np.array(np.unravel_index([best, of.q], of.grid.cells))
        steps = int(np.abs(cells[:, 0] - cells[:, 1]).max())
        kind = "even" if row.max() * len(row) <= 1.5 else ["self", "near", "far"][min(steps, 2)]
        assert says(page, f"guess.after.{kind}"), (name, kind)
        if kind in ("self", "near"):
            far = [
                np.linalg.norm(of.centre(k) - of.centre(of.q))
                for k in np.flatnonzero(row * len(row) >= 1)
            ]
            assert page.numbers["en"]["reach"] == pytest.approx(max(far), abs=1)
    assert says(shown("flat")["1"], "guess.after.even")


def test_one_colour_is_asked_nothing_that_it_cannot_answer(shown: Any) -> None:
    flat = shown("flat")
    for page in ("1", "3", "4", "8", "9", "carry", "sink", "alike"):
        assert flat[page].state["answer"] is None
        assert "FIRST GUESS" not in flat[page].words["en"].upper(), page
    assert says(flat["sink"], "limits.sink.after.none")
    assert says(flat["alike"], "limits.alike.after.zero")
    assert says(flat["dead"], "limits.dead.after")
    assert says(flat["9"], "time.intro.still") and says(flat["9"], "time.after.still")


def test_the_cards_say_what_was_measured(shown: Any, lens: Any, files: Any) -> None:
    wide = shown("wide")
    of = seen(lens, wide["sink"], files["wide"], "labels_only")
    wanted, said = numbers.sink(of), wide["sink"].numbers["en"]
    over = wanted["sinkOver"]
    kind = "all" if over > 75 else "half" if over >= 25 else "few"
    assert wanted["sinkTimes"] >= 10 and says(wide["sink"], f"limits.sink.after.{kind}")
    for key in ("sinkTimes", "sinkOver", "sinkTenth", "sinkShare", "fewShare", "gives"):
        assert said[key] == pytest.approx(wanted[key], rel=2e-2), key
    over, under = (
        rounded(t)[0] for k, t, _ in wide["sink"].outputs["zh"] if k in ("sinkOver", "sinkUnder")
    )
    assert over + under == pytest.approx(100)
    said = wide["alike"].numbers["en"]
    assert said["cosine"] >= 0.9 and says(wide["alike"], "limits.alike.after.same")


def test_a_clip_of_ones_own(shown: Any, lens: Any, files: Any) -> None:
    clip = shown("clip")
    assert says(clip["2"], "cells.intro.clip") and says(clip["2"], "cells.after.plain")
    of = seen(lens, clip["4"], files["clip"])
    assert clip["4"].numbers["en"]["colsum"] == pytest.approx(of.dense.sum(0).max(), rel=2e-2)
    page = clip["9"]
    of = seen(lens, page, files["clip"])
    shares = 100 * of.row.reshape(3, -1).sum(1)
    said = page.numbers["en"]
    assert (said["least"], said["most"]) == (shares.argmin(), shares.argmax())
    assert [rounded(t)[0] for k, t, _ in page.outputs["en"] if k == "leastShare"] == [
        pytest.approx(shares.min(), rel=1e-2)
    ]
    asked = bool(shares.max() >= 1.5 * shares.min())
    assert says(page, "time.ask.frame") is asked and says(page, "time.after.own")
    assert says(clip["11"], "code.intro.copied") and "frames=3" in clip["11"].words["en"]


def test_the_lines_run_for_a_photo_of_ones_own(shown: Any, learner: Learner, files: Any) -> None:
    page = shown("small")["11"]
    assert says(page, "code.intro") and "small.png" in page.words["zh"]
    bring(learner, files["small"])
    turn(learner, 11)
    for gap in ("product", "softmax"):
        learner.page.locator(f'select[data-slide="{gap}"]').select_option("0")
    learner.page.locator('[data-act="run"]').click()
    learner.page.locator(".nlv-result .pass").wait_for()
    learner.full()
    said = learner.lesson()["numbers"]
    assert 0 <= said["codeMap"] < 1e-6 < said["codeTop"] and said["codeZ"] < 1e-4
