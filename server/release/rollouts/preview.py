"""Preview of a pointer: what phones of each build will be offered. Pure.

Source: docs/FORMATS.md section 4, Choice. It is applied to every build that the model's role lists
in the channel's region, and to an unlisted build, which has counter 0. A phone draws its rollout
number once for the whole upgrade path, so each stepping stone has the same share as the final
build.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from server.core.names import Channel, decode_release_path
from server.core.pointer import Package, Pointer, Step
from server.core.release import Release
from server.publisher.build_names import BuildName, name_step

OLDER = "any older build"


@dataclass(frozen=True, slots=True)
class Hop:
    """One package of an upgrade path: the build that it installs, and its length in bytes."""

    counter: int
    build: str
    type: str
    path: str
    length: int


@dataclass(frozen=True, slots=True)
class UpgradePath:
    """The packages that a phone with `build` installs, in order, once it is admitted.

    `build` is a fingerprint, or OLDER. `end` says how the path ends: `newest` (reached after the
    hops), `current` (nothing newer is offered), `halted`, or `unreachable`.
    """

    build: str
    counter: int
    hops: tuple[Hop, ...]
    end: str

    @property
    def length(self) -> int:
        """The bytes of all packages of the path."""
        return sum(hop.length for hop in self.hops)


class Share(msgspec.Struct, frozen=True):
    """The share of the fleet that is admitted from a time on, in epoch seconds."""

    start: int = msgspec.field(name="from")
    permille: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a pointer on phones from `now` on.

    `shares` begins with the share reached at `now`, with `now` as its time; then come the later
    ones. If `state` is `halted`, no device is admitted.
    """

    channel: str
    now: int
    counter: int
    state: str
    shares: tuple[Share, ...]
    ways: tuple[UpgradePath, ...]
    build: BuildName


def preview(
    channel: Channel, pointer: Pointer, releases: Mapping[str, Release], now: int
) -> Preview:
    """Return the preview of `pointer` from `now` on; upgrade paths by build, oldest first."""
    builds = _known_builds(channel, pointer, releases)
    names = {release.counter: release.fingerprint for release in releases.values()}
    ways = [_find_path(build, counter, pointer, names) for build, counter in builds]
    to_come = [Share(start, permille) for start, permille in pointer.schedule if start > now]
    return Preview(
        channel=str(channel),
        now=now,
        counter=pointer.steps[-1].counter,
        state=describe_state(pointer),
        shares=(Share(now, pointer.permille_at(now)), *to_come),
        ways=tuple(ways),
        build=name_step(pointer.steps[-1], releases),
    )


def describe_state(pointer: Pointer) -> str:
    """Return `halted`, `paused` or `offered`."""
    return "halted" if pointer.halted else "paused" if pointer.paused else "offered"


def _known_builds(
    channel: Channel, pointer: Pointer, releases: Mapping[str, Release]
) -> list[tuple[str, int]]:
    """Return fingerprints with counters, sorted by counter.

    An unlisted source of an incremental is a factory build and has counter 0.
    """
    known = {release.fingerprint: release.counter for release in releases.values()}
    here = {
        release.fingerprint: release.counter
        for path, release in releases.items()
        if decode_release_path(path)[0].region == channel.region
    }
    sources = {
        build: known.get(build, 0)
        for step in pointer.steps
        for package in step.packages
        for build in package.source_builds
    }
    found = sorted({**sources, **here}.items(), key=lambda pair: (pair[1], pair[0]))
    return [(OLDER, 0), *found]


def _find_path(build: str, counter: int, pointer: Pointer, names: Mapping[int, str]) -> UpgradePath:
    final = pointer.steps[-1].counter
    if pointer.halted and counter < final:
        return UpgradePath(build, counter, (), "halted")
    hops: list[Hop] = []
    running, reached = build, counter
    while reached < final:
        step = _next_step(pointer, reached)
        if step is None:
            return UpgradePath(build, counter, tuple(hops), "unreachable")
        package = _choose(step, running)
        running, reached = names.get(step.counter, ""), step.counter
        hops.append(Hop(step.counter, running, package.type, package.path, package.length))
    return UpgradePath(build, counter, tuple(hops), "newest" if hops else "current")


def _next_step(pointer: Pointer, counter: int) -> Step | None:
    reachable = [
        step for step in pointer.steps if step.counter > counter and step.min_counter <= counter
    ]
    return reachable[-1] if reachable else None


def _choose(step: Step, build: str) -> Package:
    fitting = (package for package in step.packages if build in package.source_builds)
    return next(fitting, step.packages[0])
