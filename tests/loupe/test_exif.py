import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from loupe.exif import MAX_EXIF, clean_exif, finished_exif, pack_exif
from loupe.tags import EXIF_IFD, GPS_IFD, INTEROP_IFD, Directory, Entry, long, read_tiff, short, text, write_tiff

MAKE, ORIENTATION, SOFTWARE, MAKER_NOTE = 0x010F, 0x0112, 0x0131, 0x927C


def a_camera() -> Directory:
    interop = Directory({0x0001: text("R98")})
    photo = Directory({0xA002: long(4000), 0xA003: short(3000), MAKER_NOTE: Entry(7, 9, b"secret\0\1\2")})
    photo[INTEROP_IFD] = interop
    photo[0x829A] = Entry(5, 1, struct.pack("<II", 1, 250))  # exposure time
    gps = Directory({0x0001: text("N"), 0x0002: Entry(5, 3, struct.pack("<6I", 59, 1, 20, 1, 0, 1))})
    return Directory({MAKE: text("Camera"), ORIENTATION: short(6), EXIF_IFD: photo, GPS_IFD: gps})


def test_what_is_written_is_read_back() -> None:
    assert read_tiff(write_tiff(a_camera())) == a_camera()
    assert read_tiff(write_tiff(a_camera(), b"odd")) == a_camera()


def test_pillow_reads_what_we_write() -> None:
    loaded = Image.Exif()
    loaded.load(b"Exif\0\0" + write_tiff(a_camera()))
    assert loaded[ExifTags.Base.Make] == "Camera"
    assert loaded.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 1 / 250
    assert loaded.get_ifd(ExifTags.IFD.GPSInfo)[2] == (59, 20, 0)


def test_big_endian_and_big_tiff() -> None:
    big_endian = b"MM\0*" + struct.pack(">IH", 8, 2)
    big_endian += struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0) + struct.pack(">HHII", 0x11A, 5, 1, 38)
    big_endian += bytes(4) + struct.pack(">II", 300, 1)
    tags = read_tiff(big_endian)
    assert tags.number(ORIENTATION) == 6
    assert tags[0x11A] == Entry(5, 1, struct.pack("<II", 300, 1))
    big = b"II" + struct.pack("<HHHQQ", 43, 8, 0, 16, 1) + struct.pack("<HHQHHI", ORIENTATION, 3, 1, 8, 0, 0) + bytes(8)
    assert read_tiff(big).number(ORIENTATION) == 8


def test_cleaning_resets_orientation_and_keeps_the_rest() -> None:
    cleaned, orientation, note = clean_exif(b"Exif\0\0" + write_tiff(a_camera()))
    assert (orientation, note) == (6, None)
    assert cleaned is not None
    tags = read_tiff(cleaned.removeprefix(b"Exif\0\0"))
    assert tags == Directory({**a_camera(), ORIENTATION: short(1)})


@pytest.mark.parametrize("value", [0, 9, 99, 65535])
def test_an_orientation_that_does_not_exist(value: int) -> None:
    cleaned, orientation, _ = clean_exif(write_tiff(Directory({ORIENTATION: short(value)})))
    assert orientation == 1
    assert cleaned is not None
    assert read_tiff(cleaned[6:]).number(ORIENTATION) == 1


@pytest.mark.parametrize("blob", [b"x", b"II*\0", bytes(300), b"Exif\0\0garbage garbage garbage", b"\xff" * 5000])
def test_garbage_is_dropped(blob: bytes) -> None:
    cleaned, orientation, _ = clean_exif(blob)
    assert (cleaned, orientation) == (None, 1)


def test_any_damage_is_survived() -> None:
    good = write_tiff(a_camera())
    rng = np.random.default_rng(11)
    survivors = 0
    for _ in range(2000):
        broken = bytearray(good)
        for at in rng.integers(0, len(good), 4):
            broken[at] = rng.integers(0, 256)
        tags = read_tiff(bytes(broken[: rng.integers(0, len(good) + 1)]))
        survivors += bool(tags)
        assert read_tiff(write_tiff(tags)).keys() <= tags.keys()
    assert survivors > 200


def test_a_value_outside_the_block_is_left_out() -> None:
    tags = struct.pack("<HHHII", 2, MAKE, 2, 2**31, 4) + struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)
    assert read_tiff(b"II*\0\x08\0\0\0" + tags + bytes(4)) == Directory({ORIENTATION: short(6)})


def test_a_circle_of_pointers_ends() -> None:
    circle = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", EXIF_IFD, 4, 1, 8) + bytes(4)
    assert read_tiff(circle) == Directory()


def test_ten_thousand_tags_on_one_large_value_cost_little() -> None:
    value = 8 * 1024**2
    entries = b"".join(struct.pack("<HHII", 0x9000 + i, 7, value, 0) for i in range(10_000))
    tags = read_tiff(b"II*\0\x08\0\0\0" + struct.pack("<H", 10_000) + entries + bytes(value))
    assert sum(len(e.value) for e in tags.values() if isinstance(e, Entry)) <= MAX_EXIF


def test_finishing_makes_it_true_of_the_result() -> None:
    cleaned, _, _ = clean_exif(write_tiff(a_camera()))
    tags = finished_exif(cleaned, 800, 600, "Loupe é")
    photo = tags[EXIF_IFD]
    assert isinstance(photo, Directory)
    assert (photo.number(0xA002), photo.number(0xA003)) == (800, 600)
    assert tags[SOFTWARE] == text("Loupe ?")
    assert finished_exif(None, 8, 6, None) == Directory()


def test_packing_leaves_out_the_largest_until_it_fits() -> None:
    tags = a_camera()
    photo = tags[EXIF_IFD]
    assert isinstance(photo, Directory)
    photo[MAKER_NOTE] = Entry(7, 70_000, bytes(70_000))
    packed = pack_exif(tags, 65_527)
    assert packed is not None
    again = read_tiff(packed)
    assert again[MAKE] == text("Camera")
    assert isinstance(again[EXIF_IFD], Directory)
    assert MAKER_NOTE not in again[EXIF_IFD]
    assert pack_exif(Directory()) is None
    assert pack_exif(Directory({MAKE: text("x" * 100)}), 50) is None
