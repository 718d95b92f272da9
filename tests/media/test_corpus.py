"""Four hundred odd and broken files and more: an RGB picture or one sentence, within bounds, and then the
next is opened as if nothing had been."""

import collections
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import LIMITS
from nonlocal_viz.media import apart, moves, open_image, open_video
from tests.media.corpus import Case, cases, corpus, saved
from tests.media.corpus import picture as plain

#: Seconds that any of these small files may take.
QUICK = 6.0


def opened(case: Case, folder: Path, here: bool = False) -> Any:
    """(T, H, W, 3) of a file as the page opens it; a MediaError where it is refused."""
    path = folder / case.name.replace("/", "-")
    path.write_bytes(case.content)
    try:
        if moves(path):
            return (open_video if here else apart.open_video)(path, 3).frames
        return (open_image if here else apart.open_image)(path)[None]
    except MediaError as refusal:
        return refusal
    finally:
        path.unlink()


def test_there_are_enough_of_every_kind_and_they_are_the_same_each_time() -> None:
    found = cases()
    assert len(found) >= 400 and len({case.name for case in found}) == len(found)
    kinds = collections.Counter(case.name.rsplit(".", 1)[1] for case in found)
    assert len(kinds) >= 18 and min(kinds.values()) >= 3
    assert sum(case.size is not None for case in found) >= 150
    assert [case.content for case in corpus()][-200:] == [case.content for case in found][-200:]


def test_each_is_a_picture_or_one_sentence_and_the_next_is_opened(tmp_path: Path) -> None:
    healthy = saved(plain(), "PNG")
    wrong: list[str] = []
    refused = 0
    for i, case in enumerate(cases()):
        began = time.monotonic()
        try:
            found = opened(case, tmp_path)
        except Exception as defect:
            wrong.append(f"{case.name}: {defect!r}"[:900])
            continue
        took = time.monotonic() - began
        if took > QUICK:
            wrong.append(f"{case.name} took {took:.1f} s")
        if isinstance(found, MediaError):
            refused += 1
            said = str(found)
            if not said.endswith(".") or len(said) > 300 or "\n" in said or str(tmp_path) in said:
                wrong.append(f"{case.name} is refused by {said!r}")
            if case.size is not None:
                wrong.append(f"{case.name} is healthy, and refused: {said}")
        elif found.dtype != np.uint8 or found.ndim != 4 or found.shape[3] != 3 or not found.size:
            wrong.append(f"{case.name} gave {found.shape} of {found.dtype}")
        elif found[0, ..., 0].size > LIMITS.image_pixels:
            wrong.append(f"{case.name} gave {found.shape}")
        elif case.size is not None and found.shape[1:3] != case.size[::-1]:
            wrong.append(f"{case.name} gave {found.shape}, not {case.size}")
        if i % 25 == 0 and apart.open_image(healthy).shape != (24, 40, 3):
            wrong.append(f"after {case.name} a healthy file is not opened")
    assert wrong == []
    # A decoder that takes anything, or nothing, would prove little.
    assert 150 < refused < len(cases()) - 150
    apart.close()


def test_python_callers_get_the_same_without_a_child(tmp_path: Path) -> None:
    for case in cases()[::7]:
        there = opened(case, tmp_path)
        if "gave up" in str(there):
            continue  # it would end this process, too
        here = opened(case, tmp_path, here=True)
        assert type(here) is type(there), case.name
        if isinstance(here, MediaError):
            assert str(here) == str(there), case.name
        else:
            np.testing.assert_array_equal(here, there, case.name)
    apart.close()


@pytest.mark.parametrize("name", ["playlist", "concat", "page", "script", "sdp"])
def test_what_names_other_files_is_refused_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    for case in cases():
        if case.name.startswith(f"{name}."):
            assert isinstance(opened(case, tmp_path), MediaError), case.name
            for opener in (open_image, open_video):
                with pytest.raises(MediaError):
                    opener(case.content)
