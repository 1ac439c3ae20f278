"""Edits a codename role: makes its next version, and removes, withdraws and promotes builds.

Promoting lists a build's packages a second time, in another channel of the region. Nothing is
uploaded, because the server has the bytes. Source: docs/FORMATS.md section 3.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.encodings import MAX_INTEGER
from server.core.errors import HeningError, ReleaseError
from server.core.names import Channel, check_codename, decode_channel, decode_release_path
from server.core.pointer import (
    check_full,
    check_incrementals,
    check_upgrade_path,
    choose_min_counter,
    listed_in,
    offered_in,
)
from server.core.release import Floor, Release, decode_floor, decode_releases, encode_floor
from server.core.release_texts import check_changelogs
from server.core.succession import check_role_content


def next_role(
    codename: str,
    current: Targets,
    targets: Mapping[str, TargetFile],
    expires: datetime,
    floor: Floor | None = None,
) -> Targets:
    """Return the version after `current` with `targets`, and with `floor` if it changes.

    The targets are sorted, so that the same edit gives the same bytes. Raises a HeningError for a
    forbidden change (docs/FORMATS.md sections 2 and 3).
    """
    fields = current.unrecognized_fields if floor is None else encode_floor(current, floor)
    planned = Targets(
        version=current.version + 1,
        expires=expires,
        targets={path: targets[path] for path in sorted(targets)},
        unrecognized_fields=fields,
    )
    check_role_content(codename, current, planned)
    check_changelogs(current, planned)
    return planned


def make_target(
    path: str, length: int, sha256: str, custom: Mapping[str, Any], known: TargetFile | None
) -> TargetFile:
    """Return a target with `custom`, its members sorted; other fields of `known` stay."""
    existing = {} if known is None else known.unrecognized_fields
    ordered = {name: custom[name] for name in sorted(custom)}
    return TargetFile(length, {"sha256": sha256}, path, {**existing, "custom": ordered})


def is_unchanged(current: Targets, planned: Targets) -> bool:
    """Return whether an edit changes only version and expiry."""
    return (
        planned.targets == current.targets
        and planned.unrecognized_fields == current.unrecognized_fields
    )


def plan_retirement(codename: str, current: Targets, expires: datetime) -> Targets:
    """Return the role without releases; releases with higher counters may be added later.

    If the model is retired already, the result differs from `current` only in version and expiry.
    """
    releases, before = decode_releases(current), decode_floor(current)
    highest = max((release.counter for release in releases.values()), default=0)
    floor = max(highest + 1, before.counter)
    if floor > MAX_INTEGER:
        raise ReleaseError(
            f"{codename} cannot be retired, because no counter is left above {highest}; withdraw"
            " its builds instead."
        )
    return without_paths(codename, tuple(releases), floor, current, expires)


def without_paths(
    codename: str, removed: Collection[str], floor: int, current: Targets, expires: datetime
) -> Targets:
    """Return the role without the paths `removed`; it records that builds below `floor` left."""
    before, releases = decode_floor(current), decode_releases(current)
    time = max([before.time, *(releases[path].post_timestamp for path in removed)])
    targets = {path: each for path, each in current.targets.items() if path not in removed}
    after = Floor(schema=1, counter=floor, time=time)
    changed = None if after == before else after
    return next_role(codename, current, targets, expires, changed)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A request to withdraw releases of one model.

    Each of `places` is the path of a package, or `CODENAME` or `CODENAME/REGION/CHANNEL`, from
    which the build with `counter` is withdrawn. Servers continue to serve the bytes until
    `drain_until`, in epoch seconds; with None they stop immediately.
    """

    places: tuple[str, ...]
    counter: int | None = None
    drain_until: int | None = None

    @property
    def codename(self) -> str:
        """The model; raises ReleaseError unless the places are of exactly one model."""
        names = sorted({place.partition("/")[0] for place in self.places})
        if len(names) != 1:
            raise ReleaseError(
                f"{len(names)} models are named; withdraw from one model at a time, because each"
                " model has its own keys."
            )
        return names[0]


def plan_withdrawal(withdrawal: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Return the next version of the role with the named releases withdrawn.

    A withdrawn release stays withdrawn, and its drain never gets longer. Without a change the
    result differs from `current` only in version and expiry. Raises ReleaseError for a place
    without listed releases, and for a full package whose incrementals would stay.
    """
    releases = decode_releases(current)
    codename = withdrawal.codename
    paths = named_paths(withdrawal, releases)
    _check_no_rest(paths, releases)
    targets = dict(current.targets)
    for path in paths:
        known, release = targets[path], releases[path]
        custom = {**known.custom, "withdrawn": True}
        custom.pop("drain_until", None)
        until = withdrawal.drain_until
        if until is not None and release.withdrawn:
            until = min(until, release.drain_until or 0)
        if until:
            custom["drain_until"] = until
        targets[path] = make_target(path, known.length, known.hashes["sha256"], custom, known)
    return next_role(codename, current, targets, expires)


def named_paths(withdrawal: Withdrawal, releases: Mapping[str, Release]) -> list[str]:
    """Return the paths that a withdrawal names, sorted; raises ReleaseError if it names none."""
    return sorted(
        {path for place in withdrawal.places for path in _find(withdrawal, place, releases)}
    )


def _find(withdrawal: Withdrawal, place: str, releases: Mapping[str, Release]) -> list[str]:
    if place.endswith(".zip"):
        if place not in releases:
            raise ReleaseError(f"{place[:120]} is not listed.")
        if withdrawal.counter not in (None, releases[place].counter):
            raise ReleaseError(
                f"{place} has counter {releases[place].counter}; leave out the counter."
            )
        return [place]
    try:
        (decode_channel if "/" in place else check_codename)(place)
    except HeningError as error:
        raise ReleaseError(
            f"{place[:120]!r} is neither CODENAME, CODENAME/REGION/CHANNEL nor the path of a"
            " package."
        ) from error
    if withdrawal.counter is None:
        raise ReleaseError(f"{place} is not a package; give the counter of the build.")
    found = [
        path
        for path, release in releases.items()
        if path.startswith(f"{place}/") and release.counter == withdrawal.counter
    ]
    if not found:
        raise ReleaseError(
            f"{place} lists no build with counter {withdrawal.counter}: check its releases."
        )
    return found


def _check_no_rest(paths: Sequence[str], releases: Mapping[str, Release]) -> None:
    """Raise ReleaseError for a full package whose incrementals would stay."""
    for path in paths:
        withdrawn = releases[path]
        if withdrawn.type != "full" or withdrawn.withdrawn:
            continue
        channel = decode_release_path(path)[0]
        for other, release in releases.items():
            if (
                other not in paths
                and decode_release_path(other)[0] == channel
                and release.counter == withdrawn.counter
                and not release.withdrawn
            ):
                raise ReleaseError(
                    f"{path} is the full package of a build whose {other} would stay, and a"
                    f" pointer cannot offer a build without its full package; withdraw the build"
                    f" with counter {withdrawn.counter} from {channel}."
                )


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """The build, its channel and the target channel.

    If `min_counter` is None, or `changelog` is empty, the build's value in `source` is used.
    `factory_builds` are fingerprints of the builds with which phones were delivered.
    """

    source: Channel
    target: Channel
    counter: int
    min_counter: int | None = None
    changelog: Mapping[str, str] = field(default_factory=dict)
    factory_builds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The next version of the role, the build's paths in the target channel, and remarks.

    `paths` includes paths that existed before. `left_out` has a sentence for each package that is
    not promoted.
    """

    planned: Targets
    paths: tuple[str, ...]
    left_out: tuple[str, ...]


def plan_promotion(request: PromotionRequest, current: Targets, expires: datetime) -> Promotion:
    """Return the role with the build's packages listed under the target channel, too.

    The full package is always listed. An incremental is listed if its bytes are not withdrawn, and
    its source build is in the target channel or a factory build. Raises ReleaseError for channels
    of different models or regions, for a build that is not listed or is withdrawn, and if no
    pointer could offer the build in the target channel.
    """
    for channel in (request.source, request.target):
        decode_channel(str(channel))
    releases = decode_releases(current)
    build = _find_build(request, releases)
    min_counter = choose_min_counter(
        request.target,
        request.min_counter,
        request.counter,
        releases,
        default=next(iter(build.values())).min_counter,
    )
    targets, paths, left_out = dict(current.targets), [], []
    withdrawn = {
        targets[path].hashes["sha256"]: path for path, each in releases.items() if each.withdrawn
    }
    for path, release in build.items():
        missing = _missing_source(request, release, releases)
        if missing is not None:
            left_out.append(
                f"{path} is not promoted: it starts from {missing}, which {request.target} does"
                " not list."
            )
            continue
        new_path = f"{request.target}/{decode_release_path(path)[1]}"
        if new_path in releases and releases[new_path].withdrawn:
            left_out.append(f"{new_path} stays withdrawn: that is final.")
            continue
        withdrawal = withdrawn.get(targets[path].hashes["sha256"])
        if withdrawal is not None and new_path not in releases and release.type == "incremental":
            left_out.append(f"{path} is not promoted: its bytes are withdrawn as {withdrawal}.")
            continue
        targets[new_path] = _copy(
            request, min_counter, targets[path], new_path, targets.get(new_path)
        )
        paths.append(new_path)
    planned = next_role(request.target.codename, current, targets, expires)
    listed = decode_releases(planned)
    for check in (check_full, check_incrementals, check_upgrade_path):
        check(request.target, request.counter, listed)
    return Promotion(planned, tuple(paths), tuple(left_out))


def _find_build(request: PromotionRequest, releases: Mapping[str, Release]) -> dict[str, Release]:
    source, target = request.source, request.target
    if source == target:
        raise ReleaseError(
            f"{source} is named twice; name the channel to which the build is promoted."
        )
    if (source.codename, source.region) != (target.codename, target.region):
        raise ReleaseError(
            f"a build of {source.codename}/{source.region} cannot go to"
            f" {target.codename}/{target.region}: it is made for one model and region; promote it"
            " between their channels."
        )
    listed = {
        path: release
        for path, release in listed_in(source, releases).items()
        if release.counter == request.counter
    }
    if not listed:
        raise ReleaseError(
            f"{source} lists no build with counter {request.counter}: check its releases."
        )
    build = offered_in(source, listed)
    if not any(release.type == "full" for release in build.values()):
        raise ReleaseError(
            f"the build with counter {request.counter} is withdrawn from {source}, and that is"
            " final; promote another build."
        )
    for path, release in listed_in(target, releases).items():
        is_this = release.counter == request.counter and release.type == "full"
        if is_this and release.withdrawn:
            raise ReleaseError(f"{path} is withdrawn, and that is final; promote another build.")
    return build


def _missing_source(
    request: PromotionRequest, release: Release, releases: Mapping[str, Release]
) -> str | None:
    known = {each.fingerprint for each in listed_in(request.target, releases).values()}
    known |= request.factory_builds
    return next((source for source in release.source_builds if source not in known), None)


def _copy(
    request: PromotionRequest,
    min_counter: int,
    source: TargetFile,
    path: str,
    known: TargetFile | None,
) -> TargetFile:
    if known is not None and (known.length, known.hashes) != (source.length, source.hashes):
        raise ReleaseError(
            f"{path} is listed already with other bytes, and a path always keeps its bytes."
        )
    custom = {**(source if known is None else known).custom, "min_counter": min_counter}
    if request.changelog:
        custom["changelog"] = dict(request.changelog)
    return make_target(path, source.length, source.hashes["sha256"], custom, known or source)
