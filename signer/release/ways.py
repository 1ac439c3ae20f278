"""Which packages bring each build to the newest one of its channel.

It is what phones decide from a pointer (docs/FORMATS.md section 4), told before anything is signed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.core.errors import ReleaseError
from server.core.names import Channel, decode_release_path
from server.core.release import Release
from server.core.way import find_way, offered_in


@dataclass(frozen=True, slots=True)
class Way:
    """What a phone that runs `build` installs, in order, until it runs the newest build.

    `counter` is 0 for a build that left the factory and is not listed.
    """

    build: str
    counter: int
    packages: tuple[str, ...]


def plan_ways(
    channel: Channel, releases: Mapping[str, Release], factory_builds: Iterable[str] = ()
) -> list[Way]:
    """Return the way of every older build of the channel, withdrawn ones included, oldest first.

    The list is empty while the channel offers nothing. Raises ReleaseError when the newest build
    cannot be reached.
    """
    offered = offered_in(channel, releases)
    newest = max((release.counter for release in offered.values()), default=0)
    if not newest:
        return []
    steps = find_way(channel, newest, releases)
    running = {
        release.fingerprint: release.counter
        for path, release in releases.items()
        if path.startswith(f"{channel}/")
    }
    known = {release.fingerprint: release.counter for release in releases.values()}
    running |= {build: known.get(build, 0) for build in factory_builds}
    return [
        Way(build, counter, _packages(build, counter, steps, offered))
        for build, counter in sorted(running.items(), key=lambda pair: (pair[1], pair[0]))
        if counter < newest
    ]


def broken_ways(releases: Mapping[str, Release]) -> list[str]:
    """Return a sentence for each channel whose newest build cannot be reached, by channel."""
    channels = {
        str(decode_release_path(path)[0]): decode_release_path(path)[0] for path in releases
    }
    sentences = []
    for name in sorted(channels):
        try:
            plan_ways(channels[name], releases)
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
