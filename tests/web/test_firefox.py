"""The page in Firefox: what is first shown, hover, hold, pin, a clip and a download, by Marionette."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nonlocal_viz.media import is_video
from nonlocal_viz.web.views import examples
from tests.web.conftest import free_port

pytestmark = pytest.mark.browser

CLIP = next(example for example in examples() if is_video(example.path))
TOOL = "document.querySelector('.nlv').nonlocalViz"


class Page:
    """What is done and seen in the browser."""

    def __init__(self, client: Any, address: str, downloads: Path) -> None:
        self.client, self.address, self.downloads = client, address, downloads

    def open(self, query: str = "") -> None:
        self.client.navigate(self.address + query)
        self.wait(f"document.querySelector('.nlv')?.nonlocalViz && {TOOL}.ready")

    def see(self, expression: str) -> Any:
        # In the page's own world: another does not see what its script has put on elements.
        return self.client.execute_script(f"return {expression}", sandbox=None)

    def wait(self, condition: str) -> None:
        end = time.monotonic() + 20
        while not self.see(condition):
            assert time.monotonic() < end, f"in vain: {condition}"
            time.sleep(0.05)

    def pointer(self, x: float, y: float) -> Any:
        """The mouse at a place of the picture, given as shares of its size."""
        box = self.see("document.querySelector('.nlv-sheet').getBoundingClientRect().toJSON()")
        mouse = self.client.actions.sequence("pointer", "mouse", {"pointerType": "mouse"})
        place = round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])
        return mouse.pointer_move(*place)

    def press(self, selector: str) -> None:
        self.client.execute_script(f"document.querySelector({selector!r}).click()")


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Where there is no Firefox the tests skip, unless NONLOCAL_VIZ_REQUIRE_BROWSER is set."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    driver = pytest.importorskip("marionette_driver.marionette") if path else None
    if driver is None:
        message = "no Firefox was found, so the page was not driven in it"
        if os.environ.get("NONLOCAL_VIZ_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    profile, port = tmp_path_factory.mktemp("profile"), free_port()
    downloads = tmp_path_factory.mktemp("downloads")
    wanted = {
        "marionette.port": port,
        "browser.download.folderList": 2,
        "browser.download.dir": f'"{downloads}"',
        "browser.shell.checkDefaultBrowser": "false",
        "app.update.enabled": "false",
        "datareporting.policy.dataSubmissionEnabled": "false",
        "network.captive-portal-service.enabled": "false",
        "network.connectivity-service.enabled": "false",
    }
    lines = [f'user_pref("{name}", {value});' for name, value in wanted.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [path, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    running = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOZ_HEADLESS_WIDTH": "1400", "MOZ_HEADLESS_HEIGHT": "1000"},
    )
    client = driver.Marionette(host="127.0.0.1", port=port)
    try:
        client.start_session(timeout=30)
        client.timeout.script = 20
        yield Page(client, address, downloads)
    finally:
        running.terminate()
        running.wait(10)


def test_a_photo_is_shown_pointed_at_held_and_pinned(page: Page) -> None:
    page.open()
    first = page.see(f"{TOOL}.answer")
    assert (first["x"], first["y"]) == examples()[0].query
    page.pointer(0.3, 0.3).perform()
    page.wait(f"{TOOL}.preview && {TOOL}.answer.index !== {first['index']}")
    page.pointer(0.3, 0.3).click().perform()
    page.wait(f"{TOOL}.held !== null")
    held = page.see(f"{TOOL}.held")
    page.pointer(0.8, 0.8).perform()
    page.wait(f"{TOOL}.preview")
    assert page.see(f"{TOOL}.held") == held
    page.press("[data-do=pin]")
    page.wait(f"{TOOL}.pins === 1 && document.querySelectorAll('.nlv-pin').length === 1")


def test_a_download_arrives(page: Page) -> None:
    page.open()
    page.press("[data-save=csv]")
    end = time.monotonic() + 20
    while not (found := list(page.downloads.glob("*.csv"))):
        assert time.monotonic() < end, "no download arrived"
        time.sleep(0.1)
    assert found[0].name.startswith(examples()[0].name) and "-row-x" in found[0].name


def test_a_clip_has_its_frames(page: Page) -> None:
    page.open(f"?example={CLIP.name}")
    assert page.see("document.querySelectorAll('.nlv-frame').length") == 8
    frame = page.see(f"{TOOL}.frame")
    page.press("[data-do=play]")
    page.wait(f"{TOOL}.frame !== {frame}")
