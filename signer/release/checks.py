"""Judges inspected packages beside the releases that their model has already.

The rules that server and signer share (docs/FORMATS.md section 3) refuse some of this too, in the
words of counters; here the sentence says which package it is and what to do about it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from hening.times import show_second
from server.core import build_rules
from server.core.floor import Floor
from server.core.names import Channel, decode_release_path
from server.core.release import Release
from signer.errors import ReleaseRefusal, refusing
from signer.ota.facts import OtaFacts
from signer.ota.sentences import show_name


def check_dates(facts: OtaFacts, now: datetime) -> None:
    """Raise ReleaseRefusal for a package from the future: no right build could ever follow it.

    A day is allowed for clocks and time zones; patch levels are published up to a month ahead.
    """
    if facts.post_timestamp > (now + timedelta(days=1)).timestamp():
        raise ReleaseRefusal(
            f"{facts.shown} was built on {show_second(facts.post_timestamp)}, which is yet to"
            " come, and no build made before then could follow it; correct the clock of the build"
            " machine and build it again."
        )
    year, month = divmod(now.year * 12 + now.month, 12)
    if facts.security_patch_level > f"{year:04}-{month + 1:02}-31":
        raise ReleaseRefusal(
            f"{facts.shown} has the patch level {facts.security_patch_level}, which is beyond"
            " next month, and no build with a right one could follow it; build it again with a"
            " right one."
        )


def check_region(facts: OtaFacts, channel: Channel, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when the package's build is listed for another region.

    A build is made for one region; it may go from one of that region's channels to the next.
    """
    for path, release in releases.items():
        region = decode_release_path(path)[0].region
        if release.fingerprint == facts.fingerprint and region != channel.region:
            raise ReleaseRefusal(
                f"{facts.shown} is of a build that {show_name(path)} offers to the region"
                f" {region} already; give the package for {channel.region}, or another --region."
            )


def check_age(facts: OtaFacts, counter: int, releases: Mapping[str, Release], floor: Floor) -> None:
    """Raise ReleaseRefusal unless every build of a lower counter, listed or gone, is older."""
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
            f"{facts.shown} is not newer than the role's floor_time, which a build that left or"
            " a reset has set; build it again."
        )


def check_patch_level(facts: OtaFacts, counter: int, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when a build of a lower counter has a newer security patch level."""
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

    A build that phones left the factory with need not be listed; withdrawn builds are known, too.
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
        # Packages of old forms do not say it.
        if facts.source_incrementals and incremental not in facts.source_incrementals:
            raise ReleaseRefusal(
                f"{facts.shown} names {show_name(source)} in pre-build and not its incremental"
                f" {show_name(incremental)} in pre-build-incremental, so phones refuse it."
            )


def check_full(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal unless the build has one full package in the channel."""
    with refusing(ReleaseRefusal):
        build_rules.check_full(channel, counter, planned)


def check_incrementals(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when the build has more incrementals than a pointer's step holds."""
    with refusing(ReleaseRefusal):
        build_rules.check_incrementals(channel, counter, planned)


def check_way(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when a build with a stepping stone cannot be reached in the channel."""
    with refusing(ReleaseRefusal):
        build_rules.check_way(channel, counter, planned)
