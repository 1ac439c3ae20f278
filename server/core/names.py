"""Names of roles, targets and files, and the paths under which they are published.

Source: docs/FORMATS.md sections 1, 2 and 8.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import msgspec

from server.core.errors import FormatError

_LOCALE = r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"
_MOST_OF_LOCALE = 16
Locale = Annotated[str, msgspec.Meta(pattern=rf"^{_LOCALE}\Z", max_length=_MOST_OF_LOCALE)]

TOP_LEVEL_ROLES = ("root", "targets", "snapshot", "timestamp")
ONLINE_ROLES = ("latest", "snapshot", "timestamp")
COMMON_ROLES = ("tables", "content", "latest")
RESERVED_ROLES = frozenset({*TOP_LEVEL_ROLES, *COMMON_ROLES, "mirrors"})

_ROLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PART = re.compile(r"latest-[0-9a-f]")
_SEGMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
_FILE = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,90}\.zip")


@dataclass(frozen=True, slots=True)
class Channel:
    """The place where a release is offered: codename, region and channel."""

    codename: str
    region: str
    channel: str

    def __str__(self) -> str:
        return f"{self.codename}/{self.region}/{self.channel}"

    @property
    def pointer_path(self) -> str:
        """The target path of this channel's pointer."""
        return f"latest/{self}"


def is_latest(role: str) -> bool:
    """Return whether `role` is `latest` or has the name of one of its parts."""
    return role == "latest" or is_part(role)


def is_part(role: str) -> bool:
    """Return whether `role` has the name of a part of `latest`."""
    return _PART.fullmatch(role) is not None


def is_online(role: str) -> bool:
    """Return whether the server signs `role`: `latest`, its parts, snapshot and timestamp."""
    return role in ONLINE_ROLES or is_latest(role)


def is_locale(text: str) -> bool:
    """Return whether `text` has the form of a locale, such as `id` or `zh-TW`."""
    return len(text) <= _MOST_OF_LOCALE and re.fullmatch(_LOCALE, text) is not None


def is_codename(text: str) -> bool:
    """Return whether `text` may name a model's role."""
    return (
        _ROLE.fullmatch(text) is not None
        and text not in RESERVED_ROLES
        and not text.startswith("latest-")
    )


def check_codename(text: str) -> None:
    """Raise FormatError unless `text` may name a model's role."""
    if not is_codename(text):
        raise FormatError(
            f"{text[:64]!r} is not a codename: lower-case letters, digits, `_` and `-`,"
            " at most 32, and not a reserved role name."
        )


def check_role(text: str) -> None:
    """Raise FormatError unless `text` is a role name, reserved or not."""
    if _ROLE.fullmatch(text) is None:
        raise FormatError(f"{text[:64]!r} is not a role name.")


def check_file_name(text: str) -> None:
    """Raise FormatError unless `text` may name a package file."""
    if _FILE.fullmatch(text) is None:
        raise FormatError(f"{text[:120]!r} is not a package file name.")


def decode_channel(text: str) -> Channel:
    """Read `CODENAME/REGION/CHANNEL`."""
    parts = text.split("/")
    if len(parts) != 3:
        raise FormatError(f"{text[:80]!r} is not of the form CODENAME/REGION/CHANNEL.")
    codename, region, channel = parts
    check_codename(codename)
    for part in (region, channel):
        if _SEGMENT.fullmatch(part) is None:
            raise FormatError(f"{part[:32]!r} is not a region or channel name.")
    return Channel(codename, region, channel)


def decode_release_path(path: str) -> tuple[Channel, str]:
    """Read `CODENAME/REGION/CHANNEL/FILE` into channel and file name."""
    directory, _, file = path.rpartition("/")
    check_file_name(file)
    return decode_channel(directory), file


def decode_pointer_path(path: str) -> Channel:
    """Read `latest/CODENAME/REGION/CHANNEL`."""
    prefix, _, rest = path.partition("/")
    if prefix != "latest":
        raise FormatError(f"{path[:80]!r} is not the path of a pointer.")
    return decode_channel(rest)


def role_pattern(role: str) -> str:
    """Return the path pattern of the targets that `role` may sign."""
    return f"{role}/*/*" if role in {"tables", "content"} else f"{role}/*/*/*"


def metadata_name(role: str, version: int) -> str:
    """Return the file name of a role's version below `/metadata/`."""
    return "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"


def hashed_target_path(path: str, sha256: str) -> str:
    """Return a target's path with its hash before the file name (consistent snapshots)."""
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}{sha256}.{name}"


# It allows one or two wrong letters in a name, but not `beta` for `stable` in a long name.
_LIKENESS = 0.82
_SHORT = 4, 5  # names of these lengths may have one wrong letter, although their ratio is lower


def suggest_similar(name: str, known: Iterable[str]) -> str:
    """Return a question with the known name most similar to `name`; empty if none is similar."""
    likeness = 1 - 1 / len(name) if len(name) in _SHORT else _LIKENESS
    found = get_close_matches(name, sorted(set(known) - {name}), n=1, cutoff=likeness)
    return f" Did you mean {found[0]}?" if found else ""
