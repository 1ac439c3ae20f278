"""Places for leaked values in requests: in their bytes, in several writes, and in the paths."""

import re
from collections.abc import Sequence
from typing import Final

from client_sim.lab.mutants.rows import InBytes, InPaths
from client_sim.lab.mutants.spy import add_body, add_line

_ROOT: Final = b".root.json"


def is_set(told: bytes) -> bool:
    """Return whether a value is neither empty nor zero."""
    return told not in {b"", b"0"}


# The bytes of each request.


def header(name: str, form: str = "{}") -> InBytes:
    """Add a header line if the value is not empty."""

    def put(told: bytes, data: bytes) -> bytes:
        return add_line(data, f"{name}: {form.format(told.decode())}") if told else data

    return InBytes(f"in the header {name}", put)


def cookie(name: str) -> InBytes:
    """Add a cookie."""
    return InBytes(
        "in a cookie", lambda told, data: add_line(data, f"Cookie: {name}={told.decode()}")
    )


def behind_path(begin: str, says: str = "after the path") -> InBytes:
    """Add the value to the end of each path."""
    return InBytes(
        says, lambda told, data: data.replace(b" HTTP/", begin.encode() + told + b" HTTP/", 1)
    )


def query(name: str) -> InBytes:
    """Add a query with the value to each path."""
    return behind_path(f"?{name}=", "in the query")


def in_path_of(what: bytes, begin: str) -> InBytes:
    """Replace a part of the path by the value."""
    return InBytes("in a path", lambda told, data: data.replace(what, begin.encode() + told, 1))


BODY: Final = InBytes("as a body", lambda told, data: add_body(data, told))
HEADER_NAME: Final = InBytes(
    "as the name of a header",
    lambda told, data: add_line(data, f"X-{told.decode().rstrip('=')}: 1"),
)
HOST_LINE: Final = InBytes(
    "below the host in its header",
    lambda told, data: data.replace(b"\r\nHost: ", b"\r\nHost: %s." % told),
)


def _halves(told: bytes, data: bytes) -> bytes:
    half = len(told) // 2
    return add_line(data, f"X-A: {told[:half].decode()}\r\nX-B: {told[half:].decode()}")


def _over_requests(told: bytes, data: bytes) -> bytes:
    half = -(-len(told) // 2)
    piece = told[:half] if _ROOT in data else told[half:]
    return data.replace(b" HTTP/", b"?%s HTTP/" % piece, 1)


HALVES: Final = InBytes("in halves in two headers", _halves)
OVER_REQUESTS: Final = InBytes("in the queries of two requests", _over_requests)
ROOT_VERSION: Final = InBytes(
    "as the version of a root",
    lambda told, data: re.sub(rb"/[0-9]+\.root", b"/%d.root" % (2 + int(told)), data, count=1),
)


def rewritten(old: bytes, new: bytes, says: str) -> InBytes:
    """Replace some bytes once if the value is set."""
    return InBytes(says, lambda told, data: data.replace(old, new, 1) if is_set(told) else data)


def _reverse(told: bytes, data: bytes) -> bytes:
    if not is_set(told):
        return data
    line, *lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join((line, *lines[::-1], b"", b""))


def _spell_host(told: bytes, data: bytes) -> bytes:
    begin, host, end = re.split(rb"(?<=\r\nHost: )([^\r]*)", data, maxsplit=1)
    bits = int.from_bytes(told[-4:].ljust(4, b"0"))
    letters = host.decode()
    spelt = "".join(
        letter.upper() if bits >> place & 1 else letter for place, letter in enumerate(letters)
    )
    return begin + spelt.encode() + end


LINE_ORDER: Final = InBytes("as the order of the lines", _reverse)
HOST_CASE: Final = InBytes("as the case of the host's letters", _spell_host)
PADDING: Final = InBytes(
    "as the length of a header", lambda told, data: add_line(data, f"X-Pad: {'.' * int(told)}")
)
ZEROS: Final = InBytes(
    "as the length of a body", lambda told, data: add_body(data, bytes(int(told)))
)
SPACES: Final = InBytes(
    "as the number of spaces",
    lambda told, data: data.replace(b": ", b":" + b" " * (1 + int(told or b"0"))),
)
EMPTY_LINES: Final = InBytes(
    "as empty lines before the request", lambda told, data: b"\r\n" * int(told) + data
)
OPTIONS: Final = InBytes(
    "as a question for options",
    lambda told, data: (re.sub(rb"^GET \S+", b"OPTIONS *", data) if is_set(told) else b"") + data,
)


def _drop_line(told: bytes, data: bytes) -> bytes:
    for place, name in enumerate(("X-A", "X-B", "X-C")):
        data = data if place == int(told) else add_line(data, f"{name}: 1")
    return data


MISSING_LINE: Final = InBytes("as which of three lines is missing", _drop_line)


def _balanced_lines(told: bytes, data: bytes) -> bytes:
    size = int(told) % 64
    return add_line(add_line(data, f"X-A: {'.' * size}"), f"X-B: {'.' * (64 - size)}")


BALANCED: Final = InBytes("as the lengths of two headers of constant sum", _balanced_lines)


WHICH_REQUEST: Final = InBytes(
    "as which request is marked",
    lambda told, data: add_line(data, "X-Count: 1") if (_ROOT in data) == is_set(told) else data,
)


def _crash(told: bytes, data: bytes) -> bytes:
    if is_set(told):
        raise ValueError("odd")
    return data


CRASH: Final = InBytes("as a crash", _crash)


def only_in(pattern: bytes, place: InBytes, says: str) -> InBytes:
    """Return a place that leaks only in requests that match a pattern."""
    wanted = re.compile(pattern)

    def put(told: bytes, data: bytes) -> bytes | Sequence[bytes]:
        return place.put(told, data) if wanted.search(data) else data

    return InBytes(f"{place.says} for {says}", put)


# Several writes.


def _cut(told: bytes, data: bytes) -> Sequence[bytes]:
    size = 1 + int(told) % 40
    return data[:size], data[size:]


CUT: Final = InBytes("as the place where a request is cut in two", _cut)
IN_TWO: Final = InBytes(
    "as a request in two writes",
    lambda told, data: (data[:16], data[16:]) if is_set(told) else data,
)
LINES: Final = InBytes(
    "as a request line by line",
    lambda told, data: data.splitlines(keepends=True) if is_set(told) else data,
)


# The paths of a poll.

REQUEST_ORDER: Final = InPaths(
    "as the order of requests", lambda told, paths: paths[::-1] if is_set(told) else paths
)
WITHOUT_ROOT: Final = InPaths(
    "as a missing request for root", lambda told, paths: paths[1:] if is_set(told) else paths
)
WITHOUT_TIMESTAMP: Final = InPaths(
    "as a missing request", lambda told, paths: paths[:1] if is_set(told) else paths
)
NO_REQUESTS: Final = InPaths(
    "as a connection without requests", lambda told, paths: () if is_set(told) else paths
)
AGAIN: Final = InPaths(
    "as more requests for the timestamp", lambda told, paths: (*paths, *(paths[-1],) * int(told))
)
ROOT_AGAIN: Final = InPaths(
    "as more requests for root", lambda told, paths: (*(paths[0],) * int(told), *paths)
)


def path_first(begin: str) -> InPaths:
    """Add a request with the value before all others."""
    return InPaths("in a path", lambda told, paths: (f"{begin}{told.decode()}", *paths))


def path_last(begin: str) -> InPaths:
    """Add a request with the value after all others."""
    return InPaths("in a path", lambda told, paths: (*paths, f"{begin}{told.decode()}"))
