"""Clips written here with known frames: every sampled frame is the one shown at its time."""

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nonlocal_viz.errors import MediaError
from nonlocal_viz.limits import Limits
from nonlocal_viz.media import is_video, open_video
from nonlocal_viz.media.video import sample_times

# container, codec, pixel format
KINDS = {
    "mp4": ("mp4", "mpeg4", "yuv420p"),
    "mov": ("mov", "mpeg4", "yuv420p"),
    "webm": ("webm", "libvpx", "yuv420p"),
    "mkv": ("matroska", "mpeg4", "yuv420p"),
    "avi": ("avi", "mjpeg", "yuvj420p"),
    "mpegts": ("mpegts", "mpeg4", "yuv420p"),
    "asf": ("asf", "mpeg4", "yuv420p"),
}


def numbered(i: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Frame i: its number as eight black or white squares along the bottom, which survive any codec,
    and a white top left corner."""
    image = np.full((size[1], size[0], 3), 100, np.uint8)
    image[: size[1] // 3, : size[0] // 4] = 255
    bits = np.array([i >> b & 1 for b in range(8)], np.uint8) * 255
    image[-16:] = np.repeat(bits, size[0] // 8)[None, :, None]
    return image


def indices(frames: np.ndarray) -> list[int]:
    """Which frame each picture is."""
    cells = frames[:, -12:-4, :, 0].mean(1).reshape(len(frames), 8, -1)[:, :, 2:-2].mean(2)
    return [int(((c > 128) << np.arange(8)).sum()) for c in cells]


def video(
    kind: str = "mp4",
    count: int = 30,
    rate: int = 10,
    times: list[float] | None = None,
    size: tuple[int, int] = (64, 48),
    gop: int = 12,
) -> bytes:
    """A clip of ``numbered`` frames."""
    container, codec, pixels = KINDS[kind]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.gop_size = gop
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i in range(count if times is None else len(times)):
            frame = av.VideoFrame.from_ndarray(numbered(i, size), "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[i]), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def gif(durations: list[int]) -> bytes:
    """An animation of ``numbered`` frames, frame i shown for durations[i] milliseconds."""
    pictures = [Image.fromarray(numbered(i)) for i in range(len(durations))]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_evenly_spaced_frames_of_every_container(kind: str) -> None:
    clip = open_video(video(kind))
    assert clip.frames.shape == (8, 48, 64, 3) and clip.frames.dtype == np.uint8
    wanted = [int(t * 10 + 1e-6) for t in sample_times(8, 3.0)]
    assert indices(clip.frames) == wanted
    assert clip.times == pytest.approx([i / 10 for i in wanted], abs=0.011)
    assert clip.duration == pytest.approx(3, abs=0.11)
    assert clip.frames[:, :8, :8].mean() > 240


@pytest.mark.parametrize("gop", [1, 7, 250])
def test_seeking_is_exact_wherever_key_frames_lie(gop: int) -> None:
    content = video("mp4", count=90, gop=gop)
    for start in (0.0, 2.35, 5.05, 8.95):
        assert indices(open_video(content, 1, start=start, stride=1).frames) == [int(start * 10)]
    clip = open_video(content, 5, start=1.0, stride=1.7)
    assert indices(clip.frames) == [10, 27, 44, 61, 78]


def test_a_variable_frame_rate_keeps_its_times() -> None:
    times = [0, 0.1, 0.15, 1.0, 1.05, 3.0]
    content = video("mkv", times=times)
    clip = open_video(content, 4, start=0.12, stride=0.8)
    # Asked at 0.12, 0.92, 1.72 and 2.52: what is on the screen then began earlier.
    assert indices(clip.frames) == [1, 2, 4]
    assert clip.times == pytest.approx([0.1, 0.15, 1.05], abs=2e-3)


def test_an_animated_gif_keeps_its_times() -> None:
    clip = open_video(gif([100, 500, 200, 300]), 64, stride=0.1)
    assert indices(clip.frames) == [0, 1, 2, 3]
    assert clip.times == pytest.approx([0, 0.1, 0.6, 0.8], abs=0.02)


def test_fewer_pictures_than_asked_for() -> None:
    assert len(open_video(video(count=3), 8)) == 3
    assert len(open_video(video(count=1), 8)) == 1
    assert len(open_video(video(count=30), 7)) == 7


def turned(content: bytes) -> bytes:
    """The mp4 with a display matrix that says: turn a quarter clockwise."""
    place = content.index(b"tkhd") + 4 + 40
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return content[:place] + quarter + content[place + 36 :]


def test_rotation_is_applied() -> None:
    frames = open_video(turned(video("mp4"))).frames
    assert frames.shape == (8, 64, 48, 3)
    # The white corner goes from the top left to the top right.
    assert frames[:, :8, -8:].mean() > 240 and frames[:, :8, :8].mean() < 240


def test_a_recording_without_a_duration() -> None:
    content = bytearray(video("webm"))
    # Matroska's Duration element (0x4489) becomes a Void of the same size, as browsers leave it out.
    place = content.index(b"\x44\x89\x88")
    content[place : place + 3] = b"\xec\x89\x00"
    clip = open_video(bytes(content))
    assert indices(clip.frames) == [int(t * 10 + 1e-6) for t in sample_times(8, 3.0)]


def sound() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


BAD = {
    "empty": (lambda: b"", "empty"),
    "text": (lambda: b"no video at all", "not a video"),
    "audio only": (sound, "sound but no picture"),
    "cut": (lambda: video()[:200], "cut short|not a video"),
    "only a header": (lambda: video("webm")[:300], "cut short|not a video"),
    "playlist": (
        lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "not a video",
    ),
    "concat script": (lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
    "picture": (lambda: Image.new("RGB", (9, 9)).tobytes(), "not a video"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_gets_one_sentence(name: str) -> None:
    make, words = BAD[name]
    with pytest.raises(MediaError, match=words) as caught:
        open_video(make())
    assert str(caught.value).endswith(".")


def test_a_damaged_end_gives_what_can_be_seen() -> None:
    whole = video("avi", count=40)
    clip = open_video(whole[: len(whole) // 2])
    assert 1 <= len(clip) <= 8 and max(indices(clip.frames)) < 25


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["mp4", "webm", "avi"]), st.data())
def test_broken_bytes_give_a_clip_or_one_sentence(kind: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    sentence, clip = "", None
    try:
        clip = open_video(bytes(content[: data.draw(st.integers(1, len(content)))]), 4)
    except MediaError as error:
        sentence = str(error)
    assert sentence.endswith(".") if clip is None else clip.frames.ndim == 4


SEEDS = {kind: video(kind, count=6) for kind in ("mp4", "webm", "avi")}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(video_bytes=100), "larger"),
        (Limits(video_seconds=1), "longer"),
        (Limits(image_pixels=100), "pixels"),
        (Limits(clip_bytes=3 * 64 * 48 * 3), "fewer"),
        (Limits(decoded_frames=5), "key frames"),
        (Limits(clip_frames=4), "1 to 4 frames"),
    ],
)
def test_bounds(limits: Limits, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        open_video(video(), 8, limits=limits)


@pytest.mark.parametrize(
    "options", [{"start": -1}, {"start": 99}, {"start": float("nan")}, {"stride": 0}, {"frames": 0}]
)
def test_impossible_questions(options: dict) -> None:
    with pytest.raises(MediaError):
        open_video(video(), **options)


def test_sources(tmp_path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(video())
    frames = open_video(path).frames
    np.testing.assert_array_equal(open_video(io.BytesIO(path.read_bytes())).frames, frames)
    np.testing.assert_array_equal(open_video(frames).frames, frames)
    with pytest.raises(MediaError, match=r"no file none\.mp4"):
        open_video(tmp_path / "none.mp4")
    with pytest.raises(MediaError, match="folder"):
        open_video(tmp_path)
    with pytest.raises(MediaError, match="int"):
        open_video(3)


def test_what_looks_like_a_video(tmp_path) -> None:
    for kind in KINDS:
        path = tmp_path / f"a.{kind}"
        path.write_bytes(video(kind, count=2))
        assert is_video(path) and is_video(path.read_bytes())
    assert not is_video(gif([100, 100])) and not is_video(b"\x89PNG\r\n\x1a\n0000")
    assert not is_video(tmp_path / "none") and not is_video(None)
    assert is_video(np.zeros((2, 3, 4, 3), np.uint8))


def test_stretched_pixels_count_towards_the_bound() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 1)
        for i in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), "rgb24")))
        out.mux(stream.encode(None))
    content = buffer.getvalue()
    assert open_video(content, 2).frames.shape == (2, 48, 256, 3)
    with pytest.raises(MediaError, match="fewer"):
        open_video(content, 4, limits=Limits(clip_bytes=3 * 48 * 256 * 3))


def test_a_closed_file_is_a_sentence() -> None:
    file = io.BytesIO(video())
    file.close()
    with pytest.raises(MediaError, match="closed"):
        open_video(file)
