"""One decoded frame of a video -> RGB as the file means it: its matrix of colours, its transfer (SDR, HLG,
PQ), its fields, its transparency, and the way it is turned."""

from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, ColorTrc

#: Lines from which a frame that says nothing of its colours is taken for HD (BT.709).
_HD = 720
_UNSPECIFIED = 2
#: Nits of a white sheet in what is made for bright screens (ITU-R BT.2408), and the peak of HLG's own
#: (ITU-R BT.2100).
_WHITE, _PEAK = 203.0, 1000.0
#: From this share of white on, what is brighter is drawn together instead of cut off.
_KNEE = 0.8
#: How much further from grey a colour is shown: what is drawn together, and what coders of ten bits take
#: from a strong colour's weakest part, looks paler than it was.
_VIVID = 1.3
#: How a usual screen makes light of numbers (ITU-R BT.1886).
_GAMMA = 2.4
#: What each linear colour of BT.709 adds to the brightness of all.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
#: Linear light of BT.2020 -> of BT.709 (ITU-R BT.2087).
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def rgb(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 as it is coded: with its own pixel shape, and not turned yet."""
    transfer = int(frame.color_trc or 0)
    if transfer in (int(ColorTrc.ARIB_STD_B67), int(ColorTrc.SMPTE2084)):
        pixels = _toned(frame, hlg=transfer == int(ColorTrc.ARIB_STD_B67))
    else:
        pixels = _plain(frame)
    if frame.interlaced_frame:
        pixels = _one_field(pixels)
    return pixels


def _plain(frame: Any) -> np.ndarray:
    space = None
    if int(frame.colorspace or 0) in (0, _UNSPECIFIED) and frame.height >= _HD:
        space = Colorspace.ITU709
    if "a" not in frame.format.name.split("p")[0] or "gray" in frame.format.name:
        return np.asarray(frame.to_ndarray(format="rgb24", src_colorspace=space))
    pixels = frame.to_ndarray(format="rgba", src_colorspace=space)
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return np.asarray(np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)), np.uint8)


def _toned(frame: Any, *, hlg: bool) -> np.ndarray:
    """A frame of high dynamic range, as a usual screen shows it."""
    wide = frame.reformat(format="rgb48le", src_colorspace=Colorspace.BT2020)
    signal = wide.to_ndarray().astype(np.float32) / 65535
    nits = _hlg(signal) if hlg else _pq(signal)
    light = (nits / _WHITE) @ _TO_709.T
    # A shoulder by brightness, the same for all three colours, so that none changes its hue.
    luma = np.maximum(light @ _LUMA, 1e-6)[..., None]
    drawn = np.where(
        luma > _KNEE, _KNEE + (1 - _KNEE) * np.tanh((luma - _KNEE) / (1 - _KNEE)), luma
    )
    shown = drawn * (1 + _VIVID * (light / luma - 1))
    return np.asarray(np.rint(np.power(shown.clip(0, 1), 1 / _GAMMA) * 255), np.uint8)


def _hlg(signal: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, hybrid log-gamma: signal -> nits. The system's gamma of 1.2 goes by each colour, as
    encoders take it, and not by the brightness of all."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_PEAK * np.power(scene.clip(0), 1.2))


def _pq(signal: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, perceptual quantiser: signal -> nits."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = np.power(signal.clip(0, 1), 1 / m2)
    return np.asarray(10_000 * np.power((power - c1).clip(0) / (c2 - c3 * power), 1 / m1))


def _one_field(pixels: np.ndarray) -> np.ndarray:
    """Every other line, and between them what lies between: two moments at once look like a comb."""
    height, width = pixels.shape[:2]
    lines = pixels[::2]
    # The lines stay where they are: line 2i of the frame is line i of the field.
    down = (np.arange(height, dtype=np.float32) / 2)[:, None]
    across = np.arange(width, dtype=np.float32)[None]
    x, y = (np.ascontiguousarray(np.broadcast_to(p, (height, width))) for p in (across, down))
    return np.asarray(cv2.remap(lines, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def turned(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """By the display matrix: turned, mirrored, or both; one that is no such motion leaves it as it is."""
    told = frame.side_data.get(Type.DISPLAYMATRIX)
    matrix = np.frombuffer(bytes(told), "<i4")[:9].astype(np.int64) if told is not None else None
    if matrix is None or len(matrix) < 9:
        return pixels
    # The new place of a pixel is (a x + c y, b x + d y).
    a, b, _, c, d = matrix[:5]
    if abs(a) > abs(b) and d:
        down, across = d < 0, a < 0
    elif abs(b) > abs(a) and c:
        pixels = pixels.swapaxes(0, 1)
        down, across = b < 0, c < 0
    else:
        return pixels
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])
