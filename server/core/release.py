"""Releases: the `custom` of a codename role's targets, and the rules that span one role.

Source: docs/FORMATS.md section 3. `server.core.succession` has the allowed changes between two
versions. Old builds leave a role, so that it stays small. The role's floor, in its own `custom`,
prevents them from coming back.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from tuf.api.metadata import TargetFile, Targets

from server.core.encodings import MAX_INTEGER, check_schema, decode_base64, decode_decimal
from server.core.errors import FormatError, ReleaseError
from server.core.names import Locale, decode_release_path

Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}\Z")]
Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Changelog = Annotated[
    dict[Locale, Annotated[str, msgspec.Meta(max_length=4000)]], msgspec.Meta(max_length=64)
]
Hash64 = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{43}=\Z")]
Label = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}\Z")]
# No control characters, line ends or changes of direction: lists show the value in one line.
LabelText = Annotated[
    str,
    msgspec.Meta(
        max_length=1024,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z",
    ),
]
Labels = Annotated[dict[Label, LabelText], msgspec.Meta(min_length=1, max_length=32)]
MAX_CSIG = 1 << 20  # bytes; a csig of ten property files has 4 KiB
Digits = Annotated[str, msgspec.Meta(pattern=r"^(?:0|[1-9][0-9]{0,15})\Z")]

# Members that are equal in all packages of one build.
_OF_THE_BUILD = ("incremental", "post_timestamp", "sdk_level", "security_patch_level")


class PayloadProperties(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """The values of `payload_properties.txt`: hashes as base64 of sha256, sizes in bytes."""

    file_hash: Hash64
    file_size: Digits
    metadata_hash: Hash64
    metadata_size: Digits

    def __post_init__(self) -> None:
        for text in (self.file_hash, self.metadata_hash):
            decode_base64(text)
        for text in (self.file_size, self.metadata_size):
            decode_decimal(text)


class Csig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Custota's signature of a package: length in bytes and sha256 of the blob that holds it."""

    length: Annotated[int, msgspec.Meta(ge=1, le=MAX_CSIG)]
    sha256: Hash


class Release(msgspec.Struct, frozen=True):
    """One package of one build in one channel. Times in epoch seconds, lengths in bytes.

    `drain_until` is UNSET if the member is absent: a withdrawn package is then removed immediately.
    `labels` and `csig` are for the dialects of existing Updater apps; hening's own phones do not
    read them.
    """

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
    drain_until: Integer | msgspec.UnsetType = msgspec.UNSET
    labels: Labels | msgspec.UnsetType = msgspec.UNSET
    csig: Csig | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        check_day(self.security_patch_level)
        if (self.type == "full") == bool(self.source_builds):
            raise ValueError("source_builds belong to an incremental, and only to it")
        if self.min_counter >= self.counter:
            raise ValueError("min_counter is not below counter")
        if self.drain_until is not msgspec.UNSET and not self.withdrawn:
            raise ValueError("drain_until belongs only to a withdrawn release")


def named_blobs(target: TargetFile) -> Iterator[tuple[str, int]]:
    """Yield sha256 and length of each blob that a target names: its package, and its csig."""
    yield target.hashes.get("sha256", ""), target.length
    custom = target.unrecognized_fields.get("custom")
    csig = custom.get("csig") if isinstance(custom, dict) else None
    if csig is not None:
        try:
            found = msgspec.convert(csig, Csig)
        except msgspec.ValidationError as error:
            raise FormatError(f"the csig of {target.path} is malformed: {error}.") from error
        yield found.sha256, found.length


def check_day(text: str) -> None:
    """Raise ValueError unless `text` is a date, YYYY-MM-DD."""
    try:
        is_day = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise ValueError(f"{text!r} is not a day of the calendar")


def decode_release(path: str, custom: object) -> Release:
    """Read the `custom` object of the target at `path`."""
    check_schema(path, custom, "schema")
    try:
        return msgspec.convert(custom, Release)
    except (msgspec.ValidationError, ValueError, FormatError) as error:
        name = _find_malformed(custom)
        fault = f"{name} is missing or not as FORMATS section 3 says" if name else error
        raise FormatError(f"the release {path} is malformed: {fault}.") from error


def _find_malformed(custom: object) -> str | None:
    """Return the name of the first malformed member; None if members only contradict each other."""
    members = custom if isinstance(custom, dict) else {}
    for field in msgspec.structs.fields(Release):
        if field.name not in members:
            if field.required:
                return field.name
            continue
        try:
            msgspec.convert(members[field.name], field.type)
        except (msgspec.ValidationError, FormatError):
            return field.name
    return None


def decode_releases(targets: Targets) -> dict[str, Release]:
    """Read all releases of a codename role, and check the rules that span them."""
    releases: dict[str, Release] = {}
    for path, target in targets.targets.items():
        decode_release_path(path)
        releases[path] = decode_release(path, target.unrecognized_fields.get("custom"))
    check_counters(releases)
    floor = decode_floor(targets).counter
    for path, release in releases.items():
        if release.counter < floor:
            raise ReleaseError(
                f"{path} has counter {release.counter}, but builds below {floor} have left the"
                " role permanently."
            )
    return releases


def check_counters(releases: Mapping[str, Release]) -> None:
    """Raise ReleaseError unless counters, builds, times and patch levels agree across a role."""
    builds: dict[int, Release] = {}
    names: dict[str, int] = {}
    for path, release in releases.items():
        known = builds.setdefault(release.counter, release)
        if known.fingerprint != release.fingerprint:
            raise ReleaseError(
                f"{path} uses counter {release.counter}, which belongs to {known.fingerprint}."
            )
        if names.setdefault(release.fingerprint, release.counter) != release.counter:
            raise ReleaseError(f"{path} gives the build {release.fingerprint} a second counter.")
        for member in _OF_THE_BUILD:
            given, listed = getattr(release, member), getattr(known, member)
            if given != listed:
                raise ReleaseError(
                    f"{path} gives the build {release.fingerprint} the {member} {given}, but"
                    f" another package of the build has {listed}."
                )
    for earlier, later in pairwise(sorted(builds)):
        older, newer = builds[earlier], builds[later]
        if newer.post_timestamp <= older.post_timestamp:
            raise ReleaseError(
                f"{newer.fingerprint} was not built after {older.fingerprint}, but its counter"
                f" {later} is above {earlier}."
            )
        if newer.security_patch_level < older.security_patch_level:
            raise ReleaseError(
                f"{newer.fingerprint} has an older patch level than {older.fingerprint}, but its"
                f" counter {later} is above {earlier}."
            )


class Floor(msgspec.Struct, frozen=True):
    """The lower limits of a role's builds.

    All listed counters are at least `counter`. New builds are later than `time`, the latest
    post-timestamp of the builds that left, in epoch seconds. Both are 0 while no build has left.
    """

    schema: Literal[1]
    counter: Integer = msgspec.field(name="floor")
    time: Integer = msgspec.field(name="floor_time", default=0)


NO_FLOOR = Floor(schema=1, counter=0)


def decode_floor(targets: Targets) -> Floor:
    """Read the floor of a codename role; a role without a `custom` object has none.

    Raises FormatError for an unknown schema and for malformed members; unknown members are ignored.
    """
    if "custom" not in targets.unrecognized_fields:
        return NO_FLOOR
    custom = targets.unrecognized_fields["custom"]
    schema = custom.get("schema") if isinstance(custom, dict) else None
    if type(schema) is not int or schema != 1:
        raise FormatError(
            f"the role's `custom` has schema {str(schema)[:32]!r}; this version knows schema 1"
            " only."
        )
    try:
        return msgspec.convert(custom, Floor)
    except msgspec.ValidationError as error:
        raise FormatError(f"the role's `custom` is malformed: {error}.") from error


def encode_floor(targets: Targets, floor: Floor) -> dict[str, Any]:
    """Return the role's unrecognized fields with `floor`; unknown members stay."""
    custom = targets.unrecognized_fields.get("custom", {})
    members = {**custom, **msgspec.to_builtins(floor)}
    ordered = {name: members[name] for name in sorted(members)}
    return {**targets.unrecognized_fields, "custom": ordered}
