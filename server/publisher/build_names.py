"""A build's name for people: version, patch level, size, date, and the changelog's first line.

Counters put builds in order but are hard to remember. Every page, command and event that names a
build to people takes its name from here. A build is named by its full package. Pure.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from tuf.api.metadata import Targets

from server.core.names import Channel, decode_release_path
from server.core.pointer import Step
from server.core.quantities import spell_size
from server.core.release import Release, decode_release

MAX_CHANGELOG = 200  # characters of a changelog's first line, for tables and events
_FINGERPRINT = re.compile(r"[^:]*:(?P<android>[^/:]+)/[^/:]+/(?P<version>[^/:]+):[^:]*")


class BuildName(msgspec.Struct, frozen=True):
    """A build's name for people; only the counter is set if the channel does not list it."""

    counter: int
    version: str = ""
    """The maker's name for it: the incremental version in its fingerprint."""
    android: str = ""
    """Android's version, from the fingerprint."""
    security_patch_level: str = ""
    length: int = 0
    """Bytes of the full package."""
    built_at: int = 0
    """Epoch seconds."""
    changelog: str = ""
    """The first line of the changelog; in English, if available."""

    @property
    def title(self) -> str:
        """The version and the counter."""
        return f"{self.version} (build {self.counter})" if self.version else f"build {self.counter}"

    def facts(self, day: Callable[[int], str]) -> str:
        """Return patch level, size and date; `day` formats epoch seconds as a date."""
        if not self.version:
            return ""
        android = f"Android {self.android}, " if self.android else ""
        size, built = spell_size(self.length), day(self.built_at)
        return f"{android}patch level {self.security_patch_level}, {size}, built {built}"


def version_of(fingerprint: str) -> str:
    """Return the incremental version in a fingerprint, or all of one in another format."""
    found = _FINGERPRINT.fullmatch(fingerprint)
    return found["version"] if found else fingerprint


def name_step(step: Step, releases: Mapping[str, Release]) -> BuildName:
    """Return the name of the build that a pointer's step leads to."""
    full = step.packages[0]
    release = releases.get(full.path)
    return BuildName(step.counter) if release is None else _name(release, full.length)


class BuildNames:
    """Names builds by channel and counter, from the published roles.

    A model's role is scanned once, at the first request for one of its builds; only named builds
    are decoded.
    """

    def __init__(self, roles: Mapping[str, Targets]) -> None:
        self._roles = roles
        self._paths: dict[str, dict[tuple[str, int], str]] = {}

    def find(self, channel: Channel, counter: int) -> BuildName:
        """Return the name of the build `counter` of a channel."""
        path = self._scan(channel.codename).get((str(channel), counter))
        return BuildName(counter) if path is None else self._decode(channel.codename, path)

    def find_newest(self, channel: Channel) -> BuildName | None:
        """Return the name of a channel's newest build that is not withdrawn, or None."""
        codename = channel.codename
        paths = {
            counter: path
            for (name, counter), path in self._scan(codename).items()
            if name == str(channel) and not self._custom(codename, path).get("withdrawn")
        }
        return self._decode(codename, paths[max(paths)]) if paths else None

    def _scan(self, codename: str) -> dict[tuple[str, int], str]:
        if codename not in self._paths:
            role = self._roles.get(codename)
            self._paths[codename] = {} if role is None else _full_packages(role)
        return self._paths[codename]

    def _custom(self, codename: str, path: str) -> Any:  # noqa: ANN401 - what JSON can hold
        return self._roles[codename].targets[path].unrecognized_fields["custom"]

    def _decode(self, codename: str, path: str) -> BuildName:
        release = decode_release(path, self._custom(codename, path))
        return _name(release, self._roles[codename].targets[path].length)


def _name(release: Release, length: int) -> BuildName:
    found = _FINGERPRINT.fullmatch(release.fingerprint)
    return BuildName(
        counter=release.counter,
        version=found["version"] if found else release.incremental,
        android=found["android"] if found else "",
        security_patch_level=release.security_patch_level,
        length=length,
        built_at=release.post_timestamp,
        changelog=_first_line(release.changelog),
    )


def _full_packages(role: Targets) -> dict[tuple[str, int], str]:
    found = {}
    for path, target in role.targets.items():
        custom = target.unrecognized_fields.get("custom")
        if isinstance(custom, dict) and custom.get("type") == "full":
            found[str(decode_release_path(path)[0]), custom["counter"]] = path
    return found


def _first_line(changelog: Mapping[str, str]) -> str:
    """Return the first line that is not empty, truncated to `MAX_CHANGELOG`."""
    locales = sorted(changelog, key=lambda each: (each.partition("-")[0] != "en", each))
    lines = changelog[locales[0]].split("\n") if locales else []
    line = next((each.strip() for each in lines if each.strip()), "")
    return line if len(line) <= MAX_CHANGELOG else f"{line[: MAX_CHANGELOG - 1]}…"
