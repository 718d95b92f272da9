"""Colours as a file means them: through its ICC profile into sRGB, by littleCMS."""

import io
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

#: Profiles larger than any in use: those of printers have a few megabytes.
_LARGEST = 8 * 1024 * 1024
_MODES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}


def in_srgb(picture: Image.Image) -> Image.Image:
    """An RGB, RGBA, L or CMYK picture in sRGB, RGB or RGBA; a picture without a profile, or with one that
    is broken or of other colours than its pixels, as it is."""
    profile = picture.info.get("icc_profile")
    alpha = picture.getchannel("A") if picture.mode in ("RGBA", "LA") else None
    colours = picture.convert(picture.mode[:-1]) if alpha else picture
    if not profile or len(profile) > _LARGEST or colours.mode not in _MODES:
        return picture
    try:
        meant = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if meant.profile.xcolor_space != _MODES[colours.mode]:
            return picture
        shown = ImageCms.profileToProfile(colours, meant, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    if shown is None:
        return picture
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")
