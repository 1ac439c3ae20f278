"""Places for leaked values in requests: in their bytes, in several writes, and in the paths."""

import re
from collections.abc import Sequence
from typing import Final

from client_sim.lab.mutants.rows import InBytes, InPaths
from client_sim.lab.mutants.spy import add_body, add_line

_ROOT: Final = b".root.json"
INSTALLATION: Final = rb"GET /(?:targets/(?!tables/|content/)|log/proof/(?!latest|tables))"
"""Matches requests for packages and their proofs."""


def is_set(value: bytes) -> bool:
    """Return whether a value is neither empty nor zero."""
    return value not in {b"", b"0"}


# The bytes of each request.


def header(name: str, form: str = "{}") -> InBytes:
    """Add a header line if the value is not empty."""

    def put(value: bytes, data: bytes) -> bytes:
        return add_line(data, f"{name}: {form.format(value.decode())}") if value else data

    return InBytes(f"in the header {name}", put)


def cookie(name: str) -> InBytes:
    """Add a cookie."""
    return InBytes(
        "in a cookie", lambda value, data: add_line(data, f"Cookie: {name}={value.decode()}")
    )


def after_path(begin: str, phrase: str = "after the path") -> InBytes:
    """Add the value to the end of each path."""
    return InBytes(
        phrase,
        lambda value, data: data.replace(b" HTTP/", begin.encode() + value + b" HTTP/", 1),
    )


def query(name: str) -> InBytes:
    """Add a query with the value to each path."""
    return after_path(f"?{name}=", "in the query")


BODY: Final = InBytes("as a body", lambda value, data: add_body(data, value))


def _halves(value: bytes, data: bytes) -> bytes:
    half = len(value) // 2
    return add_line(data, f"X-A: {value[:half].decode()}\r\nX-B: {value[half:].decode()}")


def _over_requests(value: bytes, data: bytes) -> bytes:
    half = -(-len(value) // 2)
    piece = value[:half] if _ROOT in data else value[half:]
    return data.replace(b" HTTP/", b"?%s HTTP/" % piece, 1)


HALVES: Final = InBytes("in halves in two headers", _halves)
OVER_REQUESTS: Final = InBytes("in the queries of two requests", _over_requests)
ROOT_VERSION: Final = InBytes(
    "as the version of a root",
    lambda value, data: re.sub(rb"/[0-9]+\.root", b"/%d.root" % (2 + int(value)), data, count=1),
)


def rewritten(old: bytes, new: bytes, phrase: str) -> InBytes:
    """Replace some bytes once if the value is set."""
    return InBytes(phrase, lambda value, data: data.replace(old, new, 1) if is_set(value) else data)


def _reverse(value: bytes, data: bytes) -> bytes:
    if not is_set(value):
        return data
    line, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join((line, *lines[::-1], b"", b""))


def _spell_host(value: bytes, data: bytes) -> bytes:
    begin, host, end = re.split(rb"(?<=\r\nHost: )([^\r]*)", data, maxsplit=1)
    bits = int.from_bytes(value[-4:].ljust(4, b"0"))
    letters = host.decode()
    spelt = "".join(
        letter.upper() if bits >> place & 1 else letter for place, letter in enumerate(letters)
    )
    return begin + spelt.encode() + end


LINE_ORDER: Final = InBytes("as the order of the lines", _reverse)
HOST_CASE: Final = InBytes("as the case of the host's letters", _spell_host)
ZEROS: Final = InBytes(
    "as the length of a body", lambda value, data: add_body(data, bytes(int(value)))
)
EMPTY_LINES: Final = InBytes(
    "as empty lines before the request", lambda value, data: b"\r\n" * int(value) + data
)
BEFORE_ROOT: Final = InBytes(
    "in a write before the request for root",
    lambda value, data: (value, data) if value and _ROOT in data else data,
)
OPTIONS: Final = InBytes(
    "as a question for options",
    lambda value, data: (re.sub(rb"^GET \S+", b"OPTIONS *", data) if is_set(value) else b"") + data,
)


WHICH_REQUEST: Final = InBytes(
    "as which request is marked",
    lambda value, data: add_line(data, "X-Count: 1") if (_ROOT in data) == is_set(value) else data,
)


def _crash(value: bytes, data: bytes) -> bytes:
    if is_set(value):
        raise ValueError("odd")
    return data


CRASH: Final = InBytes("as a crash", _crash)


def only_in(pattern: bytes, place: InBytes, phrase: str) -> InBytes:
    """Return a place that leaks only in requests that match a pattern."""
    regex = re.compile(pattern)

    def put(value: bytes, data: bytes) -> bytes | Sequence[bytes]:
        return place.put(value, data) if regex.search(data) else data

    return InBytes(f"{place.phrase} for {phrase}", put)


# Several writes.


def _cut(value: bytes, data: bytes) -> Sequence[bytes]:
    size = 1 + int(value) % 40
    return data[:size], data[size:]


CUT: Final = InBytes("as the place where a request is cut in two", _cut)
IN_TWO: Final = InBytes(
    "as a request in two writes",
    lambda value, data: (data[:16], data[16:]) if is_set(value) else data,
)
LINES: Final = InBytes(
    "as a request line by line",
    lambda value, data: data.splitlines(keepends=True) if is_set(value) else data,
)


# The paths of a poll.

REQUEST_ORDER: Final = InPaths(
    "as the order of requests", lambda value, paths: paths[::-1] if is_set(value) else paths
)
WITHOUT_ROOT: Final = InPaths(
    "as a missing request for root", lambda value, paths: paths[1:] if is_set(value) else paths
)
NO_REQUESTS: Final = InPaths(
    "as a connection without requests", lambda value, paths: () if is_set(value) else paths
)
AGAIN: Final = InPaths(
    "as more requests for the timestamp", lambda value, paths: (*paths, *(paths[-1],) * int(value))
)
ROOT_AGAIN: Final = InPaths(
    "as more requests for root", lambda value, paths: (*(paths[0],) * int(value), *paths)
)


def path_first(begin: str) -> InPaths:
    """Add a request with the value before all others."""
    return InPaths("in a path", lambda value, paths: (f"{begin}{value.decode()}", *paths))


def path_last(begin: str) -> InPaths:
    """Add a request with the value after all others."""
    return InPaths("in a path", lambda value, paths: (*paths, f"{begin}{value.decode()}"))
