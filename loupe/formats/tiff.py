"""TIFF: its first page at 1 to 16 bits in any usual arrangement, and a plain writer for 8 and 16 bits.

libtiff (through imagecodecs) decodes strip by strip into buffers of the size that the header says, so a
deflate stream that never ends costs nothing. TIFF 6.0 is the source of the tag numbers.
"""

import struct
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from loupe.colour import Samples
from loupe.errors import InvalidOption, NotAPicture
from loupe.exif import ORIENTATION, without_layout
from loupe.formats import Check, Decoded
from loupe.tags import UNDEFINED, Directory, Entry, has_second_page, locate, long, read_tiff, short, write_tiff

WIDTH, LENGTH, ICC_PROFILE = 0x100, 0x101, 0x8773
BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS, SAMPLES = 0x102, 0x103, 0x106, 0x111, 0x115
ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR, COLOR_MAP = 0x116, 0x117, 0x11C, 0x13D, 0x140
TILE_WIDTH, TILE_LENGTH, EXTRA_SAMPLES, SAMPLE_FORMAT = 0x142, 0x143, 0x152, 0x153
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_CHANNELS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_STRIP = 2**20  # bytes of pixels in a strip that we write


def decode_tiff(data: bytes, check: Check) -> Decoded:
    """The first page. Raises NotAPicture for floating point and for more than 16 bits."""
    tags = read_tiff(data)
    width, height = tags.number(WIDTH), tags.number(LENGTH)
    if not tags:
        raise NotAPicture("TIFF: truncated: its directory lies outside the file")
    check(width, height)
    kind, samples = tags.number(PHOTOMETRIC, -1), tags.number(SAMPLES, 1)
    bits = set(tags.numbers(BITS)) or {1}
    _refuse_unusable(tags, kind, samples, bits)
    base = _CHANNELS[kind]
    notes = ["first page of several"] if has_second_page(data) else []
    as_rgb = max(bits) not in (1, 8, 16)
    pixels = _decode_samples(data, kind, as_rgb)
    if as_rgb:
        pixels = pixels[..., : 1 if base == 1 and kind != PALETTE else 3]
        kind, base = (RGB, 3) if pixels.shape[-1] == 3 else (BLACK_IS_ZERO, 1)
    elif tags.number(PLANAR, 1) == 2 and samples > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[:2] != (height, width) or pixels.dtype not in (np.uint8, np.uint16):
        raise NotAPicture(f"TIFF: {pixels.shape} {pixels.dtype} is not what its header says")
    pixels, dropped = _without_extras(pixels, base, tags.numbers(EXTRA_SAMPLES))
    notes += dropped
    if kind == WHITE_IS_ZERO:
        pixels[..., 0] = ~pixels[..., 0]
    if kind == PALETTE:
        pixels = _through_palette(pixels[..., 0], tags.numbers(COLOR_MAP))
    profile, rest = tags.get(ICC_PROFILE), without_layout(tags)
    return Decoded(
        pixels=pixels,
        cmyk=kind == CMYK,
        icc=profile.value if isinstance(profile, Entry) else None,
        exif=write_tiff(rest) if rest else None,
        orientation=tags.number(ORIENTATION, 1),
        notes=tuple(notes),
    )


def encode_tiff(
    color: Samples,
    alpha: Samples | None,
    *,
    icc: bytes | None,
    tags: Directory,
) -> bytes:
    """TIFF of (H, W, 1 | 3) and optional (H, W): deflate with horizontal differences, alpha unassociated."""
    height, width, channels = color.shape
    samples = channels + (alpha is not None)
    rows = max(1, _STRIP // (width * samples * color.dtype.itemsize))
    strips = []
    for top in range(0, height, rows):
        band: NDArray[Any] = np.empty((min(rows, height - top), width, samples), color.dtype.newbyteorder("<"))
        band[..., :channels] = color[top : top + rows]
        if alpha is not None:
            band[..., channels] = alpha[top : top + rows]
        band[:, 1:] -= band[:, :-1].copy()
        strips.append(imagecodecs.deflate_encode(band, level=1))  # type: ignore[arg-type]
    if sum(map(len, strips)) + len(icc or b"") > 2**32 - 2**26:
        raise InvalidOption(f"TIFF holds at most 4 GiB; {width}x{height} does not fit; use PNG")
    sizes = [len(strip) for strip in strips]
    offsets = (8 + np.cumsum([0, *sizes[:-1]])).tolist()
    layout = Directory(tags)
    layout |= {
        WIDTH: long(width),
        LENGTH: long(height),
        BITS: short(*[color.dtype.itemsize * 8] * samples),
        COMPRESSION: short(8),
        PHOTOMETRIC: short(BLACK_IS_ZERO if channels == 1 else RGB),
        STRIP_OFFSETS: long(*offsets),
        SAMPLES: short(samples),
        ROWS_PER_STRIP: long(rows),
        STRIP_BYTES: long(*sizes),
        PLANAR: short(1),
        PREDICTOR: short(2),
        SAMPLE_FORMAT: short(*[1] * samples),
    }
    if alpha is not None:
        layout[EXTRA_SAMPLES] = short(2)
    if icc is not None:
        layout[ICC_PROFILE] = Entry(UNDEFINED, len(icc), icc)
    return write_tiff(layout, b"".join(strips))


def _refuse_unusable(tags: Directory, kind: int, samples: int, bits: set[int]) -> None:
    if kind not in _CHANNELS:
        raise NotAPicture(f"TIFF: photometric interpretation {kind}; expected one of {sorted(_CHANNELS)}")
    formats = set(tags.numbers(SAMPLE_FORMAT)) or {1}
    if formats - {1, 4} or max(bits) > 16 or min(bits) < 1:
        kinds = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
        name = next((kinds[f] for f in sorted(formats) if f in kinds), "unsigned")
        raise NotAPicture(
            f"TIFF: {max(bits)}-bit {name} samples, whose white point is not told; save it with 8 or 16 bits"
        )
    if not _CHANNELS[kind] <= samples <= _CHANNELS[kind] + 4:
        raise NotAPicture(f"TIFF: {samples} samples a pixel; at least {_CHANNELS[kind]} and few more are expected")
    area = tags.number(WIDTH) * tags.number(LENGTH)
    if tags.number(TILE_WIDTH) * tags.number(TILE_LENGTH) > max(2 * area, 2**22):
        raise NotAPicture("TIFF: damaged: its tiles are much larger than its picture")


def _decode_samples(data: bytes, kind: int, as_rgb: bool) -> NDArray[Any]:
    if kind == CMYK:  # the codec would convert it to RGB without the profile: call it gray with extras
        data = _with_photometric(data, BLACK_IS_ZERO)
    try:
        pixels: NDArray[Any] = imagecodecs.tiff_decode(data, asrgb=as_rgb)
    except (imagecodecs.TiffError, ValueError, IndexError) as error:
        raise NotAPicture(f"TIFF: damaged, truncated or of a rare kind ({error})") from error
    return pixels


def _without_extras(pixels: NDArray[Any], base: int, extras: list[int]) -> tuple[NDArray[Any], list[str]]:
    """Colour and, when the first extra sample is one, alpha: made unassociated."""
    extra = pixels.shape[2] - base
    if extra == 0:
        return pixels, []
    if not extras or extras[0] not in (1, 2):
        return np.ascontiguousarray(pixels[..., :base]), ["extra channels dropped"]
    pixels = np.ascontiguousarray(pixels[..., : base + 1])
    if extras[0] == 1:
        top = np.uint64(np.iinfo(pixels.dtype).max)
        for row in pixels:  # row by row: this widens to 64 bits
            alpha = row[:, base:].astype(np.uint64)
            whole = (row[:, :base] * top + alpha // np.uint64(2)) // np.maximum(alpha, np.uint64(1))
            row[:, :base] = np.minimum(whole, top)
    return pixels, ["extra channels dropped"] if extra > 1 else []


def _through_palette(index: NDArray[Any], color_map: list[int]) -> NDArray[Any]:
    """(H, W) of indices -> (H, W, 3) uint8; a colour map has all reds, then greens, then blues, 16 bits each."""
    entries = len(color_map) // 3
    if index.dtype != np.uint8 or not 0 < entries <= 256:
        raise NotAPicture("TIFF: damaged: its colour map does not fit")
    table = np.zeros((256, 3), np.uint8)
    table[:entries] = (np.array(color_map, np.uint32)[: entries * 3].reshape(3, entries).T + 128) // 257
    result: NDArray[Any] = table[index]
    return result


def _with_photometric(data: bytes, kind: int) -> bytes:
    at = locate(data, PHOTOMETRIC)
    patched = bytearray(data)
    if at is not None:
        struct.pack_into("<H" if data[:2] == b"II" else ">H", patched, at, kind)
    return bytes(patched)
