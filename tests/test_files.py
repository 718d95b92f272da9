"""Writing: all of a file or none of it."""

import os
from pathlib import Path

import pytest

from nonlocal_viz.errors import WritingError
from nonlocal_viz.files import opened_atomically, write_atomically


def test_written_whole_and_in_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for content in (b"first", b"second"):
        write_atomically(str(path), content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o644)])
def test_others_may_read_as_far_as_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_until_the_end_there_is_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"before")
    with opened_atomically(path) as file:
        file.write(b"aft")
        file.flush()
        assert path.read_bytes() == b"before"
        file.write(b"er")
    assert path.read_bytes() == b"after"


@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError, ValueError, OSError])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"before")
    with pytest.raises(WritingError if error is OSError else error):
        _write_half(path, error("within"))
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "a", tmp_path / "folder", tmp_path / "a\0b", Path()):
        with pytest.raises(WritingError, match=r"Cannot write .* choose another place\."):
            write_atomically(path, b"content")
    with pytest.raises(WritingError, match="too long"):
        write_atomically(tmp_path / ("a" * 300), b"")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def _write_half(path: Path, error: BaseException) -> None:
    with opened_atomically(path) as file:
        file.write(b"half")
        raise error
