"""Requests as they stand in the bytes of one connection."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEAD: Final = re.compile(rb"([A-Z]+) ([^ \r\n]+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its parts, and where its body begins in `data`, all of its bytes."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    data: bytes
    start: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.target.partition("?")[2]

    @property
    def body(self) -> bytes:
        """The body."""
        return self.data[self.start :]

    def header(self, name: str) -> str:
        """Return the value of a header, empty without it."""
        return next((value for each, value in self.headers if each == name), "")


def encode_request(
    method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> bytes:
    """Return the bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


def split_requests(data: bytes) -> tuple[list[Request], bytes]:
    """Return the whole requests in what a connection carried, and what is left behind them."""
    found = []
    while (head := _HEAD.match(data)) is not None:
        headers = tuple(_read_headers(head[3]))
        length = next((value for name, value in headers if name == "Content-Length"), "0")
        if not length.isdigit() or len(data) < head.end() + int(length):
            break
        end = head.end() + int(length)
        method, target = head[1].decode(), head[2].decode("latin-1")
        found.append(Request(method, target, headers, data[:end], head.end()))
        data = data[end:]
    return found, data


def _read_headers(lines: bytes) -> Iterator[tuple[str, str]]:
    for line in lines.decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        yield name, value
