"""Colours as a file means them: through its ICC profile into sRGB, by littleCMS."""

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

#: Profiles larger than any in use: those of printers have a few megabytes.
_LARGEST = 8 * 1024 * 1024
_MODES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_ALPHA = {"RGBA": "RGB", "LA": "L"}


def into_srgb(picture: Image.Image, mode: str) -> Callable[[Image.Image], Image.Image]:
    """What brings parts of a picture into sRGB.

    Args:
        mode: of the parts. RGB, RGBA, L, LA and CMYK become RGB, or RGBA; others stay as they are, and so
            do all where the picture has no profile, or one that is broken or of other colours.
    """
    profile, colours = picture.info.get("icc_profile"), _ALPHA.get(mode, mode)
    if not isinstance(profile, bytes) or not profile or len(profile) > _LARGEST:
        return lambda part: part
    try:
        meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if meant.profile.xcolor_space != _MODES.get(colours):
            return lambda part: part
        way: Any = ImageCms.buildTransform(meant, _srgb(), colours, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return lambda part: part

    def through(part: Image.Image) -> Image.Image:
        if mode not in _ALPHA:
            return way.apply(part)  # type: ignore[no-any-return]
        shown: Image.Image = way.apply(part.convert(colours))
        shown.putalpha(part.getchannel("A"))
        return shown

    return through


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")
