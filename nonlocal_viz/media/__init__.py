"""Untrusted bytes -> RGB arrays, and back to files. No torch, no web."""

from nonlocal_viz.media.image import (
    SUPPORTED_FORMATS,
    encode_jpeg,
    encode_png,
    open_image,
    thumbnail,
)

__all__ = ["SUPPORTED_FORMATS", "encode_jpeg", "encode_png", "open_image", "thumbnail"]
