"""Reads releases (FORMATS section 3), and members of `custom` objects one by one."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from client_sim.device.errors import DeviceError, ReleaseError
from client_sim.world import BuildFacts

CODENAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
FILE: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,90}\.zip")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_LOCALE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_LOCALE_LIMIT: Final = 16
PRINTABLE: Final = re.compile(r"[!-~]+")
MAX_INTEGER: Final = 2**53 - 1

RESERVED: Final = frozenset(
    {"root", "targets", "snapshot", "timestamp", "mirrors", "latest", "tables", "content"}
)


def is_codename(text: str) -> bool:
    """Tell whether `text` names a model: a codename that is not reserved."""
    return (
        CODENAME.fullmatch(text) is not None
        and text not in RESERVED
        and not text.startswith("latest-")
    )


def is_locale(text: str) -> bool:
    """Tell whether `text` has the form of a locale."""
    return len(text) <= _LOCALE_LIMIT and _LOCALE.fullmatch(text) is not None


def pointer_name(codename: str, region: str, channel: str) -> str:
    """Return the target that is the pointer of a model, region and channel."""
    return f"latest/{codename}/{region}/{channel}"


def is_package_path(text: str) -> bool:
    """Tell whether `text` is `CODENAME/REGION/CHANNEL/FILE`."""
    parts = text.split("/")
    return (
        len(parts) == 4
        and is_codename(parts[0])
        and REGION.fullmatch(parts[1]) is not None
        and REGION.fullmatch(parts[2]) is not None
        and FILE.fullmatch(parts[3]) is not None
    )


_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FINGERPRINT_LIMIT: Final = 128


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object to be validated; every method raises `error`, which names the object."""

    subject: str
    error: type[DeviceError]
    values: Mapping[str, object]

    def fail(self, name: str) -> DeviceError:
        """Return the error that says that a member is missing or wrong."""
        return self.error(f"{self.subject} has no valid member {name!r}, so it is not used.")

    def schema(self, name: str) -> None:
        """Check that the schema is 1."""
        value = self.values.get(name)
        if type(value) is not int:
            raise self.fail(name)
        if value != 1:
            raise self.error(
                f"{self.subject} has schema {str(value)[:20]}, which this phone does not know."
            )

    def integer(self, name: str, lowest: int = 0, highest: int = MAX_INTEGER) -> int:
        """Return an integer from `lowest` to `highest`."""
        value = self.values.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise self.fail(name)
        return value

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self.values.get(name)
        if type(value) is not bool:
            raise self.fail(name)
        return value

    def text(self, name: str, limit: int) -> str:
        """Return text of 1 to `limit` characters."""
        value = self.values.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= limit:
            raise self.fail(name)
        return value

    def word(self, name: str, limit: int) -> str:
        """Return 1 to `limit` printable ASCII characters without space."""
        return self._check_word(name, self.values.get(name), limit)

    def date(self, name: str) -> str:
        """Return a valid day `YYYY-MM-DD`."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _DATE.fullmatch(value) or not _is_day(value):
            raise self.fail(name)
        return value

    def items(self, name: str, fewest: int, most: int) -> list[object]:
        """Return a list of `fewest` to `most` items."""
        value = self.values.get(name)
        if not isinstance(value, list) or not fewest <= len(value) <= most:
            raise self.fail(name)
        return value

    def fingerprints(self, name: str) -> tuple[str, ...]:
        """Return a list of at most eight fingerprints."""
        return tuple(
            self._check_word(name, item, _FINGERPRINT_LIMIT) for item in self.items(name, 0, 8)
        )

    def locales(self, name: str, limit: int) -> dict[str, str]:
        """Return an object locale → text: at most 64, each of at most `limit` characters."""
        value = self.values.get(name)
        if not isinstance(value, dict) or len(value) > 64:
            raise self.fail(name)
        for locale, text in value.items():
            if not is_locale(locale) or not isinstance(text, str) or len(text) > limit:
                raise self.fail(name)
        return dict(value)

    def _check_word(self, name: str, value: object, limit: int) -> str:
        if not isinstance(value, str) or len(value) > limit or not PRINTABLE.fullmatch(value):
            raise self.fail(name)
        return value


def read_members(subject: str, error: type[DeviceError], value: object) -> Members:
    """Return the members of `value`; raises `error` if it is not a JSON object."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise error(f"{subject} is not a JSON object, so it is not used.")
    return Members(subject, error, value)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


_HASHES: Final = ("FILE_HASH", "METADATA_HASH")
_SIZES: Final = ("FILE_SIZE", "METADATA_SIZE")
# Canonical base64 of 32 bytes: the last sextet has four bits of data and two zero bits.
_HASH: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")


@dataclass(frozen=True, slots=True)
class Release:
    """The signed description of one package by its model's maintainers (FORMATS section 3)."""

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
        """The build that the package installs."""
        return BuildFacts(
            fingerprint=self.fingerprint,
            incremental=self.incremental,
            counter=self.counter,
            post_timestamp=self.post_timestamp,
            security_patch_level=self.security_patch_level,
        )


def decode_release(path: str, custom: object, subject: str = "") -> Release:
    """Decode the `custom` object of the target `path`; raises ReleaseError.

    The error message uses `subject`, if given, in place of the release's path.
    """
    if not is_package_path(path):
        raise ReleaseError("A release has an invalid path, so it is not used.")
    members = read_members(subject or f"The release {path}", ReleaseError, custom)
    members.schema("schema")
    kind = members.text("type", 11)
    if kind not in {"full", "incremental"}:
        raise members.fail("type")
    counter = members.integer("counter", lowest=1)
    sources = members.fingerprints("source_builds")
    if bool(sources) != (kind == "incremental"):
        raise members.fail("source_builds")
    return Release(
        path=path,
        type="incremental" if kind == "incremental" else "full",
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
