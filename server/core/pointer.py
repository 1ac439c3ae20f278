"""Pointers: the build that a channel offers, the steps to it, and the share of the fleet.

The functions from `choose_min_counter` on check a build before it is signed. Source:
docs/FORMATS.md section 4.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from server.core.encodings import check_schema
from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel, Locale, decode_pointer_path, decode_release_path
from server.core.release import Day, Fingerprint, Hash, Integer, Positive, Release, check_day

Reason = Annotated[
    dict[Locale, Annotated[str, msgspec.Meta(max_length=500)]], msgspec.Meta(max_length=64)
]
WHOLE_FLEET = 1000  # permille
Permille = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Package(msgspec.Struct, frozen=True):
    """One package of a step's build: target path, length in bytes, sha256, source fingerprints."""

    path: str = msgspec.field(name="p")
    length: Positive = msgspec.field(name="z")
    sha256: Hash = msgspec.field(name="x")
    source_builds: Annotated[list[Fingerprint], msgspec.Meta(max_length=8)] = msgspec.field(
        name="b"
    )

    @property
    def type(self) -> Literal["full", "incremental"]:
        """`incremental` if the package has source builds, else `full`."""
        return "incremental" if self.source_builds else "full"


class Step(msgspec.Struct, frozen=True):
    """One build on the upgrade path to the newest one."""

    counter: Positive = msgspec.field(name="n")
    post_timestamp: Integer = msgspec.field(name="t")
    security_patch_level: Day = msgspec.field(name="l")
    min_counter: Integer = msgspec.field(name="m")
    packages: Annotated[list[Package], msgspec.Meta(min_length=1, max_length=3)] = msgspec.field(
        name="k"
    )

    def __post_init__(self) -> None:
        check_day(self.security_patch_level)
        if [package.type for package in self.packages] != ["full", "incremental", "incremental"][
            : len(self.packages)
        ]:
            raise ValueError("a step has one full package, followed by incrementals")
        if self.min_counter >= self.counter:
            raise ValueError("min_counter is not below counter")


class Pointer(msgspec.Struct, frozen=True):
    """The offer of a channel: steps, schedule of `(from, permille)`, paused, halted, reason.

    `complete_before` is the counter of the newest earlier build that was offered to the whole fleet
    and is not withdrawn; UNSET if none is known. Phones do not read it.
    """

    v: Literal[1]
    steps: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=8)] = msgspec.field(name="s")
    schedule: Annotated[
        list[tuple[Integer, Permille]], msgspec.Meta(min_length=1, max_length=16)
    ] = msgspec.field(name="r")
    paused: bool = msgspec.field(name="p")
    halted: bool = msgspec.field(name="h")
    reason: Reason = msgspec.field(name="t")
    complete_before: Positive | msgspec.UnsetType = msgspec.field(name="c", default=msgspec.UNSET)

    def __post_init__(self) -> None:
        if any(a.counter >= b.counter for a, b in pairwise(self.steps)):
            raise ValueError("the steps' counters do not grow")
        if any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.schedule)):
            raise ValueError("the schedule does not grow")
        if self.complete_before is not msgspec.UNSET and self.complete_before >= self.counter:
            raise ValueError("c is not below the counter of the final step")

    @property
    def counter(self) -> int:
        """The counter of the final step."""
        return self.steps[-1].counter

    def permille_at(self, now: int) -> int:
        """Return the share of the fleet that is admitted at `now`, in permille."""
        return max((permille for start, permille in self.schedule if start <= now), default=0)

    def is_complete_at(self, now: int) -> bool:
        """Return whether the final step is offered to the whole fleet at `now`."""
        return not self.halted and self.permille_at(now) == WHOLE_FLEET


def decode_pointer(path: str, custom: object) -> Pointer:
    """Read the `custom` of the pointer at `path`; its packages must be in the same channel."""
    channel = decode_pointer_path(path)
    check_schema(path, custom, "v")
    try:
        pointer = msgspec.convert(custom, Pointer)
    except (msgspec.ValidationError, ValueError) as error:
        raise FormatError(f"the pointer {path} is malformed: {error}.") from error
    for step in pointer.steps:
        for package in step.packages:
            if decode_release_path(package.path)[0] != channel:
                raise FormatError(
                    f"the pointer {path} offers {package.path}, which is in another channel."
                )
    return pointer


def encode_pointer(pointer: Pointer) -> dict[str, Any]:
    """Return the `custom` object of a pointer; raises FormatError unless it can be read back."""
    custom: dict[str, Any] = msgspec.to_builtins(pointer)
    custom["r"] = [list(pair) for pair in custom["r"]]
    try:
        msgspec.convert(custom, Pointer)
    except msgspec.ValidationError as error:
        raise FormatError(f"a pointer cannot be written: {error}.") from error
    return custom


def check_agreement(
    channel: Channel,
    pointer: Pointer,
    releases: Mapping[str, Release],
    files: Mapping[str, tuple[int, str]],
) -> None:
    """Raise ReleaseError unless each offered package is listed with the same facts, unwithdrawn.

    `files` maps target paths to length and sha256. A halted pointer may name withdrawn releases.
    """
    for step in pointer.steps:
        for package in step.packages:
            release = releases.get(package.path)
            if release is None or files.get(package.path) != (package.length, package.sha256):
                raise ReleaseError(
                    f"{channel} offers {package.path}, which {channel.codename} does not list with"
                    " that length and sha256."
                )
            if release.withdrawn and not pointer.halted:
                raise ReleaseError(f"{channel} offers {package.path}, which is withdrawn.")
            if (
                release.type,
                release.counter,
                release.post_timestamp,
                release.security_patch_level,
                release.min_counter,
                release.source_builds,
            ) != (
                package.type,
                step.counter,
                step.post_timestamp,
                step.security_patch_level,
                step.min_counter,
                package.source_builds,
            ):
                raise ReleaseError(
                    f"{channel} and {channel.codename} describe {package.path} differently."
                )
    before = pointer.complete_before
    if before is not msgspec.UNSET and not has_full(channel, before, releases):
        raise ReleaseError(
            f"{channel} names counter {before} as complete, but {channel.codename} lists no full"
            " package of it there."
        )


MAX_STEPS = 8
MAX_INCREMENTALS = 2


def listed_in(channel: Channel, releases: Mapping[str, Release]) -> dict[str, Release]:
    """Return all releases listed in `channel`, including withdrawn ones."""
    prefix = f"{channel}/"
    return {path: release for path, release in releases.items() if path.startswith(prefix)}


def offered_in(channel: Channel, releases: Mapping[str, Release]) -> dict[str, Release]:
    """Return the releases of `channel` that are not withdrawn."""
    listed = listed_in(channel, releases)
    return {path: release for path, release in listed.items() if not release.withdrawn}


def has_full(channel: Channel, counter: int, releases: Mapping[str, Release]) -> bool:
    """Return whether `channel` lists an unwithdrawn full package of the build `counter`."""
    return any(
        release.counter == counter and release.type == "full"
        for release in offered_in(channel, releases).values()
    )


def find_upgrade_path(channel: Channel, counter: int, releases: Mapping[str, Release]) -> list[int]:
    """Return the counters of the steps to `counter`, ascending, with `counter` last.

    Each step can be installed from the step before it. Raises ReleaseError if `channel` has no full
    package of a required build, or if the path is too long.
    """
    fulls = {
        release.counter: release
        for release in offered_in(channel, releases).values()
        if release.type == "full"
    }
    if counter not in fulls:
        raise ReleaseError(f"{channel} lists no full package of counter {counter}; it needs one.")
    path = [counter]
    while needed := fulls[path[0]].min_counter:
        below = [known for known in fulls if needed <= known < path[0]]
        if not below:
            raise ReleaseError(
                f"{channel} has no release from which {fulls[path[0]].fingerprint} may be"
                f" installed: it needs a full package with a counter from {needed} to"
                f" {path[0] - 1}."
            )
        path.insert(0, max(below))
        if len(path) > MAX_STEPS:
            raise ReleaseError(
                f"{channel} leads to {fulls[counter].fingerprint} by more than {MAX_STEPS} steps,"
                " the maximum of a pointer."
            )
    return path


def choose_min_counter(
    channel: Channel,
    requested: int | None,
    counter: int,
    releases: Mapping[str, Release],
    default: int = 0,
) -> int:
    """Return the `min_counter` of a build in `channel`: `requested`, its current one, or `default`.

    Raises ReleaseError if `requested` differs from the current one, or is not below `counter`.
    """
    if requested is not None and requested >= counter:
        raise ReleaseError(
            f"min_counter {requested} is not below the build's counter {counter}: give less than"
            f" {counter}."
        )
    # A pointer's step has one min_counter for all packages of a build (FORMATS.md section 4).
    same_step = [
        release.min_counter
        for release in listed_in(channel, releases).values()
        if release.counter == counter
    ]
    if requested is None:
        return same_step[0] if same_step else default
    if same_step and same_step[0] != requested:
        raise ReleaseError(
            f"this build's packages in {channel} have min_counter {same_step[0]},"
            " and all must have the same; leave out min_counter."
        )
    return requested


def check_full(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError unless the build has one full package in the channel.

    A pointer to the build needs it for phones without a matching incremental. A withdrawn build
    does not.
    """
    listed = listed_in(channel, planned)
    build = {path: each for path, each in listed.items() if each.counter == counter}
    if build and all(release.withdrawn for release in build.values()):
        return
    fulls = [path for path, each in build.items() if each.type == "full" and not each.withdrawn]
    if not fulls:
        raise ReleaseError(
            f"this build has no full package in {channel}, which phones without a matching"
            " incremental need; name the full package, too."
        )
    if len(fulls) > 1:
        raise ReleaseError(
            f"this build has {len(fulls)} full packages in {channel}, {' and '.join(fulls)}, but"
            " only one can be offered; give the full package the file name that is listed."
        )


def check_incrementals(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError if the build has more incrementals than a pointer's step can hold."""
    count = sum(
        release.counter == counter and release.type == "incremental"
        for release in offered_in(channel, planned).values()
    )
    if count > MAX_INCREMENTALS:
        raise ReleaseError(
            f"this build has {count} incrementals in {channel}, and {MAX_INCREMENTALS} can be"
            " offered; leave out those that the fewest phones need."
        )


def check_upgrade_path(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseError if the channel has no upgrade path to a build with a `min_counter`.

    `check_full` checks whether the build has a full package.
    """
    if has_full(channel, counter, planned):
        find_upgrade_path(channel, counter, planned)
