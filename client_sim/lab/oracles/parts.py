"""The bytes of one connection cut into named parts, well-formed or not.

This names places; whether anything may stand there is the grammar's business.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_LINE: Final = re.compile(rb"(?:(?<=\n)[A-Za-z]{2,16}|[A-Z]{3,8}) [^ \r\n]+ HTTP/[0-9.]+\r\n")
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A named piece: `data` stand at `offset` of the connection, in a request (from 1)."""

    request: int
    name: str
    offset: int
    data: bytes


def decode_parts(data: bytes) -> tuple[Part, ...]:
    """Cut what was sent into methods, paths, queries, versions, headers and bodies, in order.

    Bytes that end no line, and whole connections that are no HTTP, have parts too. What follows an
    empty line belongs to a body until something looks like the next request line.
    """
    starts = sorted({0, *(match.start() for match in _LINE.finditer(data))})
    return tuple(
        part
        for request, (start, end) in enumerate(pairwise((*starts, len(data))), 1)
        for part in _parts(request, start, data[start:end])
        if part.data
    )


def find_part(data: bytes, offset: int) -> Part | None:
    """Return the part at an offset: what stands between two parts counts with the one before."""
    before = [part for part in decode_parts(data) if part.offset <= offset]
    return before[-1] if before else None


def _parts(request: int, start: int, data: bytes) -> Iterator[Part]:
    head, end, body = data.partition(_END)
    line, *fields = head.split(b"\r\n")
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    path, mark, query = target.partition(b"?")
    at = start + len(method) + 1
    yield Part(request, "method", start, method)
    yield Part(request, "path", at, path)
    yield Part(request, "query", at + len(path), mark + query)
    yield Part(request, "version", start + len(line) - len(version), version)
    at = start + len(line) + 2
    for field in fields:
        yield from _header(request, at, field)
        at += len(field) + 2
    yield Part(request, "body", start + len(head) + len(end), body)


def _header(request: int, at: int, line: bytes) -> Iterator[Part]:
    name, _, rest = line.partition(b":")
    yield Part(request, "header name", at, name)
    value = rest.removeprefix(b" ")
    field = f"header {name.decode('latin-1')} value"
    yield Part(request, field, at + len(line) - len(value), value)
