"""Parts of a pack: which entry is in which, and their octets.

Source: docs/FORMATS.md section 15, Part.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from server.core.content.kinds import find_kind
from server.core.content.xz import DECODED_LIMIT, decode_xz, encode_xz
from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError

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
    """Return the entries of each part, in ascending order of parts; a part may have none."""
    parts: list[dict[str, Any]] = [{} for _ in range(find_kind(kind).parts)]
    for key in sorted(entries):
        check_key(key)
        parts[part_of(kind, key)][key] = entries[key]
    return parts


def join_parts(kind: str, parts: Sequence[bytes]) -> dict[str, Any]:
    """Return the entries of all parts of a pack, by key; FormatError for a malformed one."""
    joined: dict[str, Any] = {}
    for number, data in enumerate(parts):
        joined |= decode_part(kind, number, data)
    return {key: joined[key] for key in sorted(joined)}


def encode_part(kind: str, number: int, entries: Entries) -> bytes:
    """Return the octets of a part; FormatError where it is too large or an entry is elsewhere."""
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

    Raises FormatError for octets that are no such part. Entries are objects; what is in them is
    for `entries.check_entries` to say.
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
                f"part {number} of {kind} holds {key}, which belongs into part"
                f" {part_of(kind, key)}."
            )
    return part.entries
