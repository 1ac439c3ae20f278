"""Requests to the cloud: a parser, and the table of requests that a phone may send.

`TABLE` is the cloud request table of docs/PRIVACY.md: what may be sent, and in which steps.
`tests/repo/test_cloud_table.py` compares the page and the table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

_HEAD: Final = re.compile(rb"([A-Z]+) ([^ \r\n]+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
_UID: Final = "[A-Za-z0-9_-]{20,64}"
_PATTERNS: Final = {
    "REGION": "[a-z]+",
    "VERSION": "[0-9]+",
    "LOCALE": "[a-z]+",
    "UID": _UID,
    "ID": "[A-Za-z0-9_-]{22}",
    "NAME": "[0-9a-f]{64}",
}
_QUERY: Final = r"(?:limit=(?:50|100|500)|prefetch=medium|stoken=[A-Za-z0-9_-]{38})"
_MSGPACK: Final = ("Authorization", "Accept", "Content-Type", "Content-Length")
_JSON: Final = ("Authorization", "Content-Type", "Content-Length")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its parts, all of its bytes (`data`), and the offset of its body (`start`)."""

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
        """The part of the target after the question mark."""
        return self.target.partition("?")[2]

    @property
    def body(self) -> bytes:
        """The body."""
        return self.data[self.start :]

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty text."""
        return next((value for each, value in self.headers if each == name), "")


def encode_request(
    method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
) -> bytes:
    """Return the bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


def split_requests(data: bytes) -> tuple[list[Request], bytes]:
    """Return the complete requests at the beginning of a connection's bytes, and the rest."""
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


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request: its path as on the page, and the steps in which it may be sent.

    `headers` are the headers after `Host`, in order; `Authorization` is only sent if the device is
    logged in. `query` is a regular expression for the whole query.
    """

    method: str
    path: str
    when: frozenset[str]
    headers: tuple[str, ...] = ()
    query: str = ""

    @property
    def line(self) -> str:
        """Method and path, as on the page."""
        return f"{self.method} {self.path}"

    def matches(self, method: str, path: str) -> bool:
        """Whether a request belongs to this row."""
        return method == self.method and _compile(self.path).fullmatch(path) is not None


@cache
def _compile(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"[A-Z]{2,}", lambda name: _PATTERNS[name[0]], path))


def _row(method: str, path: str, when: str, *headers: str, query: str = "") -> Row:
    return Row(method, path, frozenset(when.split()), headers, query)


_API: Final = "/api/v1"
_ITEM: Final = f"{_API}/collection/UID/item"
_LIST: Final = f"{_QUERY}(?:&{_QUERY})*"
_DATA: Final = "/blobs/photos/data/"
_SYNCS: Final = "sync due"
TABLE: Final = (
    _row("GET", "/policy/REGION", "consent"),
    _row("GET", "/policy/REGION/VERSION/LOCALE", "consent"),
    _row("GET", "/policy/REGION/receipt-key", "consent withdraw erase"),
    _row("POST", f"{_API}/authentication/signup/", "sign-up", *_MSGPACK[1:]),
    _row(
        *("POST", f"{_API}/authentication/login_challenge/"),
        *("log-in words password rotate recover", *_MSGPACK),
    ),
    _row("POST", f"{_API}/authentication/login/", "log-in", *_MSGPACK[1:]),
    _row("POST", f"{_API}/authentication/change_password/", "password", *_MSGPACK),
    _row(
        "POST", f"{_API}/authentication/logout/", "log-out recover", *_MSGPACK[:2], "Content-Length"
    ),
    _row("PUT", "/account/1/device", "sign-up log-in", *_JSON),
    _row("POST", "/account/1/consents", "consent", *_JSON),
    _row("POST", "/account/1/consents/withdrawal", "withdraw", *_JSON[::2]),
    _row("GET", "/account/1/recovery", "consent rotate move", "Authorization"),
    _row("PUT", "/account/1/recovery", "words", *_JSON),
    _row("POST", "/account/1/recovery/challenge", "recover", *_JSON[1:]),
    _row("POST", "/account/1/recovery/open", "recover", *_JSON[1:]),
    _row("POST", "/account/1/recovery/use", "recover", *_JSON[1:]),
    _row("GET", "/account/1/sessions", "devices approve", "Authorization"),
    _row("DELETE", "/account/1/sessions/ID", "revoke", "Authorization"),
    _row("POST", "/account/1/sessions/ID/approval", "approve", *_JSON),
    _row("PUT", "/account/1/choices", "approving", *_JSON),
    _row("GET", f"{_API}/collection/", "rotate", *_MSGPACK[:2], query=_LIST),
    _row("POST", "/account/1/rotate", "rotate", *_JSON),
    _row("POST", f"{_API}/collection/list_multi/", _SYNCS, *_MSGPACK, query=_LIST),
    _row("POST", f"{_API}/collection/", _SYNCS, *_MSGPACK),
    _row("GET", f"{_ITEM}/", _SYNCS, *_MSGPACK[:2], query=_LIST),
    _row("GET", f"{_ITEM}/UID/revision/", _SYNCS, *_MSGPACK[:2], query=_LIST),
    _row("GET", f"{_ITEM}/UID/chunk/UID/download/", _SYNCS, *_MSGPACK[:2]),
    _row("POST", f"{_ITEM}/transaction/", _SYNCS, *_MSGPACK),
    _row("GET", "/account/1/usage", _SYNCS, "Authorization"),
    _row("POST", "/account/1/app-tokens", _SYNCS, *_JSON),
    _row("POST", "/blobs/photos/", _SYNCS, *_JSON[::2], query="create=true"),
    _row("GET", _DATA, _SYNCS, *_MSGPACK[:2]),
    _row("POST", f"{_DATA}NAME", _SYNCS, *_JSON[::2]),
    _row("GET", f"{_DATA}NAME", _SYNCS, "Authorization"),
    _row("DELETE", f"{_DATA}NAME", _SYNCS, "Authorization"),
    _row("POST", "/account/1/erasure", "erase", *_JSON[::2]),
    _row("GET", "/erasure/ID", "receipt"),
)
"""All requests that a phone may send to its cloud."""

REQUIRED_REQUESTS: Final = {
    "sign-up": "POST /api/v1/authentication/signup/",
    "log-in": "POST /api/v1/authentication/login/",
    "consent": "POST /account/1/consents",
    "words": "PUT /account/1/recovery",
    "sync": "POST /api/v1/collection/list_multi/",
    "log-out": "POST /api/v1/authentication/logout/",
    "password": "POST /api/v1/authentication/change_password/",
    "rotate": "POST /account/1/rotate",
    "withdraw": "POST /account/1/consents/withdrawal",
    "erase": "POST /account/1/erasure",
    "receipt": "GET /erasure/ID",
}
"""The request that a step must send; finds a phone that only claims to have done the step."""


def find_row(method: str, path: str) -> Row | None:
    """Return the row of a request, or None."""
    return next((row for row in TABLE if row.matches(method, path)), None)
