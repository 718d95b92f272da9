"""The words of the lesson: one key everywhere, no number that no tensor gave, marks that close."""

import json
import re
from pathlib import Path

import pytest

from nonlocal_viz.canvas import FOLDER, canvas_words
from tests.web.lesson_misconceptions import ANSWERED
from tests.web.lesson_visit import PAGES

WORDS = canvas_words()
LESSON = FOLDER / "lesson"
#: What may stand in a text as a digit: kernels, the two ends of gamma and of a share, a frame, an axis.
ALLOWED = re.compile(r"[13]\s?\u00d7\s?[13]|dim=-?[01]|(?<![\d.])[01](?!\d|\.\d)")


def places(sentence: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", sentence))


def marks(sentence: str) -> set[str]:
    return set(re.findall(r"\[\[(\w+)\|", sentence))


def test_every_language_says_everything() -> None:
    assert {"en", "zh"} <= WORDS.keys()
    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys(), language
        assert all(text.strip() for key, text in words.items()), language


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_sentence_has_the_same_places_in_every_language(language: str) -> None:
    for key, text in WORDS[language].items():
        english = WORDS["en"][key]
        assert places(text) == places(english), key
        assert marks(text) == marks(english), key
        assert text.count("*") % 2 == 0 and text.count("[[") == text.count("]]"), key


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_text_holds_no_number(language: str) -> None:
    """A number on a page can only come from a tensor."""
    for key, text in WORDS[language].items():
        left = ALLOWED.sub("", re.sub(r"\{\w+\}", "", text))
        assert not re.search(r"\d", left), (key, text)


def test_chinese_is_set_as_chinese() -> None:
    for key, text in WORDS["zh"].items():
        assert not re.search(r"[\u4e00-\u9fff\uff09\u201d][,:;?!]", text), key
        assert not re.search(r"[,:;?!][\u4e00-\u9fff]", text), key
        assert not re.search(r"\([\u4e00-\u9fff]|[\u4e00-\u9fff]\)", text), key


def source() -> str:
    return "".join(p.read_text(encoding="utf-8") for p in sorted(LESSON.rglob("*.js")))


def test_every_text_is_said_somewhere_and_every_page_has_its_own() -> None:
    text = source()
    asked = set(re.findall(r'say\(\s*"([\w.]+)"', text))
    assert asked and asked <= WORDS["en"].keys()
    for name in PAGES:
        assert {f"{name}.title", f"{name}.idea", f"{name}.intro", f"{name}.paper"} <= WORDS[
            "en"
        ].keys()
    # What is named by its last part alone is put together where it is said.
    tails = set(re.findall(r"[\w]+", text))
    lost = [
        k
        for k in WORDS["en"]
        if k not in text
        and not set(k.split(".")[1:-1] or ["x"]) & tails
        and k.split(".")[-1] not in tails
        and k != "language"
    ]
    assert not lost


def test_nothing_of_the_lesson_is_left_to_chance() -> None:
    assert "Math.random" not in source()


def test_the_lesson_is_light() -> None:
    """Its files as they travel, compressed; of the words one language."""
    import gzip

    files = [p for p in LESSON.rglob("*") if p.is_file() and p.suffix != ".json"]
    words = max(len(gzip.compress(json.dumps(w).encode())) for w in WORDS.values())
    font = [p for p in files if p.suffix == ".woff2"]
    text = b"".join(Path(p).read_bytes() for p in files if p not in font)
    assert sum(p.stat().st_size for p in font) <= 37_000
    assert len(gzip.compress(text)) + words + sum(p.stat().st_size for p in font) <= 120_000


def test_every_misconception_has_its_answer_where_it_is_looked_for() -> None:
    assert len(ANSWERED) == 28
    shown = {key for keys in ANSWERED.values() for key in keys}
    often = {k for k in WORDS["en"] if re.fullmatch(r"\w+\.often\.[a-h]\.answer", k)}
    assert often <= shown, "an answer that nobody asked for"
    for keys in ANSWERED.values():
        for key in keys:
            assert key.split(".")[0] in PAGES
            assert all(len(words[key]) > 12 for words in WORDS.values()), key
            # The fold of a page shows its questions in order, without a gap.
            if ".often." in key:
                name, _, letter, _ = key.split(".")
                before = [c for c in "abcdefgh" if c < letter]
                assert all(f"{name}.often.{c}" in WORDS["en"] for c in [*before, letter])
