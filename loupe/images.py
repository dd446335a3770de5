"""Pictures: bytes in, pixels with their colour space and metadata; and back to bytes.

    picture = decode(data, limits)          # NotAPicture | PictureTooLarge, found from the header where it can be
    data = encode(picture, "PNG", software="Loupe 0.1.0 edsr_x4")

Pixels stay in the picture's own colour space and depth: 16 bits stay 16, gray stays one channel, alpha stays
beside the colour. Orientation is applied; ICC profile and EXIF travel along. ``loupe/formats`` has the codecs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loupe.colour import Samples, profile_problem, to_srgb
from loupe.errors import InvalidOption, NotAPicture, PictureTooLarge
from loupe.exif import ENVELOPE, clean_exif, finished_exif, pack_exif
from loupe.formats import Check, Decoded
from loupe.formats.by_pillow import decode_avif, decode_bmp, decode_gif, encode_by_pillow
from loupe.formats.jpeg import MAX_EXIF as MAX_JPEG_EXIF
from loupe.formats.jpeg import decode_jpeg, encode_jpeg
from loupe.formats.png import decode_png, encode_png
from loupe.formats.tiff import decode_tiff, encode_tiff
from loupe.formats.webp import decode_webp
from loupe.settings import Limits


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Pixels, uint8 or uint16, upright, not premultiplied, with what says how to show them."""

    color: Samples  # (H, W, 3), or (H, W, 1) when gray
    alpha: Samples | None = None  # (H, W), same dtype
    icc: bytes | None = None
    exif: bytes | None = None  # as Pillow's Exif.tobytes(); orientation is applied and reset
    format: str = "PNG"  # what it was decoded from
    notes: tuple[str, ...] = ()  # what a person should know: "first of 12 frames"

    def __post_init__(self) -> None:
        shape, dtype = self.color.shape, self.color.dtype
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape or dtype not in (np.uint8, np.uint16):
            raise ValueError(f"color: got {shape} {dtype}, expected (H, W, 1 or 3) uint8 or uint16")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != dtype):
            got = f"{self.alpha.shape} {self.alpha.dtype}"
            raise ValueError(f"alpha: got {got}, expected {shape[:2]} {dtype}")

    @property
    def height(self) -> int:
        return int(self.color.shape[0])

    @property
    def width(self) -> int:
        return int(self.color.shape[1])


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a picture format can hold."""

    decode: Callable[[bytes, Check], Decoded]
    suffixes: tuple[str, ...]  # the first is the usual one
    media_type: str
    max_side: int = 2**31 - 1
    quality: int | None = None  # the default; None: lossless, so quality does not matter
    alpha: bool = True
    deep: bool = False  # holds 16 bits
    metadata: bool = True  # holds an ICC profile and EXIF


FORMATS: dict[str, Format] = {
    "PNG": Format(decode=decode_png, suffixes=(".png", ".apng"), media_type="image/png", deep=True),
    "JPEG": Format(
        decode=decode_jpeg,
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        media_type="image/jpeg",
        max_side=65535,
        quality=92,
        alpha=False,
    ),
    "WEBP": Format(decode=decode_webp, suffixes=(".webp",), media_type="image/webp", max_side=16383, quality=90),
    "TIFF": Format(decode=decode_tiff, suffixes=(".tif", ".tiff"), media_type="image/tiff", deep=True),
    "GIF": Format(decode=decode_gif, suffixes=(".gif",), media_type="image/gif", max_side=65535, metadata=False),
    "BMP": Format(decode=decode_bmp, suffixes=(".bmp", ".dib"), media_type="image/bmp", alpha=False, metadata=False),
    "AVIF": Format(decode=decode_avif, suffixes=(".avif",), media_type="image/avif", max_side=65535, quality=80),
}


def format_of(name_or_suffix: str) -> str:
    """``"photo.JPG"``, ``".jpg"``, ``"jpg"``, ``"JPEG"`` or ``"image/jpeg"`` -> ``"JPEG"``. Raises InvalidOption."""
    wanted = name_or_suffix.strip().lower()
    suffix = "." + wanted.rpartition(".")[2]
    for name, kind in FORMATS.items():
        if wanted in (name.lower(), kind.media_type) or suffix in kind.suffixes:
            return name
    raise InvalidOption(f"format: got {name_or_suffix!r}, expected one of {', '.join(FORMATS)}")


def media_type(format: str) -> str:
    """``"JPEG"`` -> ``"image/jpeg"``. Raises InvalidOption."""
    return FORMATS[format_of(format)].media_type


def decode(data: bytes, limits: Limits = Limits()) -> Picture:  # noqa: B008  (frozen)
    """Bytes of any of FORMATS -> Picture, upright. Raises NotAPicture and PictureTooLarge.

    Nothing is decoded before the number of bytes and the size in the header have passed ``limits``.
    """
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"{len(data):,} bytes; at most {limits.max_bytes:,} are allowed")
    name = _sniff(data)

    def check(width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise NotAPicture(f"{name}: {width}x{height}: it has no pixels")
        if width * height > limits.max_pixels_in:
            allowed = f"at most {limits.max_pixels_in:,} are allowed"
            raise PictureTooLarge(f"{width}x{height} is {width * height:,} pixels; {allowed}")

    raw = FORMATS[name].decode(data, check)
    pixels = raw.pixels if raw.pixels.ndim == 3 else raw.pixels[..., None]
    channels = 4 if raw.cmyk else 1 if pixels.shape[2] < 3 else 3
    notes, icc = list(raw.notes), raw.icc or None
    if icc is not None and (problem := profile_problem(icc, channels)):
        notes.append(problem)
        icc = None
    exif, orientation, problem = clean_exif(raw.exif) if raw.exif else (None, 1, None)
    notes += [problem] if problem else []
    color: Samples = pixels[..., :channels]
    if raw.cmyk:
        color = to_srgb(color, icc)
        notes.append("CMYK converted to sRGB" + ("" if icc else ", without a profile"))
        icc = None
    orientation = raw.orientation if raw.orientation is not None else orientation
    alpha = _upright(pixels[..., channels], orientation) if pixels.shape[2] > channels else None
    return Picture(color=_upright(color, orientation), alpha=alpha, icc=icc, exif=exif, format=name, notes=tuple(notes))


def encode(
    picture: Picture,
    format: str = "PNG",
    *,
    quality: int | None = None,
    software: str | None = None,
    keep_metadata: bool = True,
) -> bytes:
    """Picture -> bytes. What the format cannot hold is converted as ``losses`` tells.

    ``quality`` 1..100 is for JPEG, WEBP and AVIF. ``software`` goes into EXIF. Without ``keep_metadata`` the
    picture's EXIF (place, camera, ...) is left out; the ICC profile stays, since colours depend on it.
    Raises InvalidOption for an unknown format, an impossible quality, and a picture too large for the format.
    """
    name = format_of(format)
    kind = FORMATS[name]
    if quality is not None and not 1 <= quality <= 100:
        raise InvalidOption(f"quality: got {quality}, expected 1..100")
    if max(picture.width, picture.height) > kind.max_side:
        size = f"{picture.width}x{picture.height}"
        raise InvalidOption(f"{name} holds at most {kind.max_side} pixels a side, got {size}; use PNG or TIFF")
    exif = picture.exif if keep_metadata else None
    tags = finished_exif(exif, picture.width, picture.height, software)
    if name == "PNG":
        return encode_png(picture.color, picture.alpha, icc=picture.icc, exif=pack_exif(tags))
    if name == "TIFF":
        return encode_tiff(picture.color, picture.alpha, icc=picture.icc, tags=tags)
    color, alpha = _eight_bits(picture.color), None if picture.alpha is None else _eight_bits(picture.alpha)
    # Gray becomes RGB in WebP, so a gray profile would not fit.
    icc_fits = kind.metadata and not (name == "WEBP" and color.shape[2] == 1)
    if not icc_fits:
        color = to_srgb(color, picture.icc).astype(np.uint8, copy=False)
    if alpha is not None and not kind.alpha:
        color, alpha = _on_white(color, alpha), None
    quality = quality or kind.quality or 100
    if name == "JPEG":
        return encode_jpeg(color, quality=quality, icc=picture.icc, exif=pack_exif(tags, MAX_JPEG_EXIF))
    options: dict[str, Any] = {"quality": quality} if kind.quality else {}
    if kind.metadata:
        packed = pack_exif(tags)
        options |= {"exif": ENVELOPE + packed} if packed else {}
        options |= {"icc_profile": picture.icc} if picture.icc and icc_fits else {}
    if name == "WEBP":
        options["method"] = 2
    if name == "AVIF":
        options |= {"speed": 8, "subsampling": _chroma(color, quality)}
    return encode_by_pillow(color, alpha, name, options)


def losses(picture: Picture, format: str) -> tuple[str, ...]:
    """What ``encode`` to this format takes away beyond a codec's usual loss, in words for a person."""
    name = format_of(format)
    kind = FORMATS[name]
    told = {
        "transparency laid on white": picture.alpha is not None and not kind.alpha,
        "transparency made all or nothing": picture.alpha is not None and name == "GIF",
        "16 bits rounded to 8": picture.color.dtype == np.uint16 and not kind.deep,
        "converted to sRGB": picture.icc is not None and not kind.metadata,
        "reduced to 256 colours": name == "GIF" and picture.color.shape[2] == 3,
        "EXIF left out": picture.exif is not None and not kind.metadata,
    }
    return tuple(text for text, true in told.items() if true)


def _sniff(data: bytes) -> str:
    """The format by its first bytes; a name or a suffix is never trusted."""
    head = data[:16]
    if not head:
        raise NotAPicture("empty: 0 bytes")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:2] == b"BM":
        return "BMP"
    if head[4:8] == b"ftyp" and any(brand in data[8:64] for brand in (b"avif", b"avis")):
        return "AVIF"
    raise NotAPicture(f"not a picture that we read; expected one of {', '.join(FORMATS)}")


def _upright(array: NDArray[Any], orientation: int) -> Any:
    """(H, W) or (H, W, C) turned and mirrored as EXIF 0x0112 says (1..8), contiguous in memory."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _eight_bits(samples: Samples) -> NDArray[np.uint8]:
    """uint16 -> uint8, rounded to the nearest of 255 steps; uint8 as it is."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    result = np.empty(samples.shape, np.uint8)
    for row, deep in zip(result, samples, strict=True):  # row by row: this widens to 32 bits
        row[:] = (deep.astype(np.uint32) + 128) // 257
    return result


def _on_white(color: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour over white paper, rounded."""
    result = np.empty_like(color)
    for row, above, cover in zip(result, color, alpha, strict=True):
        weight = cover[:, None].astype(np.uint32)
        row[:] = (above * weight + 255 * (255 - weight) + 127) // 255
    return result


def _chroma(color: Samples, quality: int) -> str:
    if color.shape[2] == 1:
        return "4:0:0"
    return "4:4:4" if quality > 90 else "4:2:0"
