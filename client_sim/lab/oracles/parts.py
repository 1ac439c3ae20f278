"""Splits the bytes of a connection into named parts, and joins parts to find split values.

Any bytes can be split, well-formed or not: a part names a place, and `grammar` checks its content.
Values of several fields, requests or names are joined, because a leaked value may be split.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from client_sim.lab.trace.observation import Observation

_LINE: Final = re.compile(rb"(?:(?<=\n)[A-Za-z]{2,16}|[A-Z]{3,8}) [^ \r\n]+ HTTP/[0-9.]+\r\n")
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A named part: `data` at `offset` of the connection, in request number `request` (from 1)."""

    request: int
    name: str
    offset: int
    data: bytes


def decode_parts(data: bytes) -> tuple[Part, ...]:
    """Return methods, paths, queries, versions, headers and bodies, in order.

    Incomplete lines and connections without HTTP have parts, too. Bytes after an empty line belong
    to a body, up to the next that look like a request line.
    """
    starts = sorted({0, *(match.start() for match in _LINE.finditer(data))})
    return tuple(
        part
        for request, (start, end) in enumerate(pairwise((*starts, len(data))), 1)
        for part in _parts(request, start, data[start:end])
        if part.data
    )


def find_part(data: bytes, offset: int) -> Part | None:
    """Return the part at an offset; bytes between two parts count with the one before them."""
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


def join_fields(observation: Observation) -> tuple[tuple[str, bytes], ...]:
    """Return joined texts, each after a description of its pieces, in which a split value is whole.

    They are the values of all headers of a connection, forwards and backwards; each field over all
    requests, whole and without the common prefix and suffix of its values; the parameters of
    queries; and the resolved names without dots.
    """
    return _join(
        tuple(connection.data for connection in observation.connections()),
        tuple(question.data for question in observation.questions()),
    )


@lru_cache(maxsize=256)  # runs of many owners send the same
def _join(sent: tuple[bytes, ...], names: tuple[bytes, ...]) -> tuple[tuple[str, bytes], ...]:
    connections = [(index, decode_parts(data)) for index, data in enumerate(sent)]
    parts = [part for _, own in connections for part in own]
    texts: dict[bytes, str] = {}
    for where, text in (
        *_over_headers(connections),
        *_over_requests(parts),
        ("parameters of queries", b"".join(_parameters(parts))),
        *_over_names(names),
    ):
        texts.setdefault(text, where)
    return tuple((where, text) for text, where in texts.items() if text)


def _over_headers(connections: Sequence[tuple[int, Sequence[Part]]]) -> Iterator[tuple[str, bytes]]:
    for index, parts in connections:
        values = [part.data for part in parts if part.name.endswith(" value")]
        where = f"all headers of connection {index + 1}"
        yield where, b"".join(values)
        yield f"{where}, backwards", b"".join(values[::-1])


def _over_requests(parts: Sequence[Part]) -> Iterator[tuple[str, bytes]]:
    fields: dict[tuple[int, str], list[bytes]] = {}
    for part in parts:
        fields.setdefault((part.request, part.name), []).append(part.data)
        fields.setdefault((0, part.name), []).append(part.data)
    for (request, name), values in fields.items():
        where = (
            f"{name} of {f'request {request} of each connection' if request else 'all requests'}"
        )
        if len(set(values)) > 1:
            yield where, b"".join(values)
            yield f"{where}, where they differ", b"".join(_differing(values))


def _differing(values: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the values without their common prefix and suffix."""
    shortest, longest = min(values), max(values)
    start = _common(shortest, longest)
    rests = [value[start:] for value in values]
    turned = [rest[::-1] for rest in rests]
    end = _common(min(turned), max(turned))
    for rest in rests:
        yield rest[: len(rest) - end]


def _common(first: bytes, second: bytes) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def _parameters(parts: Sequence[Part]) -> Iterator[bytes]:
    for part in parts:
        if part.name == "query":
            for parameter in part.data[1:].split(b"&"):
                yield parameter.partition(b"=")[2] or parameter


def _over_names(names: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    yield "labels of names", b"".join(name.replace(b".", b"") for name in dict.fromkeys(names))
    yield "first labels of names", b"".join(name.split(b".")[0] for name in names)
