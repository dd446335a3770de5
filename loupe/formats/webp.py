"""WebP: sizes, profile and EXIF from its RIFF chunks, pixels by libwebp.

The container is described in RFC 9649, section 2.
"""

import struct
from collections.abc import Iterator

import imagecodecs

from loupe.errors import NotAPicture
from loupe.formats import Check, Decoded

MAX_SIDE = 16383


def decode_webp(data: bytes, check: Check) -> Decoded:
    """The picture, or the first frame of an animation; always 8-bit RGB or RGBA."""
    size: tuple[int, int] | None = None
    icc, exif, frames = None, None, 0
    for kind, start, end in _chunks(data):
        body = data[start : min(end, start + 16)]
        if kind == b"VP8X" and len(body) >= 10:
            size = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif kind == b"VP8 " and len(body) >= 10:
            coded = struct.unpack_from("<HH", body, 6)
            size = size or (coded[0] & 0x3FFF, coded[1] & 0x3FFF)
        elif kind == b"VP8L" and len(body) >= 5:
            packed = int.from_bytes(body[1:5], "little")
            size = size or ((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"ICCP":
            icc = data[start:end]
        elif kind == b"EXIF":
            exif = data[start:end]
    if size is None:
        raise NotAPicture("WebP: truncated: it ends before its size is told")
    check(*size)
    told = struct.unpack_from("<I", data, 4)[0] + 8
    if told > len(data) + 1:  # some writers leave out the last padding byte
        raise NotAPicture(f"WebP: truncated: {len(data)} bytes of {told}")
    try:
        pixels = imagecodecs.webp_decode(data)
    except (imagecodecs.WebpError, ValueError) as error:
        raise NotAPicture(f"WebP: damaged ({error})") from error
    if pixels.shape[:2] != (size[1], size[0]):
        raise NotAPicture("WebP: damaged (two different sizes)")
    notes = (f"first of {frames} frames",) if frames > 1 else ()
    return Decoded(pixels=pixels, icc=icc, exif=exif, notes=notes)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk's body."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, min(at + 8 + length, len(data))
        at += 8 + length + length % 2
