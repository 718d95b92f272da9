"""Fetching: a real server on this machine that knows ranges, breaks off, and changes its mind."""

import hashlib
import http.server
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nonlocal_viz.cli import main
from nonlocal_viz.errors import CheckpointError, WritingError
from nonlocal_viz.limits import Limits
from nonlocal_viz.zoo import published
from nonlocal_viz.zoo.download import download
from nonlocal_viz.zoo.published import PUBLISHED, Published, find_published, list_published

CONTENT = random.Random(0).randbytes(1_500_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content`` at every path; ``cut`` bytes of an answer and no more, when it is set."""

    content, mark, cut, late, status, says_length = CONTENT, '"v1"', 0, 0, 200, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str | None] = []
        self.answered: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/weights.pth"


class Answers(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        at = self.server
        asked = self.headers.get("Range")
        at.asked.append(asked)
        if at.status != 200:
            self.send_error(at.status)
            return
        begin = 0
        if asked and self.headers.get("If-Range") == at.mark:
            begin = int(asked.removeprefix("bytes=").rstrip("-")) + at.late
        if begin >= len(at.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(at.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = at.content[begin:]
        at.answered.append(206 if begin else 200)
        self.send_response(206 if begin else 200)
        if begin:
            end = len(at.content) - 1
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(at.content)}")
        if at.mark:
            self.send_header("ETag", at.mark)
        if at.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: at.cut] if at.cut else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as at:
        thread = threading.Thread(target=at.serve_forever, daemon=True)
        thread.start()
        yield at
        at.shutdown()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_arrives_whole_with_its_progress(server: Server, tmp_path: Path) -> None:
    path, seen = tmp_path / "w.pth", []
    found = download([server.address], path, sha256=SUM[:8], progress=lambda *at: seen.append(at))
    assert found == SUM and path.read_bytes() == CONTENT
    assert names(tmp_path) == {"w.pth"}
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and len(seen) > 3


def test_it_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut = 600_000
    with pytest.raises(CheckpointError, match=r"broke off after 0.6 of 1.5 MB.*run it again"):
        download([server.address], path)
    assert not path.exists() and (tmp_path / "w.pth.part").stat().st_size == 600_000
    server.cut = 0
    assert download([server.address], path, sha256=SUM) == SUM
    assert server.asked == [None, "bytes=600000-"] and server.answered == [200, 206]
    assert path.read_bytes() == CONTENT and names(tmp_path) == {"w.pth"}


def test_two_versions_are_never_put_together(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut = 600_000
    with pytest.raises(CheckpointError):
        download([server.address], path)
    server.cut, server.mark, server.content = 0, '"v2"', CONTENT[::-1]
    download([server.address], path)
    assert path.read_bytes() == CONTENT[::-1]


def test_another_part_than_was_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut = 600_000
    with pytest.raises(CheckpointError):
        download([server.address], path)
    server.cut, server.late = 0, 1000
    with pytest.raises(CheckpointError, match="another part"):
        download([server.address], path)
    assert download([server.address], path) == SUM


def test_a_server_without_ranges_or_marks_begins_anew(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut, server.mark = 600_000, ""
    with pytest.raises(CheckpointError):
        download([server.address], path)
    server.cut = 0
    assert download([server.address], path) == SUM
    assert server.asked == [None, None]  # nothing says that the two would be of one version


def test_all_but_the_last_step_was_done(server: Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    (tmp_path / "w.pth.part.of").write_text('"v1"')
    assert download([server.address], tmp_path / "w.pth", sha256=SUM) == SUM
    assert names(tmp_path) == {"w.pth"}


def test_another_file_than_the_published_one_is_thrown_away(server: Server, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"begins with {SUM[:8]}, and 00000000 was expected"):
        download([server.address], tmp_path / "w.pth", sha256="00000000")
    assert names(tmp_path) == set()


def test_the_next_address_is_asked(server: Server, tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/weights.pth"
    assert download([nobody, server.address], tmp_path / "w.pth") == SUM
    server.status = 404
    with pytest.raises(CheckpointError, match=r"refused.*it says 404.*connected\?"):
        download([nobody, server.address], tmp_path / "v.pth")
    with pytest.raises(CheckpointError, match="only http and https"):
        download(["file:///etc/hostname"], tmp_path / "v.pth")
    assert names(tmp_path) == {"w.pth"}


def test_what_is_too_large_or_cannot_be_written_is_a_sentence(
    server: Server, tmp_path: Path, monkeypatch
) -> None:
    for server.says_length in (True, False):
        with pytest.raises(CheckpointError, match="larger than 1 MiB"):
            download([server.address], tmp_path / "w.pth", limits=Limits(checkpoint_bytes=1 << 20))
        assert names(tmp_path) == set()
    server.says_length = True
    with pytest.raises(WritingError):
        download([server.address], tmp_path / "none" / "w.pth")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(WritingError, match="takes 2 MB, and 1 MB are free"):
        download([server.address], tmp_path / "w.pth")
    assert names(tmp_path) == set()


@pytest.fixture
def entry(server: Server, monkeypatch: pytest.MonkeyPatch) -> Published:
    made = Published("mine", "top-1 1", "MIT", "someone/somewhere", (server.address,), SUM[:8])
    monkeypatch.setattr(published, "PUBLISHED", (made,))
    return made


def test_the_command_fetches_once(
    entry: Published, server: Server, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["zoo", "get", "mine"]) == 0
    told = capsys.readouterr()
    assert "as published" in told.out and "nonlocal-viz convert weights.pth" in told.out
    assert "licence MIT" in told.err and "1.5 MB of 1.5, 100 %" in told.err
    assert main(["zoo", "get", "mine"]) == 0
    assert "and whole" in capsys.readouterr().out and len(server.asked) == 1
    Path("weights.pth").write_bytes(b"other")
    assert main(["zoo", "get", "mine"]) == 2
    assert "is not mine" in capsys.readouterr().err and Path("weights.pth").read_bytes() == b"other"
    assert main(["zoo", "get", "mine", "--force", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "") and Path("weights.pth").read_bytes() == CONTENT


def test_a_sum_that_nobody_published_is_kept(
    entry: Published, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(published, "PUBLISHED", (entry._replace(sha256=""),))
    out = tmp_path / "w.pth"
    assert main(["zoo", "get", "mine", "--out", str(out)]) == 0
    assert (tmp_path / "w.pth.sha256").read_text() == f"{SUM}  w.pth\n"
    assert "no sum was published" in capsys.readouterr().out
    assert main(["zoo", "get", "mine", "--out", str(out)]) == 0
    out.write_bytes(b"other")
    assert main(["zoo", "get", "mine", "--out", str(out)]) == 2
    (tmp_path / "w.pth.sha256").unlink()
    assert main(["zoo", "get", "mine", "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err


def test_without_network_it_is_one_sentence(
    entry: Published, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(
        published, "PUBLISHED", (entry._replace(addresses=("http://127.0.0.1:9/w.pth",)),)
    )
    assert main(["zoo", "get", "mine", "--out", str(tmp_path), "--quiet"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "could not be fetched" in err and names(tmp_path) == set()


@pytest.mark.parametrize(
    "words", [["get"], ["get", "nobody"], ["get", "mine", "--json"], ["a", "b"], ["--out", "x"]]
)
def test_what_the_command_has_no_use_for(words: list[str], capsys) -> None:
    assert main(["zoo", *words]) == 2
    assert capsys.readouterr().err.startswith("nonlocal-viz: error: ")


def test_the_list_names_licence_metric_and_source(capsys) -> None:
    assert main(["zoo", "mmseg-*"]) == 0
    told = capsys.readouterr().out
    for found in list_published("mmseg-*"):
        assert found.name in told and found.metric in told and found.source in told
    assert "default" not in told and "Apache-2.0" in told
    assert len({found.name for found in PUBLISHED}) == len(PUBLISHED) > 10
    for found in PUBLISHED:
        assert find_published(found.name) is found and found.file.endswith((".pth", ".pkl"))
        assert all(address.startswith("https://") for address in found.addresses)
        # OpenMMLab's files end with the digits that they are held to.
        assert not found.sha256 or found.file.endswith(f"-{found.sha256}.pth")
