"""EXIF that is true of the picture beside it: cleaned on the way in, finished on the way out.

    exif, orientation, note = clean_exif(blob)        # upright, without thumbnail and pixel layout
    tags = finished_exif(exif, width, height, "Loupe 0.1.0 edsr_x4")

The thumbnail lives in a second directory, which ``loupe.tags`` never reads, so it is never written.
Exif 2.32 (CIPA DC-008-2019) is the source of the numbers.
"""

from loupe.tags import EXIF_IFD, Directory, Entry, long, read_tiff, short, text, write_tiff

ENVELOPE = b"Exif\0\0"
ORIENTATION, SOFTWARE = 0x0112, 0x0131
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
MAX_EXIF = 16 * 1024**2

# What describes how the pixels of one file are stored, and so is untrue of the next file;
_LAYOUT = {0xFE, 0xFF, 0x100, 0x101, 0x102, 0x103, 0x106, 0x107, 0x108, 0x109, 0x10A, 0x111, 0x115, 0x116}
_LAYOUT |= {0x117, 0x118, 0x119, 0x11C, 0x120, 0x121, 0x122, 0x123, 0x12D, 0x13D, 0x140, 0x142, 0x143, 0x144}
_LAYOUT |= {0x145, 0x14A, 0x14C, 0x150, 0x151, 0x152, 0x153, 0x154, 0x155, 0x156, 0x15B, 0x200, 0x201, 0x202}
_LAYOUT |= {0x203, 0x205, 0x206, 0x207, 0x208, 0x209, 0x211, 0x212, 0x213, 0x214, 0x8773, 0x80E4, 0x80E5}
_LAYOUT |= {0x02BC, 0x83BB, 0x8649, 0x935C}  # and XMP, IPTC, Photoshop's blocks: large, and not EXIF.


def clean_exif(blob: bytes) -> tuple[bytes | None, int, str | None]:
    """The block with its orientation reset, that orientation (1..8), and a note when it was damaged.

    ``blob`` is a TIFF structure, with or without its envelope. An orientation out of 1..8 counts as 1.
    """
    raw = blob.removeprefix(ENVELOPE)
    found = read_tiff(raw) if len(raw) <= MAX_EXIF else Directory()
    tags = without_layout(found)
    if not tags:
        return None, 1, None if found else "empty or broken EXIF dropped"
    orientation = tags.number(ORIENTATION, 1)
    if ORIENTATION in tags:
        tags[ORIENTATION] = short(1)
    return ENVELOPE + write_tiff(tags), orientation if 1 <= orientation <= 8 else 1, None


def finished_exif(exif: bytes | None, width: int, height: int, software: str | None) -> Directory:
    """The tags of a cleaned block made true of a result: its size, and the software that made it."""
    tags = read_tiff(exif.removeprefix(ENVELOPE)) if exif else Directory()
    photo = tags.get(EXIF_IFD)
    if isinstance(photo, Directory):
        for tag, size in ((PIXEL_WIDTH, width), (PIXEL_HEIGHT, height)):
            if tag in photo:
                photo[tag] = long(size)
    if software is not None:
        tags[SOFTWARE] = text(software)
    return tags


def pack_exif(tags: Directory, limit: int = MAX_EXIF) -> bytes | None:
    """A TIFF structure, without envelope, of at most ``limit`` bytes; the largest values go first. None if empty."""
    while tags:
        packed = write_tiff(tags)
        if len(packed) <= limit:
            return packed
        holders = [tags, *(inner for inner in tags.values() if isinstance(inner, Directory))]
        leaves = [(len(e.value), tag, d) for d in holders for tag, e in d.items() if isinstance(e, Entry)]
        if not leaves:
            return None
        _, largest, holder = max(leaves, key=lambda leaf: leaf[0])
        del holder[largest]
    return None


def without_layout(tags: Directory) -> Directory:
    """Those tags that are about the picture, not about how this file stores its pixels."""
    return Directory({tag: value for tag, value in tags.items() if tag not in _LAYOUT})
