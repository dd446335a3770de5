"""What strangers send: damaged, lying and hostile files. Each must end in our own error, cheaply, or in a picture."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image

from loupe.errors import NotAPicture, PictureTooLarge
from loupe.images import FORMATS, Picture, decode, encode
from loupe.settings import Limits
from loupe.tags import Directory, long, short, write_tiff

Build = Callable[..., bytes]

SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>"""


@cache
def zeros(mebibytes: int, level: int = 9) -> bytes:
    """A zlib stream of so many MiB of zeros: a thousandth of that at level 9, a 230th at level 1."""
    deflate = zlib.compressobj(level)
    parts = [deflate.compress(bytes(2**20)) for _ in range(mebibytes)]
    return b"".join((*parts, deflate.flush()))


def tiff_of(data: bytes, width: int, height: int, **tags: int) -> bytes:
    """A gray deflate TIFF of one strip, or with other tags, given as ``t322=...``."""
    layout = Directory({0x100: long(width), 0x101: long(height), 0x102: short(8), 0x103: short(8), 0x106: short(1)})
    layout |= {0x111: long(8), 0x115: short(1), 0x116: long(height), 0x117: long(len(data))}
    layout |= {int(name[1:]): long(value) for name, value in tags.items()}
    return write_tiff(layout, data)


def gif_of(frames: int, screen: tuple[int, int] = (4, 4), frame: tuple[int, int] = (4, 4)) -> bytes:
    """Black frames; one pixel of each is really there."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    pixels = b"\x02" + (b"\x06\x84\x8f\xa9\xcb\xed\x05\x00" if frame == (4, 4) else b"\x02\x4c\x01\x00")
    one = b"\x21\xf9\x04\x00\x0a\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + pixels
    return head + one * frames + b"\x3b"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a text that was renamed to .png\n" * 9, "not a picture that we read; expected one of PNG"),
        (SVG, "not a picture that we read"),
        (b"PK\x03\x04" + bytes(100), "not a picture that we read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture that we read"),
    ],
)
def test_not_a_picture(data: bytes, words: str) -> None:
    with pytest.raises(NotAPicture, match=words):
        decode(data)


@pytest.mark.parametrize("kind", list(FORMATS))
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_truncated(kind: str, share: float, noise16: np.ndarray) -> None:
    data = encode(Picture(color=np.tile(noise16[..., :3].astype(np.uint8), (3, 3, 1))), kind)
    with pytest.raises(NotAPicture) as caught:
        decode(data[: int(len(data) * share)])
    if kind in ("PNG", "JPEG"):
        assert "truncated" in str(caught.value) or "cut off" in str(caught.value)


@pytest.mark.parametrize("kind", list(FORMATS))
def test_only_the_first_bytes(kind: str, smooth: np.ndarray) -> None:
    data = encode(Picture(color=smooth), kind, software="x")
    for length in range(1, 80):
        with pytest.raises(NotAPicture):
            decode(data[:length])


@pytest.mark.parametrize("kind", list(FORMATS))
def test_flipped_bytes_never_escape(kind: str, smooth: np.ndarray, display_p3: bytes) -> None:
    good = encode(Picture(color=smooth, icc=display_p3), kind, software="Loupe")
    rng = np.random.default_rng(13)
    small = Limits(max_pixels_in=4_000_000)
    for _ in range(150):
        broken = bytearray(good)
        for at in rng.integers(4, min(len(good), 600), 3):
            broken[at] = rng.integers(0, 256)
        try:
            decode(bytes(broken), small)
        except (NotAPicture, PictureTooLarge):
            continue


def test_no_pixels(png_of: Build) -> None:
    no_frame = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 0, 5, 1) + b"\1\x11\0"
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 0, 5, 1, 24, *[0] * 6)
    empty = [png_of(0, 5, 8, 0, b""), png_of(5, 0, 8, 0, b""), no_frame, bmp, tiff_of(b"", 0, 5)]
    for data in (*empty, gif_of(1, (0, 0), (0, 0))):
        with pytest.raises(NotAPicture, match=r"it has no pixels|damaged"):
            decode(data)


def test_limits_come_from_the_header(png_of: Build, smooth: np.ndarray) -> None:
    with pytest.raises(PictureTooLarge, match=r"50000x50000 is 2,500,000,000 pixels; at most 64,000,000"):
        decode(png_of(50_000, 50_000, 8, 2, b"no pixels at all"))
    with pytest.raises(PictureTooLarge, match="11 bytes; at most 10 are allowed"):
        decode(b"\x89PNG\r\n\x1a\n...", Limits(max_bytes=10))
    for kind in FORMATS:
        data = encode(Picture(color=smooth), kind)
        assert decode(data, Limits(max_pixels_in=48 * 64)).width == 64
        with pytest.raises(PictureTooLarge, match="64x48"):
            decode(data, Limits(max_pixels_in=48 * 64 - 1))


def test_a_limit_beyond_pillows_own_is_ours(png_of: Build) -> None:
    large = png_of(20_000, 10_000, 1, 0, zlib.compress(bytes(10_000 * 2501)))
    assert decode(large, Limits(max_pixels_in=200_000_000)).width == 20_000
    assert Image.MAX_IMAGE_PIXELS == 89_478_485, "Pillow's global setting was changed"


def test_exif_that_lies(smooth: np.ndarray) -> None:
    photo = Directory({0xA002: long(99_999), 0xA003: long(1)})
    lies = Directory({0x0112: short(99), 0x8769: photo, 0x0100: long(7), 0x0101: long(7)})
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        Image.fromarray(smooth).save(out, kind, exif=b"Exif\0\0" + write_tiff(lies))
        picture = decode(out.getvalue())
        assert (picture.width, picture.height) == (64, 48)
        with Image.open(io.BytesIO(encode(picture, kind))) as image:
            assert image.size == (64, 48)
            assert image.getexif().get(0x0112, 1) == 1
            assert image.getexif().get_ifd(0x8769)[0xA002] == 64


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_corrupted_exif_is_dropped_with_a_note(kind: str, smooth: np.ndarray) -> None:
    placeholder = write_tiff(Directory({0x010F: short(*range(20000, 20020))}))
    out = io.BytesIO()
    Image.fromarray(smooth).save(out, kind, exif=b"Exif\0\0" + placeholder)
    start = out.getvalue().index(struct.pack("<3H", 20000, 20001, 20002)) - 26
    broken = bytearray(out.getvalue())
    broken[start + 8 : start + 40] = b"\xff" * 32
    if kind == "PNG":  # its checksum must be right for the damage to arrive
        begin = broken.index(b"eXIf")
        end = begin + 4 + struct.unpack_from(">I", broken, begin - 4)[0]
        broken[end : end + 4] = struct.pack(">I", zlib.crc32(broken[begin:end]))
    picture = decode(bytes(broken))
    assert picture.color.shape == (48, 64, 3)
    assert picture.exif is None
    assert picture.notes == ("empty or broken EXIF dropped",)


def test_ten_thousand_frames() -> None:
    picture = decode(gif_of(10_000))
    assert picture.notes == ("first frame of an animation",)
    assert picture.color.shape[:2] == (4, 4)


PROBE = """
import resource, sys
from loupe.errors import NotAPicture, PictureTooLarge
from loupe.images import decode
data = sys.stdin.buffer.read()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    picture = decode(data)
    outcome = f"{picture.width}x{picture.height}"
except (NotAPicture, PictureTooLarge) as error:
    outcome = type(error).__name__
print(outcome, peak() - before, resource.getrusage(resource.RUSAGE_SELF).ru_utime)
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("png 50000x50000", "PictureTooLarge"),
        ("png profile", "1x1"),
        ("png text", "1x1"),
        ("png data", "9x9"),
        ("gif frames", "4x4"),
        ("gif screen", "PictureTooLarge"),
        ("gif frame beyond its screen", "PictureTooLarge"),
        ("tiff sizes", "PictureTooLarge"),
        ("tiff one strip", "64x64"),
        ("tiff tile", "NotAPicture"),
        ("tiff samples", "NotAPicture"),
        ("tiff strips", "64x64"),
    ],
)
def test_a_bomb_costs_no_memory(name: str, expected: str, png_of: Build) -> None:
    pixel = zlib.compress(b"\0\1\2\3")
    bomb = zeros(256)
    strips = Directory({0x111: long(*[8] * 64), 0x117: long(*[len(bomb)] * 64), 0x116: long(1)})
    many = Directory({0x100: long(64), 0x101: long(64), 0x102: short(8), 0x103: short(8), 0x106: short(1)})
    tile = {"t322": 2**20, "t323": 2**20, "t324": 8, "t325": len(bomb)}
    make: dict[str, Callable[[], bytes]] = {
        "png 50000x50000": lambda: png_of(50_000, 50_000, 8, 2, bomb[:9000]),
        "png profile": lambda: png_of(1, 1, 8, 2, pixel, (b"iCCP", b"x\0\0" + bomb)),
        "png text": lambda: png_of(1, 1, 8, 2, pixel, (b"zTXt", b"x\0\0" + bomb), (b"iTXt", b"x\0\1\0\0\0" + bomb)),
        "png data": lambda: png_of(9, 9, 8, 2, zeros(1200, 1)),
        "gif frames": lambda: gif_of(10_000),
        "gif screen": lambda: gif_of(1, (65535, 65535)),
        "gif frame beyond its screen": lambda: gif_of(1, (1, 1), (65535, 65535)),
        "tiff sizes": lambda: tiff_of(bomb, 100_000, 100_000),
        "tiff one strip": lambda: tiff_of(bomb, 64, 64),
        "tiff tile": lambda: tiff_of(bomb, 64, 64, **tile),
        "tiff samples": lambda: tiff_of(bomb, 6000, 6000, t277=60_000),
        "tiff strips": lambda: write_tiff(Directory(many | strips), bomb),
    }
    data = make[name]()
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=120)
    outcome, memory, seconds = done.stdout.decode().split()
    assert outcome == expected, done.stderr.decode()
    # What is held is at most the bytes themselves, a profile of 8 MiB and the codecs' code.
    assert int(memory) < 48 * 2**20 + 2 * len(data), f"{int(memory) / 2**20:.0f} MiB for {len(data)} bytes"
    assert float(seconds) < 20


@pytest.mark.parametrize("kind", list(FORMATS))
def test_damaged_files_lose_no_references(kind: str, smooth: np.ndarray) -> None:
    # A codec that loses a reference to None at each of them would end the server after some thousand.
    good = encode(Picture(color=smooth), kind)
    before = sys.getrefcount(None)
    for share in range(300):
        start = good[: 40 + share * (len(good) - 40) // 300]
        for broken in (start, start.ljust(len(good), b"\0")):
            with contextlib.suppress(NotAPicture, PictureTooLarge):
                decode(broken)
    assert sys.getrefcount(None) > before - 100
