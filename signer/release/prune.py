"""Takes old builds out of a role, or all of them when a model is retired.

Source: docs/FORMATS.md section 3. Builds leave from the oldest on, up to a floor that the role
remembers: what lies below it is gone for ever, withdrawn or not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Targets

from server.core.errors import ReleaseError
from server.core.floor import Floor, decode_floor
from server.core.names import Channel, decode_release_path
from server.core.release import Release, decode_releases
from server.core.way import find_way, offered_in
from signer.errors import ReleaseRefusal, refusing
from signer.release.edit import next_role


@dataclass(frozen=True, slots=True)
class Pruning:
    """The next version of the role, the paths that leave, and what holds the floor where it is.

    `held_by` is a sentence on why nothing more leaves; empty when nothing is left to hold.
    """

    planned: Targets
    gone: tuple[str, ...]
    floor: int
    held_by: str


def plan_prune(
    codename: str, keep: int, current: Targets, now: datetime, expires: datetime
) -> Pruning:
    """Return the role without the builds that are older than everything that is needed.

    Needed are the newest `keep` unwithdrawn builds of each channel, the builds that their
    incrementals start from, the stepping stones on the way to them, and what still drains at `now`.
    A channel whose builds are all withdrawn needs none of them.
    """
    if keep < 1:
        raise ReleaseRefusal("At least one build is kept in each channel; give --keep 1 or more.")
    with refusing(ReleaseRefusal):
        releases, before = decode_releases(current), decode_floor(current)
    needs = sorted(_needs(keep, releases, now))
    if not needs:
        raise ReleaseRefusal(
            f"{codename} has no build that is offered anywhere; to take all out, retire the model"
            " with `release retire`."
        )
    lowest, held_by = needs[0]
    gone = tuple(path for path, release in releases.items() if release.counter < lowest)
    planned = _without(codename, gone, lowest if gone else before.counter, current, expires)
    return Pruning(planned, gone, lowest if gone else before.counter, held_by)


def plan_retirement(codename: str, current: Targets, expires: datetime) -> Targets:
    """Return the role without any release; a release with a higher counter may follow one day.

    The result equals `current` but for version and expiry when the model is retired already.
    """
    with refusing(ReleaseRefusal):
        releases, before = decode_releases(current), decode_floor(current)
    highest = max((release.counter for release in releases.values()), default=0)
    floor = max(highest + 1, before.counter)
    return _without(codename, tuple(releases), floor, current, expires)


def is_retired(current: Targets) -> bool:
    """Answer whether a role lists nothing and remembers that it did, or was never to."""
    return not current.targets and decode_floor(current).counter > 0


def _without(
    codename: str, gone: tuple[str, ...], floor: int, current: Targets, expires: datetime
) -> Targets:
    before, releases = decode_floor(current), decode_releases(current)
    time = max([before.time, *(releases[path].post_timestamp for path in gone)])
    targets = {path: each for path, each in current.targets.items() if path not in gone}
    after = Floor(schema=1, counter=floor, time=time)
    changed = None if after == before else after
    return next_role(codename, current, targets, expires, changed)


def _needs(keep: int, releases: Mapping[str, Release], now: datetime) -> Iterator[tuple[int, str]]:
    """Yield counters that must stay, each with the sentence that says why."""
    by_build = {release.fingerprint: release.counter for release in releases.values()}
    channels = sorted({decode_release_path(path)[0] for path in releases}, key=str)
    for channel in channels:
        offered = offered_in(channel, releases)
        counters = sorted({release.counter for release in offered.values()}, reverse=True)
        for counter in counters[:keep]:
            yield counter, f"{channel} keeps its newest builds, counter {counter} among {keep}."
            yield from _needs_of(channel, counter, offered, by_build)
    for path, release in releases.items():
        if release.withdrawn and (release.drain_until or 0) > now.timestamp():
            yield release.counter, f"{path} is withdrawn and still drains."


def _needs_of(
    channel: Channel, counter: int, offered: Mapping[str, Release], by_build: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    for path, release in offered.items():
        for source in release.source_builds if release.counter == counter else ():
            if source in by_build:
                yield by_build[source], f"{path} starts from {source}, which stays listed."
    try:
        way = find_way(channel, counter, offered)
    except ReleaseError:
        return  # a stone was withdrawn: nobody is offered this build, so it needs none
    for stone in way[:-1]:
        yield stone, f"{channel} reaches counter {counter} over the stepping stone {stone}."
