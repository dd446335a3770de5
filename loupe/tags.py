"""TIFF directories, which both TIFF files and EXIF blocks are made of: read and write them.

    tags = read_tiff(data)       # never raises: what is damaged is left out
    data = write_tiff(tags)      # little-endian, classic

A directory is a dict from tag to ``Entry``, or to another directory for the tags that point to one (Exif,
GPS, Interoperability). TIFF 6.0 sections 2 and 8, and the BigTIFF layout of libtiff, are the sources of the numbers.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
BYTE, ASCII, SHORT, LONG, UNDEFINED = 1, 2, 3, 4, 7
MAX_BYTES = 16 * 1024**2  # of the values of one directory; a camera's block is under 64 KiB

# type -> (bytes of one value, bytes that swap as one)
_SIZES = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2)}
_SIZES |= {9: (4, 4), 10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4), 16: (8, 8), 17: (8, 8), 18: (8, 8)}
_UNSIGNED = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}  # type -> bytes of one value
_POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)


@dataclass(frozen=True)
class Entry:
    """One tag's value: ``value`` holds ``count`` values of TIFF ``type``, little-endian."""

    type: int
    count: int
    value: bytes


class Directory(dict[int, "Entry | Directory"]):
    """Tag -> value, or the directory that it points to."""

    def numbers(self, tag: int) -> list[int]:
        """All values of an unsigned whole-number tag; empty when it is missing or of another type."""
        entry = self.get(tag)
        if not isinstance(entry, Entry) or entry.type not in _UNSIGNED:
            return []
        values: list[int] = np.frombuffer(entry.value, f"<u{_UNSIGNED[entry.type]}").tolist()
        return values

    def number(self, tag: int, default: int = 0) -> int:
        """The first of ``numbers``, or ``default``."""
        return next(iter(self.numbers(tag)), default)


class _Layout(NamedTuple):
    order: str  # "<" or ">"
    big: bool  # BigTIFF: 64-bit offsets
    first: int  # where the first directory stands

    @property
    def counter(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12


def short(*values: int) -> Entry:
    """An entry of SHORTs."""
    return Entry(SHORT, len(values), struct.pack(f"<{len(values)}H", *values))


def long(*values: int) -> Entry:
    """An entry of LONGs."""
    return Entry(LONG, len(values), struct.pack(f"<{len(values)}I", *values))


def text(value: str) -> Entry:
    """An entry of ASCII; what is not ASCII becomes a question mark."""
    raw = value.encode("ascii", "replace") + b"\0"
    return Entry(ASCII, len(raw), raw)


def read_tiff(data: bytes) -> Directory:
    """The first directory of a TIFF structure, classic or big, with what it points to.

    Values that lie outside ``data`` are left out, so the result may be empty; it never raises. Work
    is bounded: 65,535 entries and ``MAX_BYTES`` a directory, and pointers are followed two deep.
    """
    layout = _layout(data)
    return _read(data, layout.first, layout, depth=0) if layout else Directory()


def write_tiff(tags: Directory, strips: bytes = b"") -> bytes:
    """A little-endian classic TIFF: header, ``strips`` at offset 8, then the directory."""
    start = 8 + len(strips) + len(strips) % 2
    padding = bytes(len(strips) % 2)
    return b"".join((struct.pack("<2sHI", b"II", 42, start), strips, padding, _pack(tags, start)))


def locate(data: bytes, tag: int) -> int | None:
    """Where the inline value of ``tag`` stands in the first directory; None when it is not there."""
    layout = _layout(data)
    entries = _entries(data, layout.first, layout) if layout else ()
    return next((at for found, _, _, at in entries if found == tag), None)


def has_second_page(data: bytes) -> bool:
    """Whether another directory follows the first."""
    layout = _layout(data)
    if layout is None or layout.first + struct.calcsize(layout.counter) > len(data):
        return False
    count = struct.unpack_from(layout.counter, data, layout.first)[0]
    at = layout.first + struct.calcsize(layout.counter) + count * layout.entry_size
    if at + struct.calcsize(layout.offset) > len(data):
        return False
    following: int = struct.unpack_from(layout.offset, data, at)[0]
    return 0 < following < len(data)


def _layout(data: bytes) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 16:
        return None
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    return _Layout(order, big, struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0])


def _entries(data: bytes, offset: int, layout: _Layout) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, number of values, and where the inline value (or its offset) stands."""
    start = offset + struct.calcsize(layout.counter)
    if start > len(data):
        return
    count = min(struct.unpack_from(layout.counter, data, offset)[0], 65535)
    for at in range(start, start + count * layout.entry_size, layout.entry_size):
        if at + layout.entry_size > len(data):
            return
        tag, kind, number = struct.unpack_from(layout.order + ("HHQ" if layout.big else "HHI"), data, at)
        yield tag, kind, number, at + layout.entry_size - struct.calcsize(layout.offset)


def _read(data: bytes, offset: int, layout: _Layout, depth: int) -> Directory:
    tags = Directory()
    seen: set[int] = set()
    left = MAX_BYTES  # a small block can point ten thousand times at the same large value
    for tag, kind, number, at in _entries(data, offset, layout):
        size, unit = _SIZES.get(kind, (0, 1))
        length = size * number
        if tag in seen or not 0 < length <= left:
            continue
        seen.add(tag)
        left -= length
        inline = length <= struct.calcsize(layout.offset)
        where = at if inline else struct.unpack_from(layout.offset, data, at)[0]
        if where + length > len(data):
            continue
        value = bytes(data[where : where + length])
        if layout.order == ">" and unit > 1:
            value = np.frombuffer(value, f">u{unit}").astype(f"<u{unit}").tobytes()
        if tag not in _POINTERS:
            tags[tag] = Entry(kind, number, value)
        elif depth < 2 and kind in _UNSIGNED:
            inner = _read(data, int.from_bytes(value[: _UNSIGNED[kind]], "little"), layout, depth + 1)
            if inner:
                tags[tag] = inner
    return tags


def _pack(tags: Directory, start: int) -> bytes:
    """The directory and all that hangs below it, as it stands at offset ``start`` of the file."""
    table = [struct.pack("<H", len(tags))]
    rest = bytearray()
    after = start + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        value = tags[tag]
        at = after + len(rest)
        if isinstance(value, Directory):
            table.append(struct.pack("<HHII", tag, LONG, 1, at))
            rest += _pack(value, at)
        elif len(value.value) <= 4:
            table.append(struct.pack("<HHI", tag, value.type, value.count) + value.value.ljust(4, b"\0"))
        else:
            table.append(struct.pack("<HHII", tag, value.type, value.count, at))
            rest += value.value
        rest += bytes(len(rest) % 2)
    return b"".join((*table, bytes(4), rest))
