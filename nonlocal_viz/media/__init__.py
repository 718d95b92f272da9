"""Untrusted bytes -> RGB arrays, and back to files. No torch, no web."""

from nonlocal_viz.media.arrays import channels_last
from nonlocal_viz.media.image import (
    SUPPORTED_FORMATS,
    encode_jpeg,
    encode_png,
    open_image,
    thumbnail,
)
from nonlocal_viz.media.video import Clip, is_video, moves, open_video
from nonlocal_viz.media.writing import WebmWriter, encode_webm

__all__ = [
    "SUPPORTED_FORMATS",
    "Clip",
    "WebmWriter",
    "channels_last",
    "encode_jpeg",
    "encode_png",
    "encode_webm",
    "is_video",
    "moves",
    "open_image",
    "open_video",
    "thumbnail",
]
