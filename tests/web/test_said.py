"""What the server says to a visitor is said in every language: its sentences are known by patterns."""

import ast
import re
import subprocess
from pathlib import Path

from nonlocal_viz.canvas import canvas_words
from tests.web.test_js import node  # noqa: F401 - a fixture

PACKAGE = Path(__file__).parents[2] / "nonlocal_viz"
#: Where sentences come from that a visitor of the page can meet.
HEARD = [
    *("media/animation.py", "media/apart.py", "media/image.py", "media/video.py"),
    *("media/wide.py", "web/asked.py", "web/desk.py", "web/field.py", "web/models.py"),
    *("web/lesson.py", "web/by_hand.py", "web/views.py", "core/geometry.py", "view.py"),
    *("lens.py", "encoding.py", "row.py"),
]
#: What only a program can cause: it hands over an array, a wrong option, a place of its own making.
OF_PROGRAMS = re.compile(
    "[Aa]rray|Cannot read a|give a path|binary mode|from any place|[Tt]he file is closed|open_batch"
    "|A batch is|A Lens looks|short side|EXIF|axis|pooling window|A grid needs|The crop|There is no cell "
    "|view.query|An axis"
    "|What lies between|announced the blocks|What the keys carry|A lesson asks|The tensors of|The gap"
    "|Nothing is fetched from the network|no times: leave"
)
#: What stands in a sentence's place.
SAMPLE = "7"


def texts(tree: ast.AST) -> list[str]:
    """Of a module: every sentence that an error is made with, its places filled."""
    found = []
    for call in ast.walk(tree):
        named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if not named or not call.func.id.endswith("Error") or not call.args:  # type: ignore[attr-defined]
            continue
        said = call.args[0]  # type: ignore[attr-defined]
        if isinstance(said, ast.Constant):
            found.append(str(said.value))
        elif isinstance(said, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else SAMPLE for p in said.values)
            found.append("".join(map(str, parts)))
    return found


def sentences() -> list[str]:
    said = [
        text
        for name in HEARD
        for text in texts(ast.parse((PACKAGE / name).read_text("utf-8")))
        if text[0].isupper() or text.startswith(SAMPLE)
    ]
    # Those that are put together elsewhere.
    said += [
        f"{SAMPLE} needs more memory than there is for one file; make it smaller.",
        f"{SAMPLE} takes longer than {SAMPLE} seconds to decode; make it smaller, or save it again.",
        f"{SAMPLE} is broken: what reads such files gave up on it. Save it again.",
        f"{SAMPLE} is a TIFF of a kind that is not read here; save it as PNG, or with 8 bits.",
        "Something went wrong on the server; it has been logged. Try again.",
    ]
    return sorted({text for text in said if not OF_PROGRAMS.search(text)})


def test_every_sentence_of_the_server_has_its_words() -> None:
    english = canvas_words()["en"]
    patterns = [
        re.compile("(.+?)".join(map(re.escape, re.split(r"\{\w+\}", text))))
        for key, text in english.items()
        if key.startswith("page.") and key != "page.said-and-then"
    ]
    found = sentences()
    assert len(found) > 40
    lost = [text for text in found if not any(p.fullmatch(text) for p in patterns)]
    assert not lost


#: What people meet, and what of it stays as it is: names of files, formats and models.
MET = {
    "fake.png is not a picture that can be read; use one of JPEG, PNG, WEBP.": "fake.png JPEG PNG WEBP",
    "a. B.png is empty (0 bytes).": "a. B.png",
    "my; clip.mp4 is longer than 4 hours; cut it.": "my; clip.mp4",
    "Mr. Fox.png is larger than 40 MB; save it smaller.": "Mr. Fox.png MB",
    "x.tif is broken: what reads such files gave up on it. Save it again.": "x.tif",
    "There is no model 'x' here; choose one of embedded_gaussian.": "x embedded_gaussian",
    "Not all of this address could be brought back: there is no model \u201cabc\u201d; there is no point"
    " (900, 3) in the picture; there is no frame 9; \u201cup\u201d is neither row nor column.": "abc up",
    "Too many pictures are waiting to be encoded; try again in a minute.": "",
    "That picture is no longer here; open it again.": "",
    "The layers and heads could not be had: That picture is no longer here; open it again.": "",
}


def test_what_people_meet_is_said_in_chinese(node: str) -> None:  # noqa: F811
    import json

    script = """
        import { Phrases } from "./nonlocal_viz/canvas/core/phrases.js";
        import { readFileSync } from "node:fs";
        const folder = "nonlocal_viz/canvas/lesson/words", read = (name) =>
            JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
        const phrases = new Phrases(read("en"), read("zh"));
        console.log(JSON.stringify(JSON.parse(process.argv[1]).map((text) => phrases.say(text))));
    """
    done = subprocess.run(
        [node, "--input-type=module", "-e", script, json.dumps(list(MET))],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=True,
    )
    for (english, names), said in zip(MET.items(), json.loads(done.stdout), strict=True):
        left = said
        for name in sorted(names.split(" "), key=len, reverse=True) if names else []:
            assert name in said, (english, said)
            left = left.replace(name, "")
        assert not re.search("[A-Za-z]{2}", left), (english, said)
        assert "\ufffd" not in said and "\uff1b\uff1b" not in said
