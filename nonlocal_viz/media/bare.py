"""A file's pixels without what is said beside them: damaged metadata never refuses a healthy picture.

Invariant: what is returned decodes to the same pixels; of what a decoder needs nothing is taken out.
"""

#: Chunks of a PNG without which its pixels look otherwise.
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB")
_PNG = b"\x89PNG\r\n\x1a\n"
#: Application segments of a JPEG that say how its pixels are coded: JFIF, and Adobe's of CMYK.
_JPEG_KEPT = (0xE0, 0xEE)


def without_metadata(content: bytes) -> bytes | None:
    """The same picture without EXIF, texts and profiles; None where there are none to take out."""
    if content.startswith(_PNG):
        bare = _png(content)
    elif content.startswith(b"\xff\xd8"):
        bare = _jpeg(content)
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        bare = _webp(content)
    else:
        return None
    return bare if bare != content else None


def scans(content: bytes) -> int:
    """How many passes a JPEG makes over its picture, at most: within coded data 0xFF is never followed by
    this mark's second byte."""
    return content.count(b"\xff\xda") if content.startswith(b"\xff\xd8") else 0


def _png(content: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] in _PNG_KEPT:
            kept.append(content[at:end])
        at = end
    return b"".join(kept)


def _jpeg(content: bytes) -> bytes:
    kept, at = [content[:2]], 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        mark = content[at + 1]
        if mark == 0xFF:  # padding
            at += 1
            continue
        if mark == 0xDA:  # the picture itself, up to the end
            break
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        told = (0xE1 <= mark <= 0xEF and mark not in _JPEG_KEPT) or mark == 0xFE
        if not told:
            kept.append(content[at:end])
        at = end
    return b"".join([*kept, content[at:]])


def _webp(content: bytes) -> bytes:
    kept, at = [], 12
    while at + 8 <= len(content):
        end = at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        end += end % 2
        if content[at : at + 4] not in (b"EXIF", b"XMP ", b"ICCP"):
            kept.append(content[at:end])
        at = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
