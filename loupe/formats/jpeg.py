"""JPEG: find its segments, decode (also CMYK and 12 bit), encode with profile and EXIF.

ITU T.81 annex B for the markers; ICC.1:2022 annex B.4 for profiles in APP2; Exif 2.32 for APP1. The codec is
libjpeg-turbo through imagecodecs, which reads and writes NumPy arrays in place.
"""

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from loupe.errors import NotAPicture
from loupe.formats import Check, Decoded

MAX_EXIF = 65533 - 6  # a segment's length is 16 bits and counts itself; the envelope takes six
MAX_SIDE = 65535
_ICC_HEAD, _EXIF_HEAD = b"ICC_PROFILE\0", b"Exif\0\0"
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_LENGTH = {0x01, *range(0xD0, 0xD8)}


def decode_jpeg(data: bytes, check: Check) -> Decoded:
    """The first picture in the file; 12-bit samples become 16-bit ones."""
    size: tuple[int, int, int, int] | None = None
    exif, adobe, scan = None, False, 0
    profile: dict[int, bytes] = {}
    for marker, start, end in _segments(data):
        if marker in _FRAME_MARKERS and end - start >= 6:
            size = struct.unpack_from(">BHHB", data, start)
        elif marker == 0xE1 and exif is None and data[start : start + 6] == _EXIF_HEAD:
            exif = data[start + 6 : end]
        elif marker == 0xE2 and data[start : start + 12] == _ICC_HEAD and end - start > 14:
            profile[data[start + 12]] = data[start + 14 : end]
        elif marker == 0xEE and data[start : start + 5] == b"Adobe":
            adobe = True
        elif marker == 0xDA:
            scan = end
    if size is None:
        raise NotAPicture("JPEG: truncated: it ends before its size is told")
    bits, height, width, components = size
    check(width, height)
    # Inside compressed data 0xFF is always followed by 0x00 or a restart, so this finds the true end.
    if not scan or data.find(b"\xff\xd9", scan) < 0:
        raise NotAPicture(f"JPEG: truncated: no end marker in its {len(data)} bytes")
    if components not in (1, 3, 4):
        raise NotAPicture(f"JPEG: {components} components; 1, 3 or 4 are expected")
    space = {1: "GRAYSCALE", 3: "RGB", 4: "CMYK"}[components]
    try:
        pixels = imagecodecs.jpeg8_decode(data, outcolorspace=space)
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise NotAPicture(f"JPEG: damaged ({error})") from error
    if pixels.shape[:2] != (height, width):
        raise NotAPicture("JPEG: damaged (two different sizes)")
    if bits > 8:
        pixels = (pixels << np.uint16(16 - bits)) | (pixels >> np.uint16(2 * bits - 16))
    if components == 4 and adobe:  # Adobe stores ink inverted
        np.invert(pixels, out=pixels)
    icc = b"".join(profile[i] for i in sorted(profile)) or None
    return Decoded(pixels=pixels, cmyk=components == 4, icc=icc, exif=exif)


def encode_jpeg(color: NDArray[np.uint8], *, quality: int, icc: bytes | None, exif: bytes | None) -> bytes:
    """(H, W, 1 | 3) uint8 -> JPEG; chroma is kept whole (4:4:4) above quality 90, halved (4:2:0) below."""
    gray = color.shape[2] == 1
    body = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(color[..., 0] if gray else color),
        level=quality,
        colorspace="GRAYSCALE" if gray else "RGB",
        outcolorspace="GRAYSCALE" if gray else "YCBCR",
        subsampling=None if gray else "444" if quality > 90 else "420",
        optimize=False,
    )
    parts: list[bytes | memoryview] = [b"\xff\xd8"]
    if exif is not None:
        parts.append(_segment(0xE1, _EXIF_HEAD + exif))
    chunks = [] if icc is None else [icc[i : i + 65519] for i in range(0, len(icc), 65519)]
    for number, chunk in enumerate(chunks, 1):
        parts.append(_segment(0xE2, _ICC_HEAD + bytes((number, len(chunks))) + chunk))
    if exif is not None:  # Exif must be the first segment: leave out the codec's own JFIF one
        parts.append(memoryview(body)[2 + _jfif_length(body) :])
    else:
        first = 2 + _jfif_length(body)
        parts = [bytes(body[:first]), *parts[1:], memoryview(body)[first:]]
    return b"".join(parts)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment's body, up to the first scan's header."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise NotAPicture(f"JPEG: damaged: no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _NO_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            return
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if end > len(data) or end < at + 4:
            return
        yield marker, at + 4, end
        if marker == 0xDA:
            return
        at = end


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jfif_length(body: bytes | bytearray) -> int:
    """Bytes of the JFIF segment that the codec writes first; 0 when there is none."""
    has_one = body[2:4] == b"\xff\xe0" and body[6:10] == b"JFIF"
    return 2 + int.from_bytes(body[4:6], "big") if has_one else 0
