"""Strict reading of a request's head, for what can be answered from octets in memory.

Only heads that every reader of HTTP understands alike are read here: RFC 9112 without any of its
allowances. `plan_head` answers None to everything else, and whoever asked hands the connection
over to a complete parser, which may accept more but never something else. Pure.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from server.device.answer import choose, is_match
from server.device.documents import Document
from server.device.gate import HOST, READ, REFUSED, TOLERATED

LONGEST = 2048  # octets of a head that is read here; a browser's has under 1,000
END = b"\r\n\r\n"
_PRINTABLE = bytes(range(0x20, 0x7F))
_NAME = re.compile(rb"[a-z0-9-]{1,64}")
_KNOWN = TOLERATED | {b"host", b"accept-encoding", b"if-none-match"}
_NEVER_UNKNOWN = READ | REFUSED
_METHODS = (b"GET /", b"HEAD /")


class Planned(NamedTuple):
    """An answer without status line and `Date`, and what else there is to do about it."""

    status: HTTPStatus
    octets: bytes
    is_last: bool
    has_unknown: bool


def plan_head(head: bytes, paths: Mapping[bytes, Document], *, is_edge: bool) -> Planned | None:
    """Return the answer to a whole head that asks for one of `paths`, or None: others decide.

    `head` ends with its empty line. With `is_edge` headers that nobody knows are tolerated.
    """
    lines = head.split(b"\r\n")
    method, _, rest = lines[0].partition(b" ")
    document = paths.get(rest.removesuffix(b" HTTP/1.1"))
    if document is None or not rest.endswith(b" HTTP/1.1") or method not in {b"GET", b"HEAD"}:
        return None
    if len(head) > LONGEST or head.translate(None, _PRINTABLE) != b"\r\n" * (len(lines) - 1):
        return None
    fields: dict[bytes, bytes] = {}
    has_unknown = False
    for line in lines[1:-2]:
        name, separator, value = line.partition(b": ")
        name = name.lower()
        if not separator or name in fields:
            return None
        if name not in _KNOWN and not name.startswith(b"sec-"):
            if not is_edge or name in _NEVER_UNKNOWN or _NAME.fullmatch(name) is None:
                return None
            has_unknown = True
        fields[name] = value
    connection = fields.get(b"connection", b"keep-alive")
    if HOST.fullmatch(fields.get(b"host", b"")) is None or connection not in _CONNECTION:
        return None
    chosen = choose(document, fields.get(b"accept-encoding", b""))
    condition = fields.get(b"if-none-match")
    if condition is not None and is_match(condition, chosen.etag):
        status, octets = HTTPStatus.NOT_MODIFIED, chosen.unmodified
    else:
        status = HTTPStatus.OK
        octets = chosen.octets if method == b"GET" else chosen.octets[: chosen.head]
    return Planned(status, octets, connection == b"close", has_unknown)


def may_become_head(octets: bytes) -> bool:
    """Answer whether a head that has not ended yet can still be one that is read here."""
    if len(octets) > LONGEST or octets.count(b"\n") != octets.count(b"\r\n"):
        return False
    return any(octets.startswith(each) or each.startswith(octets) for each in _METHODS)


_CONNECTION = frozenset({b"keep-alive", b"Keep-Alive", b"close"})
