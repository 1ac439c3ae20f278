"""Judges inspected packages beside the releases that their model has already.

The server's own rules (docs/FORMATS.md section 3) refuse some of this too, later and in the words
of counters; here the sentence says which package it is and what to do about it.
"""

from collections.abc import Mapping

from server.core.names import Channel, decode_release_path
from server.core.release import Release
from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts


def check_region(facts: OtaFacts, channel: Channel, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when the package's build is listed for another region.

    A build is made for one region; it may go from one of that region's channels to the next.
    """
    for path, release in releases.items():
        region = decode_release_path(path)[0].region
        if release.fingerprint == facts.fingerprint and region != channel.region:
            raise ReleaseRefusal(
                f"{facts.path.name} is of a build that {path} offers to the region {region}"
                f" already; give the package for {channel.region}, or another --region."
            )


def check_order(facts: OtaFacts, counter: int, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal when a build of a lower counter is newer in time or patch level."""
    for release in releases.values():
        if release.counter >= counter:
            continue
        if facts.post_timestamp < release.post_timestamp:
            raise ReleaseRefusal(
                f"{facts.path.name} was built before {release.fingerprint}, which is signed"
                f" already with counter {release.counter}; builds of one codename, of all regions,"
                " are signed in the order in which they were built, so build this one again."
            )
        if facts.security_patch_level < release.security_patch_level:
            raise ReleaseRefusal(
                f"{facts.path.name} has an older patch level than {release.fingerprint}, which is"
                f" signed already with counter {release.counter}; build it with"
                f" {release.security_patch_level} or a newer one."
            )


def check_full(channel: Channel, counter: int, planned: Mapping[str, Release]) -> None:
    """Raise ReleaseRefusal unless the build has a full package in the channel.

    A pointer to it needs one, for phones that no incremental starts from.
    """
    if not any(
        release.type == "full"
        for path, release in planned.items()
        if release.counter == counter and decode_release_path(path)[0] == channel
    ):
        raise ReleaseRefusal(
            f"This build has no full package in {channel}, which phones need that no incremental"
            " starts from; name the full package, too."
        )
