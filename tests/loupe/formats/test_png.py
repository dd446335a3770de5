import io
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from loupe.images import Picture, decode, encode

Build = Callable[..., bytes]
PALETTE = (b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3]))


def row(data: bytes) -> bytes:
    return zlib.compress(b"\0" + data)


def shown(picture: Picture) -> list[list[int]]:
    """The first row: colour and alpha of each pixel."""
    alpha = [] if picture.alpha is None else [picture.alpha[..., None]]
    return np.concatenate([picture.color, *alpha], 2)[0].tolist()


@pytest.mark.parametrize(
    ("bits", "kind", "data", "extra", "expected"),
    [
        (1, 0, b"\xa0", [], [[255], [0], [255], [0]]),
        (2, 0, b"\x1b", [], [[0], [85], [170], [255]]),
        (4, 3, b"\x01\x23", [PALETTE], [[10, 20, 30], [40, 50, 60], [70, 80, 90], [1, 2, 3]]),
        (2, 3, b"\x1b", [PALETTE, (b"tRNS", b"\x00\x80")],
         [[10, 20, 30, 0], [40, 50, 60, 128], [70, 80, 90, 255], [1, 2, 3, 255]]),
        (8, 0, b"\1\2\3\4", [(b"tRNS", b"\0\2")], [[1, 255], [2, 0], [3, 255], [4, 255]]),
        (8, 2, bytes(range(12)), [(b"tRNS", b"\0\3\0\4\0\5")],
         [[0, 1, 2, 255], [3, 4, 5, 0], [6, 7, 8, 255], [9, 10, 11, 255]]),
        (16, 0, bytes(range(8)), [(b"tRNS", b"\2\3")], [[1, 65535], [0x203, 0], [0x405, 65535], [0x607, 65535]]),
        (16, 2, bytes(range(24)), [(b"tRNS", bytes(range(6)))],
         [[1, 0x203, 0x405, 0], *[[i, i + 0x202, i + 0x404, 65535] for i in (0x607, 0xC0D, 0x1213)]]),
        (16, 4, bytes(range(16)), [], [[1, 0x203], [0x405, 0x607], [0x809, 0xA0B], [0xC0D, 0xE0F]]),
    ],
)  # fmt: skip
def test_every_kind_by_hand(
    bits: int, kind: int, data: bytes, extra: list[tuple[bytes, bytes]], expected: list[list[int]], png_of: Build
) -> None:
    picture = decode(png_of(4, 1, bits, kind, row(data), *extra))
    assert picture.color.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert shown(picture) == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_libpng_reads_what_we_write(channels: int, dtype: type, noise16: np.ndarray) -> None:
    pixels = np.ascontiguousarray(noise16[..., :channels]).astype(dtype)
    color = pixels[..., : 1 if channels < 3 else 3]
    alpha = pixels[..., -1] if channels in (2, 4) else None
    tall = Picture(color=np.tile(color, (5, 1, 1)), alpha=None if alpha is None else np.tile(alpha, (5, 1)))
    data = encode(tall, "PNG")  # 155 rows: more than one band
    np.testing.assert_array_equal(imagecodecs.png_decode(data), np.tile(pixels, (5, 1, 1)).squeeze())
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == (45, 155)


@pytest.mark.parametrize(
    ("bits", "kind", "channels"), [(8, 0, 1), (8, 6, 4), (16, 0, 1), (16, 2, 3), (16, 4, 2), (16, 6, 4)]
)
def test_interlaced(bits: int, kind: int, channels: int, noise16: np.ndarray) -> None:
    # Adam7 by hand, 2x2: pass 1 holds pixel (0, 0), pass 6 pixel (0, 1), pass 7 the second row.
    pixels = noise16[:2, :2, :channels].astype(">u2" if bits == 16 else np.uint8)
    rows = b"".join(b"\0" + part.tobytes() for part in (pixels[0, 0], pixels[0, 1], pixels[1]))
    header = struct.pack(">IIBBBBB", 2, 2, bits, kind, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks
    )
    picture = decode(data)
    assert shown(picture) == pixels[0].tolist()
    np.testing.assert_array_equal(picture.color[1], pixels[1, :, : picture.color.shape[2]])


def test_animation_says_so() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    picture = decode(out.getvalue())
    assert picture.notes == ("first of 3 frames",)
    assert (picture.color == [255, 0, 0]).all()


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME"])
def test_huge_or_broken_extra_chunks_do_not_matter(kind: bytes, png_of: Build) -> None:
    body = b"name\0\0" + zlib.compress(bytes(64 * 1024**2))
    for extra in (body, b"", b"\0", b"x" * 3_000_000):
        picture = decode(png_of(1, 1, 8, 2, row(b"\1\2\3"), (kind, extra)))
        assert shown(picture) == [[1, 2, 3]]
        assert picture.icc is None


def test_crops_smaller_than_the_filters(png_of: Build) -> None:
    for width, height in ((1, 1), (1, 200), (200, 1)):
        color = np.arange(width * height * 3, dtype=np.uint16).reshape(height, width, 3) * np.uint16(101)
        np.testing.assert_array_equal(decode(encode(Picture(color=color))).color, color)
