"""Photos: what the phone says of one, and its pieces.

The original is kept byte by byte, in pieces of at most 8 MiB that are padded and then encrypted.
What it shows, where and when, stands in an encrypted record beside; a preview of at most 12 KiB is
the small picture that the camera put into the file, or none.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from client_sim.cloud import age
from client_sim.cloud.errors import DeceivedError, RecordError
from client_sim.cloud.exif import read_facts
from client_sim.cloud.records import find_padme
from client_sim.persona import Photo as PersonaPhoto

PIECE: Final = 8 * 1024 * 1024
"""Bytes of a piece of the original; what a broken upload sends again at most."""
PREVIEW: Final = 12 * 1024


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece: the sha256 of its ciphertext, which is its name, and its bytes without padding."""

    name: str
    length: int


class Photo(msgspec.Struct, frozen=True):
    """What the phone says of a photo; `key` is the age recipient of its pieces.

    `taken` is local time as the camera wrote it; latitude and longitude are degrees as text.
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


def describe_photo(name: str, data: bytes) -> Photo:
    """Describe an original; raises RecordError for what is neither JPEG nor HEIC."""
    facts = read_facts(data)
    if not facts.type:
        raise RecordError(f"{name} is neither JPEG nor HEIC; it was left out.")
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
    """Return the record of a photo: JSON, the same for the same photo."""
    value = msgspec.to_builtins(photo)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def decode_photo(body: bytes) -> Photo:
    """Read the record of a photo; raises RecordError."""
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
        raise RecordError("The record of a photo has a name that no file has.")
    return photo


def merge_photos(base: bytes | None, mine: bytes, theirs: bytes, *, mine_is_later: bool) -> bytes:
    """Put two versions of a photo's record together: per field, the later one's counts."""
    here, there = decode_photo(mine), decode_photo(theirs)
    was = decode_photo(base) if base is not None else there
    chosen: dict[str, Any] = {}
    for name in _FIELDS:
        old, ours, their = (getattr(each, name) for each in (was, here, there))
        changed_both = old not in (ours, their)
        takes_ours = their == old or (changed_both and mine_is_later)
        chosen[name] = ours if takes_ours else their
    merged = msgspec.structs.replace(there, **chosen)
    if not merged.pieces:
        merged = msgspec.structs.replace(merged, pieces=here.pieces, key=here.key)
    return encode_photo(merged)


def cut_photo(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the length of each piece, and the piece padded to its Padmé length."""
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        yield len(piece), piece.ljust(find_padme(len(piece)) if len(piece) > 1 else 2, b"\0")


def encrypt_piece(piece: bytes, recipient: bytes, secret: bytes) -> tuple[str, bytes]:
    """Return the name and the ciphertext of a padded piece."""
    file = age.encrypt(piece, recipient, secret)
    return hashlib.sha256(file).hexdigest(), file


def open_piece(piece: Piece, file: bytes, identity: age.Identity) -> bytes:
    """Return the bytes of a piece; raises DeceivedError, SealError."""
    if hashlib.sha256(file).hexdigest() != piece.name:
        raise DeceivedError("The server gave another piece of a photo than the one asked for.")
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
    day = _tell_day(photo.taken_at)
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


def _tell_day(seconds: int) -> bytes:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y:%m:%d %H:%M:%S}".encode() + b"\0"
