"""Strict reading of a request's head, for the fast path.

It reads only heads that every HTTP parser understands alike: RFC 9112 without its lenient rules.
For all others `plan_head` returns None, and the connection falls back to a complete parser. That
parser may accept more heads, but reads none differently. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from server.device.answer import Served, choose, is_match, plan_answer, refusal
from server.device.documents import Package, encode_fields
from server.device.gate import (
    HOST,
    READ,
    REFUSED,
    TOLERATED,
    GateMode,
    Headers,
    Reason,
    Refused,
    check_request,
    is_block,
    is_path,
    phone_request,
    take_heads,
)
from server.device.snapshot import Snapshot

LONGEST = 2048  # bytes of a head that is read here; a browser's has under 1,000
END = b"\r\n\r\n"
OK, NOT_MODIFIED = 200, 304
UNKNOWN: Final = "unknown"  # the remark that a request had unknown headers
Remark: TypeAlias = Reason | str | None
# Status, the answer's bytes without status line and `Date`, whether it is the connection's last,
# and what else is counted.
Planned: TypeAlias = tuple[int, bytes, bool, Remark]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """An answer whose bytes are those of a package from `first` up to `end`.

    `fields` are its header fields and the empty line; the rest is as in `Planned`.
    """

    status: int
    fields: bytes
    package: Package
    first: int
    end: int
    is_last: bool
    remark: Remark


def plan_head(head: bytes, served: Served, *, is_edge: bool) -> Planned | PlannedFile | None:
    """Return the answer to a whole head in the language; None falls back to aiohttp.

    `head` ends with its empty line. With `is_edge` unknown headers are tolerated.
    """
    line, _, rest = head.partition(b"\r\n")
    document = served.requests.get(line)
    is_head = document is None and line.startswith(b"HEAD ")
    if is_head:
        line = b"GET" + line[4:]
        document = served.requests.get(line)
    match = (_EDGE if is_edge else _DIRECT).fullmatch(rest)
    if match is None or len(head) > LONGEST:
        return None
    host, coding, condition, part, if_part, connection, _, unknown = match.groups()
    if host is None:
        return None
    is_last, remark = connection == b"close", None if unknown is None else UNKNOWN
    if document is None:
        fields = [(b"range", part), (b"if-range", if_part), (b"if-none-match", condition)]
        known = [(name, value.strip(b" ")) for name, value in fields if value is not None]
        return _plan_path(line, served.snapshot, known, is_last, remark, is_head=is_head)
    chosen = choose(document, coding)
    if condition is not None and is_match(condition, chosen.etag):
        return NOT_MODIFIED, chosen.unmodified, is_last, remark
    return OK, chosen.data[: chosen.head] if is_head else chosen.data, is_last, remark


def is_for_package(head: bytes, served: Served) -> bool:
    """Answer whether a head asks for a package, whichever server answers it."""
    path = head.split(b" ", 2)[1:2]
    return path != [] and path[0].decode("latin-1") in served.snapshot.packages


def may_become_head(data: bytes) -> bool:
    """Answer whether an incomplete head can still be one that is read here."""
    if len(data) > LONGEST or data.count(b"\n") != data.count(b"\r\n"):
        return False
    return any(data.startswith(each) or each.startswith(data) for each in (b"GET /", b"HEAD /"))


def _plan_path(
    line: bytes,
    snapshot: Snapshot,
    headers: Headers,
    is_last: bool,
    remark: Remark,
    *,
    is_head: bool,
) -> Planned | PlannedFile | None:
    """Return the answer to a path of a package or of nothing."""
    match = _GET.fullmatch(line)
    if match is None:
        return None
    path = match[1].decode()
    # The answer to HEAD depends on whether the package can be read.
    if not is_path(path) or (is_head and path in snapshot.packages):
        return None
    answer = plan_answer(snapshot, "GET", path, headers)
    package, part, fields = answer.package, answer.part, encode_fields(answer.headers)
    if package is None or not package.length:
        body = b"" if is_head else answer.body
        return answer.status, fields + body, is_last, remark
    first, end = (0, package.length) if part is None else (part.first, part.last + 1)
    return PlannedFile(answer.status, fields, package, first, end, is_last, remark)


def _names(names: Iterable[bytes]) -> bytes:
    """Return a pattern of header names as programs spell them: lower case or capitalised words."""
    return b"|".join(
        b"-".join(b"[%c%c]%b" % (word[0] - 32, word[0], word[1:]) for word in name.split(b"-"))
        for name in sorted(names)
    )


def _once(group: int, name: bytes, value: bytes) -> bytes:
    """Return the pattern of a header whose value is a group. It matches only once."""
    return b"%b: (?(%d)(?!))(%b)" % (_names([name]), group, value)


_GET = re.compile(rb"GET (/[!-~]*) HTTP/1\.1")
_ANY = rb"[ -~]*+"
_READ_HERE = {b"host": HOST.pattern, b"accept-encoding": _ANY, b"if-none-match": _ANY}
_READ_HERE |= {b"range": _ANY, b"if-range": _ANY}
_READ_HERE |= {b"connection": rb"[Kk]eep-[Aa]live|close", b"user-agent": _ANY}  # never twice
_KNOWN = b"|".join(
    [
        *(_once(number, *each) for number, each in enumerate(_READ_HERE.items(), 1)),
        b"(?:%b|[Ss]ec-[A-Za-z-]+): %b" % (_names(TOLERATED - _READ_HERE.keys()), _ANY),
    ]
)
# Unknown here, but read by aiohttp's parser, which accepts each only once.
_READ_THERE = {b"content-location", b"content-range", b"etag", b"max-forwards"}
_READ_THERE |= {b"proxy-connection", b"server"}
_UNKNOWN = b"(?!(?i:%b|sec-.*):)([A-Za-z0-9-]{1,64}): %b" % (
    b"|".join(sorted(READ | REFUSED | TOLERATED | _READ_THERE)),
    _ANY,
)
_DIRECT = re.compile(b"(?:(?:%b|(?!)())\r\n){1,40}+\r\n" % _KNOWN)
_EDGE = re.compile(b"(?:(?:%b|%b)\r\n){1,40}+\r\n" % (_KNOWN, _UNKNOWN))


LINES = 4  # the last is empty


def is_phones(head: bytes, snapshot: Snapshot) -> bool:
    """Answer whether a head is in the request table: docs/FORMATS.md section 9.

    For a package it asks for a block, whose last byte depends on the package's length.
    """
    if take_heads(head) != (b"", True) or head.count(b"\r\n") != LINES:
        return False
    line, host, other = head.split(b"\r\n")[:3]
    path, headers = line.split(b" ")[1].decode(), [_field(host), _field(other)]
    try:
        check_request("GET", path, (1, 1), headers, GateMode.STRICT)
    except Refused:
        return False
    package = snapshot.packages.get(path)
    return (
        package is None
        or phone_request(path) != "package"
        or is_block(headers[1][1], package.length)
    )


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value


_HEAD = re.compile(
    rb"(GET|HEAD) (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]{1,64}: [ -~]*+\r\n){1,40}+)\r\n"
)
_FRAMING = re.compile(
    rb"^(?:connection: (?!(?:keep-alive|close)\r)"
    rb"|(?:content-length|expect|http2-settings|transfer-encoding|upgrade): )",
    re.IGNORECASE | re.MULTILINE,
)
# Headers that every parser refuses when repeated; for others that depends on the parser.
_SINGLE = frozenset(
    {
        b"content-location",
        b"content-range",
        b"content-type",
        b"etag",
        b"host",
        b"max-forwards",
        b"server",
        b"user-agent",
    }
)
_ANSWERS = {
    reason: (encode_fields(answer.headers), answer.body)
    for reason, answer in ((reason, refusal(reason)) for reason in Reason)
}


def plan_refusal(head: bytes, mode: GateMode) -> Planned | None:
    """Return the answer to a whole head that the gate refuses; None falls back to aiohttp.

    `head` ends with its empty line.
    """
    match = _HEAD.fullmatch(head)
    if match is None or len(head) > LONGEST or _FRAMING.search(match[3]) is not None:
        return None
    lines = (line.partition(b": ") for line in match[3].split(b"\r\n")[:-1])
    headers = [(name, value.strip(b" ")) for name, _, value in lines]
    names = [name.lower() for name, _ in headers]
    if len(set(names)) != len(names):
        is_clear = any(names.count(name) > 1 for name in _SINGLE)
        return _answer(Reason.MALFORMED) if is_clear else None
    if b"host" not in names:
        return None
    try:
        check_request(match[1].decode(), match[2].decode(), (1, 1), headers, mode)
    except Refused as refused:
        return _answer(refused.reason, is_head=match[1] == b"HEAD")
    return None


def _answer(reason: Reason, *, is_head: bool = False) -> Planned:
    fields, body = _ANSWERS[reason]
    return HTTPStatus.BAD_REQUEST.value, fields if is_head else fields + body, True, reason
