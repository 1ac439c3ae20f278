"""The request table of docs/PRIVACY.md as code, and the order of requests on a connection.

The server's gate has its own table. Neither is made from the other, and a test compares both with
the page. Names and limits are those of docs/FORMATS.md sections 1, 8, 9 and 15.

A connection carries a poll, which an installation may follow. A poll asks for `root` with growing
versions, then `timestamp`. `snapshot`, the roles and parts of packs may follow. Roles come in their
order, each except `targets` with its proof after it. Parts of packs come in the order of their
roles, kinds and numbers. If `latest` is split, one part takes its place. A phone that refuses an
answer ends the poll, but skips a refused `tables` or `content`. An installation is the codename
role, its proof, and blocks of one package; a resumed download is blocks only. A picture has its own
connection.
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
_ROLES: Final = (b"targets", b"latest", b"tables", b"content")
_INSTALL: Final = {"codename", "package"}
# What may follow what; "" is the start of a connection.
_NEXT: Final = {
    "": {"root", "picture", *_INSTALL},
    "root": {"root", "timestamp"},
    # A role or a pack without a snapshot: an earlier poll ended between the two.
    "timestamp": {"snapshot", "role", "part", "pack", *_INSTALL},
    "snapshot": {"role", "part", "pack", *_INSTALL},
    "role": {"role", "part", "proof-latest", "proof-common", "pack", *_INSTALL},
    "part": {"proof-part"},
    "proof-latest": {"role", "pack", *_INSTALL},
    "proof-part": {"role", "pack", *_INSTALL},
    "proof-common": {"role", "pack", *_INSTALL},
    "pack": {"pack", *_INSTALL},
    "codename": {"proof-codename"},
    "proof-codename": {"package"},
    "package": {"package"},
    "picture": set[str](),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: its name, the method, the path, and the header line after Host."""

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
"""Every request that a phone may send, in the order of the table."""


class Order:
    """Checks the order of the requests of one connection."""

    def __init__(self) -> None:
        self._last = ""
        self._root = 0
        self._roles: list[bytes] = []
        self._asked: tuple[bytes, bytes] | None = None
        self._pack: tuple[int | bytes, ...] = ()
        self._codename: bytes | None = None
        self._package: tuple[bytes, int, int] | None = None

    def complaint(self, rule: str, parts: dict[str, bytes], path: bytes) -> str | None:
        """Take the next request; return why it is out of order, or None."""
        misplaced = self._sequence_complaint(rule)
        # Recorded even if misplaced: later requests are judged by the ones before them.
        own = self._own_complaint(rule, parts, path)
        return misplaced or own

    def _own_complaint(self, rule: str, parts: dict[str, bytes], path: bytes) -> str | None:
        match rule:
            case "root":
                return self._root_complaint(int(parts["version"]))
            case "role":
                return self._role_complaint(parts["role"], parts["role"], parts["version"])
            case "part":
                return self._role_complaint(b"latest", parts["part"], parts["version"])
            case "codename":
                self._codename = parts["codename"]
                self._asked = (parts["codename"], parts["version"])
            case "proof-latest" | "proof-part" | "proof-common" | "proof-codename":
                return self._proof_complaint(parts)
            case "pack":
                return self._pack_complaint(parts)
            case "package":
                return self._package_complaint(parts, path)
            case _:
                pass
        return None

    def _sequence_complaint(self, rule: str) -> str | None:
        before, self._last = self._last, rule
        if rule not in _NEXT[before]:
            return f"{rule} may not follow {before or 'the start of a connection'}"
        if before == "role" and self._roles[-1:] == [b"latest"] and rule != "proof-latest":
            return f"{rule} may not follow latest without its proof"
        return None

    def _root_complaint(self, version: int) -> str | None:
        before, self._root = self._root, version
        if version < 2:
            return "every phone already holds version 1 of root"
        if before and version != before + 1:
            return "root versions must be requested one by one"
        return None

    def _role_complaint(self, place: bytes, role: bytes, version: bytes) -> str | None:
        before = self._roles[-1:]
        self._roles.append(place)
        self._asked = (role, version)
        if before and _ROLES.index(place) <= _ROLES.index(before[0]):
            return f"{role.decode()} may not follow {before[0].decode()}"
        return None

    def _proof_complaint(self, parts: dict[str, bytes]) -> str | None:
        names = [parts[name] for name in ("role", "part", "codename") if name in parts]
        role, version = (names or [b"latest"])[0], parts["version"]
        if self._asked != (role, version):
            named = f"version {version.decode()} of {role.decode()}"
            return f"{named} must be requested right before its proof"
        return None

    def _pack_complaint(self, parts: dict[str, bytes]) -> str | None:
        before, self._pack = self._pack, _place(parts)
        if self._pack <= before:
            return "parts of packs must be requested in the order of their roles, kinds and numbers"
        return None

    def _package_complaint(self, parts: dict[str, bytes], path: bytes) -> str | None:
        first, last = int(parts["first"]), int(parts["last"])
        before, self._package = self._package, (path, first, last)
        if first % BLOCK or not first <= last < first + BLOCK:
            return "a block starts at a multiple of 8 MiB and is no longer than that"
        if self._codename not in {None, parts["codename"]}:
            return "the package is for another model than the codename role"
        if before and before != (path, first - BLOCK, first - 1):
            return (
                "blocks of one package must be requested in ascending order, the last one shorter"
            )
        return None


def _place(parts: dict[str, bytes]) -> tuple[int, bytes, bytes]:
    return _ROLES.index(parts["owner"]), parts["kind"], parts["number"]
