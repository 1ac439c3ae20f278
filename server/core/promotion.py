"""Promotes a build: the same bytes, listed a second time under another channel of the region.

Source: docs/FORMATS.md section 3. Nothing is uploaded, because the server has the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tuf.api.metadata import TargetFile, Targets

from server.core.build_rules import (
    check_full,
    check_incrementals,
    check_upgrade_path,
    choose_min_counter,
)
from server.core.errors import ReleaseError
from server.core.names import Channel, decode_channel, decode_release_path
from server.core.pointer import offered_in
from server.core.release import Release, decode_releases
from server.core.role_edit import make_target, next_role


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """The build, its channel and the target channel.

    None and an empty changelog keep the build's own in `source`. `factory_builds` are fingerprints
    of builds that phones were delivered with.
    """

    source: Channel
    target: Channel
    counter: int
    min_counter: int | None = None
    changelog: Mapping[str, str] = field(default_factory=dict)
    factory_builds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The next version of the role, its new paths, and remarks on what it leaves out.

    `paths` includes existing ones.
    """

    planned: Targets
    paths: tuple[str, ...]
    left_out: tuple[str, ...]


def plan_promotion(request: PromotionRequest, current: Targets, expires: datetime) -> Promotion:
    """Return the role with the build's packages listed under the target channel, too.

    The full package is always listed. An incremental is listed if its bytes are not withdrawn, and
    its source build is in the target channel or a factory build. Raises ReleaseError across models
    and regions, for a build that is not listed or is withdrawn, and where no pointer could offer it
    in the target channel.
    """
    for channel in (request.source, request.target):
        decode_channel(str(channel))
    releases = decode_releases(current)
    build = _find_build(request, releases)
    stone = choose_min_counter(
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
                f"{path} stays behind: it starts from {missing}, which {request.target} does not"
                " list."
            )
            continue
        new_path = f"{request.target}/{decode_release_path(path)[1]}"
        if new_path in releases and releases[new_path].withdrawn:
            left_out.append(f"{new_path} stays withdrawn: that is final.")
            continue
        gone = withdrawn.get(targets[path].hashes["sha256"])
        if gone is not None and new_path not in releases and release.type == "incremental":
            left_out.append(f"{path} stays behind: its bytes are withdrawn as {gone}.")
            continue
        targets[new_path] = _copy(request, stone, targets[path], new_path, targets.get(new_path))
        paths.append(new_path)
    planned = next_role(request.target.codename, current, targets, expires)
    listed = decode_releases(planned)
    for check in (check_full, check_incrementals, check_upgrade_path):
        check(request.target, request.counter, listed)
    return Promotion(planned, tuple(paths), tuple(left_out))


def _find_build(request: PromotionRequest, releases: Mapping[str, Release]) -> dict[str, Release]:
    source, target = request.source, request.target
    if source == target:
        raise ReleaseError(f"{source} is named twice; say where the build goes to.")
    if (source.codename, source.region) != (target.codename, target.region):
        raise ReleaseError(
            f"a build of {source.codename}/{source.region} cannot go to"
            f" {target.codename}/{target.region}: it is made for one model and region; promote it"
            " among their channels."
        )
    listed = {
        path: release
        for path, release in listed_in(source, releases).items()
        if release.counter == request.counter
    }
    if not listed:
        raise ReleaseError(
            f"{source} lists no build with counter {request.counter}: look at its releases."
        )
    build = offered_in(source, listed)
    if not any(release.type == "full" for release in build.values()):
        raise ReleaseError(
            f"the build with counter {request.counter} is withdrawn from {source}, and that is"
            " final; promote another one."
        )
    for path, release in listed_in(target, releases).items():
        is_this = release.counter == request.counter and release.type == "full"
        if is_this and release.withdrawn:
            raise ReleaseError(f"{path} is withdrawn, and that is final; promote another build.")
    return build


def listed_in(channel: Channel, releases: Mapping[str, Release]) -> dict[str, Release]:
    """Return every release that is listed in `channel`, withdrawn ones included."""
    return {path: each for path, each in releases.items() if path.startswith(f"{channel}/")}


def _missing_source(
    request: PromotionRequest, release: Release, releases: Mapping[str, Release]
) -> str | None:
    known = {each.fingerprint for each in listed_in(request.target, releases).values()}
    known |= request.factory_builds
    return next((source for source in release.source_builds if source not in known), None)


def _copy(
    request: PromotionRequest, stone: int, source: TargetFile, path: str, known: TargetFile | None
) -> TargetFile:
    if known is not None and (known.length, known.hashes) != (source.length, source.hashes):
        raise ReleaseError(
            f"{path} is listed already with other bytes, and a path keeps its bytes for ever."
        )
    custom = {**(source if known is None else known).custom, "min_counter": stone}
    if request.changelog:
        custom["changelog"] = dict(request.changelog)
    return make_target(path, source.length, source.hashes["sha256"], custom, known or source)
