"""Time, place and the small picture in a JPEG's EXIF block; nothing of it leaves unencrypted.

Only what is needed is read, and whatever is malformed is passed over: the photo itself is kept byte
by byte.
"""

import struct
from dataclasses import dataclass
from typing import Final

_JPEG: Final = b"\xff\xd8"
_HEIC: Final = (b"heic", b"heix", b"mif1", b"heif", b"hevc")
_EXIF: Final = b"Exif\0\0"
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_TIME, _EXIF_BLOCK, _GPS_BLOCK, _TAKEN = 0x0132, 0x8769, 0x8825, 0x9003
_PICTURE, _PICTURE_LENGTH = 0x0201, 0x0202


@dataclass(frozen=True, slots=True)
class Facts:
    """What a photo says of itself: `taken` as `2026-03-01T10:00:00`, degrees as text."""

    type: str
    taken: str = ""
    latitude: str = ""
    longitude: str = ""
    picture: bytes = b""


def read_facts(data: bytes) -> Facts:
    """Read a photo's facts; the type is empty for what is neither JPEG nor HEIC."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        return Facts("image/heic")
    if not data.startswith(_JPEG):
        return Facts("")
    block = _find_exif(data)
    try:
        return _read_block(block) if block else Facts("image/jpeg")
    except (struct.error, IndexError, ZeroDivisionError, ValueError):
        return Facts("image/jpeg")


def _find_exif(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and body.startswith(_EXIF):
            return body[len(_EXIF) :]
        at += 2 + max(length, 2)
    return b""


def _read_block(block: bytes) -> Facts:
    order = {b"II": "<", b"MM": ">"}[block[:2]] if block[:2] in {b"II", b"MM"} else ""
    if not order:
        return Facts("image/jpeg")
    first, following = _read_folder(block, order, struct.unpack_from(order + "I", block, 4)[0])
    more = _follow(block, order, first, _EXIF_BLOCK)
    place = _follow(block, order, first, _GPS_BLOCK)
    small = _read_folder(block, order, following)[0] if following else {}
    return Facts(
        "image/jpeg",
        _read_time(block, order, more.get(_TAKEN) or first.get(_TIME)),
        _read_degrees(block, order, place, 1, b"S"),
        _read_degrees(block, order, place, 3, b"W"),
        _read_picture(block, order, small),
    )


Entry = tuple[int, int, int]
"""A value's type, how many there are, and where they stand."""


def _read_folder(block: bytes, order: str, at: int) -> tuple[dict[int, Entry], int]:
    (count,) = struct.unpack_from(order + "H", block, at)
    entries = {}
    for number in range(count):
        place = at + 2 + 12 * number
        tag, kind, many = struct.unpack_from(order + "HHI", block, place)
        size = _SIZES.get(kind, 1) * many
        value = place + 8
        if size > 4:
            (value,) = struct.unpack_from(order + "I", block, value)
        entries[tag] = (kind, many, value)
    (following,) = struct.unpack_from(order + "I", block, at + 2 + 12 * count)
    return entries, following


def _follow(block: bytes, order: str, entries: dict[int, Entry], tag: int) -> dict[int, Entry]:
    if tag not in entries:
        return {}
    (at,) = struct.unpack_from(order + "I", block, entries[tag][2])
    return _read_folder(block, order, at)[0]


def _read_time(block: bytes, _order: str, entry: Entry | None) -> str:
    if entry is None:
        return ""
    text = block[entry[2] : entry[2] + 19].decode("ascii", "replace")
    day, _, clock = text.partition(" ")
    is_time = len(text) == 19 and text.replace(":", "").replace(" ", "").isdigit()
    return f"{day.replace(':', '-')}T{clock}" if is_time else ""


def _read_degrees(
    block: bytes, order: str, entries: dict[int, Entry], tag: int, negative: bytes
) -> str:
    """Return degrees with six places, from a letter and three fractions."""
    if tag not in entries or tag + 1 not in entries:
        return ""
    letter = block[entries[tag][2] : entries[tag][2] + 1]
    parts = struct.unpack_from(order + "6I", block, entries[tag + 1][2])
    degrees, minutes, seconds = (parts[at] / parts[at + 1] for at in (0, 2, 4))
    value = degrees + minutes / 60 + seconds / 3600
    return f"{-value if letter == negative else value:.6f}"


def _read_picture(block: bytes, order: str, entries: dict[int, Entry]) -> bytes:
    if _PICTURE not in entries or _PICTURE_LENGTH not in entries:
        return b""
    at, length = (
        struct.unpack_from(order + "I", block, entries[tag][2])[0]
        for tag in (_PICTURE, _PICTURE_LENGTH)
    )
    picture = block[at : at + length]
    return picture if picture.startswith(_JPEG) and len(picture) == length else b""
