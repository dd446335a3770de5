import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from loupe.errors import InvalidOption
from loupe.images import FORMATS, Picture, decode, encode, format_of, losses, media_type

WILD = Path(__file__).parents[3] / "shared" / "data" / "wild"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pictures(smooth: np.ndarray) -> dict[str, Picture]:
    deep = smooth.astype(np.uint16) * 257 + np.arange(smooth.size, dtype=np.uint16).reshape(smooth.shape) % 200
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    return {
        "L": Picture(color=smooth[..., :1].copy()),
        "LA": Picture(color=smooth[..., :1].copy(), alpha=ramp),
        "RGB": Picture(color=smooth),
        "RGBA": Picture(color=smooth, alpha=ramp),
        "L16": Picture(color=deep[..., :1].copy()),
        "LA16": Picture(color=deep[..., :1].copy(), alpha=ramp.astype(np.uint16) * 257 + np.uint16(3)),
        "RGB16": Picture(color=deep),
        "RGBA16": Picture(color=deep, alpha=ramp.astype(np.uint16) * 257),
    }


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "L16", "LA16", "RGB16", "RGBA16"])
@pytest.mark.parametrize("kind", list(FORMATS))
def test_every_mode_through_every_format(kind: str, mode: str, smooth: np.ndarray) -> None:
    picture = pictures(smooth)[mode]
    again = decode(encode(picture, kind))
    assert again.format == kind
    assert again.notes == ()
    keeps_alpha = picture.alpha is not None and kind not in ("JPEG", "BMP")
    assert (again.alpha is not None) == keeps_alpha
    if kind in ("PNG", "TIFF") or (kind == "BMP" and mode in ("L", "RGB")):
        assert again.color.dtype == picture.color.dtype
        np.testing.assert_array_equal(again.color, picture.color)
        if keeps_alpha:
            np.testing.assert_array_equal(again.alpha, picture.alpha)
        return
    gray = picture.color.shape[2] == 1
    # WebP has no gray, AVIF none beside alpha.
    becomes_rgb = kind == "WEBP" or (kind == "AVIF" and keeps_alpha)
    assert again.color.shape[2] == (1 if gray and not becomes_rgb else 3)
    assert again.color.dtype == np.uint8
    expected = picture.color / (257.0 if picture.color.dtype == np.uint16 else 1.0)
    seen = np.ones(again.color.shape[:2], bool)
    if picture.alpha is not None:
        cover = picture.alpha[..., None] / np.iinfo(picture.alpha.dtype).max
        if keeps_alpha:
            seen = cover[..., 0] > 0.6
        else:
            expected = expected * cover + 255 * (1 - cover)
    assert np.abs(again.color - expected)[seen].mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied_and_reset(kind: str, orientation: int) -> None:
    # Four corners in four greys, wider than high, so that every turn and mirror differs.
    upright = np.kron(np.array([[10, 80, 80], [150, 240, 240]], np.uint8), np.ones((16, 16), np.uint8))
    # EXIF's number -> the transpose that turns an upright picture into what such a file stores.
    undone = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    image = Image.fromarray(np.repeat(upright[..., None], 3, 2))
    stored = image if undone is None else image.transpose(Image.Transpose(undone))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Camera"
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind in ("JPEG", "AVIF") else {}
    picture = decode(saved(stored, kind, exif=exif, **options))
    assert picture.color.shape == (32, 48, 3)
    assert np.abs(picture.color[..., 1].astype(int) - upright).max() <= 12
    again = Image.open(io.BytesIO(encode(picture, "JPEG")))
    assert again.getexif().get(ExifTags.Base.Orientation, 1) == 1
    assert again.getexif()[ExifTags.Base.Make] == "Camera"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("deep", [False, True])
def test_metadata_is_written_where_the_format_can(kind: str, deep: bool, smooth: np.ndarray, display_p3: bytes) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 9999
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    color = smooth.astype(np.uint16) * 257 if deep else smooth
    picture = decode(saved(Image.fromarray(smooth), "JPEG", exif=exif, icc_profile=display_p3))
    picture = replace(picture, color=color)
    image = Image.open(io.BytesIO(encode(picture, kind, software="Loupe 0.1.0 edsr_x4")))
    assert image.info["icc_profile"] == display_p3
    tags = image.getexif()
    assert tags[ExifTags.Base.Software] == "Loupe 0.1.0 edsr_x4"
    assert tags[ExifTags.Base.Make] == "Camera"
    assert tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 64
    assert tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    bare = encode(picture, kind, software="Loupe", keep_metadata=False)
    image = Image.open(io.BytesIO(bare))
    assert image.info["icc_profile"] == display_p3
    assert image.getexif()[ExifTags.Base.Software] == "Loupe"
    assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert b"Camera" not in bare


def test_thumbnail_is_dropped(smooth: np.ndarray) -> None:
    # Two directories, as a camera writes them: the second one points to a small JPEG.
    thumbnail = saved(Image.fromarray(smooth).resize((16, 12)), "JPEG")
    first = b"\x01\x00" + b"\x0f\x01\x02\x00\x04\x00\x00\x00Cam\x00" + (26).to_bytes(4, "little")
    second = b"\x02\x00" + b"\x01\x02\x04\x00\x01\x00\x00\x00" + (56).to_bytes(4, "little")
    second += b"\x02\x02\x04\x00\x01\x00\x00\x00" + len(thumbnail).to_bytes(4, "little") + bytes(4)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail
    data = saved(Image.fromarray(smooth), "JPEG", exif=exif)
    assert thumbnail in data
    picture = decode(data)
    assert picture.exif is not None
    assert len(picture.exif) < 100
    loaded = Image.Exif()
    loaded.load(picture.exif)
    assert loaded[ExifTags.Base.Make] == "Cam"
    assert not loaded.get_ifd(ExifTags.IFD.IFD1)


def test_16_bits_round_to_8_not_truncate() -> None:
    values = np.array([0, 128, 129, 32767, 32768, 65406, 65407, 65535], np.uint16).reshape(1, 8, 1)
    assert decode(encode(Picture(color=values), "BMP")).color.ravel().tolist() == [0, 0, 1, 127, 128, 254, 255, 255]


def test_transparency_is_laid_on_white_and_said() -> None:
    picture = Picture(color=np.zeros((8, 8, 3), np.uint8), alpha=np.full((8, 8), 51, np.uint8))
    assert losses(picture, "JPEG") == ("transparency laid on white",)
    assert losses(picture, "PNG") == ()
    assert (decode(encode(picture, "BMP")).color == 204).all()
    assert np.abs(decode(encode(picture, "JPEG")).color.astype(int) - 204).max() <= 1


@pytest.mark.parametrize(("quality", "sampling"), [(None, ((1, 1), (1, 1), (1, 1))), (90, ((2, 2), (1, 1), (1, 1)))])
def test_jpeg_keeps_whole_chroma_above_90(
    quality: int | None, sampling: tuple[tuple[int, int], ...], smooth: np.ndarray
) -> None:
    image = Image.open(io.BytesIO(encode(Picture(color=smooth), "JPEG", quality=quality)))
    assert tuple(layer[1:3] for layer in image.layer) == sampling


def test_quality_makes_a_difference(smooth: np.ndarray) -> None:
    noisy = smooth ^ np.random.default_rng(1).integers(0, 64, smooth.shape).astype(np.uint8)
    for kind in ("JPEG", "WEBP", "AVIF"):
        low, high = (encode(Picture(color=noisy), kind, quality=q) for q in (20, 95))
        assert len(low) < 0.6 * len(high), kind


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_impossible_quality(quality: int, smooth: np.ndarray) -> None:
    with pytest.raises(InvalidOption, match=r"got .*expected 1\.\.100"):
        encode(Picture(color=smooth), "JPEG", quality=quality)


def test_too_large_for_the_format() -> None:
    wide = Picture(color=np.zeros((1, 16384, 1), np.uint8))
    with pytest.raises(InvalidOption, match="WEBP holds at most 16383"):
        encode(wide, "WEBP")
    assert decode(encode(wide, "PNG")).width == 16384


NAMES = {"photo.JPG": "JPEG", ".jpeg": "JPEG", "png": "PNG", "a.b.TIF": "TIFF", "WebP": "WEBP", "x.gif": "GIF"}
NAMES |= {"image/avif": "AVIF", "/some/where/x.bmp": "BMP", "tiff": "TIFF"}


@pytest.mark.parametrize(("text", "name"), NAMES.items())
def test_format_of(text: str, name: str) -> None:
    assert format_of(text) == name


@pytest.mark.parametrize("text", ["photo.svg", "", "photo", "x.jpg.exe", "../../etc/passwd"])
def test_unknown_format_lists_what_there_is(text: str) -> None:
    with pytest.raises(InvalidOption, match="PNG, JPEG, WEBP, TIFF, GIF, BMP, AVIF"):
        format_of(text)


def test_media_type() -> None:
    assert media_type("JPEG") == "image/jpeg"
    assert media_type("photo.tif") == "image/tiff"


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (0, 4, 3)])
def test_picture_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Picture(color=np.zeros(shape, np.uint8))


def test_one_pixel() -> None:
    for kind in FORMATS:
        again = decode(encode(Picture(color=np.full((1, 1, 3), 200, np.uint8)), kind))
        assert again.color.shape[:2] == (1, 1), kind
        assert np.abs(again.color.astype(int) - 200).max() <= 3, kind


@pytest.mark.skipif(not WILD.is_dir(), reason="the development pictures are not here")
def test_wild_pictures_survive() -> None:
    files = sorted(WILD.iterdir())
    assert files
    for file in files:
        picture = decode(file.read_bytes())
        assert picture.notes == ()
        with Image.open(file) as image:
            assert (picture.width, picture.height) == image.size
        for kind in ("PNG", "TIFF"):
            again = decode(encode(picture, kind))
            np.testing.assert_array_equal(again.color, picture.color)
            assert again.icc == picture.icc
