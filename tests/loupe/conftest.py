"""Pictures and profiles made from published numbers, for the tests of the domain."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

D65 = (0.3127, 0.3290)
# CIE xy of red, green, blue: SMPTE EG 432-1 (Display P3), Adobe RGB (1998) section 4.3.1.
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
D50_XYZ = np.array([0.9642, 1.0, 0.8249])  # ICC.1:2001-04, annex A.1
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def matrix_profile(primaries: tuple[tuple[float, float], ...], curve: bytes) -> bytes:
    """A version 2 RGB display profile (ICC.1:2001-04): primaries adapted from D65 to D50 by Bradford."""
    columns = np.stack([_xyz(x, y) for x, y in primaries], 1)
    columns = columns * np.linalg.solve(columns, _xyz(*D65))
    gain = np.diag((BRADFORD @ D50_XYZ) / (BRADFORD @ _xyz(*D65)))
    adapted = np.linalg.inv(BRADFORD) @ gain @ BRADFORD @ columns
    return _profile(b"RGB ", {
        **{name: _xyz_tag(adapted[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    })  # fmt: skip


def gray_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", {b"kTRC": gamma_curve(gamma)})


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))


def srgb_curve() -> bytes:
    x = np.linspace(0, 1, 1024)
    y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    return b"curv" + struct.pack(">II", 0, 1024) + np.rint(y * 65535).astype(">u2").tobytes()


def _xyz_tag(xyz: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + np.rint(xyz * 65536).astype(">i4").tobytes()


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    name = b"test\0"
    description = b"desc" + struct.pack(">II", 0, len(name)) + name + bytes(78)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz_tag(D50_XYZ), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02100000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + np.rint(D50_XYZ * 65536).astype(">i4").tobytes()
    return header.ljust(128, b"\0") + table + body


@pytest.fixture(scope="session")
def display_p3() -> bytes:
    return matrix_profile(P3, srgb_curve())


@pytest.fixture(scope="session")
def adobe_rgb() -> bytes:
    return matrix_profile(ADOBE, gamma_curve(563 / 256))


@pytest.fixture(scope="session")
def gray_gamma_18() -> bytes:
    return gray_profile(1.8)


@pytest.fixture(scope="session")
def smooth() -> NDArray[np.uint8]:
    """(48, 64, 3): gradients in all three channels, so that lossy codecs come close."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([60 + 2 * x, 40 + 3 * y, 200 - x - y], -1).astype(np.uint8)


@pytest.fixture(scope="session")
def noise16() -> NDArray[np.uint16]:
    """(31, 45, 4) of all 16-bit values."""
    return np.random.default_rng(7).integers(0, 65536, (31, 45, 4)).astype(np.uint16)


@pytest.fixture(scope="session")
def png_of() -> Callable[..., bytes]:
    """``png_of(width, height, bits, colour_type, idat, *extra_chunks)`` with ``(name, body)`` chunks."""

    def build(width: int, height: int, bits: int, kind: int, idat: bytes, *extra: tuple[bytes, bytes]) -> bytes:
        header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
        chunks = [(b"IHDR", header), *extra, (b"IDAT", idat), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )

    return build
