"""One file per picture format: bytes to raw pixels and back. ``loupe.images`` is the door; enter there.

Every decoder takes the bytes and a ``check(width, height)``, which it calls with what the header says
before it decodes anything; ``check`` raises when the picture is too large or has no pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Check = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Pixels as the file has them, not yet turned upright; uint8 or uint16, alpha not premultiplied."""

    pixels: NDArray[Any]  # (H, W) or (H, W, C); C: 1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha or CMYK, 5 CMYK + alpha
    cmyk: bool = False
    icc: bytes | None = None
    exif: bytes | None = None  # a TIFF structure, with or without the "Exif\0\0" envelope
    orientation: int | None = None  # 1..8 where the format itself says it; None: EXIF decides
    notes: tuple[str, ...] = ()
