"""The closed URL space of the device plane.

Source: docs/FORMATS.md section 8. A path outside it is not looked up anywhere.
"""

import re

from server.core.content.kinds import CONTENT_ROLES, KINDS

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


# What a phone asks for: the rows of the request table in docs/PRIVACY.md, by their id.
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
    """Return the id of the row of the request table that `path` belongs to, if any."""
    return next((name for name, rule in PHONE.items() if rule.fullmatch(path)), None)


def is_path(path: str) -> bool:
    """Answer whether `path` is well formed; whether it exists is another question."""
    return (
        path == "/metadata/timestamp.json"
        or VERSIONED.fullmatch(path) is not None
        or TARGET.fullmatch(path) is not None
        or _LOG.fullmatch(path) is not None
    )
