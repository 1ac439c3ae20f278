"""Checks inspected packages against the existing releases of their model.

The rules that server and signer share (docs/FORMATS.md section 3) refuse some of this too, but
their messages speak of counters. The messages here name the package and say what to do.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from hening.times import show_second
from server.core.errors import ReleaseError
from server.core.names import Channel, decode_release_path
from server.core.pointer import find_upgrade_path, offered_in
from server.core.release import Floor, Release
from signer.errors import ReleaseRefusal
from signer.ota.errors import show_name
from signer.ota.summary import OtaFacts


def check_dates(facts: OtaFacts, now: datetime) -> None:
    """Raise ReleaseRefusal for a package dated in the future: no correct build could follow it.

    One day is tolerated for clocks and time zones; patch levels are published up to a month ahead.
    """
    if facts.post_timestamp > (now + timedelta(days=1)).timestamp():
        raise ReleaseRefusal(
            f"{facts.shown} was built on {show_second(facts.post_timestamp)}, which is in the"
            " future, and no build made before then could follow it; correct the clock of the build"
            " machine and build it again."
        )
    year, month = divmod(now.year * 12 + now.month, 12)
    if facts.security_patch_level > f"{year:04}-{month + 1:02}-31":
        raise ReleaseRefusal(
            f"{facts.shown} has the patch level {facts.security_patch_level}, which is beyond"
            " next month, and no build with a correct one could follow it; build it again with the"
            " correct one."
        )


def check_region(facts: OtaFacts, channel: Channel, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when the package's build is listed for another region.

    A build is made for one region, and can only be promoted between that region's channels.
    """
    for path, release in releases.items():
        region = decode_release_path(path)[0].region
        if release.fingerprint == facts.fingerprint and region != channel.region:
            raise ReleaseRefusal(
                f"{facts.shown} is of a build that {show_name(path)} offers to the region"
                f" {region} already; give the package for {channel.region}, or another --region."
            )


def check_age(facts: OtaFacts, counter: int, releases: Mapping[str, Release], floor: Floor) -> None:
    """Raise ReleaseRefusal unless every build with a lower counter, listed or removed, is older."""
    for release in releases.values():
        if release.counter < counter and facts.post_timestamp <= release.post_timestamp:
            raise ReleaseRefusal(
                f"{facts.shown} was not built after {show_name(release.fingerprint)}, which is"
                f" signed already with counter {release.counter}; builds of one codename, of all"
                " regions, are signed in the order in which they were built, so build it again."
            )
    is_known = any(release.counter == counter for release in releases.values())
    if not is_known and facts.post_timestamp <= floor.time:
        raise ReleaseRefusal(
            f"{facts.shown} is not newer than the role's floor_time, which a removed build or a"
            " reset has set; build it again."
        )


def check_patch_level(facts: OtaFacts, counter: int, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when a build with a lower counter has a newer security patch level."""
    for release in releases.values():
        if release.counter < counter and facts.security_patch_level < release.security_patch_level:
            raise ReleaseRefusal(
                f"{facts.shown} has an older patch level than {show_name(release.fingerprint)},"
                f" which is signed already with counter {release.counter}; build it with"
                f" {release.security_patch_level} or a newer one."
            )


def check_sources(
    facts: OtaFacts,
    channel: Channel,
    counter: int,
    releases: Mapping[str, Release],
    factory_builds: AbstractSet[str],
) -> None:
    """Raise ReleaseRefusal unless an incremental starts from older builds that the role knows.

    A factory build need not be listed; withdrawn builds are known, too.
    """
    known = {
        release.fingerprint: (
            *(release.counter, decode_release_path(path)[0].region),
            release.incremental,
        )
        for path, release in releases.items()
    }
    for source in facts.source_builds:
        if source in factory_builds and source not in known:
            continue
        if source not in known:
            raise ReleaseRefusal(
                f"{facts.shown} starts from {show_name(source)}, which {channel.codename} does not"
                " list; sign that build first, or state with --factory-build that phones left the"
                " factory with it."
            )
        older, region, incremental = known[source]
        if older >= counter:
            raise ReleaseRefusal(
                f"{facts.shown} starts from {show_name(source)}, which is not older than the build"
                " that it leads to; give the package that starts from an older one."
            )
        if region != channel.region:
            raise ReleaseRefusal(
                f"{facts.shown} starts from {show_name(source)}, a build for the region {region};"
                f" give the package for {channel.region}."
            )
        # Packages of old formats have no source_incrementals.
        if facts.source_incrementals and incremental not in facts.source_incrementals:
            raise ReleaseRefusal(
                f"{facts.shown} names {show_name(source)} in pre-build and not its incremental"
                f" {show_name(incremental)} in pre-build-incremental, so phones refuse it."
            )


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """The packages that a phone on `build` installs, in order, to reach the newest build.

    `counter` is 0 for a factory build that is not listed.
    """

    build: str
    counter: int
    packages: tuple[str, ...]


def list_upgrade_paths(
    channel: Channel, releases: Mapping[str, Release], factory_builds: Iterable[str] = ()
) -> list[UpgradePath]:
    """Return the upgrade path from each older build of the channel, oldest build first.

    Withdrawn builds are included. The list is empty while the channel offers nothing. Raises
    ReleaseError when the newest build cannot be reached.
    """
    offered = offered_in(channel, releases)
    newest = max((release.counter for release in offered.values()), default=0)
    if not newest:
        return []
    steps = find_upgrade_path(channel, newest, releases)
    running = {
        release.fingerprint: release.counter
        for path, release in releases.items()
        if path.startswith(f"{channel}/")
    }
    known = {release.fingerprint: release.counter for release in releases.values()}
    running |= {build: known.get(build, 0) for build in factory_builds}
    return [
        UpgradePath(build, counter, _packages(build, counter, steps, offered))
        for build, counter in sorted(running.items(), key=lambda pair: (pair[1], pair[0]))
        if counter < newest
    ]


def broken_upgrade_paths(releases: Mapping[str, Release]) -> list[str]:
    """Return a sentence for each channel whose newest build cannot be reached, sorted by name."""
    sentences = []
    for channel in sorted({decode_release_path(path)[0] for path in releases}, key=str):
        try:
            list_upgrade_paths(channel, releases)
        except ReleaseError as error:
            sentences.append(str(error))
    return sentences


def _packages(
    build: str, counter: int, steps: list[int], offered: Mapping[str, Release]
) -> tuple[str, ...]:
    packages: list[str] = []
    while counter < steps[-1]:
        fulls = {r.counter: path for path, r in offered.items() if r.type == "full"}
        step = max(
            each for each in steps if each > counter and offered[fulls[each]].min_counter <= counter
        )
        incrementals = sorted(
            path
            for path, release in offered.items()
            if release.counter == step and build in release.source_builds
        )
        packages.append(incrementals[0] if incrementals else fulls[step])
        build, counter = offered[fulls[step]].fingerprint, step
    return tuple(packages)
