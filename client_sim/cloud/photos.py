"""Photos: their records, EXIF data, and encrypted pieces.

The original file is uploaded unchanged, in pieces of at most 8 MiB that are padded and encrypted. A
separate encrypted record holds its name, time and place, and a preview of at most 12 KiB: the EXIF
thumbnail, if there is one. Only the needed parts of a JPEG's EXIF data are read, and malformed
parts are ignored.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from client_sim.cloud import age
from client_sim.cloud.errors import DeceivedError, RecordError
from client_sim.cloud.records import find_padme
from client_sim.persona import Photo as PersonaPhoto

PIECE: Final = 8 * 1024 * 1024
"""Maximum bytes of a piece of the original, and so of what an interrupted upload repeats."""
PREVIEW: Final = 12 * 1024
_JPEG: Final = b"\xff\xd8"
_HEIC: Final = (b"heic", b"heix", b"mif1", b"heif", b"hevc")
_EXIF: Final = b"Exif\0\0"
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_TIME, _EXIF_BLOCK, _GPS_BLOCK, _TAKEN = 0x0132, 0x8769, 0x8825, 0x9003
_PICTURE, _PICTURE_LENGTH = 0x0201, 0x0202


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece: its name, the sha256 of the ciphertext, and its bytes without padding."""

    name: str
    length: int


class Photo(msgspec.Struct, frozen=True):
    """The record of a photo; `key` is the age recipient of its pieces.

    `taken` is the camera's local time. `latitude` and `longitude` are degrees as text. `preview` is
    base64.
    """

    name: str
    type: str
    length: int
    sha256: str
    taken: str = ""
    latitude: str = ""
    longitude: str = ""
    preview: str = ""
    key: str = ""
    pieces: list[Piece] = []


_FIELDS: Final = ("name", "taken", "latitude", "longitude")


def make_photo(name: str, data: bytes) -> Photo:
    """Return the record of an original; raises RecordError unless it is JPEG or HEIC."""
    facts = read_facts(data)
    if not facts.type:
        raise RecordError(f"{name} is neither JPEG nor HEIC; it was skipped.")
    picture = facts.picture if len(facts.picture) <= PREVIEW else b""
    return Photo(
        PurePosixPath(name).name,
        facts.type,
        len(data),
        hashlib.sha256(data).hexdigest(),
        facts.taken,
        facts.latitude,
        facts.longitude,
        base64.b64encode(picture).decode(),
    )


def encode_photo(photo: Photo) -> bytes:
    """Return a photo's record as deterministic JSON."""
    value = msgspec.to_builtins(photo)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode_photo(body: bytes) -> Photo:
    """Decode a photo's record; raises RecordError if it is malformed."""
    try:
        photo = msgspec.json.decode(body, type=Photo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RecordError("The record of a photo cannot be read.") from None
    name = PurePosixPath(photo.name)
    if (
        not photo.name
        or name.name != photo.name
        or photo.name.startswith(".")
        or len(photo.sha256) != 64
    ):
        raise RecordError("The record of a photo has an invalid name or hash.")
    return photo


def merge_photos(base: bytes | None, mine: bytes, theirs: bytes, *, mine_is_later: bool) -> bytes:
    """Merge two versions of a photo's record; if both changed a field, the later one is kept."""
    my_photo, their_photo = decode_photo(mine), decode_photo(theirs)
    base_photo = decode_photo(base) if base is not None else their_photo
    chosen: dict[str, Any] = {}
    for name in _FIELDS:
        old, ours, their = (getattr(each, name) for each in (base_photo, my_photo, their_photo))
        changed_both = old not in (ours, their)
        takes_ours = their == old or (changed_both and mine_is_later)
        chosen[name] = ours if takes_ours else their
    merged = msgspec.structs.replace(their_photo, **chosen)
    if not merged.pieces:
        merged = msgspec.structs.replace(merged, pieces=my_photo.pieces, key=my_photo.key)
    return encode_photo(merged)


def cut_photo(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each piece's length, and the piece padded to its Padmé length."""
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        yield len(piece), piece.ljust(find_padme(len(piece)) if len(piece) > 1 else 2, b"\0")


def encrypt_piece(piece: bytes, recipient: bytes, secret: bytes) -> tuple[str, bytes]:
    """Encrypt a padded piece; return its name and ciphertext."""
    file = age.encrypt(piece, recipient, secret)
    return hashlib.sha256(file).hexdigest(), file


def open_piece(piece: Piece, file: bytes, identity: age.Identity) -> bytes:
    """Decrypt a piece; raises DeceivedError if it has another hash, SealError for another key."""
    if hashlib.sha256(file).hexdigest() != piece.name:
        raise DeceivedError("The server gave another piece of a photo than the requested one.")
    return age.decrypt(file, identity)[: piece.length]


def make_jpeg(photo: PersonaPhoto) -> bytes:
    """Return a small grey JPEG with the time and place of one of the phone's planted photos."""
    return b"\xff\xd8" + _make_exif(photo) + _GREY


#: Tables and scan of 8 grey pixels by 8: a baseline JPEG without its first marker.
_GREY: Final = bytes.fromhex(
    f"ffdb004300{'01' * 64}ffc0000b080008000801011100"
    f"ffc400140001{'00' * 16}ffc400141001{'00' * 16}ffda0008010100003f003fffd9"
)


def _make_exif(photo: PersonaPhoto) -> bytes:
    day = _encode_day(photo.taken_at)
    latitude, longitude = (_fractions(text) for text in (photo.latitude, photo.longitude))
    letters = (
        b"S" if photo.latitude.startswith("-") else b"N",
        b"W" if photo.longitude.startswith("-") else b"E",
    )
    head = struct.pack(">2sHI", b"MM", 42, 8)
    folder = struct.pack(">H", 2)
    folder += struct.pack(">HHII", 0x0132, 2, 20, 38)
    folder += struct.pack(">HHII", 0x8825, 4, 1, 58)
    folder += struct.pack(">I", 0)
    place = struct.pack(">H", 4)
    place += struct.pack(">HHI4s", 1, 2, 2, letters[0])
    place += struct.pack(">HHII", 2, 5, 3, 112)
    place += struct.pack(">HHI4s", 3, 2, 2, letters[1])
    place += struct.pack(">HHII", 4, 5, 3, 136)
    place += struct.pack(">I", 0)
    body = b"Exif\0\0" + head + folder + day + place + latitude + longitude
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _fractions(text: str) -> bytes:
    micro = round(abs(float(text)) * 1_000_000)
    return struct.pack(">6I", micro // 1_000_000, 1, 0, 1, micro % 1_000_000 * 36, 10_000)


def _encode_day(seconds: int) -> bytes:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y:%m:%d %H:%M:%S}".encode() + b"\0"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts read from a photo: `taken` as `2026-03-01T10:00:00`, degrees as text, thumbnail."""

    type: str
    taken: str = ""
    latitude: str = ""
    longitude: str = ""
    picture: bytes = b""


def read_facts(data: bytes) -> Facts:
    """Return the facts of a photo; the type is empty if it is neither JPEG nor HEIC."""
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
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return Facts("image/jpeg")
    first, following = _read_folder(block, order, struct.unpack_from(order + "I", block, 4)[0])
    more = _follow(block, order, first, _EXIF_BLOCK)
    place = _follow(block, order, first, _GPS_BLOCK)
    small = _read_folder(block, order, following)[0] if following else {}
    return Facts(
        "image/jpeg",
        _read_time(block, more.get(_TAKEN) or first.get(_TIME)),
        _read_degrees(block, order, place, 1, b"S"),
        _read_degrees(block, order, place, 3, b"W"),
        _read_picture(block, order, small),
    )


Entry = tuple[int, int, int]
"""A tag's value type, number of values, and offset."""


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


def _read_time(block: bytes, entry: Entry | None) -> str:
    if entry is None:
        return ""
    text = block[entry[2] : entry[2] + 19].decode("ascii", "replace")
    day, _, clock = text.partition(" ")
    is_time = len(text) == 19 and text.replace(":", "").replace(" ", "").isdigit()
    return f"{day.replace(':', '-')}T{clock}" if is_time else ""


def _read_degrees(
    block: bytes, order: str, entries: dict[int, Entry], tag: int, negative: bytes
) -> str:
    """Return degrees with six decimal places, from a letter and three fractions."""
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
