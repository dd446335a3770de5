"""Colour spaces: is this ICC profile usable for this picture, and into sRGB where it cannot stay.

A picture keeps its own space: the profile travels with it and the numbers stay as they are, so colours
stay too. Conversion (by Little CMS) is for what has no place to go: CMYK, and formats without profiles.
"""

from functools import cache

import imagecodecs
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8 | np.uint16]

_SPACES = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}  # channels -> the signature at byte 16 of an ICC profile
_CMS_NAMES = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}


@cache
def srgb_profile() -> bytes:
    """A small sRGB ICC profile."""
    return bytes(imagecodecs.cms_profile("srgb"))


def profile_problem(icc: bytes, channels: int) -> str | None:
    """Why ``icc`` cannot describe a picture of so many colour channels (1, 3, 4); None when it can.

    Builds a real transform (about 2 ms), since a profile can have a good header and a broken body.
    """
    space = _SPACES[channels]
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return "broken ICC profile dropped"
    if icc[16:20] != space:
        found, expected = (s.decode("ascii", "replace").strip() for s in (icc[16:20], space))
        return f"ICC profile for {found} dropped: the picture is {expected}"
    dtype = np.uint8
    try:
        _transform(np.zeros((1, 1, channels), dtype), icc)
    except (imagecodecs.CmsError, ValueError):
        return "broken ICC profile dropped"
    return None


def to_srgb(color: Samples, icc: bytes | None) -> Samples:
    """(H, W, 1 | 3 | 4) -> (H, W, 1 | 3) in sRGB, the same dtype; gray stays one channel.

    Without a profile gray and RGB are taken for sRGB already, and CMYK is converted naively.
    ``icc`` must have passed ``profile_problem``.
    """
    height, width, channels = color.shape
    if icc is None and channels != 4:
        return color
    result = np.empty((height, width, 1 if channels == 1 else 3), color.dtype)
    for top in range(0, height, 256):  # in bands: a transform of the whole would hold it twice
        band = color[top : top + 256]
        rgb = _naive_rgb(band) if icc is None else _transform(np.ascontiguousarray(band), icc)
        result[top : top + 256] = rgb[..., : result.shape[2]]
    return result


def _transform(color: Samples, icc: bytes) -> Samples:
    height, width, channels = color.shape
    flat = color[..., 0] if channels == 1 else color
    name = _CMS_NAMES[_SPACES[channels]]
    # Relative colorimetric with black point compensation, as image editors do by default. For 16 bits the
    # optimizer would put a coarse table in place of the curves (6/255 off in the dark); for 8 it is exact.
    flags: int = imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION
    if color.dtype == np.uint16:
        flags |= imagecodecs.CMS.FLAGS.NOOPTIMIZE
    rgb: Samples = imagecodecs.cms_transform(
        flat,
        icc,
        srgb_profile(),
        colorspace=name,
        outcolorspace="rgb",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=flags,
    )
    return rgb.reshape(height, width, 3)


def _naive_rgb(cmyk: Samples) -> Samples:
    """R = (1 - C)(1 - K) and so on, rounded."""
    top = np.iinfo(cmyk.dtype).max
    light = (top - cmyk).astype(np.uint32)  # 65535 squared and a half still fit
    product: NDArray[np.uint32] = (light[..., :3] * light[..., 3:] + np.uint32(top // 2)) // np.uint32(top)
    result: Samples = product.astype(cmyk.dtype)
    return result
