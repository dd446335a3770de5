import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from loupe.colour import profile_problem, srgb_profile, to_srgb
from loupe.images import decode, encode


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def lab(color: np.ndarray, icc: bytes | None) -> np.ndarray:
    """CIELab of (H, W, 1 | 3) uint8, D50, by Pillow's own Little CMS: L 0..100, a and b about -128..127."""
    image = Image.fromarray(color if color.shape[2] == 3 else np.repeat(color, 3, 2))
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc or srgb_profile()))
    if source.profile.xcolor_space.strip() == "GRAY":
        image = Image.fromarray(color[..., 0])
    lab_profile = ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, source, lab_profile, outputMode="LAB")
    raw = np.asarray(converted).astype(float)
    return np.stack([raw[..., 0] * 100 / 255, (raw[..., 1] + 128) % 256 - 128, (raw[..., 2] + 128) % 256 - 128], -1)


@pytest.mark.parametrize("profile", ["display_p3", "adobe_rgb"])
@pytest.mark.parametrize(
    ("kind", "worst"), [("PNG", 0), ("TIFF", 0), ("JPEG", 1), ("WEBP", 2), ("AVIF", 1.5), ("BMP", 1)]
)
def test_wide_colours_stay_what_they_were(
    kind: str, worst: float, profile: str, smooth: np.ndarray, request: pytest.FixtureRequest
) -> None:
    icc = request.getfixturevalue(profile)
    muted = smooth // 2 + 60  # within sRGB's gamut, where BMP has to go
    picture = decode(saved(Image.fromarray(muted), "PNG", icc_profile=icc))
    assert picture.icc == icc
    assert (picture.color == muted).all()
    again = decode(encode(picture, kind))
    assert (again.icc == icc) == (kind != "BMP")
    difference = np.linalg.norm(lab(again.color, again.icc) - lab(muted, icc), axis=2)
    assert difference.mean() <= worst
    without = np.linalg.norm(lab(muted, None) - lab(muted, icc), axis=2)
    assert without.mean() > 3, "this test would not see a lost profile"


def test_known_colours_into_srgb(display_p3: bytes, adobe_rgb: bytes) -> None:
    # sRGB's red in Display P3 is (0.9175, 0.2003, 0.1387); sRGB's green in Adobe RGB is (0.5650, 1, 0.2344).
    p3 = to_srgb(np.array([[[234, 51, 35], [255, 255, 255], [128, 128, 128]]], np.uint8), display_p3)
    np.testing.assert_allclose(p3[0], [[255, 0, 0], [255, 255, 255], [128, 128, 128]], atol=3)
    adobe = to_srgb(np.array([[[144, 255, 60]]], np.uint8), adobe_rgb)
    np.testing.assert_allclose(adobe[0, 0], [0, 255, 0], atol=3)
    deep = to_srgb(np.array([[[234, 51, 35]]], np.uint16) * np.uint16(257), display_p3)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep[0, 0] / 257, [255, 0, 0], atol=3)


def test_tall_pictures_are_converted_whole(display_p3: bytes) -> None:
    tall = np.tile(np.array([[[234, 51, 35]]], np.uint8), (700, 3, 1))
    assert (to_srgb(tall, display_p3) == to_srgb(tall[:1, :1], display_p3)).all()


def test_gray_stays_gray_with_its_profile(gray_gamma_18: bytes, smooth: np.ndarray) -> None:
    gray = Image.fromarray(smooth[..., 0])
    picture = decode(saved(gray, "JPEG", quality=100, icc_profile=gray_gamma_18))
    assert picture.color.shape == (48, 64, 1)
    for kind in ("PNG", "TIFF", "JPEG"):
        again = decode(encode(picture, kind))
        assert again.color.shape[2] == 1
        assert again.icc == gray_gamma_18
    for kind in ("BMP", "GIF", "WEBP"):  # these hold no gray profile
        again = decode(encode(picture, kind, quality=100))
        assert again.icc is None
        assert (again.color.max(2) - again.color.min(2)).max() <= 2, "tinted"
        lightness = [lab(p.color, p.icc)[..., 0].mean() for p in (again, picture)]
        assert abs(lightness[0] - lightness[1]) < 1, kind


def test_cmyk_without_a_profile(smooth: np.ndarray) -> None:
    ink = Image.fromarray(smooth).convert("CMYK")
    for kind in ("TIFF", "JPEG"):  # Pillow writes the JPEG inverted, as Adobe does
        picture = decode(saved(ink, kind, **({"quality": 100} if kind == "JPEG" else {})))
        assert picture.notes == ("CMYK converted to sRGB, without a profile",)
        assert np.abs(picture.color.astype(int) - smooth).mean() < 1.5


def test_cmyk_formula() -> None:
    ink = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255], [51, 102, 153, 51]]], np.uint8)
    expected = [[255, 255, 255], [0, 255, 255], [0, 0, 0], [163, 122, 82]]  # 255 (1 - c)(1 - k), rounded
    assert to_srgb(ink, None)[0].tolist() == expected
    deep = to_srgb(ink.astype(np.uint16) * np.uint16(257), None)
    np.testing.assert_allclose(deep[0] / 257, expected, atol=0.6)


def test_broken_profile_is_dropped_with_a_note(smooth: np.ndarray, display_p3: bytes) -> None:
    empty_body = display_p3[:132] + bytes(len(display_p3) - 132)
    for broken in (b"x", bytes(200), display_p3[:100], empty_body, b"\xff" * 3000):
        for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
            picture = decode(saved(Image.fromarray(smooth), kind, icc_profile=broken))
            assert picture.icc is None
            assert picture.notes == ("broken ICC profile dropped",), kind
            assert decode(encode(picture, kind)).notes == ()


def test_profile_of_another_kind_is_dropped_with_a_note(
    smooth: np.ndarray, display_p3: bytes, gray_gamma_18: bytes
) -> None:
    picture = decode(saved(Image.fromarray(smooth[..., 0]), "PNG", icc_profile=display_p3))
    assert picture.notes == ("ICC profile for RGB dropped: the picture is GRAY",)
    picture = decode(saved(Image.fromarray(smooth), "PNG", icc_profile=gray_gamma_18))
    assert picture.notes == ("ICC profile for GRAY dropped: the picture is RGB",)
    assert picture.icc is None


def test_good_profiles_have_no_problem(display_p3: bytes, adobe_rgb: bytes, gray_gamma_18: bytes) -> None:
    assert profile_problem(display_p3, 3) is None
    assert profile_problem(adobe_rgb, 3) is None
    assert profile_problem(srgb_profile(), 3) is None
    assert profile_problem(gray_gamma_18, 1) is None


def test_no_profile_means_srgb_already(smooth: np.ndarray) -> None:
    assert to_srgb(smooth, None) is smooth
