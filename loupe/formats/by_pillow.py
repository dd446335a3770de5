"""What Pillow does for us: decode GIF, BMP and AVIF; encode these and WebP.

Its plug-ins are called by name rather than through ``Image.open``: that keeps every other format that Pillow
knows away from what strangers send, and our limits, not Pillow's global one, say what is too large.
"""

import io
import os
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, _avif
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile

from loupe.errors import NotAPicture
from loupe.formats import Check, Decoded

# What Pillow and its codecs are seen to raise on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, IndexError, RuntimeError, struct.error)


def decode_gif(data: bytes, check: Check) -> Decoded:
    """The first frame; the others are not visited, so ten thousand of them cost nothing."""
    if len(data) < 13:
        raise NotAPicture("GIF: truncated: it ends before its size is told")
    check(*_gif_size(data))
    try:
        image = GifImageFile(io.BytesIO(data))
        pixels = _expanded(image)
        notes = ("first frame of an animation",) if image.is_animated else ()
    except _DAMAGE as error:
        raise NotAPicture(f"GIF: damaged or truncated ({error})") from error
    return Decoded(pixels=pixels, notes=notes)


def decode_bmp(data: bytes, check: Check) -> Decoded:
    """Any BMP that Pillow knows: 1 to 32 bits, palettes, run lengths."""
    try:
        image = BmpImageFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise NotAPicture(f"BMP: damaged or truncated ({error})") from error
    check(*image.size)
    try:
        return Decoded(pixels=_expanded(image))
    except _DAMAGE as error:
        raise NotAPicture(f"BMP: damaged or truncated ({error})") from error


def decode_avif(data: bytes, check: Check) -> Decoded:
    """The picture, or the first of a sequence, at 8 bits.

    Calls the decoder below Pillow's plug-in, because that one parses EXIF on opening, which on damaged EXIF
    prints a warning or refuses a picture whose pixels are fine.
    """
    try:
        decoder = _avif.AvifDecoder(data, "auto", os.cpu_count() or 1)
        size, frames, _, icc, exif, orientation, _ = decoder.get_info()
    except _DAMAGE as error:
        raise NotAPicture(f"AVIF: damaged or truncated ({error})") from error
    check(*size)
    try:
        raw = decoder.get_frame(0)[0]
    except _DAMAGE as error:
        raise NotAPicture(f"AVIF: damaged or truncated ({error})") from error
    channels, rest = divmod(len(raw), size[0] * size[1])
    if rest or channels not in (1, 2, 3, 4):
        raise NotAPicture(f"AVIF: damaged: {len(raw)} bytes for {size[0]}x{size[1]} pixels")
    pixels = np.frombuffer(raw, np.uint8).reshape(size[1], size[0], channels)
    notes = (f"first of {frames} frames",) if frames > 1 else ()
    return Decoded(pixels=pixels, icc=icc, exif=exif, orientation=orientation, notes=notes)


def encode_by_pillow(
    color: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None,
    format: str,
    options: Mapping[str, Any],
) -> bytes:
    """(H, W, 1 | 3) and optional (H, W), 8 bits, to a format that Pillow writes."""
    gray = color.shape[2] == 1
    if alpha is None:
        image = Image.fromarray(color[..., 0] if gray else color)
    else:
        rgba = np.empty((*alpha.shape, 4), np.uint8)
        rgba[..., :3], rgba[..., 3] = color, alpha
        image = Image.fromarray(rgba)
        del rgba
    if format == "GIF" and image.mode != "L":
        image = _with_palette(image)
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def _gif_size(data: bytes) -> tuple[int, int]:
    """Width and height of the screen, enlarged where the first frame goes beyond it (GIF89a, sections 18 to 24)."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at + 9 <= len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:
            left, top, frame_width, frame_height = struct.unpack_from("<4H", data, at + 1)
            return max(width, left + frame_width), max(height, top + frame_height)
        if data[at] == 0x21:  # an extension: two bytes, then blocks up to an empty one
            at += 2
            while at < len(data) and data[at]:
                at += 1 + data[at]
        at += 1  # any other byte is skipped, as Pillow does
    return width, height


def _expanded(image: ImageFile.ImageFile) -> NDArray[Any]:
    """The pixels with the palette looked up: gray stays gray when the whole palette is."""
    image.load()
    hole = image.info.get("transparency")
    if isinstance(hole, int) and image.mode in ("L", "P"):
        index = np.asarray(image)
        del image.info["transparency"]
        return np.dstack((_expanded(image), np.where(index == hole, np.uint8(0), np.uint8(255))))
    if hole is not None:
        return np.asarray(image.convert("RGBA"))
    if image.mode == "P":
        table = np.zeros((256, 3), np.uint8)
        colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        table[: len(colours)] = colours
        if (table[:, :1] == table).all():
            table = table[:, 0]
        looked_up: NDArray[Any] = table[np.asarray(image)]
        return looked_up
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255)
    if image.mode not in ("L", "RGB", "RGBA"):
        return np.asarray(image.convert("RGB"))
    return np.asarray(image)


def _with_palette(image: Image.Image) -> Image.Image:
    """At most 256 colours; alpha becomes a hole below one half."""
    if image.mode != "RGBA":
        return image.quantize(256, Image.Quantize.MEDIANCUT)
    hole = image.getchannel("A").point([255] * 128 + [0] * 128)
    indexed = image.convert("RGB").quantize(255, Image.Quantize.MEDIANCUT)
    indexed.paste(255, mask=hole)
    indexed.info["transparency"] = 255
    return indexed
