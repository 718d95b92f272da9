"""What a server keeps on disk: in one folder, bounded, and gone when it is."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from nonlocal_viz.errors import NonlocalVizError, WritingError
from nonlocal_viz.limits import Limits
from nonlocal_viz.web import serve as server
from nonlocal_viz.web import temporary
from tests.web.conftest import free_port


def test_what_lay_longest_makes_room(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for i, name in enumerate(("old", "deep/older", "new")):
        path = tmp_path / name
        path.write_bytes(b"x" * 100)
        age = (500, 900, 10)[i]
        os.utime(path, (time.time() - age, time.time() - age))
    (tmp_path / "link").symlink_to(tmp_path / "new")
    temporary.make_room(tmp_path, 300)
    assert len(list(tmp_path.rglob("*"))) == 5
    temporary.make_room(tmp_path, 250)
    assert not (tmp_path / "deep/older").exists() and (tmp_path / "old").exists()
    temporary.make_room(tmp_path, 0)
    # Whatever may still be on its way stays.
    assert [p.name for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink()] == ["new"]
    temporary.make_room(tmp_path, 0, young=0)
    assert not (tmp_path / "new").exists()


def test_folders_of_the_dead_are_swept_and_no_others(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        "dead": f"nonlocal_viz-{gone.pid}-abc",
        "own": f"nonlocal_viz-{os.getpid()}-abc",
        "first": "nonlocal_viz-1-abc",
        "named": "nonlocal_viz-mine-abc",
        "other": f"somebody-{gone.pid}-abc",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
    (tmp_path / "precious").mkdir()
    link = tmp_path / f"nonlocal_viz-{gone.pid}-link"
    link.symlink_to(tmp_path / "precious")
    temporary.sweep_dead(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*names.values(), "precious", link.name} - {names["dead"]}


def test_where_nothing_can_be_written_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(temporary, "_FOLDERS", {})
    monkeypatch.setattr(temporary.tempfile, "gettempdir", lambda: str(tmp_path / "no such"))

    def refuse(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(temporary.tempfile, "mkdtemp", refuse)
    with pytest.raises(WritingError, match=r"No space left.*TMPDIR"):
        temporary.own_folder(Limits())


def test_a_taken_port_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(server, "build", never)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NonlocalVizError, match=f"Port {port} on 127.0.0.1"):
            server.launch("default", port=port)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_nothing_is_left_of_a_server_that_is_told_to_go(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    port, host = free_port(), "::1" if socket.has_ipv6 and number == signal.SIGTERM else "127.0.0.1"
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    script = f"from nonlocal_viz.web.serve import launch; launch(host={host!r}, port={port})"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        for _ in range(300):
            try:
                if httpx.get(f"{address}/ready", timeout=1).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
            assert process.poll() is None, process.stderr and process.stderr.read()
        httpx.post(f"{address}/gradio_api/upload", files={"files": ("a.txt", b"x" * 1000)})
        assert list(tmp_path.glob(f"nonlocal_viz-{process.pid}-*/*/a.txt"))
        process.send_signal(number)
        assert process.wait(timeout=20) == code
    assert not list(tmp_path.glob("nonlocal_viz-*"))
