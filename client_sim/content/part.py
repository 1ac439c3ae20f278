"""Decodes a part of a pack: one xz stream of canonical JSON, within limits (FORMATS section 15)."""

import json
import lzma
from typing import Any, Final

from client_sim.content.kinds import KEY, Kind, part_of, read_map, read_object
from client_sim.device.errors import ContentError

ENCODED_LIMIT: Final = 262_144
DECODED_LIMIT: Final = 2_097_152
_MEMORY_LIMIT: Final = 16 * 1024 * 1024
_ENTRIES_LIMIT: Final = 20_000
_HEADER: Final = b"\xfd7zXZ\x00\x00\x01"  # magic, and the flags that declare CRC32
_FOOTER: Final = b"\x00\x01YZ"
_HEADER_SIZE: Final = 12
_FOOTER_SIZE: Final = 12
_LZMA2: Final = 0x21
_DICTIONARY: Final = 22  # 8 MiB as the format writes it


def decode_part(data: bytes, kind: Kind, part: int) -> dict[str, Any]:
    """Return the entries of a part by key; their schema is not checked.

    Raises ContentError for anything but the canonical form of this part of this kind.
    """
    text = _decompress(data)
    value = _parse(text)
    pack = read_object("A part of a pack", value, ("entries", "kind", "part", "schema"))
    stated = [pack["kind"], pack["part"], pack["schema"]]
    if stated != [kind.name, part, 1] or bool in {type(member) for member in stated}:
        raise ContentError("A part of a pack is another one than it should be.")
    entries = read_map("A part of a pack", pack["entries"], 0, _ENTRIES_LIMIT)
    for key in entries:
        if KEY.fullmatch(key) is None or part_of(key, kind.parts) != part:
            raise ContentError("A part of a pack has an entry that does not belong there.")
    return entries


def _decompress(data: bytes) -> bytes:
    if len(data) > ENCODED_LIMIT:
        raise ContentError("A part of a pack is longer than any may be.")
    _check_container(data)
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
    try:
        # One byte more than allowed is enough to detect a longer text.
        text = decoder.decompress(data, DECODED_LIMIT + 1)
    except (lzma.LZMAError, EOFError):
        raise ContentError("A part of a pack is damaged xz.") from None
    if len(text) > DECODED_LIMIT:
        raise ContentError("A part of a pack decodes to more than any may hold.")
    if not decoder.eof or decoder.unused_data:
        raise ContentError("A part of a pack is not exactly one xz stream.")
    return text


def _check_container(data: bytes) -> None:
    """Check what the decoder does not report: one block, only LZMA2, its dictionary, the check."""
    fault = ContentError("A part of a pack is not the one kind of xz that is used.")
    if data[:8] != _HEADER or data[-4:] != _FOOTER or len(data) < _HEADER_SIZE + _FOOTER_SIZE + 8:
        raise fault
    index_size = (int.from_bytes(data[-8:-4], "little") + 1) * 4
    index = data[-_FOOTER_SIZE - index_size : -_FOOTER_SIZE]
    if index[:2] != b"\x00\x01":
        raise fault
    # Block header: its size, flags (which sizes follow; one filter), sizes, filter, dictionary.
    flags, place = data[13], 14
    for flag in (0x40, 0x80):
        if flags & flag:
            while data[place : place + 1] >= b"\x80":
                place += 1
            place += 1
    size, dictionary = data[12], data[place + 2 : place + 3]
    if not size or flags & 0x3F or data[place : place + 2] != bytes((_LZMA2, 1)):
        raise fault
    if dictionary > bytes((_DICTIONARY,)):
        raise fault


def _parse(text: bytes) -> object:
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        is_canonical = encode_canonical(value) == text
    except (ValueError, RecursionError):
        raise ContentError("A part of a pack is no JSON of integers, texts and lists.") from None
    if not is_canonical:
        raise ContentError("A part of a pack is not in the one encoding that it has.")
    return value


def encode_canonical(value: object) -> bytes:
    """Return the canonical JSON of a value (FORMATS section 1)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode() + b"\n"


def _refuse(text: str) -> object:
    raise ValueError(text)
