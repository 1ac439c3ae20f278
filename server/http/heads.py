"""A strict parser of request heads, for the fast path.

It reads only heads that all HTTP parsers read alike: RFC 9112 without its lenient rules. For any
other head the result is None, and the connection falls back to a complete parser. That parser may
accept more heads, but reads none differently. Pure.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from server.http.answers import Answer, Package, encode_fields, refusal
from server.http.requests import HOST, READ, REFUSED, TOLERATED, Headers, Reason, Refused

LONGEST = 2048  # bytes of a head; a browser's has under 1,000
END = b"\r\n\r\n"
UNKNOWN: Final = "unknown"  # the remark for a request with unknown headers
Remark: TypeAlias = Reason | str | None
# Status, the answer's bytes without status line and `Date`, whether it is the connection's last
# answer, and a remark to count.
Planned: TypeAlias = tuple[int, bytes, bool, Remark]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """An answer with the bytes of a package from `first` up to `end`.

    `fields` are its header fields and the empty line; the others are as in `Planned`.
    """

    status: int
    fields: bytes
    package: Package
    first: int
    end: int
    is_last: bool
    remark: Remark


def may_become_head(data: bytes) -> bool:
    """Return whether an incomplete head can still become a head that this parser reads."""
    if len(data) > LONGEST or data.count(b"\n") != data.count(b"\r\n"):
        return False
    return any(data.startswith(each) or each.startswith(data) for each in (b"GET /", b"HEAD /"))


def match_fields(rest: bytes, *, is_edge: bool) -> tuple[bytes | None, ...] | None:
    """Return the values of the known header fields, in the order of `READ_HERE`.

    `rest` is the head after the request line. The last element is set if there are unknown headers,
    which only `is_edge` tolerates. Returns None if aiohttp has to read the head.
    """
    match = (_EDGE if is_edge else _DIRECT).fullmatch(rest)
    return None if match is None or match[1] is None else match.groups()


def match_path(line: bytes) -> str | None:
    """Return the path of a request line for GET; None for any other line."""
    match = _GET.fullmatch(line)
    return None if match is None else match[1].decode()


def plan_rest(
    answer: Answer, *, is_last: bool, is_head: bool, remark: Remark
) -> Planned | PlannedFile:
    """Return the answer in the form of the fast path; an answer to HEAD has no body."""
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
    """Return the pattern of a header whose value is a group; it matches only once."""
    return b"%b: (?(%d)(?!))(%b)" % (_names([name]), group, value)


_GET = re.compile(rb"GET (/[!-~]*) HTTP/1\.1")
_ANY = rb"[ -~]*+"
READ_HERE = {b"host": HOST.pattern, b"accept-encoding": _ANY, b"if-none-match": _ANY}
READ_HERE |= {b"range": _ANY, b"if-range": _ANY}
READ_HERE |= {b"connection": rb"[Kk]eep-[Aa]live|close", b"user-agent": _ANY}  # never twice
_KNOWN = b"|".join(
    [
        *(_once(number, *each) for number, each in enumerate(READ_HERE.items(), 1)),
        b"(?:%b|[Ss]ec-[A-Za-z-]+): %b" % (_names(TOLERATED - READ_HERE.keys()), _ANY),
    ]
)
# Headers that only aiohttp's parser knows; it accepts each of them only once.
_READ_THERE = {b"content-location", b"content-range", b"etag", b"max-forwards"}
_READ_THERE |= {b"proxy-connection", b"server"}
_UNKNOWN = b"(?!(?i:%b|sec-.*):)([A-Za-z0-9-]{1,64}): %b" % (
    b"|".join(sorted(READ | REFUSED | TOLERATED | _READ_THERE)),
    _ANY,
)
_DIRECT = re.compile(b"(?:(?:%b|(?!)())\r\n){1,40}+\r\n" % _KNOWN)
_EDGE = re.compile(b"(?:(?:%b|%b)\r\n){1,40}+\r\n" % (_KNOWN, _UNKNOWN))


_HEAD = re.compile(
    rb"(GET|HEAD) (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]{1,64}: [ -~]*+\r\n){1,40}+)\r\n"
)
_FRAMING = re.compile(
    rb"^(?:connection: (?!(?:keep-alive|close)\r)"
    rb"|(?:content-length|expect|http2-settings|transfer-encoding|upgrade): )",
    re.IGNORECASE | re.MULTILINE,
)
# Headers that all parsers refuse if repeated; for other headers it depends on the parser.
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


Check = Callable[[str, str, Headers], object]


def plan_refusal(head: bytes, check: Check) -> Planned | None:
    """Return the answer to a whole head that `check` refuses, or None for the fallback.

    `head` ends with its empty line. `check` gets method, path and headers, and raises Refused.
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
        check(match[1].decode(), match[2].decode(), headers)
    except Refused as refused:
        return _answer(refused.reason, is_head=match[1] == b"HEAD")
    return None


def _answer(reason: Reason, *, is_head: bool = False) -> Planned:
    fields, body = _ANSWERS[reason]
    return HTTPStatus.BAD_REQUEST.value, fields if is_head else fields + body, True, reason
