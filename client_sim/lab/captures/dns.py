"""DNS messages: the names in questions, and the addresses in answers.

RFC 1035 section 4; RFC 6891 for the OPT pseudo record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

PORT: Final = 53

_HEAD: Final = 12
_JUMPS_LIMIT: Final = 32
_NAME_LIMIT: Final = 255
_RECORDS_LIMIT: Final = 256
_A, _CNAME, _AAAA, _OPT = 1, 5, 28, 41
_PADDING: Final = 12  # option of RFC 7830


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the name as it was spelled, its type, and the other bytes of the message.

    `extra` has bytes that a query does not need: options such as a client subnet or a cookie.
    """

    name: bytes
    kind: int
    extra: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A record of an answer: an address of the name, or another name (`target`)."""

    name: bytes
    address: str | None
    target: bytes | None


def read_question(message: bytes) -> Question | None:
    """Read a query; None if it is malformed or not a query."""
    if len(message) < _HEAD or message[2] & 0x80:
        return None
    count = int.from_bytes(message[4:6])
    others = sum(int.from_bytes(message[at : at + 2]) for at in (6, 8, 10))
    read = _read_name(message, _HEAD)
    # A query has one question (RFC 9619).
    if count != 1 or read is None or len(message) < read[1] + 4:
        return None
    name, at = read
    kind = int.from_bytes(message[at : at + 2])
    return Question(name, kind, _extra(message, at + 4, others))


def read_answers(message: bytes) -> Iterator[Answer]:
    """Yield the records of a response, up to the first malformed one."""
    if len(message) < _HEAD or not message[2] & 0x80:
        return
    at: int | None = _HEAD
    for _ in range(min(int.from_bytes(message[4:6]), _RECORDS_LIMIT)):
        read = _read_name(message, at) if at is not None else None
        at = read[1] + 4 if read else None
    for _ in range(min(int.from_bytes(message[6:8]), _RECORDS_LIMIT)):
        read = _read_name(message, at) if at is not None else None
        if read is None or len(message) < read[1] + 10:
            return
        name, start = read
        kind = int.from_bytes(message[start : start + 2])
        end = start + 10 + int.from_bytes(message[start + 8 : start + 10])
        data = message[start + 10 : end]
        if (kind, len(data)) in {(_A, 4), (_AAAA, 16)}:
            yield Answer(name.lower(), str(ip_address(data)), None)
        elif kind == _CNAME and (target := _read_name(message, start + 10)) is not None:
            yield Answer(name.lower(), None, target[0].lower())
        at = end


def split_messages(data: bytes) -> Iterator[bytes]:
    """Split bytes sent over TCP into messages, each of which has a length prefix of two bytes."""
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2])
        yield data[at + 2 : at + 2 + size]
        at += 2 + size
    if at < len(data):
        yield data[at:]


def _extra(message: bytes, at: int, others: int) -> bytes:
    """Return the bytes after the questions, without an empty OPT record."""
    rest = message[at:]
    if others == 1 and len(rest) >= 11 and rest[:1] == b"\x00":
        size = int.from_bytes(rest[9:11])
        options = rest[11 : 11 + size]
        is_empty = int.from_bytes(rest[1:3]) == _OPT and len(rest) == 11 + size
        if is_empty and _is_padding(options):
            return b""
    return rest


def _is_padding(options: bytes) -> bool:
    if not options:
        return True
    head = (int.from_bytes(options[:2]), int.from_bytes(options[2:4]))
    return head == (_PADDING, len(options) - 4) and not any(options[4:])


def _read_name(message: bytes, at: int) -> tuple[bytes, int] | None:
    """Read a name; return it and the offset of its end, or None if it is malformed."""
    labels: list[bytes] = []
    end: int | None = None
    for _ in range(_NAME_LIMIT + _JUMPS_LIMIT):
        if at >= len(message):
            return None
        size = message[at]
        if size & 0xC0 == 0xC0 and at + 1 < len(message):
            end = at + 2 if end is None else end
            target = int.from_bytes(message[at : at + 2]) & 0x3FFF
            if target >= at:  # a compression pointer must point backwards
                return None
            at = target
        elif size & 0xC0:
            return None
        elif size == 0:
            name = b".".join(labels)
            return (name, end or at + 1) if len(name) <= _NAME_LIMIT else None
        else:
            labels.append(message[at + 1 : at + 1 + size])
            at += 1 + size
    return None
