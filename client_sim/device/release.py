"""Reads a release: the `custom` object of a target of a codename role (FORMATS section 3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from client_sim.device.errors import ReleaseError
from client_sim.device.members import read_members
from client_sim.device.names import DECIMAL, MAX_INTEGER, is_package_path
from client_sim.engine.build import BuildFacts

_HASHES: Final = ("FILE_HASH", "METADATA_HASH")
_SIZES: Final = ("FILE_SIZE", "METADATA_SIZE")
# The one base64 of 32 octets: the last sextet has only four bits of them, its other two are 0.
_HASH: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")


@dataclass(frozen=True, slots=True)
class Release:
    """What the maintainers of a model signed about one package; members as in FORMATS section 3."""

    path: str
    type: Literal["full", "incremental"]
    counter: int
    fingerprint: str
    incremental: str
    post_timestamp: int
    security_patch_level: str
    sdk_level: int
    source_builds: tuple[str, ...]
    min_counter: int
    property_files: str
    payload_properties: Mapping[str, str]
    changelog: Mapping[str, str]
    withdrawn: bool

    @property
    def build(self) -> BuildFacts:
        """The build that the package leads to."""
        return BuildFacts(
            fingerprint=self.fingerprint,
            incremental=self.incremental,
            counter=self.counter,
            post_timestamp=self.post_timestamp,
            security_patch_level=self.security_patch_level,
        )


def decode_release(path: str, custom: object, what: str = "") -> Release:
    """Decode the `custom` object of the target `path`; raises ReleaseError.

    The error speaks of `what`, where given, in place of the release at `path`.
    """
    if not is_package_path(path):
        raise ReleaseError("A release lies at a path that no release can have, so it is not used.")
    members = read_members(what or f"The release {path}", ReleaseError, custom)
    members.schema("schema")
    kind = members.values.get("type")
    if kind == "full":
        kind_: Literal["full", "incremental"] = "full"
    elif kind == "incremental":
        kind_ = "incremental"
    else:
        raise members.fail("type")
    counter = members.integer("counter", lowest=1)
    sources = members.fingerprints("source_builds", 8)
    if bool(sources) != (kind_ == "incremental"):
        raise members.fail("source_builds")
    return Release(
        path=path,
        type=kind_,
        counter=counter,
        fingerprint=members.word("fingerprint", 128),
        incremental=members.word("incremental", 64),
        post_timestamp=members.integer("post_timestamp"),
        security_patch_level=members.date("security_patch_level"),
        sdk_level=members.integer("sdk_level"),
        source_builds=sources,
        min_counter=members.integer("min_counter", highest=counter - 1),
        property_files=members.text("property_files", 1_024),
        payload_properties=_decode_properties(path, members.values.get("payload_properties")),
        changelog=members.locales("changelog", 4_000),
        withdrawn=members.boolean("withdrawn"),
    )


def _decode_properties(path: str, value: object) -> dict[str, str]:
    """Return exactly two hashes in base64 and two sizes in decimal."""
    properties = read_members(f"The payload of {path}", ReleaseError, value)
    if properties.values.keys() != {*_HASHES, *_SIZES}:
        raise ReleaseError(f"The payload of {path} does not have the four members that it needs.")
    found = {name: properties.text(name, 44) for name in (*_HASHES, *_SIZES)}
    for name in _HASHES:
        if not _HASH.fullmatch(found[name]):
            raise properties.fail(name)
    for name in _SIZES:
        if not DECIMAL.fullmatch(found[name]) or int(found[name]) > MAX_INTEGER:
            raise properties.fail(name)
    return found
