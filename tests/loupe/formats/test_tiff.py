import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from loupe.errors import NotAPicture
from loupe.images import Picture, decode, encode


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


ARRANGEMENTS = {
    "deflate with differences": {"compression": "deflate", "predictor": 2},
    "big-endian LZW": {"compression": "lzw", "byteorder": ">"},
    "tiles": {"tile": (16, 16), "compression": "deflate"},
    "BigTIFF": {"bigtiff": True},
    "strips of one row": {"rowsperstrip": 1},
}


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrangements(arrangement: str, channels: int, dtype: type, noise16: np.ndarray) -> None:
    pixels = noise16[..., :channels].astype(dtype).squeeze()
    options: dict[str, object] = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        options["extrasamples"] = ["unassalpha"]
    picture = decode(tiff(pixels, **options, **ARRANGEMENTS[arrangement]))
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.color.squeeze(), pixels[..., :3] if channels > 1 else pixels)
    assert (picture.alpha is not None) == (channels == 4)
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, pixels[..., 3])


def test_planes_apart(noise16: np.ndarray) -> None:
    planes = np.ascontiguousarray(np.moveaxis(noise16[..., :3], -1, 0))
    picture = decode(tiff(planes, photometric="rgb", planarconfig="separate"))
    np.testing.assert_array_equal(picture.color, noise16[..., :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.bool_])
def test_white_is_zero(dtype: type, noise16: np.ndarray) -> None:
    gray = (noise16[..., 0] > 9999) if dtype is np.bool_ else noise16[..., 0].astype(dtype)
    picture = decode(tiff(gray, photometric="miniswhite"))
    expected = np.where(gray, 0, 255) if dtype is np.bool_ else np.iinfo(dtype).max - gray
    np.testing.assert_array_equal(picture.color[..., 0], expected)


@pytest.mark.parametrize("compression", [None, "group3", "group4", "packbits"])
def test_one_bit(compression: str | None, noise16: np.ndarray) -> None:
    image = Image.fromarray(noise16[..., 0] > 30000)
    out = io.BytesIO()
    image.save(out, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(out.getvalue()).color[..., 0], np.asarray(image) * 255)


def test_palette(noise16: np.ndarray) -> None:
    index = noise16[..., 0].astype(np.uint8)
    table = np.random.default_rng(4).integers(0, 256, (3, 256)).astype(np.uint16)
    picture = decode(tiff(index, photometric="palette", colormap=table * np.uint16(257)))
    np.testing.assert_array_equal(picture.color, table.T[index])


def test_ink_at_both_depths(noise16: np.ndarray) -> None:
    for dtype in (np.uint8, np.uint16):
        picture = decode(tiff(noise16.astype(dtype), photometric="separated"))
        assert picture.color.dtype == dtype
        top = np.iinfo(dtype).max
        light = 1 - noise16.astype(dtype) / top
        np.testing.assert_allclose(picture.color, light[..., :3] * light[..., 3:] * top, atol=0.51)


def test_premultiplied_colour_is_divided() -> None:
    pixels = np.array([[[100, 50, 0, 128], [0, 0, 0, 0], [255, 9, 9, 255]]], np.uint8)
    picture = decode(tiff(pixels, photometric="rgb", extrasamples=["assocalpha"]))
    assert picture.color[0].tolist() == [[199, 100, 0], [0, 0, 0], [255, 9, 9]]
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == [128, 0, 255]


def test_extra_channels_are_said(noise16: np.ndarray) -> None:
    picture = decode(tiff(noise16, photometric="rgb", extrasamples=["unspecified"]))
    assert picture.notes == ("extra channels dropped",)
    assert picture.alpha is None


def test_pages_are_said(noise16: np.ndarray) -> None:
    picture = decode(tiff(np.stack([noise16[..., :3]] * 3), photometric="rgb"))
    assert picture.notes == ("first page of several",)


@pytest.mark.parametrize(
    ("dtype", "words"), [(np.float32, "32-bit floating-point"), (np.int16, "signed"), (np.uint32, "32-bit")]
)
def test_numbers_without_a_white_point_are_refused(dtype: type, words: str, noise16: np.ndarray) -> None:
    with pytest.raises(NotAPicture, match=f"{words}.*save it with 8 or 16 bits"):
        decode(tiff(noise16[..., :3].astype(dtype), photometric="rgb"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_others_read_what_we_write(channels: int, dtype: type, noise16: np.ndarray) -> None:
    pixels = np.ascontiguousarray(noise16[..., :channels]).astype(dtype)
    pixels = np.tile(pixels, (40, 12, 1))  # more than one strip
    alpha = pixels[..., -1] if channels in (2, 4) else None
    data = encode(Picture(color=pixels[..., : 1 if channels < 3 else 3], alpha=alpha), "TIFF")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), pixels.squeeze())
    if dtype is np.uint8:  # Pillow reads no 16-bit RGB
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels.squeeze())
