"""The request table of docs/PRIVACY.md, as this package's own code.

The server's gate holds another; neither is made from the other, and a test compares both with the
page. Names and numbers are those of docs/FORMATS.md sections 1, 8, 9 and 15.
"""

import re
from dataclasses import dataclass
from typing import Final

_VERSION: Final = rb"(?P<version>[1-9][0-9]{0,15})"
_CODENAME: Final = rb"(?P<codename>[a-z0-9][a-z0-9_-]{0,31})"
_SHORT: Final = rb"[a-z0-9][a-z0-9-]{0,15}"
_NAME: Final = rb"/[0-9a-f]{64}\.[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,90}\.zip"
_NOT_A_CODENAME: Final = (
    rb"(?!(?:root|targets|snapshot|timestamp|mirrors|latest|tables|content)[./]|latest-)"
)
_PART: Final = rb"(?P<part>latest-[0-9a-f])"

_PACK: Final = (
    rb"/targets/(?=tables/(?:(?:apn|ca|zones)/[0-9a-f]+\.(?:0[0-9]|1[0-5])"
    rb"|emergency/[0-9a-f]+\.0[0-3])"
    rb"|content/(?:(?:greetings|holidays)/[0-9a-f]+\.0[0-7]"
    rb"|(?:features|notices|themes|wallpapers)/[0-9a-f]+\.00))"
    rb"(?P<owner>tables|content)/(?P<kind>[a-z]+)/[0-9a-f]{64}\.(?P<number>[0-9]{2})\.xz"
)

ACCEPT_ENCODING: Final = re.compile(rb"Accept-Encoding: gzip")
RANGE: Final = re.compile(rb"Range: bytes=(?P<first>0|[1-9][0-9]{0,15})-(?P<last>[1-9][0-9]{0,15})")
BLOCK: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: its id, the whole path, the header line that follows Host."""

    name: str
    method: bytes
    path: re.Pattern[bytes]
    header: re.Pattern[bytes]


_PATHS: Final = {
    "root": rb"/metadata/" + _VERSION + rb"\.root\.json",
    "timestamp": rb"/metadata/timestamp\.json",
    "snapshot": rb"/metadata/" + _VERSION + rb"\.snapshot\.json",
    "role": rb"/metadata/" + _VERSION + rb"\.(?P<role>targets|latest|tables|content)\.json",
    "part": rb"/metadata/" + _VERSION + rb"\." + _PART + rb"\.json",
    "proof-latest": rb"/log/proof/latest\." + _VERSION,
    "proof-part": rb"/log/proof/" + _PART + rb"\." + _VERSION,
    "proof-common": rb"/log/proof/(?P<role>tables|content)\." + _VERSION,
    "pack": _PACK,
    "codename": rb"/metadata/" + _VERSION + rb"\." + _NOT_A_CODENAME + _CODENAME + rb"\.json",
    "proof-codename": rb"/log/proof/" + _NOT_A_CODENAME + _CODENAME + rb"\." + _VERSION,
    "package": (
        rb"/targets/" + _NOT_A_CODENAME + _CODENAME + rb"/" + _SHORT + rb"/" + _SHORT + _NAME
    ),
    "picture": (
        rb"/targets/content/wallpapers/[0-9a-f]{64}\.(?P<picture>[a-z0-9][a-z0-9-]{0,47})\.jpg"
    ),
}

RULES: Final = tuple(
    Rule(name, b"GET", re.compile(path), RANGE if name == "package" else ACCEPT_ENCODING)
    for name, path in _PATHS.items()
)
"""Every request that may leave a phone, in the order of the table."""
