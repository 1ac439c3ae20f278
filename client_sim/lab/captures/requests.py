"""A generic HTTP/1 parser, and a measure of how much each field of requests can reveal.

Fields are parsed by RFC 9112. The parser does not judge: bytes that the request table does not
allow are found by the grammar. For each field, distinct values and bits are counted: the measured
entropy and its maximum. The request table bounds what its own fields reveal (section 8 of the
programme); any other field is bounded only by the size of its values.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from client_sim.lab.captures.capture import READABLE, Capture, Conversation
from client_sim.lab.oracles.grammar import iterate_violations
from client_sim.lab.trace.hello import ja4

_LINE: Final = re.compile(rb"([!-~]{1,32}) ([^ \r\n]+) (HTTP/[0-9](?:\.[0-9])?)\r?")
_END: Final = re.compile(rb"\r?\n\r?\n")
_HEAD_LIMIT: Final = 262_144
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]{0,256}\r\n")
_FORM: Final = b"application/x-www-form-urlencoded"
_FIELDS_LIMIT: Final = 500  # rows; a client can invent any number of names
_REST: Final = "fields beyond the first"
_ALPHABETS: Final = (
    (re.compile(rb"[0-9]*"), math.log2(10)),
    (re.compile(rb"[0-9a-f]*|[0-9A-F]*"), 4.0),
    (re.compile(rb"[A-Za-z0-9+/_=-]*"), 6.0),
    (re.compile(rb"[ -~]*"), math.log2(95)),
)


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a request: the name of its field, its bytes as sent, and their offset."""

    name: str
    value: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request from `offset` to `end`; `headers` are names and values as sent, with offsets."""

    offset: int
    end: int
    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes, int], ...]
    body: bytes
    body_offset: int

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first header with this name, given in lower case."""
        return next((value for n, value, _ in self.headers if n.lower() == name), None)


def iterate_requests(data: bytes) -> Iterator[HttpRequest]:
    """Yield the requests up to the first bytes that are not a request.

    They are yielded one by one, because captured ones may have millions of headers.
    """
    at = 0
    while at < len(data):
        end = _END.search(data, at, at + _HEAD_LIMIT)
        if end is None:
            return
        first, *lines = data[at : end.start()].split(b"\n")
        line = _LINE.fullmatch(first)
        if line is None:
            return
        place = at + len(first) + 1
        headers = []
        for raw in lines:
            name, _, value = raw.rstrip(b"\r").partition(b":")
            spaces = len(value) - len(value.lstrip(b" \t"))
            headers.append((name, value.strip(b" \t"), place + len(name) + 1 + spaces))
            place += len(raw) + 1
        body, after = _read_body(data, end.end(), headers)
        yield HttpRequest(at, after, line[1], line[2], line[3], tuple(headers), body, end.end())
        at = after


def list_fields(request: HttpRequest) -> Iterator[Field]:
    """Yield each value of a request with the name of its field."""
    path, mark, query = request.target.partition(b"?")
    start = request.offset + len(request.method) + 1
    yield Field("method", request.method, request.offset)
    yield Field("path", path, start)
    if mark:
        yield from _pairs("query", query, b"&", start + len(path) + 1)
    yield Field("version", request.version, start + len(request.target) + 1)
    names = b", ".join(name for name, _, _ in request.headers)
    yield Field("names of headers", names, start + len(request.target) + len(request.version) + 3)
    for name, value, place in request.headers:
        if name.lower() == b"cookie":
            yield from _pairs("cookie", value, b";", place)
        else:
            yield Field(f"header {_text(name)}", value, place)
    if request.body and (request.header(b"content-type") or b"").lower().startswith(_FORM):
        yield from _pairs("form", request.body, b"&", request.body_offset)
    elif request.body:
        yield Field("body", request.body, request.body_offset)


def _pairs(kind: str, data: bytes, separator: bytes, at: int) -> Iterator[Field]:
    for pair in data.split(separator):
        name, mark, value = pair.partition(b"=")
        if mark:
            yield Field(f"{kind} {_text(name.strip())}", value, at + len(name) + 1)
        else:
            yield Field(kind, pair, at)
        at += len(pair) + 1


def _text(name: bytes) -> str:
    return name.decode("latin-1")


def _read_body(data: bytes, at: int, headers: list[tuple[bytes, bytes, int]]) -> tuple[bytes, int]:
    """Return the body that starts at `at`, and the offset of its end."""
    by_name = {name.lower(): value for name, value, _ in headers}
    if b"chunked" in by_name.get(b"transfer-encoding", b"").lower():
        return _read_chunks(data, at)
    size = by_name.get(b"content-length", b"")
    end = at + int(size) if size.isdigit() and len(size) < 16 else at
    return data[at:end], min(end, len(data))


def _read_chunks(data: bytes, at: int) -> tuple[bytes, int]:
    pieces = []
    while (head := _CHUNK.match(data, at)) is not None:
        size = int(head[1], 16)
        pieces.append(data[head.end() : head.end() + size])
        at = min(head.end() + size + 2, len(data))
        if size == 0:
            break
    return b"".join(pieces), at


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field: how often it occurred, how many values it had, and what these reveal.

    `measured` is the entropy, in bits, of its values in this capture. `most` is the number of bits
    that a value of this length and alphabet can carry; None if the request table bounds it.
    """

    name: str
    count: int
    distinct: int
    measured: float
    most: float | None


def measure_fields(capture: Capture, host: bytes | None) -> tuple[FieldRow, ...]:
    """Measure each field of requests, of DNS questions and of TLS."""
    values: dict[str, Counter[bytes]] = defaultdict(Counter)
    unexpected: set[str] = set()
    for conversation in capture.conversations:
        is_known = conversation.state in READABLE and not any(
            iterate_violations(conversation.data, host)
        )
        for label, value in _values(conversation):
            name = label if label in values or len(values) < _FIELDS_LIMIT else _REST
            values[name][value] += 1
            if not is_known:
                unexpected.add(name)
    for question in capture.dns_questions:
        values["name asked for"][question.name] += 1
        if question.extra or host is None or question.name != host.partition(b":")[0]:
            unexpected.add("name asked for")
    return tuple(_measure(name, counted, name in unexpected) for name, counted in values.items())


def entropy(counted: Iterable[int]) -> float:
    """Return the entropy of a distribution in bits, given the count of each value."""
    counts = list(counted)
    total = sum(counts)
    return sum(count / total * math.log2(total / count) for count in counts) if total else 0.0


def capacity(value: bytes) -> float:
    """Return how many bits a value of this length can carry in its smallest possible alphabet."""
    for alphabet, bits in _ALPHABETS:
        if alphabet.fullmatch(value):
            return len(value) * bits
    return len(value) * 8.0


def _values(conversation: Conversation) -> Iterator[tuple[str, bytes]]:
    if conversation.hello is not None:
        yield "TLS JA4", ja4(conversation.hello).encode()
        yield "TLS server name", conversation.hello.server_name or b""
        yield "TLS protocols", b",".join(conversation.hello.protocols)
        yield "TLS resumption", b"yes" if conversation.hello.resumes else b"no"
    if conversation.state in READABLE:
        end = 0
        for request in iterate_requests(conversation.data):
            end = request.end
            for field in list_fields(request):
                yield field.name, field.value
        if end < len(conversation.data):
            yield "bytes that are not a request", conversation.data[end:]


def _measure(name: str, counted: Mapping[bytes, int], is_unexpected: bool) -> FieldRow:
    most = max(map(capacity, counted)) if is_unexpected else None
    return FieldRow(name, sum(counted.values()), len(counted), entropy(counted.values()), most)
