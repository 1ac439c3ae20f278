"""Parts of a pack: their entries and their bytes.

Source: docs/FORMATS.md section 15, Part.
"""

import hashlib
import lzma
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from server.core.content.kinds import find_kind
from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError

ENCODED_LIMIT = 262_144
DECODED_LIMIT = 2_097_152
_MEMORY = 16 * 1024 * 1024
_DICTIONARY_BITS = 22  # 8 MiB in the property byte of LZMA2
_LZMA2 = 0x21


def encode_xz(data: bytes) -> bytes:
    """Return `data` as one xz stream with check CRC32 and preset 6.

    Raises FormatError if `data` or the stream exceeds its limit.
    """
    if not 1 <= len(data) <= DECODED_LIMIT:
        raise FormatError(f"it has {len(data)} bytes, and 1 to {DECODED_LIMIT} are allowed.")
    encoded = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
    if len(encoded) > ENCODED_LIMIT:
        raise FormatError(f"{len(encoded)} bytes in xz are over {ENCODED_LIMIT}: make it smaller.")
    return encoded


def decode_xz(data: bytes) -> bytes:
    """Return the content of the one stream of `data`; raises FormatError for other xz features."""
    if len(data) > ENCODED_LIMIT:
        raise FormatError(f"an xz file of {len(data)} bytes is over {ENCODED_LIMIT}.")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        decoded = decoder.decompress(data, DECODED_LIMIT + 1)
    except (lzma.LZMAError, MemoryError) as error:
        raise FormatError(f"an xz file cannot be decoded: {error}.") from error
    if not 1 <= len(decoded) <= DECODED_LIMIT:
        raise FormatError(f"an xz file holds nothing, or more than {DECODED_LIMIT} bytes.")
    if not decoder.eof:
        raise FormatError("an xz file ends before its stream does.")
    if decoder.unused_data:
        raise FormatError("an xz file has bytes after its stream.")
    if decoder.check != lzma.CHECK_CRC32:
        raise FormatError("an xz file has a check other than CRC32.")
    _check_layout(data)
    return decoded


def _check_layout(data: bytes) -> None:
    """Refuse several blocks, other filters and large dictionaries in `data`, which was decoded."""
    backward = 4 * (int.from_bytes(data[-8:-4], "little") + 1)
    if data[-12 - backward :][:2] != b"\0\1":  # the index: its mark, and the number of records
        raise FormatError("an xz file does not have exactly one block.")
    flags, at = data[13], 14
    for flag in (0x40, 0x80):  # optional lengths before the filters
        if flags & flag:
            while data[at] & 0x80:
                at += 1
            at += 1
    if flags & 3 or data[at] != _LZMA2 or data[at + 2] > _DICTIONARY_BITS:
        raise FormatError("an xz file does not use only LZMA2 with a dictionary of at most 8 MiB.")


MAX_ENTRIES = 20_000
Entries = Mapping[str, Any]
"""Entries of a pack by key, as JSON values."""

_KEY = re.compile(r"[A-Za-z0-9._/+-]{1,64}")


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    entries: Annotated[dict[str, dict[str, Any]], msgspec.Meta(max_length=MAX_ENTRIES)]
    kind: str
    part: int
    schema: Literal[1]


def part_of(kind: str, key: str) -> int:
    """Return the number of the part that holds the entry `key` of a pack of `kind`."""
    first = hashlib.sha256(key.encode()).digest()[0]
    return first * find_kind(kind).parts // 256


def check_key(key: str) -> None:
    """Raise FormatError unless `key` may name an entry of any kind."""
    if _KEY.fullmatch(key) is None:
        raise FormatError(
            f"{key[:80]!r} is not a key: letters, digits and `._/+-`, at most 64 of them."
        )


def split_entries(kind: str, entries: Entries) -> list[dict[str, Any]]:
    """Return the entries of each part, in ascending order of parts; a part may be empty."""
    parts: list[dict[str, Any]] = [{} for _ in range(find_kind(kind).parts)]
    for key in sorted(entries):
        check_key(key)
        parts[part_of(kind, key)][key] = entries[key]
    return parts


def join_parts(kind: str, parts: Sequence[bytes]) -> dict[str, Any]:
    """Return the entries of all parts of a pack, by key; raises FormatError if one is malformed."""
    joined: dict[str, Any] = {}
    for number, data in enumerate(parts):
        joined |= decode_part(kind, number, data)
    return {key: joined[key] for key in sorted(joined)}


def encode_part(kind: str, number: int, entries: Entries) -> bytes:
    """Return the bytes of a part; raises FormatError if it is too large or has a foreign entry."""
    for key in entries:
        check_key(key)
    part = {"entries": entries, "kind": kind, "part": number, "schema": 1}
    try:
        data = encode_xz(encode_canonical_json(part))
        decode_part(kind, number, data)
    except FormatError as error:
        raise FormatError(f"part {number} of {kind} cannot be written: {error}") from error
    return data


def decode_part(kind: str, number: int, data: bytes) -> dict[str, Any]:
    """Return the entries of part `number` of a pack of `kind`, by key.

    Raises FormatError for any other bytes. Entries are objects; `role.check_entries` checks their
    content.
    """
    decoded = decode_canonical_json(decode_xz(data), limit=DECODED_LIMIT)
    try:
        part = msgspec.convert(decoded, _Part)
    except msgspec.ValidationError as error:
        raise FormatError(f"part {number} of {kind} is malformed: {error}.") from error
    if (part.kind, part.part) != (kind, number):
        raise FormatError(
            f"part {number} of {kind} says that it is part {part.part} of {part.kind[:40]!r}."
        )
    for key in part.entries:
        check_key(key)
        if part_of(kind, key) != number:
            raise FormatError(
                f"part {number} of {kind} holds {key}, which belongs in part {part_of(kind, key)}."
            )
    return part.entries
