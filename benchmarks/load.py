"""Many people at one server: each with a picture of their own, and every answer held to that picture.

The server is the real command in a process of its own; people are coroutines here, on the same machine and
its processors. What they are told is compared with what a lens here says of the same file.
"""

import asyncio
import io
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from PIL import Image

import nonlocal_viz as nv
from benchmarks.timing import Timing
from nonlocal_viz.resources import assets_dir

#: What a page or a program is told where too many ask at once.
BUSY = ("full", "Too many")


@dataclass
class Person:
    """Somebody with a picture, and what they were told."""

    png: bytes
    path: str = ""
    seconds: list[float] = field(default_factory=list)
    told: list[tuple[float, float, list[Any]]] = field(default_factory=list)
    busy: int = 0
    failed: list[str] = field(default_factory=list)


def pictures(count: int, side: int = 640) -> list[bytes]:
    """PNGs of one photo, each turned, shifted and coloured in a way of its own."""
    with Image.open(assets_dir() / "photos" / "cat.jpg") as photo:
        photo.thumbnail((side, side))
        pixels = np.asarray(photo.convert("RGB"))
    found = []
    for i in range(count):
        turned = np.roll(pixels[:, :: 1 - 2 * (i % 2)], 23 * i, axis=1)
        buffer = io.BytesIO()
        Image.fromarray(np.roll(turned, i % 3, axis=2)).save(buffer, "PNG", compress_level=1)
        found.append(buffer.getvalue())
    return found


async def ask(client: httpx.AsyncClient, person: Person, x: float, y: float) -> None:
    """One question, and what comes of it."""
    file = {"path": person.path, "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file, x, y, 0, 8, "", "row", "", 0.5, "linear", ""]}
    began = time.perf_counter()
    call = await client.post("gradio_api/call/affinity", json=body)
    if call.status_code == 503:
        person.busy += 1
        return
    heard = await client.get(f"gradio_api/call/affinity/{call.json()['event_id']}")
    took = time.perf_counter() - began
    event, _, data = heard.text.strip().rpartition("event: ")[2].partition("\n")
    if event == "complete":
        person.seconds.append(took)
        person.told.append((x, y, json.loads(data.removeprefix("data: "))[0]["weights"]))
    elif any(word in data for word in BUSY):
        person.busy += 1
    else:
        person.failed.append(heard.text[:300])


async def visit(client: httpx.AsyncClient, person: Person, questions: int, pause: float) -> None:
    """All that one person asks; ``pause``: seconds between two questions, on average."""
    chance = random.Random(person.png[:2000])
    with Image.open(io.BytesIO(person.png)) as image:
        width, height = image.size
    await asyncio.sleep(pause * chance.random())
    for _ in range(questions):
        await ask(client, person, chance.uniform(0, width - 1), chance.uniform(0, height - 1))
        await asyncio.sleep(pause * (0.5 + chance.random()))


async def crowd(
    url: str, people: list[Person], questions: int, pause: float, *, encoded: bool = True
) -> None:
    """Everybody sends their picture, one after the other, and then all ask at once.

    Args:
        encoded: whether every picture was asked about once before times are taken.
    """
    bounds = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{url}/", timeout=120, limits=bounds) as client:
        for person in people:
            files = {"files": ("own.png", person.png)}
            person.path = (await client.post("gradio_api/upload", files=files)).json()[0]
            if encoded:
                await ask(client, person, 1, 1)
                person.seconds.clear()
        await asyncio.gather(*(visit(client, person, questions, pause) for person in people))


def wrong(people: list[Person], lens: nv.Lens) -> int:
    """How many answers are not what the lens says of that person's picture."""
    found = 0
    for person in people:
        view = lens.open(person.png) if person.told else None
        for x, y, weights in person.told:
            assert view is not None
            row = view.query(x, y).map.reshape(-1)
            given = np.asarray(weights).reshape(-1)
            found += not (given.shape == row.shape and np.allclose(given, row, atol=1e-5))
    return found


def summary(people: list[Person]) -> Timing:
    """The median, and the times that half and 95 of 100 answers keep within."""
    seconds = sorted(second for person in people for second in person.seconds)
    return Timing(statistics.median(seconds), seconds[0], seconds[int(0.95 * (len(seconds) - 1))])


@contextmanager
def served() -> Iterator[str]:
    """The address of the real command, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nonlocal_viz", "serve", "--quiet", "--port", str(port)]
    process = subprocess.Popen(command, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
            if process.poll() is not None:
                raise RuntimeError("the server did not start")
        yield url
    finally:
        process.terminate()
        process.wait()


def load(quick: bool) -> tuple[str, list[str], list[list[Any]]]:
    """The case of ``python -m benchmarks load``."""
    lens = nv.Lens(nv.load_model("default", "cpu"))
    rows = []
    questions = 4 if quick else 12
    for users, pause in ((1, 0.0), (25, 2.0), (25, 0.0), (100, 2.0), (100, 0.0)):
        if quick and users == 100 and pause:
            continue
        people = [Person(png) for png in pictures(users)]
        with served() as url:
            asyncio.run(crowd(url, people, questions, pause))
            memory = httpx.get(f"{url}/health").json()["memory_mb"]
        for failure in {words for person in people for words in person.failed}:
            print(f"not answered: {failure}", file=sys.stderr)
        times = summary(people)
        rows.append(
            [
                users,
                f"{pause:g} s" if pause else "none",
                sum(len(person.seconds) for person in people),
                f"{1e3 * times.median:.0f} ms",
                f"{1e3 * times.high:.0f} ms",
                sum(person.busy for person in people),
                wrong(people, lens),
                sum(len(person.failed) for person in people),
                f"{memory} MB",
            ]
        )
    header = [
        "people",
        "pause",
        "answers",
        "median",
        "95 %",
        "told busy",
        "wrong",
        "failed",
        "memory",
    ]
    return "People with pictures of their own, each asking /affinity", header, rows
