"""The gate: checks requests against the request language; refusals are only counted, by reason.

Source: docs/PRIVACY.md, the request table and the table of headers. Pure.
"""

import re

from server.core.content.kinds import CONTENT_ROLES, KINDS
from server.http.requests import GateMode, Headers, Reason, Refused, check_form

_VERSION = r"[1-9][0-9]{0,15}"
_ROLE = r"[a-z0-9][a-z0-9_-]{0,31}"
_SEGMENT = r"[a-z0-9][a-z0-9-]{0,15}"
_FILE = r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,94}"
_HASH = r"[0-9a-f]{64}"
_PACKS = "|".join(
    rf"{role}/(?:{'|'.join(kind for kind in KINDS if KINDS[kind].role == role)})"
    for role in CONTENT_ROLES
)
_TILE_INDEX = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_WIDTH = r"(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_LEVEL = r"(?:[0-9]|[1-5][0-9]|6[0-3]|entries)"

VERSIONED = re.compile(rf"/metadata/({_VERSION})\.({_ROLE})\.json")
TARGET = re.compile(
    rf"/targets/(?:(?!(?:tables|content)/){_ROLE}/{_SEGMENT}/{_SEGMENT}/{_HASH}\.{_FILE}"
    rf"|latest/{_ROLE}/{_SEGMENT}/{_HASH}\.{_FILE}"
    rf"|(?:{_PACKS})/{_HASH}\.[0-9]{{2}}\.xz"
    rf"|content/wallpapers/{_HASH}\.[a-z0-9][a-z0-9-]{{0,47}}\.jpg)"
)
_LOG = re.compile(
    rf"/log/(?:checkpoint|proof/{_ROLE}\.{_VERSION}|tile/{_LEVEL}/{_TILE_INDEX}{_WIDTH})"
)


# The requests of phones: the rows of the request table in docs/PRIVACY.md, by their id.
_CODENAME = (
    r"(?!(?:root|targets|snapshot|timestamp|mirrors|latest|tables|content)(?![a-z0-9_-])|latest-)"
    rf"{_ROLE}"
)
_PART = r"latest-[0-9a-f]"
PHONE = {
    "root": re.compile(rf"/metadata/{_VERSION}\.root\.json"),
    "timestamp": re.compile(r"/metadata/timestamp\.json"),
    "snapshot": re.compile(rf"/metadata/{_VERSION}\.snapshot\.json"),
    "role": re.compile(rf"/metadata/{_VERSION}\.(?:targets|latest|tables|content)\.json"),
    "part": re.compile(rf"/metadata/{_VERSION}\.{_PART}\.json"),
    "proof-latest": re.compile(rf"/log/proof/latest\.{_VERSION}"),
    "proof-part": re.compile(rf"/log/proof/{_PART}\.{_VERSION}"),
    "proof-common": re.compile(rf"/log/proof/(?:tables|content)\.{_VERSION}"),
    "pack": re.compile(rf"/targets/(?:tables|content)/{_SEGMENT}/{_HASH}\.[0-9]{{2}}\.xz"),
    "codename": re.compile(rf"/metadata/{_VERSION}\.{_CODENAME}\.json"),
    "proof-codename": re.compile(rf"/log/proof/{_CODENAME}\.{_VERSION}"),
    "package": re.compile(
        rf"/targets/{_CODENAME}/{_SEGMENT}/{_SEGMENT}/{_HASH}\.{_FILE}(?<=\.zip)"
    ),
    "picture": re.compile(rf"/targets/content/wallpapers/{_HASH}\.[a-z0-9][a-z0-9-]{{0,47}}\.jpg"),
}


def phone_request(path: str) -> str | None:
    """Return the id of the row in the request table that has `path`, or None."""
    return next((name for name, rule in PHONE.items() if rule.fullmatch(path)), None)


def is_path(path: str) -> bool:
    """Return whether `path` is well formed; it need not exist."""
    return (
        path == "/metadata/timestamp.json"
        or VERSIONED.fullmatch(path) is not None
        or TARGET.fullmatch(path) is not None
        or _LOG.fullmatch(path) is not None
    )


BLOCK = 8 * 1024 * 1024
_HEAD = re.compile(
    rb"GET /[!-~]{1,400} HTTP/1\.1\r\nHost: [!-~]{1,300}\r\n"
    rb"(?:Accept-Encoding: gzip|Range: bytes=[0-9]{1,16}-[0-9]{1,16})\r\n\r\n"
)
_BLOCK_RANGE = re.compile(rb"bytes=(0|[1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")


def check_request(
    method: str, path: str, version: tuple[int, int], headers: Headers, mode: GateMode
) -> bool:
    """Raise Refused unless a request is in the language; return whether it has unknown headers.

    `path` is the request target and `headers` the names and values, all as received.
    """
    unknown = check_form(method, path, version, headers, mode, is_path)
    if mode is GateMode.STRICT and not _is_phone(method, path, version, headers):
        raise Refused(Reason.STRICT)
    return unknown


def take_heads(data: bytes) -> tuple[bytes, bool]:
    """Remove whole requests in a phone's exact spelling from the beginning of received bytes.

    Returns the rest, and whether it can still become such a request. Parsers accept a second space
    or a leading empty line; docs/FORMATS.md section 9 does not.
    """
    while (match := _HEAD.match(data)) is not None:
        data = data[match.end() :]
    return data, b"\r\n\r\n" not in data and len(data) < 1024


def is_block(range_value: bytes, length: int) -> bool:
    """Return whether a Range is one aligned block of a package of `length` bytes."""
    block = _read_block(range_value)
    return block is not None and block[0] < length and block[1] == min(block[0] + BLOCK, length) - 1


def _read_block(range_value: bytes) -> tuple[int, int] | None:
    """Return the first and last byte of a Range that can be a block, also a package's last one."""
    match = _BLOCK_RANGE.fullmatch(range_value)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    return (first, last) if first % BLOCK == 0 and first <= last < first + BLOCK else None


def _is_phone(method: str, path: str, version: tuple[int, int], headers: Headers) -> bool:
    """Return whether a request is in the table of docs/FORMATS.md section 9, byte for byte."""
    if method != "GET" or version != (1, 1) or len(headers) != 2 or headers[0][0] != b"Host":
        return False
    name, value = headers[1]
    match phone_request(path):
        case None:
            return False
        case "package":  # `is_block` checks its end, which needs the package's length
            return name == b"Range" and _read_block(value) is not None
        case _:
            return (name, value) == (b"Accept-Encoding", b"gzip")
