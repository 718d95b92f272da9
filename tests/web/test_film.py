"""Clips on the page, in Chromium: the film strip, scrubbing, playing, arrows, export."""

import base64

import numpy as np
import pytest

from nonlocal_viz.lens import View
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import is_video
from nonlocal_viz.web.views import examples
from tests.web.conftest import serve
from tests.web.rows import coloured_right, painted_right

pytestmark = pytest.mark.browser

CLIP = next(example for example in examples() if is_video(example.path))


@pytest.fixture(scope="module")
def clip_view(shipped_lens) -> View:
    return shipped_lens.open(CLIP.path)


def test_a_clip_shows_the_row_on_all_frames(visit, clip_view: View) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    count = len(clip_view.frames)
    assert seen.page.locator(".nlv-frame").count() == count
    answer = seen.answer()
    assert answer["t"] == CLIP.frame and answer["grid"][0] == count
    painted_right(clip_view, answer)
    box = seen.page.locator(".nlv-frame").nth(6).locator("div").bounding_box()
    seen.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"])
    seen.settled()
    answer = seen.answer()
    row = clip_view.query(answer["x"], answer["y"], frame=6)
    assert tuple(answer["cell"]) == row.query_cell and answer["cell"][0] == 6
    painted_right(clip_view, answer)
    words = seen.page.locator(".nlv-frame span").all_inner_texts()
    shown = [float(w.split("\N{MIDDLE DOT}")[1].strip(" %")) for w in words]
    assert shown == pytest.approx([100 * share for share in row.shares], abs=0.6)
    # Every frame is painted with the one colour scale of the whole row.
    cmap = seen.page.locator('[data-set="cmap"]').input_value()
    greatest = float(row.map.max())
    for t in range(count):
        painted = seen.page.evaluate(
            "t => { const c = document.querySelectorAll('.nlv-frame canvas')[t];"
            " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }",
            t,
        )
        coloured_right(painted, row.map[t], cmap, vmax=greatest)
    assert seen.errors == []


def test_scrubbing_and_playing_keep_the_query(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    before = seen.answer()
    seen.page.keyboard.press(".")
    seen.wait(f"tool.frame === {CLIP.frame + 1}")
    seen.settled()
    assert seen.answer() == before and seen.page.locator(".nlv-query").is_hidden()
    seen.page.locator('.nlv-transport input[type="range"]').fill("0")
    seen.wait("tool.frame === 0")
    seen.page.locator('[data-do="play"]').click()
    seen.wait("tool.frame >= 2")
    seen.page.locator('[data-do="play"]').click()
    assert seen.answer() == before
    # Pointing at the large picture asks about the frame that it shows.
    frame = seen.page.evaluate("document.querySelector('.nlv').nonlocalViz.frame")
    seen.hover(0.5, 0.5)
    assert seen.answer()["cell"][0] == frame


def test_a_clip_frame_by_frame(visit, shipped_lens) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    draws = seen.page.evaluate("document.querySelector('.nlv').nonlocalViz.draws")
    seen.page.locator('[data-clip="spacetime"]').select_option("")
    seen.wait(f"tool.draws > {draws} && tool.ready")
    seen.settled()
    answer = seen.answer()
    view = shipped_lens.open(CLIP.path, spacetime=False)
    row = view.query(answer["x"], answer["y"], frame=answer["t"])
    weights = np.array(answer["weights"]).reshape(answer["grid"])
    np.testing.assert_allclose(
        weights[answer["t"]], row.map[0], rtol=2e-2, atol=2e-3 * row.map.max()
    )
    assert np.delete(weights, answer["t"], axis=0).max() == 0


def test_the_exported_video_plays_in_the_browser(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    with seen.page.expect_download() as waiting:
        seen.page.locator('[data-save="webm"]').click()
    content = base64.b64encode(waiting.value.path().read_bytes()).decode()
    length, width = seen.page.evaluate(
        "async (content) => { const video = document.createElement('video'); video.muted = true;"
        " video.src = 'data:video/webm;base64,' + content; await video.play();"
        " await new Promise(done => { video.ontimeupdate = () => video.currentTime > 0.3 && done(); });"
        " return [video.duration, video.videoWidth]; }",
        content,
    )
    assert length == pytest.approx(2, abs=0.3) and width == 640


def test_a_long_export_shows_its_progress_and_can_be_stopped(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.page.evaluate(
        "() => { window.seen = []; new MutationObserver(() => window.seen.push("
        "document.querySelector('[data-text=working]').textContent))"
        ".observe(document.querySelector('.nlv-working'), {subtree: true, childList: true}); }"
    )
    with seen.page.expect_download():
        seen.page.locator('[data-save="webm"]').click()
    words = seen.page.evaluate("window.seen")
    assert any(w.startswith("Writing frame") and w.endswith("of 8") for w in words)
    assert seen.page.locator(".nlv-working").is_hidden()
    downloads = []
    seen.page.on("download", lambda download: downloads.append(download))
    # Pressed the moment it appears: writing eight frames takes a second.
    seen.page.evaluate(
        """() => {
            const box = document.querySelector(".nlv-working");
            new MutationObserver((_, observer) => {
                if (box.hidden) return;
                observer.disconnect();
                document.querySelector('[data-stop="save"]').click();
                window.cancelled = true;
            }).observe(box, { attributes: true });
        }"""
    )
    seen.page.locator('[data-save="webm"]').click()
    seen.page.wait_for_function("window.cancelled")
    seen.page.wait_for_timeout(2500)
    assert downloads == [] and seen.page.locator(".nlv-working").is_hidden()
    # The next one works.
    with seen.page.expect_download():
        seen.page.locator('[data-save="npz"]').click()


def test_arrows_to_the_strongest_places_of_all_frames(visit) -> None:
    seen = visit(query=f"?example={CLIP.name}")
    seen.page.keyboard.press("a")
    seen.settled()
    assert 15 <= seen.page.locator(".nlv-arcs path").count() <= 20
    assert seen.page.locator("#nlv-tip").count() == 1
    # They begin at the query, in its own frame of the strip.
    ways, frames, strip = seen.page.evaluate(
        """() => {
            const place = (element) => element.getBoundingClientRect().toJSON();
            const ends = (way) => {
                const [begin, end] = [way.getPointAtLength(0), way.getPointAtLength(way.getTotalLength())];
                return [begin.x, end.x];
            };
            return [Array.from(document.querySelectorAll(".nlv-arcs path"), ends),
                Array.from(document.querySelectorAll(".nlv-frame"), place),
                place(document.querySelector(".nlv-strip"))];
        }""",
    )

    def frame_at(x: float) -> int:
        places = (box["left"] <= x + strip["left"] <= box["right"] for box in frames)
        return list(places).index(True)

    assert {frame_at(begin) for begin, _ in ways} == {CLIP.frame}
    # The clip's first query tells something: its places are those of every other frame.
    assert {frame_at(end) for _, end in ways} >= set(range(len(frames))) - {CLIP.frame}


@pytest.fixture(scope="module")
def small_address(shipped_lens):
    """A page that may send no factors, as if every block were too big."""
    with serve(shipped_lens.source, limits=Limits(factor_bytes=0)) as url:
        yield url


def test_a_block_too_big_for_the_browser_is_asked_row_by_row(
    visit, small_address: str, clip_view: View
) -> None:
    seen = visit(query=f"?example={CLIP.name}", at=small_address)
    assert seen.page.locator(".nlv-remote").is_visible()
    painted_right(clip_view, seen.answer())
    before = seen.answer()["index"]
    seen.hover(0.31, 0.42)
    seen.wait(f"tool.answer.index !== {before}")
    answer = seen.answer()
    assert (
        tuple(answer["cell"]) == clip_view.query(answer["x"], answer["y"], answer["t"]).query_cell
    )
    painted_right(clip_view, answer)
    seen.page.locator('[data-set="direction"]').select_option("column")
    seen.wait("tool.answer.direction === 'column'")
    painted_right(clip_view, seen.answer())
    seen.page.locator(".nlv-lesson summary").click()
    seen.page.locator(".nlv-lessonbody", has_text="too big").wait_for()
    assert "too big" in seen.page.locator(".nlv-lessonbody").inner_text()
    assert seen.errors == []
