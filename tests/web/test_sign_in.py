"""--auth at the real server: every route that there is, programs, and gradio's own link to share."""

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import gradio_client
import httpx
import pytest

from nonlocal_viz.web import rules
from tests.web.test_door import running, start
from tests.web.test_hostile import API, png

ANN = {"username": "ann", "password": "sesame"}


@pytest.fixture(scope="module")
def guarded(tiny_model: Any) -> Iterator[tuple[str, Any]]:
    with running(tiny_model, short_side=32, auth=[tuple(ANN.values())]) as (url, blocks):
        yield url, blocks


def signed_in(url: str) -> httpx.Client:
    told = httpx.post(f"{url}/login", data=ANN)
    assert told.status_code == 200
    # The other cookie is for https alone.
    assert any(name.startswith("access-token-unsecure") for name in told.cookies)
    return httpx.Client(base_url=url, timeout=30, cookies=told.cookies)


def test_no_route_of_gradios_is_forgotten(guarded: tuple[str, Any]) -> None:
    url, blocks = guarded
    tried = 0
    parts = [getattr(route, "original_router", blocks.app).routes for route in blocks.app.routes]
    for route in {id(r): r for part in parts for r in part if hasattr(r, "path")}.values():
        path = re.sub(r"\{[^}]*\}", "x", route.path)
        for method in (getattr(route, "methods", None) or {"GET"}) - {"OPTIONS"}:
            status = httpx.request(method, url + path).status_code
            if rules.open_to_all(path) and method != "POST":
                assert status != 401 or "login_check" in path, path
            else:
                # 422: /login without a name.
                assert status in ((404, 405, 422) if path.startswith("/login") else (401, 404, 405))
                tried += 1
    assert tried > 30
    for path in ("assets/../config", "/config", "static/../gradio_api/info", "%2e%2e/config"):
        assert httpx.get(f"{url}/{path}").status_code in (401, 404), path
    page = httpx.get(url)
    # Where one signs in, nothing of the tool is told.
    assert page.status_code == 200 and "auth_required" in page.text
    assert "nlv" not in page.text and "bunny" not in page.text
    for path in ("health", "ready"):
        assert httpx.get(f"{url}/{path}").status_code == 200


def test_whoever_signs_in_is_let_in_and_out(guarded: tuple[str, Any], picture: Any) -> None:
    url, _ = guarded
    wrong = httpx.post(f"{url}/login", data={**ANN, "password": "no"})
    assert wrong.status_code == 400 and "access-token" not in str(wrong.headers)
    with signed_in(url) as client:
        assert "nlv" in client.get("/").text
        sent = client.post(f"/{API}/upload", files={"files": ("a.png", png(picture))}).json()[0]
        question = {"question": 1, "source": {"path": sent}, "block": None}
        call = client.post(f"/{API}/call/picture", json={"data": [question]}).json()["event_id"]
        # A question that somebody else has asked is nobody else's.
        assert httpx.get(f"{url}/{API}/call/picture/{call}").status_code == 401
        assert '"view"' in client.get(f"/{API}/call/picture/{call}").text
        assert client.get(f"/{API}/file={sent}").content == png(picture)
        assert httpx.get(f"{url}/{API}/file={sent}").status_code == 401
        client.get("/logout")
        assert client.get("/config").status_code == 401
    program = gradio_client.Client(url, auth=tuple(ANN.values()), verbose=False)
    assert "/affinity" in program.view_api(return_format="dict")["named_endpoints"]
    program.close()


def test_a_websocket_is_refused(guarded: tuple[str, Any]) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    upgrade["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    # Without a package for websockets uvicorn takes it for a plain request.
    for path in ("/config", f"/{API}/queue/data"):
        assert httpx.get(guarded[0] + path, headers=upgrade).status_code in (401, 403)


def test_the_link_that_gradio_shares_is_answered(
    tiny_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the tunnel itself, which is gradio's and needs its server: what comes out of it on this
    machine names the link's host."""
    link = "https://0123456789.gradio.live"
    tunnels: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        gr.networking, "setup_tunnel", lambda *a, **k: tunnels.append((a, k)) or link
    )
    monkeypatch.setattr(gr.networking, "url_ok", lambda _url: True)
    with running(tiny_model, short_side=32, share=True) as (url, blocks):
        assert blocks.share_url == link and len(tunnels) == 1
        there = {"host": "0123456789.gradio.live", "x-forwarded-proto": "https"}
        page = httpx.get(url, headers=there)
        assert page.status_code == 200 and f'"root":"{link}"' in page.text
        assert httpx.get(url, headers={"host": "gradio.live.evil.example"}).status_code == 400
        assert start(url)[-1]["kind"] == "view"


def test_the_address_of_gradio_is_believed_of_nobody(tiny_model: Any) -> None:
    with running(tiny_model, short_side=32, proxies=("10.0.0.1",)) as (url, _):
        forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
        # Nor of whoever says that a proxy spoke for them.
        forged["x-forwarded-for"] = "10.0.0.1"
        page = httpx.get(url, headers={**forged, "x-gradio-server": "http://evil.example"})
        assert "evil.example" not in page.text and f'"root":"{url}"' in page.text
