"""HTTP answers like those of the real server: a closed list of fields, and gzip on request.

Every request for a path is answered, whatever else it contains. The real server would refuse the
requests of a leaky client, but here the leak must be observed.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Final

Find = Callable[[str], bytes | HTTPStatus]
"""Returns the bytes of a path, or the status of a refusal."""

_LINE: Final = re.compile(r"(GET|HEAD) (/[^ ?#]*)[^ ]* HTTP/1\.1")
_RANGE: Final = re.compile(r"bytes=([0-9]{1,16})-([0-9]{1,16})")
_MINUTE: Final = "public, max-age=60"
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_CHANGING: Final = ("/metadata/timestamp.json", "/log/checkpoint")
_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "Only GET and HEAD are answered here.",
    HTTPStatus.NOT_FOUND: "This is not there, or not there yet.",
    HTTPStatus.GONE: "This was superseded or withdrawn.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "No such part is there.",
}


def answer(request: bytes, now: float, find: Find) -> bytes:
    """Answer each request head in the bytes of a request."""
    date = _format_date(int(now))
    heads = request.split(b"\r\n\r\n")[:-1]
    return b"".join(_answer_one(head.decode("latin-1"), date, find) for head in heads)


@lru_cache(maxsize=64)
def _format_date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _answer_one(head: str, date: str, find: Find) -> bytes:
    request = _read_head(head)
    if request is None:
        return _problem(HTTPStatus.BAD_REQUEST, date)
    method, path, fields = request
    found = find(path)
    if isinstance(found, HTTPStatus):
        return _problem(found, date, is_head=method == "HEAD")
    if path.startswith("/targets/"):
        return _send_file(found, date, fields.get("range"), is_head=method == "HEAD")
    encoded = "gzip" in fields.get("accept-encoding", "")
    etag, rest, body = _represent(path, found, encoded=encoded)
    if etag in fields.get("if-none-match", ""):
        lines = [line for line in rest if line.startswith(("Cache-Control", "ETag", "Vary"))]
        return _serialise(HTTPStatus.NOT_MODIFIED, date, lines)
    return _serialise(HTTPStatus.OK, date, rest, b"" if method == "HEAD" else body)


@lru_cache(maxsize=1024)
def _read_head(head: str) -> tuple[str, str, Mapping[str, str]] | None:
    """Return the method, path and fields of a request; None for other bytes."""
    first, *lines = head.split("\r\n")
    match = _LINE.fullmatch(first)
    if match is None:
        return None
    fields = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    return match[1], match[2], fields


@lru_cache(maxsize=8192)
def _represent(path: str, data: bytes, *, encoded: bool) -> tuple[str, tuple[str, ...], bytes]:
    """Return the entity tag, the header lines and the body of a small file."""
    body = gzip.compress(data, 9, mtime=0) if encoded else data
    kind = "application/json" if path.endswith(".json") else "text/plain; charset=utf-8"
    cache_control = _MINUTE if path in _CHANGING else _IMMUTABLE
    coding = ("Content-Encoding: gzip",) if encoded else ()
    return _describe(body, kind, cache_control, ("Vary: Accept-Encoding", *coding))


@lru_cache(maxsize=1024)  # each file is requested in several blocks
def _describe(
    body: bytes, kind: str, cache_control: str, extra_lines: tuple[str, ...] = ()
) -> tuple[str, tuple[str, ...], bytes]:
    digest = hashlib.sha256(body)
    etag = f'"sha256-{digest.hexdigest()}"'
    lines = (
        f"Content-Type: {kind}",
        f"Cache-Control: {cache_control}",
        f"ETag: {etag}",
        f"Repr-Digest: sha-256=:{base64.b64encode(digest.digest()).decode()}:",
        *extra_lines,
        f"Content-Length: {len(body)}",
    )
    return etag, lines, body


def _send_file(data: bytes, date: str, range_header: str | None, *, is_head: bool) -> bytes:
    _, lines, _ = _describe(data, "application/zip", _IMMUTABLE, ("Accept-Ranges: bytes",))
    match = None if range_header is None else _RANGE.fullmatch(range_header)
    if match is None or is_head:
        return _serialise(HTTPStatus.OK, date, lines, b"" if is_head else data)
    first, last = int(match[1]), min(int(match[2]), len(data) - 1)
    if first > last:
        return _problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, date)
    part = data[first : last + 1]
    part_lines = (
        f"Content-Range: bytes {first}-{last}/{len(data)}",
        f"Content-Length: {len(part)}",
    )
    return _serialise(HTTPStatus.PARTIAL_CONTENT, date, (*lines[:-1], *part_lines), part)


def _problem(status: HTTPStatus, date: str, *, is_head: bool = False) -> bytes:
    lines, body = _explain(status)
    return _serialise(status, date, lines, b"" if is_head else body)


@cache
def _explain(status: HTTPStatus) -> tuple[tuple[str, ...], bytes]:
    """Return the header lines and the body of a problem document."""
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": _DETAILS[status],
    }
    body = json.dumps(problem).encode()
    is_refused = status is HTTPStatus.BAD_REQUEST
    lines = (
        "Content-Type: application/problem+json",
        f"Cache-Control: {'no-store' if is_refused else _MINUTE}",
        f"Content-Length: {len(body)}",
        *(("Connection: close",) if is_refused else ()),
    )
    return lines, body


def _serialise(status: HTTPStatus, date: str, lines: Sequence[str], body: bytes = b"") -> bytes:
    head = (f"HTTP/1.1 {status.value} {status.phrase}", f"Date: {date}", *lines, "", "")
    return "\r\n".join(head).encode("latin-1") + body
