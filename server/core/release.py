"""Releases: the `custom` of a codename role's targets, and what may change between two versions.

Source: docs/FORMATS.md section 3.
"""

import json
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from tuf.api.metadata import TargetFile, Targets

from server.core.encodings import MAX_INTEGER, decode_base64, decode_decimal
from server.core.errors import FormatError, ReleaseError
from server.core.names import decode_release_path

Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}\Z")]
Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Locale = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z", max_length=16)]
Changelog = Annotated[
    dict[Locale, Annotated[str, msgspec.Meta(max_length=4000)]], msgspec.Meta(max_length=64)
]
Hash64 = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{43}=\Z")]
Digits = Annotated[str, msgspec.Meta(pattern=r"^(?:0|[1-9][0-9]{0,15})\Z")]


class PayloadProperties(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """What binds the payload in `payload_properties.txt`: base64 sha256 and sizes in octets."""

    file_hash: Hash64
    file_size: Digits
    metadata_hash: Hash64
    metadata_size: Digits

    def __post_init__(self) -> None:
        for text in (self.file_hash, self.metadata_hash):
            decode_base64(text)
        for text in (self.file_size, self.metadata_size):
            decode_decimal(text)


class Release(msgspec.Struct, frozen=True):
    """One package of one build in one channel. Times in epoch seconds, lengths in octets."""

    schema: Literal[1]
    type: Literal["full", "incremental"]
    counter: Positive
    fingerprint: Fingerprint
    incremental: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
    post_timestamp: Integer
    security_patch_level: Day
    sdk_level: Integer
    source_builds: Annotated[list[Fingerprint], msgspec.Meta(max_length=8)]
    min_counter: Integer
    property_files: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    payload_properties: PayloadProperties
    changelog: Changelog
    withdrawn: bool

    def __post_init__(self) -> None:
        check_day(self.security_patch_level)
        if (self.type == "full") == bool(self.source_builds):
            raise ValueError("source_builds belong to an incremental, and to nothing else")
        if self.min_counter >= self.counter:
            raise ValueError("min_counter is not below counter")


def check_day(text: str) -> None:
    """Raise ValueError unless `text` is a day of the calendar."""
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"{text!r} is not a day")


def decode_release(path: str, custom: object) -> Release:
    """Read the `custom` object of the target at `path`."""
    check_schema(path, custom, "schema")
    try:
        return msgspec.convert(custom, Release)
    except (msgspec.ValidationError, ValueError, FormatError) as error:
        raise FormatError(f"the release {path} is malformed: {error}.") from error


def check_schema(path: str, custom: object, member: str) -> None:
    """Raise FormatError unless `custom` is an object whose schema this version knows."""
    if not isinstance(custom, dict) or member not in custom:
        raise FormatError(f"the target {path} has no `custom` object with a `{member}`.")
    schema = custom[member]
    if type(schema) is not int or schema != 1:
        raise FormatError(
            f"the target {path} has schema {str(schema)[:32]!r}; this version knows schema 1 only."
        )


def decode_releases(targets: Targets) -> dict[str, Release]:
    """Read every release of a codename role and check the rules that span them."""
    releases: dict[str, Release] = {}
    for path, target in targets.targets.items():
        decode_release_path(path)
        releases[path] = decode_release(path, target.unrecognized_fields.get("custom"))
    check_counters(releases)
    return releases


def check_counters(releases: Mapping[str, Release]) -> None:
    """Raise ReleaseError unless counters, builds, times and patch levels agree across a role."""
    builds: dict[int, Release] = {}
    names: dict[str, int] = {}
    for path, release in releases.items():
        known = builds.setdefault(release.counter, release)
        if (known.fingerprint, known.post_timestamp, known.security_patch_level) != (
            release.fingerprint,
            release.post_timestamp,
            release.security_patch_level,
        ):
            raise ReleaseError(
                f"{path} uses counter {release.counter}, which belongs to {known.fingerprint}."
            )
        if names.setdefault(release.fingerprint, release.counter) != release.counter:
            raise ReleaseError(f"{path} gives the build {release.fingerprint} a second counter.")
    for earlier, later in pairwise(sorted(builds)):
        older, newer = builds[earlier], builds[later]
        if newer.post_timestamp < older.post_timestamp:
            raise ReleaseError(f"counter {later} was built before counter {earlier}.")
        if newer.security_patch_level < older.security_patch_level:
            raise ReleaseError(f"counter {later} has an older patch level than counter {earlier}.")


def check_succession(old: Targets, new: Targets) -> None:
    """Raise ReleaseError unless `new` keeps the paths, bytes, facts and withdrawals of `old`."""
    for path, before in old.targets.items():
        after = new.targets.get(path)
        if after is None:
            raise ReleaseError(f"{path} is gone: a release is withdrawn, never removed.")
        if _fixed(before) != _fixed(after):
            raise ReleaseError(f"{path} is changed: a path keeps its bytes and facts for ever.")
        if _custom(before).get("withdrawn") and not _custom(after).get("withdrawn"):
            raise ReleaseError(f"{path} was withdrawn, and that is final.")


def _custom(target: TargetFile) -> dict[str, Any]:
    custom = target.unrecognized_fields.get("custom")
    return custom if isinstance(custom, dict) else {}


def _fixed(target: TargetFile) -> tuple[int, dict[str, str], str]:
    kept = {k: v for k, v in _custom(target).items() if k not in {"changelog", "withdrawn"}}
    # As text, because Python holds `true` and 1 to be equal.
    return target.length, target.hashes, json.dumps(kept, sort_keys=True)
