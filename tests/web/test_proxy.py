"""Behind nginx, under /viz/, alone and as two replicas: the very blocks of docs/serve.md, the real command.

nginx is Debian's. Where there is none the tests skip, unless NONLOCAL_VIZ_REQUIRE_NGINX is set.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio_client
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import free_port
from tests.web.test_hostile import API, png

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "serve.md").read_text("utf-8"), re.S)
TEMPORARY = "".join(
    f"{name}_temp_path {name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


@dataclass
class Site:
    """Two replicas, and three ways to them."""

    replicas: list[subprocess.Popen[bytes]]
    alone: str
    sticky: str
    loose: str


def until_ready(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} was never ready")


def configured(replicas: list[int], ports: list[int]) -> str:
    """What nginx is told: the blocks as they are printed, and beside them a site without stickiness."""
    alone, shared, within = BLOCKS
    loose = re.sub(r"map .*?\}\n", "", shared, flags=re.S).replace(
        "    hash $replica_key consistent;\n", ""
    )
    assert loose.count("server") == 2 and "hash" not in loose
    http = shared + loose.replace("upstream nonlocal_viz", "upstream loose")
    for block, port in (
        (alone, ports[0]),
        (within, ports[1]),
        (re.sub("add_header.*", "", within).replace("//nonlocal_viz", "//loose"), ports[2]),
    ):
        http += f"server {{\nlisten 127.0.0.1:{port};\n{block}}}\n"
    http = http.replace("127.0.0.1:7860", f"127.0.0.1:{replicas[0]}")
    http = http.replace("127.0.0.1:7861", f"127.0.0.1:{replicas[1]}")
    return (
        "daemon off; master_process off; pid nginx.pid; events {}\n"
        f"http {{\naccess_log off;\n{TEMPORARY}{http}}}\n"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        message = "no nginx was found, so nothing was served through it"
        if os.environ.get("NONLOCAL_VIZ_REQUIRE_NGINX"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("nginx")
    replicas, ports = [free_port(), free_port()], [free_port() for _ in range(3)]
    (folder / "nginx.conf").write_text(configured(replicas, ports), encoding="utf-8")
    serve = [sys.executable, "-m", "nonlocal_viz", "serve", "--quiet", "--root-path", "/viz"]
    serve += ["--allow-host", "127.0.0.1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([*serve, "--port", str(port)], env=environment, cwd=folder)
        for port in replicas
    ]
    command = [nginx, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    proxy = subprocess.Popen(command, cwd=folder)
    try:
        for port in replicas:
            until_ready(f"http://127.0.0.1:{port}/ready")
        yield Site(started, *(f"http://127.0.0.1:{port}/viz" for port in ports))
    finally:
        for process in (*started, proxy):
            process.terminate()
        for process in (*started, proxy):
            process.wait(20)
    told = (folder / "error.log").read_text()
    assert "[emerg]" not in told and "[alert]" not in told, told


def told(client: httpx.Client, source: dict[str, Any]) -> dict[str, Any]:
    """The last answer to the page's question for a picture."""
    question = {"data": [{"question": 1, "source": source, "block": None}]}
    call = client.post(f"{API}/call/picture", json=question)
    assert call.status_code == 200, call.text
    heard = client.get(f"{API}/call/picture/{call.json()['event_id']}")
    assert heard.status_code == 200, heard.text
    return json.loads(
        [line[6:] for line in heard.text.splitlines() if line.startswith("data: [")][-1]
    )[0]  # type: ignore[no-any-return]


def uploaded(client: httpx.Client, content: bytes) -> dict[str, Any]:
    found = client.post(f"{API}/upload", files={"files": ("own.png", content)})
    assert found.status_code == 200, found.text
    return {"path": found.json()[0]}


@pytest.mark.browser
def test_the_page_works_below_a_path(site: Site, visit: Any, tmp_path: Path) -> None:
    seen = visit(at=f"{site.alone}/")
    before = seen.answer()
    seen.hover(0.2, 0.3)
    assert seen.answer()["cell"] != before["cell"]
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    seen.page.locator('input[type="file"]').set_input_files(tmp_path / "red.png")
    seen.wait("tool.address.includes('upload=')")
    # Nothing is asked of a place that is somebody else's, but for what gradio's page and the browser ask of
    # every host: an icon, and a manifest. They are the only errors.
    elsewhere = [url for url in seen.requests if not url.startswith(f"{site.alone}/")]
    host = site.alone.removesuffix("/viz")
    assert {url for url in elsewhere if url.startswith("http")} <= {
        f"{host}/favicon.ico",
        f"{host}/manifest.json",
    }
    assert [error for error in seen.errors if "404" not in error] == []
    assert len(seen.errors) <= 2, seen.errors


def test_programs_are_answered_below_a_path(
    site: Site, tmp_path: Path, picture: np.ndarray
) -> None:
    (tmp_path / "a.png").write_bytes(png(picture))
    for root in (site.alone, site.sticky):
        client = gradio_client.Client(root, verbose=False)
        row, overlay = client.predict(
            gradio_client.handle_file(tmp_path / "a.png"), 3, 3, 0, 8, "", "row", "", 0.5, "linear", "",
            api_name="/affinity",
        )  # fmt: skip
        assert abs(np.sum(row["weights"]) - 1) < 1e-4
        with Image.open(overlay) as painted:
            assert painted.size == picture.shape[1::-1]
        client.close()
        # As docs of gradio have it for curl; it keeps no cookies.
        curl = ["curl", "-sS", "--max-time", "30"]
        sent = json.loads(
            run([*curl, "-F", f"files=@{tmp_path / 'a.png'}", f"{root}/{API}/upload"])
        )
        file = {"path": sent[0], "meta": {"_type": "gradio.FileData"}}
        body = json.dumps({"data": [file, 3, 3, 0, 8, "", "row", "", 0.5, "linear", ""]})
        kind = ["-H", "Content-Type: application/json", "-d", body]
        event = json.loads(run([*curl, *kind, f"{root}/{API}/call/affinity"]))["event_id"]
        heard = run([*curl, "-N", f"{root}/{API}/call/affinity/{event}"])
        assert "event: complete" in heard and '"weights"' in heard
        # The address of the overlay is one by which it can be fetched.
        url = re.search(r'"url": ?"([^"]+)"', heard)
        assert url is not None and httpx.get(url.group(1)).content.startswith(b"\x89PNG")


def run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_everybody_comes_back_to_the_same_replica(site: Site, picture: np.ndarray) -> None:
    people = [httpx.Client(base_url=f"{site.sticky}/", timeout=60) for _ in range(10)]
    for person in people:
        assert person.get("").status_code == 200 and "replica" in person.cookies
    homes = [person.get(f"{API}/app_id").json()["app_id"] for person in people]
    assert len(set(homes)) == 2
    for i, (person, home) in enumerate(zip(people, homes, strict=True)):
        assert {person.get(f"{API}/app_id").json()["app_id"] for _ in range(4)} == {home}
        content = png(np.roll(picture, i, 0)[: 20 + i])
        answer = told(person, uploaded(person, content))
        # Each sees a picture of their own height.
        assert answer["kind"] == "view" and answer["height"] == 20 + i, answer
        person.close()


def test_without_stickiness_nothing_is_wrong_and_what_is_lost_is_said(
    site: Site, picture: np.ndarray
) -> None:
    with httpx.Client(base_url=f"{site.loose}/", timeout=60) as person:
        question = {"data": [{"question": 1, "source": {"example": "cat"}, "block": None}]}
        call = person.post(f"{API}/call/picture", json=question)
        lost = person.get(f"{API}/call/picture/{call.json()['event_id']}")
        assert lost.status_code == 404 and "No such question" in lost.json()["detail"]
        source = uploaded(person, png(picture))
        for _ in range(3):
            # One request more, so that question and answer meet.
            call = person.post(
                f"{API}/call/picture", json={"data": [{"question": 1, "source": source}]}
            )
            person.get(f"{API}/app_id")
            heard = person.get(f"{API}/call/picture/{call.json()['event_id']}").text
            assert "no longer here" in heard or '"view"' in heard, heard
            person.get(f"{API}/app_id")


def test_a_replica_that_dies_costs_an_upload(site: Site, picture: np.ndarray) -> None:
    """The last test of this file: it ends one of the two."""
    with httpx.Client(base_url=f"{site.sticky}/", timeout=60) as person:
        home = ""
        while home != httpx.get(f"{site.alone}/{API}/app_id").json()["app_id"]:
            person.cookies.clear()
            person.get("")
            home = person.get(f"{API}/app_id").json()["app_id"]
        source = uploaded(person, png(picture))
        assert told(person, source)["kind"] == "view"
        site.replicas[0].kill()
        site.replicas[0].wait()
        gone = told(person, source)
        assert (gone["kind"], gone["why"]) == ("error", "gone"), gone
        assert told(person, uploaded(person, png(picture)))["kind"] == "view"
