"""The server side without a browser: views by source, the payload, and the endpoint for programs."""

import os
import tempfile
from pathlib import Path
from typing import Any

import gradio_client
import numpy as np
import pytest
from PIL import Image

from nonlocal_viz.canvas.payload import block_payload, picture_payload
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.errors import BlockError, BusyError, MediaError, NonlocalVizError
from nonlocal_viz.lens import Lens
from nonlocal_viz.limits import LIMITS, Limits
from nonlocal_viz.media import encode_webm, is_video, open_video
from nonlocal_viz.web.views import Views, examples


@pytest.fixture
def uploads(tmp_path: Path, picture: np.ndarray) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.roll(picture, i, axis=1)).save(folder / f"{i}.png")
    return folder


def upload(folder: Path, i: int) -> dict[str, str]:
    return {"path": str(folder / f"{i}.png")}


def test_examples_are_real_and_licensed() -> None:
    found = examples()
    assert len(found) >= 3 and len({e.name for e in found}) == len(found)
    for example in found:
        if is_video(example.path):
            clip = open_video(example.path)
            height, width = clip.frames.shape[1:3]
            assert example.frame < len(clip)
        else:
            with Image.open(example.path) as image:
                width, height = image.size
        assert 0 <= example.query[0] < width and 0 <= example.query[1] < height
        assert example.licence and example.alt and example.title


def test_a_view_is_encoded_once_and_found_again(tiny_model, uploads: Path) -> None:
    views = Views(Lens(tiny_model), uploads)
    first = views.get(upload(uploads, 0))
    assert views.get(upload(uploads, 0)) is first


def test_kept_views_are_bounded_in_bytes(tiny_model, uploads: Path) -> None:
    probe = Lens(tiny_model).open(uploads / "0.png").nbytes
    views = Views(Lens(tiny_model, limits=Limits(view_bytes=2 * probe)), uploads)
    first = views.get(upload(uploads, 0))
    for i in range(3):
        view = views.get(upload(uploads, i))
        for block in view.blocks:
            view.affinity(block)
    views.get(upload(uploads, 2))
    assert views.nbytes <= 2 * probe
    # The oldest made room; asked for again, it is encoded again.
    assert views.get(upload(uploads, 0)) is not first


@pytest.mark.parametrize(
    "source",
    [
        None,
        "text",
        7,
        [],
        {},
        {"example": "none"},
        {"example": None},
        {"path": 3},
        {"path": "/etc/passwd"},
        {"path": "../secret.png"},
        {"path": ""},
    ],
)
def test_what_the_browser_names_is_not_trusted(tiny_model, uploads: Path, source: object) -> None:
    Image.new("RGB", (4, 4)).save(uploads.parent / "secret.png")
    views = Views(Lens(tiny_model), uploads)
    with pytest.raises(MediaError, match="no longer here"):
        views.get(source)


def test_a_link_out_of_the_uploads_is_not_followed(tiny_model, uploads: Path) -> None:
    Image.new("RGB", (4, 4)).save(uploads.parent / "secret.png")
    (uploads / "link.png").symlink_to(uploads.parent / "secret.png")
    with pytest.raises(MediaError, match="no longer here"):
        Views(Lens(tiny_model), uploads).get({"path": str(uploads / "link.png")})


def test_a_full_queue_says_so(tiny_model, uploads: Path) -> None:
    views = Views(Lens(tiny_model, limits=Limits(queue_size=1)), uploads)
    assert views._waiting.acquire(blocking=False)
    with pytest.raises(BusyError, match="try again"):
        views.get(upload(uploads, 0))
    views._waiting.release()
    views.get(upload(uploads, 0))


@pytest.mark.parametrize("instantiation", ["embedded_gaussian", "dot_product", "concatenation"])
@pytest.mark.parametrize("sub_sample", [False, True])
def test_the_factors_of_a_block_are_all_that_a_row_needs(
    make_model, picture: np.ndarray, tmp_path: Path, instantiation: str, sub_sample: bool
) -> None:
    view = Lens(make_model(instantiation=instantiation, sub_sample=sub_sample)).open(picture)
    name = view.blocks[0]
    payload, affinity = block_payload(view, name, tmp_path, LIMITS), view.affinity(name)
    raw, (_, n, m), d = payload["factors"].read_bytes(), affinity.shape, payload["channels"]
    factors = np.frombuffer(raw, "<f4", (n + m) * d)
    query, key = factors[: n * d].reshape(n, d), factors[n * d :].reshape(m, d)
    pairwise = payload["pairwise"]
    added = pairwise["score"] == "sum"
    scores = query + key.T if added else pairwise["scale"] * query @ key.T
    scores = np.maximum(scores, 0) if pairwise["rectify"] else scores
    wanted = affinity.dense()[0].numpy()
    offset = (n + m) * d * 4
    if pairwise["normalise"] == "softmax":
        assert len(raw) == offset + 4 * n
        normaliser = np.frombuffer(raw, "<f4", n, offset)
        got = np.exp(scores - normaliser[:, None])
    else:
        assert len(raw) == offset and pairwise["normalise"] == "count"
        got = scores / m
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    assert np.prod(payload["queries"]["cells"]) == n and np.prod(payload["keys"]["cells"]) == m
    assert payload["pooled"] is sub_sample
    x = payload["queries"]["x"]
    assert x["numerators"][0] == 0 and x["numerators"][-1] == view.size[0] * x["denominator"]
    assert payload["span"] == m and payload["heads"] == 1
    inner = (payload["about"]["input"], payload["about"]["inner"])
    assert inner == (view.about.blocks[name].input_channels, view.about.blocks[name].inner_channels)


def test_the_picture_that_travels_is_bounded(tiny_model, tmp_path: Path) -> None:
    lens = Lens(tiny_model, limits=Limits(display_side=64))
    payload = picture_payload(lens.open(np.zeros((300, 200, 3), np.uint8)), tmp_path, lens.limits)
    assert (payload["width"], payload["height"]) == (200, 300)
    with Image.open(payload["frames"][0]) as photo:
        assert max(photo.size) <= 64


def test_frame_by_frame_the_factors_of_all_frames_follow_one_another(
    tiny_model, picture: np.ndarray, tmp_path: Path
) -> None:
    clip = np.stack([np.roll(picture, 9 * t, axis=1) for t in range(3)])
    view = Lens(tiny_model, short_side=64).open(clip, spacetime=False)
    payload = block_payload(view, "layer2.1", tmp_path, LIMITS)
    assert payload["queries"]["cells"] == (3, 8, 12)
    content, d = payload["factors"].read_bytes(), payload["channels"]
    last = np.frombuffer(content, "<f4")[2 * 96 * d : 3 * 96 * d].reshape(96, d)
    own = view.affinity("layer2.1", 2)
    assert isinstance(own, Factored)
    np.testing.assert_array_equal(last, own.query[0, 0].numpy())
    sections = {section["name"]: section for section in payload["sections"]}
    labels = np.frombuffer(content, "<i4", 3 * 96, sections["query_reach"]["offset"])
    np.testing.assert_array_equal(labels, np.repeat(range(3), 96))
    found = np.frombuffer(content, "<f4", 3 * 96, sections["normaliser"]["offset"])[2 * 96 :]
    np.testing.assert_allclose(found, own.normalisers()[0, 0], rtol=1e-6)
    assert payload["span"] == own.shape[2]
    assert len(picture_payload(view, tmp_path, LIMITS)["frames"]) == 3


def test_how_a_clip_is_sampled_is_part_of_its_source(tiny_model, uploads: Path, picture) -> None:
    frames = [np.roll(picture, 9 * t, axis=1) for t in range(6)]
    (uploads / "clip.webm").write_bytes(encode_webm(frames))
    views = Views(Lens(tiny_model, short_side=32), uploads)
    source: dict[str, Any] = {"path": str(uploads / "clip.webm")}
    assert len(views.get(source).frames) == 6
    assert len(views.get({**source, "frames": 3}).frames) == 3
    assert not views.get({**source, "frames": 3, "spacetime": False}).spacetime
    assert views.get({**source, "frames": 3}).spacetime
    assert len(views.get({**source, "frames": "many", "start": None, "stride": {}}).frames) == 6
    for wrong in ({"frames": 1e9}, {"frames": -4}, {"start": 1e9}, {"stride": -1}):
        with pytest.raises(MediaError):
            views.get({**source, **wrong})


def test_a_wrong_block_is_a_sentence(tiny_model, picture: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(BlockError, match="layer9"):
        block_payload(Lens(tiny_model).open(picture), "layer9", tmp_path, LIMITS)


@pytest.fixture(scope="module")
def client(address: str) -> gradio_client.Client:
    return gradio_client.Client(address, verbose=False)


def ask(client: Any, image: Path | None, x: Any, y: Any, **options: Any) -> tuple[dict, str]:
    file = gradio_client.handle_file(str(image)) if image else None
    return client.predict(image=file, x=x, y=y, api_name="/affinity", **options)


def test_only_the_named_endpoint_is_public(client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert list(described["named_endpoints"]) == ["/affinity"]
    assert described["unnamed_endpoints"] == {}


@pytest.mark.parametrize("direction", ["row", "column"])
def test_the_endpoint_answers_as_the_lens_does(client, shipped_lens, photo_path, direction) -> None:
    view = shipped_lens.open(photo_path)
    block = view.blocks[-1]
    numbers, overlay = ask(client, photo_path, 12.5, 40, block=block, direction=direction)
    wanted = (view.query if direction == "row" else view.column)(12.5, 40, block=block)
    np.testing.assert_allclose(numbers["weights"], wanted.map, atol=1e-6)
    told = numbers["regions"]
    assert [r["cells"] for r in told] == [r.cells for r in wanted.regions()] and told[0][
        "share"
    ] > 0
    assert tuple(numbers["query_cell"]) == wanted.query_cell
    assert numbers["grid"] == list(wanted.map.shape)
    with Image.open(overlay) as image:
        assert image.size == view.size
        np.testing.assert_array_equal(np.asarray(image), wanted.overlay())


def test_the_endpoint_takes_a_video(client, shipped_lens) -> None:
    clip = next(example.path for example in examples() if is_video(example.path))
    numbers, overlay = ask(client, clip, 100, 90, frame=1, frames=3)
    wanted = shipped_lens.open(clip, frames=3).query(100, 90, frame=1)
    np.testing.assert_allclose(numbers["weights"], wanted.map, atol=1e-6)
    assert numbers["query_cell"][0] == 1 and len(numbers["shares"]) == 3
    assert len(open_video(overlay).frames) == 3


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        (-1, 5, {}, "outside"),
        (5, 1e9, {}, "outside"),
        (5, None, {}, "numbers"),
        (5, 5, {"block": "layer9"}, "layer2.1"),
        (5, 5, {"frame": 3}, "frame"),
        (5, 5, {"direction": "diagonal"}, "column"),
        (5, 5, {"cmap": "rainbow!"}, "rainbow"),
        (5, 5, {"scale": "cubic"}, "linear"),
    ],
)
def test_bad_questions_get_one_sentence_and_the_next_works(
    client, photo_path: Path, x: Any, y: Any, options: dict, words: str
) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=words) as caught:
        ask(client, photo_path, x, y, **options)
    assert "Traceback" not in str(caught.value)
    assert os.sep + "nonlocal_viz" not in str(caught.value)
    assert ask(client, photo_path, 5, 5)[0]["grid"][0] == 1


def test_odd_files_get_the_right_picture_or_one_sentence(
    client, odd_files, photo_path: Path
) -> None:
    for name, (path, size) in odd_files.items():
        if size is not None:
            numbers, overlay = ask(client, path, 0, 0)
            assert tuple(numbers["picture_size"]) == size, name
            with Image.open(overlay) as image:
                assert image.size == size, name
            continue
        with pytest.raises((gradio_client.exceptions.AppError, ValueError)) as caught:
            ask(client, path, 0, 0)
        assert "Traceback" not in str(caught.value), name
        assert str(caught.value).rstrip().endswith("."), name
    with pytest.raises(gradio_client.exceptions.AppError, match="image file"):
        ask(client, None, 5, 5)
    assert ask(client, photo_path, 5, 5)[0]["block"] == "layer2.1"


@pytest.fixture
def desk(tiny_model, uploads: Path):
    from nonlocal_viz.web.desk import Desk

    return Desk(Views(Lens(tiny_model, short_side=32), uploads))


@pytest.mark.parametrize(
    "changes",
    [
        {"x": None},
        {"x": "abc"},
        {"x": float("inf")},
        {"y": []},
        {"frame": float("inf")},
        {"frame": 5},
        {"block": None},
        {"block": ["layer2.1"]},
        {"suffix": "x/../../a.csv"},
        {"suffix": "x" * 300},
        {"suffix": None},
        {"source": None},
        {"source": {"path": "/etc/passwd"}},
        {"cmap": "mango"},
        {"scale": 3},
    ],
)
def test_forged_downloads_get_one_sentence(desk, uploads: Path, changes: dict) -> None:
    asked = {"source": upload(uploads, 0), "suffix": "csv", "block": "layer2.1", "x": 5, "y": 5}
    assert [value["kind"] for value in desk.save(asked)] == ["file"]
    with pytest.raises(NonlocalVizError) as caught:
        list(desk.save({**asked, "suffix": "png", **changes}))
    assert str(uploads) not in str(caught.value) and "/tmp" not in str(caught.value)


def test_what_a_source_says_beside_its_name_is_not_sent_back(desk, uploads: Path) -> None:
    file = {"meta": {"_type": "gradio.FileData"}, "path": "/etc/passwd"}
    (answer,) = desk.open({**upload(uploads, 0), "z": file, "meta": "x", "frames": None})
    assert answer["source"] == upload(uploads, 0)


def test_the_endpoint_leaves_no_folder_behind(client, photo_path: Path) -> None:
    def folders() -> set[Path]:
        return set(Path(tempfile.gettempdir()).glob("nonlocal-viz-*"))

    before = folders()
    ask(client, photo_path, 5, 5)
    assert folders() <= before
