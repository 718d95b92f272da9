"""The canvas: its modules put into one script, its types those of the protocol, and several on one page."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nonlocal_viz.canvas import FOLDER, JoinError, alone_js, canvas_html, canvas_js, join
from nonlocal_viz.media import is_video
from nonlocal_viz.web.desk import Desk
from nonlocal_viz.web.page import page_config
from nonlocal_viz.web.views import Views, examples
from tests.web import declare
from tests.web.conftest import Visit
from tests.web.rows import expected

PHOTOS = [example for example in examples() if not is_video(example.path)][:2]


def written(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder / "entry.js"


def test_modules_come_after_what_they_import_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.js").write_text("export const base = 1;\n")
    entry = written(
        tmp_path,
        left='import { base } from "./deep/base.js";\nexport function left() { return base; }\n',
        right='import {\n  base,\n} from "./deep/base.js";\nexport class Right {}\nconst [p] = [base];\n',
        entry='import { left } from "./left.js";\nimport { Right } from "./right.js";\nleft(Right);\n',
    )
    assert join(entry) == (
        "const base = 1;\n\nfunction left() { return base; }\n\nclass Right {}\nconst [p] = [base];\n"
        "\nleft(Right);\n"
    )


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (
            {
                "entry": 'import { a } from "./a.js";\n',
                "a": 'import { b } from "./b.js";\nexport const a = b;\n',
                "b": 'import { a } from "./a.js";\nexport const b = a;\n',
            },
            r"^Modules import one another: a\.js -> b\.js -> a\.js$",
        ),
        (
            {"entry": 'import { a } from "./entry.js";\nexport const a = 1;\n'},
            "entry.js -> entry.js",
        ),
        (
            {"entry": 'import { a } from "./a.js";\n'},
            r"^There is no a\.js, which entry\.js imports",
        ),
        (
            {"entry": 'import { a } from "./a.js";\n', "a": "const a = 1;\n"},
            r"^a\.js does not export 'a', which entry\.js imports",
        ),
        (
            {
                "entry": 'import { a } from "./a.js";\nclass b {}\n',
                "a": "export const a = 1;\nlet b;\n",
            },
            r"^Both a\.js and entry\.js declare 'b'",
        ),
        (
            {
                "entry": 'import { a } from "./a.js";\nconst { x, a } = {};\n',
                "a": "export const a = 1;\n",
            },
            "declare 'a'",
        ),
        ({"entry": 'import { a as b } from "./a.js";\n', "a": "export const a = 1;\n"}, "a as b"),
        ({"entry": 'import a from "./a.js";\n'}, "cannot be joined: import a"),
        ({"entry": 'import * as a from "./a.js";\n'}, "cannot be joined"),
        ({"entry": 'import { a } from "somewhere";\n'}, "cannot be joined"),
        ({"entry": "export default 1;\n"}, "cannot be joined: export default"),
        ({"entry": "const a = 1;\nexport { a };\n"}, "cannot be joined: export { a }"),
    ],
)
def test_what_cannot_be_joined_is_refused(
    tmp_path: Path, modules: dict[str, str], words: str
) -> None:
    with pytest.raises(JoinError, match=words):
        join(written(tmp_path, **modules))


@pytest.mark.parametrize(
    ("script", "others"),
    [
        (canvas_js, {"alone.js", "shelf.js"}),
        # What only the lesson needs stays out of a file that works alone.
        (alone_js, {"gradio.js", "line.js", "phrases.js", "sums.js", "tongue.js", "grading.js"}),
    ],
)
def test_every_module_is_in_the_script(script: Callable[[], str], others: set[str]) -> None:
    text = script()
    for path in FOLDER.rglob("*.js"):
        if script is alone_js and "lesson" in path.relative_to(FOLDER).parts:
            continue  # a file that works alone has no server to ask for tensors
        there = path.read_text(encoding="utf-8").splitlines()[0] in text
        assert there or path.name in others, path.name
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)


def test_the_markup_survives_gradio() -> None:
    assert "${" not in canvas_html() and r"\\25B6" in canvas_html()


def test_the_types_of_the_browser_are_those_of_python() -> None:
    assert declare.TARGET.read_text(encoding="utf-8") == declare.typescript(), (
        "write it with: python -m tests.web.declare"
    )


def test_no_word_means_two_things() -> None:
    """Words that were given up, or that belong to something else."""
    for path in (*FOLDER.rglob("*.js"), FOLDER / "page.html"):
        text = path.read_text(encoding="utf-8").replace('class="nlv-picture nlv-sheet"', "")
        for word in ("perFrame", "sheet", "instantiation ===", "JSON.stringify"):
            if (path.name, word) == ("line.js", "JSON.stringify"):
                continue  # what travels is JSON; nothing is compared by it
            assert word not in text, f"{path.name} says {word}"


# Gradio's part, played on a page of our own: every question is kept, and answered when a test says so.
HOST = """(root, config) => {
  const host = { props: { config, value: null }, asked: [], listeners: [] };
  const ours = ["start", "cancel"];
  host.trigger = (event, data) => { if (!ours.includes(event)) host.asked.push([event, data]); };
  host.watch = (name, listener) => host.listeners.push(listener);
  host.upload = async () => ({ path: "" });
  host.say = (value) => { host.props.value = value; host.listeners.forEach((listener) => listener()); };
  return host;
}"""


@pytest.fixture(scope="module")
def two(shipped_lens: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a page needs for two canvases: their answers hold their files, no server is there."""
    views = Views(shipped_lens, tmp_path_factory.mktemp("uploads"))
    desk, (first, second) = Desk(views), PHOTOS
    return {
        "config": page_config(views),
        "answers": [{**next(desk.open({"example": e.name})), "seq": 1} for e in (first, second)],
        "views": [views.get({"example": e.name}) for e in (first, second)],
        "desk": desk,
    }


@pytest.fixture
def pair(chromium: Any, two: dict[str, Any]) -> Any:
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    visit = Visit(context.new_page())
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.set_content("<body><div id=a></div><div id=b></div></body>")
    script = f"(() => {{ {join(FOLDER / 'mount.js')}\nreturn mount; }})()"
    # Markup is a template string in gradio; here it is not.
    html = canvas_html().replace(r"\\", "\\")
    visit.page.evaluate(
        f"""([html, config, answers]) => {{
            const mount = {script}, host = {HOST};
            window.hosts = ["a", "b"].map((id, i) => {{
                const element = document.getElementById(id);
                element.innerHTML = html;
                const own = host(element, config);
                mount(element, own);
                own.say(answers[i]);
                return own;
            }});
            window.tools = ["a", "b"].map((id) => document.querySelector(`#${{id}} .nlv`).nonlocalViz);
        }}""",
        [html, two["config"], two["answers"]],
    )
    visit.page.wait_for_function("tools.every((tool) => tool.ready)")
    yield visit
    context.close()


def shown(pair: Visit) -> list[dict[str, Any]]:
    pair.settled()
    return pair.page.evaluate(
        "tools.map((t) => ({ answer: t.answer, pins: t.pins, frame: t.frame, model: t.model }))"
    )


def right(two: dict[str, Any], found: list[dict[str, Any]]) -> None:
    for view, one in zip(two["views"], found, strict=True):
        wanted = expected(view, one["answer"])
        np.testing.assert_allclose(
            one["answer"]["weights"], wanted, rtol=2e-2, atol=2e-3 * wanted.max()
        )


def at(pair: Visit, canvas: str, x: float, y: float) -> None:
    place = pair.page.locator(f"#{canvas} .nlv-picture")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    pair.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    pair.settled()


@pytest.mark.browser
def test_two_canvases_on_a_page_do_not_meet(pair: Visit, two: dict[str, Any]) -> None:
    before = shown(pair)
    right(two, before)
    at(pair, "a", 0.3, 0.4)
    one, other = shown(pair)
    assert one["answer"]["index"] != before[0]["answer"]["index"] and other == before[1]
    pair.page.mouse.down()
    pair.page.mouse.up()
    one = shown(pair)[0]
    at(pair, "b", 0.6, 0.7)
    pair.page.mouse.down()
    pair.page.mouse.up()
    pair.page.keyboard.press("p")
    pair.page.locator("#b [data-set=direction]").select_option("column")
    after = shown(pair)
    assert after[0] == one and (after[1]["pins"], after[0]["pins"]) == (1, 0)
    assert [s["answer"]["direction"] for s in after] == ["row", "column"]
    right(two, after)
    # Each asks its own server, and hears its own answers alone.
    pair.page.locator('#b [data-save="png"]').click()
    asked = pair.page.evaluate("hosts.map((host) => host.asked)")
    assert asked[0] == [] and [event for event, _ in asked[1]] == ["save"]
    assert asked[1][0][1]["question"] == 1 and asked[1][0][1]["direction"] == "column"
    pair.page.evaluate("hosts[0].say({ seq: 2, kind: 'error', question: 1, message: 'No.' })")
    assert pair.page.locator(".nlv-error:visible").count() == 0
    ids = pair.page.evaluate("Array.from(document.querySelectorAll('[id]'), (e) => e.id)")
    assert len(ids) == len(set(ids))
    for canvas in "ab":
        target = pair.page.locator(f"#{canvas} .nlv-picture").get_attribute("aria-describedby")
        assert pair.page.locator(f"#{canvas} #{target}").count() == 1
    assert pair.errors == []


@pytest.mark.browser
def test_keys_go_to_the_canvas_in_use(pair: Visit) -> None:
    def scales() -> list[str]:
        return [pair.page.locator(f"#{c} [data-set=scale]").input_value() for c in "ab"]

    pair.page.keyboard.press("s")
    assert scales() == ["gamma", "linear"]  # nobody used one yet: the first
    at(pair, "b", 0.5, 0.5)
    pair.page.keyboard.press("s")
    assert scales() == ["gamma", "gamma"]
    at(pair, "a", 0.5, 0.5)
    pair.page.locator("#b .nlv-picture").focus()
    pair.page.keyboard.press("s")
    pair.page.keyboard.press("ArrowRight")
    assert scales() == ["gamma", "log"]
    pair.page.evaluate("document.activeElement.blur()")
    pair.page.keyboard.press("s")
    assert scales() == ["gamma", "linear"]  # the last used is still b
    pair.page.evaluate("document.getElementById('b').remove()")
    at(pair, "a", 0.4, 0.5)
    pair.page.keyboard.press("s")
    assert pair.page.locator("#a [data-set=scale]").input_value() == "log"


@pytest.mark.browser
def test_a_stale_answer_is_not_shown(pair: Visit, two: dict[str, Any]) -> None:
    names = [photo.name for photo in PHOTOS]
    for name in (names[1], names[0]):
        pair.page.locator(f'#a [data-example="{name}"]').click()
    asked = pair.page.evaluate("hosts[0].asked")
    assert [question["source"]["example"] for _, question in asked] == [names[1], names[0]]
    before = pair.page.evaluate("tools[0].draws")
    old = {**two["answers"][1], "question": asked[0][1]["question"], "seq": 5}
    pair.page.evaluate("(answer) => hosts[0].say(answer)", old)
    pair.page.wait_for_timeout(300)
    assert not pair.page.evaluate("tools[0].ready")
    assert pair.page.evaluate("tools[0].draws") == before
    new = {**two["answers"][0], "question": asked[1][1]["question"], "seq": 6}
    pair.page.evaluate("(answer) => hosts[0].say(answer)", new)
    pair.page.wait_for_function("tools[0].ready")
    pressed = pair.page.locator('#a .nlv-thumbs [aria-pressed="true"]')
    assert pressed.get_attribute("data-example") == names[0]


def test_answers_bring_back_the_number_of_their_question(two: dict[str, Any]) -> None:
    desk: Desk = two["desk"]

    def said(question: object) -> dict[str, Any]:
        return next(desk.answers(lambda: iter([{"kind": "file"}]), {"question": question}))

    assert said(7)["question"] == 7 and json.dumps(said(7))
    for odd in (None, "7", 7.5, True, [7]):
        assert "question" not in said(odd)

    def broken() -> Any:
        raise ValueError

    assert next(desk.answers(broken, {"question": 3}))["question"] == 3
