"""Decodes the answers on a connection from the bytes that the server sent."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_BODY_LIMIT: Final = 5_000_000  # bytes after decompression; FORMATS section 2
_GZIP: Final = 31  # zlib's number for a gzip wrapper


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that arrived whole: its status and its body without the content coding."""

    status: int
    body: bytes

    def signed(self) -> dict[str, Any]:
        """Return the `signed` object of TUF metadata; empty for other bodies."""
        return _read_signed(self.body)

    def versions(self) -> dict[str, int]:
        """Return the version of each role that a timestamp or a snapshot names."""
        meta = self.signed().get("meta")
        entries = meta.items() if isinstance(meta, dict) else ()
        return {
            name.removesuffix(".json"): entry["version"]
            for name, entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("version"), int)
        }

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of each target that a role lists."""
        targets = self.signed().get("targets")
        entries = targets.items() if isinstance(targets, dict) else ()
        return {
            path: hashes["sha256"]
            for path, target in entries
            if isinstance(target, dict)
            and isinstance(hashes := target.get("hashes"), dict)
            and isinstance(hashes.get("sha256"), str)
        }


@lru_cache(maxsize=64)  # many phones get the same answers
def _read_signed(body: bytes) -> dict[str, Any]:
    return _parse_signed(body)


def _parse_signed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    signed = value.get("signed") if isinstance(value, dict) else None
    return signed if isinstance(signed, dict) else {}


@lru_cache(maxsize=64)
def decode_answers(data: bytes) -> tuple[Answer, ...]:
    """Return the answers before the first that is incomplete, not HTTP/1.1 or without a length.

    Never raises: an answer that a phone would not accept counts as missing.
    """
    return tuple(_iterate_answers(data))


def _iterate_answers(data: bytes) -> Iterator[Answer]:
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        version, _, said = first.partition(b" ")
        status, _, _ = said.partition(b" ")
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        length = fields.get(b"content-length", b"")
        if not end or version != b"HTTP/1.1" or not _is_number(status, 3):
            return
        if not _is_number(length, 16) or len(rest) < int(length):
            return
        body = _decompress(rest[: int(length)], fields.get(b"content-encoding"))
        if body is None:
            return
        yield Answer(int(status), body)
        data = rest[int(length) :]


def _is_number(data: bytes, digits: int) -> bool:
    return data.isdigit() and len(data) <= digits


def _decompress(body: bytes, coding: bytes | None) -> bytes | None:
    if not coding:
        return body
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(body, _BODY_LIMIT)
    except zlib.error:
        return None
    return plain if coding == b"gzip" and inflater.eof else None
