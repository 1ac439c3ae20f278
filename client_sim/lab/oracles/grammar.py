"""Checks the bytes of a connection against the closed grammar of requests.

It reads bytes, not HTTP. So it also finds a header name in other case, lines in another order, an
extra space, and bytes after the last complete request.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles.language import RULES, Order, Rule

_HOST_NAME: Final = re.compile(rb"(?=.*[a-z])[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[1-9][0-9]{0,4})?")
_END: Final = b"\r\n\r\n"
_NEXT_HEAD: Final = re.compile(rb"(?<![A-Z])[A-Z]{3,8} /[^ \r\n]* HTTP/1\.[01]\r\n")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that matches a rule: its start, the rule's name, the path and its variables."""

    offset: int
    rule: str
    path: bytes
    parts: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Violation:
    """Bytes that the grammar does not allow: `data` at `offset` break `rule`."""

    offset: int
    data: bytes
    rule: str
    explanation: str


@lru_cache(maxsize=256)  # phones send the same
def find_violations(data: bytes, host: bytes | None) -> tuple[Violation, ...]:
    """Return the violations in all bytes that a client sent on a connection, in order.

    `host` is the value that every Host line must have. None accepts any host name (never an
    address), but the same on every line. If the result is empty, the grammar covers every byte.
    """
    return tuple(iterate_violations(data, host))


def parse_requests(data: bytes, host: bytes | None) -> tuple[Request, ...]:
    """Return the requests that match the table; others are skipped."""
    return tuple(
        read for head in _heads(data) if isinstance(read := _read(data, *head, host), Request)
    )


def iterate_violations(data: bytes, host: bytes | None) -> Iterator[Violation]:
    """Yield the violations one by one, for bytes that may have very many."""
    if not data:
        yield Violation(0, b"", "silence", "the connection carries no request")
        return
    order = Order()
    for start, end in _heads(data):
        read = _read(data, start, end, host)
        if isinstance(read, Violation):
            yield read
            continue
        if host is None:  # later requests must name the same host as the first
            host = data[start:end].split(b"\r\n")[1].removeprefix(b"Host: ")
        complaint = order.complaint(read.rule, read.parts, read.path)
        if complaint is not None:
            line = data[start : data.index(b"\r\n", start)]
            yield Violation(start, line, "order", complaint)


def _heads(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each supposed request: up to the next empty line or head."""
    start, found = 0, data.find(_END)
    while start < len(data):
        # Searched again only after it was passed: there may be a million heads.
        if 0 <= found < start:
            found = data.find(_END, start)
        end = len(data) if found < 0 else found + len(_END)
        # After a head with a smuggled body the next head starts within the piece.
        inner = _NEXT_HEAD.search(data, start + 1, end)
        if inner is not None:
            end = inner.start()
        yield start, end
        start = end


def _read(data: bytes, start: int, end: int, host: bytes | None) -> Request | Violation:
    offset = start
    lines: list[tuple[int, bytes]] = []
    for line in data[start:end].split(b"\r\n", 4):  # no request has more
        lines.append((offset, line))
        offset += len(line) + 2

    def line_at(index: int) -> tuple[int, bytes]:
        return lines[index] if index < len(lines) else (end, b"")

    at, line = line_at(0)
    found = _find_rule(line)
    if found is None:
        return Violation(at, line, "request line", "the request table does not have this line")
    rule, match = found
    at, line = line_at(1)
    if not _is_host_line(line, host):
        wanted = b"the name of the ROM image" if host is None else host
        return Violation(
            at, line, "host", f"the second line must be Host with {wanted.decode('latin-1')}"
        )
    at, line = line_at(2)
    header = rule.header.fullmatch(line)
    if header is None:
        wanted_line = rule.header.pattern.split(b"(")[0].decode()
        return Violation(
            at, line, "headers", f"the third line of a {rule.name} request must be {wanted_line}"
        )
    at, _ = line_at(3)
    if data[at:end] != b"\r\n":
        return Violation(at, data[at:end], "headers", "nothing may follow the third line")
    parts = {**match.groupdict(), **header.groupdict()}
    return Request(start, rule.name, match[0], parts)


def _find_rule(line: bytes) -> tuple[Rule, re.Match[bytes]] | None:
    for rule in RULES:
        head, tail = rule.method + b" ", b" HTTP/1.1"
        if line.startswith(head) and line.endswith(tail):
            match = rule.path.fullmatch(line[len(head) : -len(tail)])
            if match is not None:
                return rule, match
    return None


def _is_host_line(line: bytes, host: bytes | None) -> bool:
    if host is not None:
        return line == b"Host: " + host
    name = line.removeprefix(b"Host: ")
    return name != line and _HOST_NAME.fullmatch(name) is not None
