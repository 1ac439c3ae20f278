"""Answers, ranges and problem documents, common to all public planes. Pure.

Source: RFC 9110 section 14 for ranges; RFC 9457 for problems.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from server.http.requests import Reason

ONE_MINUTE = "public, max-age=60"
IMMUTABLE = "public, max-age=31536000, immutable"
Fields: TypeAlias = Mapping[str, str]


def encode_fields(headers: Fields) -> bytes:
    """Return the bytes of header fields and the empty line after them."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def decode_fields(data: bytes) -> Fields:
    """Return the header fields of what `encode_fields` returned."""
    lines = data.decode().removesuffix("\r\n\r\n").split("\r\n")
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def unmodified_headers(headers: Fields) -> Fields:
    """Return the fields of a 200 that a 304 has as well (RFC 9110 section 15.4.5)."""
    return {name: headers[name] for name in ("Cache-Control", "ETag", "Vary") if name in headers}


class Package(msgspec.Struct, frozen=True, gc=False):
    """A target in the blob store: its sha256 and its length in bytes."""

    sha256: str
    length: int

    @property
    def etag(self) -> str:
        """The entity tag: the content hash, the same on every replica."""
        return f'"sha256-{self.sha256}"'


_UNIT = re.compile(rb"bytes=", re.IGNORECASE)
# A number can have as many digits as fit in a line of a request, at most 2,048 bytes.
_RANGE = re.compile(rb"([0-9]{1,2048})-([0-9]{0,2048})|-([0-9]{1,2048})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `first` to `last`, inclusive."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """The number of bytes in the range."""
        return self.last - self.first + 1


class Unsatisfiable(Exception):  # noqa: N818 - an answer (416), not a fault
    """The range begins after the end."""


def plan_range(
    value: bytes | None, if_range: bytes | None, etag: str, length: int
) -> ByteRange | None:
    """Return the range to send, or None for the whole representation.

    Malformed and multiple ranges are ignored, and so is a range whose `If-Range` is not this entity
    tag (section 13.1.5: a strong comparison, and a date never matches). Raises Unsatisfiable.
    """
    if value is None or (if_range is not None and if_range != etag.encode()):
        return None
    unit = _UNIT.match(value)
    ranges = [] if unit is None else value[unit.end() :].split(b",")
    ranges = [each for each in (each.strip(b" \t") for each in ranges) if each]
    match = _RANGE.fullmatch(ranges[0]) if len(ranges) == 1 else None
    if match is None:
        return None
    start, end, suffix = match.groups()
    if suffix is not None:
        if int(suffix) == 0:
            raise Unsatisfiable
        if length == 0:  # satisfiable, but no Content-Range can express it
            return None
        return ByteRange(max(0, length - int(suffix)), length - 1)
    first, last = int(start), int(end) if end else length - 1
    if end and last < first:
        return None
    if first >= length:
        raise Unsatisfiable
    return ByteRange(first, min(last, length - 1))


PROBLEM = "application/problem+json"
_SENTENCES = {
    Reason.METHOD: "Only GET and HEAD are answered here.",
    Reason.PATH: "The path has no valid form; docs/FORMATS.md lists the valid paths.",
    Reason.QUERY: "Queries are not accepted, because this server reads none.",
    Reason.VERSION: "Only HTTP/1.0 and HTTP/1.1 are supported.",
    Reason.HOST: "Exactly one well-formed Host header is required.",
    Reason.BODY: "Requests with a body are not accepted.",
    Reason.COOKIE: "Cookies are not accepted: this server must not be able to tell clients apart.",
    Reason.HEADER: "A header that is not on the list in docs/PRIVACY.md is not accepted.",
    Reason.MALFORMED: "The request is not well-formed HTTP.",
    Reason.STRICT: "Only the requests of the table in docs/PRIVACY.md are answered here.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, and bytes or part of a package; `close` ends the connection."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes = b""
    package: Package | None = None
    part: ByteRange | None = None
    close: bool = False


def not_found() -> Answer:
    """Return the answer to a well-formed path that does not exist."""
    return problem(HTTPStatus.NOT_FOUND, "This is not there, or not there yet.", cache=ONE_MINUTE)


def refusal(reason: Reason) -> Answer:
    """Return the answer to a request that the rules refuse."""
    return problem(HTTPStatus.BAD_REQUEST, _SENTENCES[reason], close=True)


def failure() -> Answer:
    """Return the answer for an internal failure of this server."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "This server could not answer; try again later.",
        close=True,
    )


def answer_package(
    headers: dict[str, str],
    package: Package,
    etag: str,
    wanted: bytes | None,
    if_range: bytes | None,
) -> Answer:
    """Return the answer with a package, or the `wanted` range of it; it completes `headers`.

    A range that begins after the end is answered without `headers`.
    """
    try:
        part = plan_range(wanted, if_range, etag, package.length)
    except Unsatisfiable:
        answer = problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The range begins after the end."
        )
        range_headers = {"Content-Range": f"bytes */{package.length}", "Accept-Ranges": "bytes"}
        return Answer(answer.status, {**answer.headers, **range_headers}, answer.body)
    if part is None:
        headers["Content-Length"] = str(package.length)
        return Answer(HTTPStatus.OK, headers, package=package)
    headers["Content-Length"] = str(part.length)
    headers["Content-Range"] = f"bytes {part.first}-{part.last}/{package.length}"
    return Answer(HTTPStatus.PARTIAL_CONTENT, headers, package=package, part=part)


def problem(
    status: HTTPStatus, detail: str, *, cache: str = "no-store", close: bool = False
) -> Answer:
    """Return a problem document; its text depends only on the kind of problem."""
    body = json.dumps(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
        }
    ).encode()
    headers = {
        "Content-Type": PROBLEM,
        "Cache-Control": cache,
        "Content-Length": str(len(body)),
    }
    return Answer(status, headers, body, close=close)


Hit: TypeAlias = tuple[int, bytes]
