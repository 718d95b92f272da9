"""Decoding in a child: the same pictures and sentences, and what a file does, it does to itself alone."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.errors import MediaError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import apart, encode_png, encode_webm, open_image, open_video
from tests.media.test_image import encoded
from tests.test_house import loaded_after

ROOT = Path(__file__).parents[2]


def costly(side: int = 5000) -> bytes:
    """A PNG of 25 megapixels in 100 kB, which takes half a second of a processor to open."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checked = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checked)

    packed = zlib.compressobj(9)
    # Lines that are the differences to those above: none can be left out.
    line = b"\x04" + b"\x01\x02\x03" * side
    body = b"".join(packed.compress(line) for _ in range(side)) + packed.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def slow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "slow.png"
    path.write_bytes(costly())
    return path


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    apart.close()


def children() -> list[int]:
    """Processes that decode something now."""
    process = apart._NURSERY._process
    assert process is not None
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()]


def test_pictures_are_the_same_and_so_are_the_sentences(
    odd_files: dict[str, tuple[Path, Any]], picture: np.ndarray, monkeypatch: Any, tmp_path: Path
) -> None:
    for name, (path, size) in odd_files.items():
        for source in (path, str(path), path.read_bytes()):
            if size is not None:
                np.testing.assert_array_equal(apart.open_image(source), open_image(source))
                continue
            with pytest.raises(MediaError) as here:
                open_image(source)
            with pytest.raises(MediaError) as there:
                apart.open_image(source)
            assert str(there.value) == str(here.value), name
    for source in ("nowhere.png", "", "https://example.org/a.png", str(tmp_path), "a\0b", 7):
        with pytest.raises(MediaError) as here:
            open_image(source)
        with pytest.raises(MediaError) as there:
            apart.open_image(source)
        assert str(there.value) == str(here.value)
    # What is decoded already goes nowhere, and a path is the caller's.
    assert apart.open_image(picture).shape == picture.shape
    (tmp_path / "here.png").write_bytes(encode_png(picture))
    monkeypatch.chdir(tmp_path)
    assert apart.open_image("here.png").flags.owndata
    with pytest.raises(MediaError, match=r"here\.png has 90 x 60"):
        apart.open_image("here.png", Limits(image_pixels=5000))


def test_clips_are_the_same(picture: np.ndarray, tmp_path: Path) -> None:
    content = encode_webm([np.roll(picture, 9 * t, axis=1) for t in range(6)])
    (tmp_path / "clip.webm").write_bytes(content)
    for source in (content, tmp_path / "clip.webm"):
        for options in ({}, {"frames": 3}, {"start": 0.5, "stride": 0.4, "frames": 2}):
            found, wanted = apart.open_video(source, **options), open_video(source, **options)
            np.testing.assert_array_equal(found.frames, wanted.frames)
            assert found.times == wanted.times and found.duration == wanted.duration
    for options in ({"frames": 0}, {"start": 99}, {"frames": "x"}, {"stride": object()}):
        with pytest.raises((MediaError, TypeError)) as here:
            open_video(content, **options)
        with pytest.raises((MediaError, TypeError)) as there:
            apart.open_video(content, **options)
        assert type(there.value) is type(here.value)
    assert len(apart.open_video(np.stack([picture] * 3))) == 3


def test_what_spins_is_stopped_and_what_eats_memory_is_starved(slow_file: Path) -> None:
    assert apart.open_image(slow_file).shape == (5000, 5000, 3)
    began = time.monotonic()
    with pytest.raises(MediaError, match=r"slow\.png takes longer than 0.2 seconds"):
        apart.open_image(slow_file, Limits(decode_seconds=0.2))
    assert time.monotonic() - began < 8
    with pytest.raises(MediaError, match=r"slow\.png needs more memory"):
        apart.open_image(slow_file, Limits(decode_bytes=64 << 20))
    assert apart.open_image(encoded("PNG")).shape == (24, 32, 3)


def test_what_only_waits_is_stopped_by_the_clock(tmp_path: Path, monkeypatch: Any) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.setattr("nonlocal_viz.media.apart._GRACE", 9)
    with pytest.raises(MediaError, match="takes longer"):
        apart.open_image(tmp_path / "pipe.png", Limits(decode_seconds=0.2))


def test_a_crash_is_a_sentence_and_others_are_served_meanwhile(slow_file: Path) -> None:
    said: list[str] = []

    def ask() -> None:
        with pytest.raises(MediaError) as caught:
            apart.open_image(slow_file)
        said.append(str(caught.value))

    apart.open_image(encoded("PNG"))
    while children():
        time.sleep(0.001)
    thread = threading.Thread(target=ask)
    thread.start()
    while not (found := children()):
        time.sleep(0.001)
    assert apart.open_image(encoded("PNG")).shape == (24, 32, 3)
    os.kill(found[0], signal.SIGSEGV)
    thread.join()
    assert said == [
        "slow.png is broken: what reads such files gave up on it. Save it again.",
    ]
    assert apart.open_image(encoded("PNG")).shape == (24, 32, 3)


def test_should_the_other_process_be_killed_another_is_started(slow_file: Path) -> None:
    apart.open_image(encoded("PNG"))
    while children():
        time.sleep(0.001)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(apart.open_image(slow_file).shape))
    thread.start()
    while not (mine := children()):
        time.sleep(0.001)
    process = apart._NURSERY._process
    assert process is not None
    process.kill()
    os.kill(mine[0], signal.SIGKILL)
    # Whoever was being answered is answered by the next.
    thread.join()
    assert found == [(5000, 5000, 3)]
    assert apart._NURSERY._process is not process


def test_no_more_than_so_many_are_decoded_at_once(monkeypatch: Any) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def ask(*_: Any) -> Any:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        time.sleep(0.05)
        with lock:
            now -= 1
        return {"refused": "no"}

    def refused() -> None:
        with pytest.raises(MediaError):
            apart.open_image(b"x")

    monkeypatch.setattr(apart._NURSERY, "ask", ask)
    threads = [threading.Thread(target=refused) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == Limits().decoded_at_once


def test_a_defect_of_ours_is_none_of_the_file(monkeypatch: Any) -> None:
    with pytest.raises(RuntimeError, match="KeyError"), apart._nameless() as pixels:
        apart._NURSERY.ask({"kind": "clip", "limits": {}}, [pixels], Limits())
    assert apart.open_image(encoded("PNG")).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("shape", "content"), [((2, 2, 3), 11), ((2, 2, 4), 16), ((0, 2, 3), 0), ((9, 9, 3), 243)]
)
def test_what_a_child_says_is_not_believed(shape: tuple[int, ...], content: int) -> None:
    with apart._nameless() as pixels:
        pixels.write(bytes(content))
        with pytest.raises(MediaError):
            apart._array(pixels, shape, 3, 240)


def test_it_has_no_torch_and_goes_with_whoever_started_it(tmp_path: Path) -> None:
    assert not {"torch", "gradio"} & loaded_after("import nonlocal_viz.media.nursery")
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    code = (
        "import os, signal\nfrom nonlocal_viz.media import apart\n"
        f"apart.open_image({str(tmp_path / 'a.png')!r})\n"
        "print(apart._NURSERY._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""
    nursery = Path(f"/proc/{int(done.stdout)}/cmdline")
    for _ in range(100):
        if not nursery.exists() or b"nursery" not in nursery.read_bytes():
            return
        time.sleep(0.05)
    raise AssertionError("the other process is still there")


def test_a_lens_decodes_where_it_is_told_to(
    tiny_model: Any, slow_file: Path, photo_path: Path, monkeypatch: Any
) -> None:
    limits = Limits(decode_seconds=0.2)
    lens = Lens(tiny_model, 32, limits, apart=True)
    with pytest.raises(MediaError, match="takes longer"):
        lens.open(slow_file)
    here = Lens(tiny_model, 32).open(photo_path)
    monkeypatch.setattr("nonlocal_viz.lens.open_image", None)
    np.testing.assert_array_equal(lens.open(photo_path).image, here.image)
    clip = encode_webm([here.image] * 3)
    monkeypatch.setattr("nonlocal_viz.lens.open_video", None)
    assert len(lens.open(clip, frames=3).frames) == 3
