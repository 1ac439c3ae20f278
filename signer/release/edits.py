"""Plans edits of a codename role that add no package, and checks changelogs.

The edits are promotion, withdrawal, pruning and retirement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Targets

from hening.times import show_second
from server.core import role_edit
from server.core.errors import FormatError, ReleaseError
from server.core.names import Channel, decode_release_path
from server.core.pointer import find_upgrade_path, offered_in
from server.core.release import Release, decode_floor, decode_releases
from server.core.release_texts import MAX_CHANGELOG, check_plain
from server.core.role_edit import Promotion, Withdrawal, named_paths
from signer.errors import ReleaseRefusal, refusing


@dataclass(frozen=True, slots=True)
class PromotionRequest(role_edit.PromotionRequest):
    """A build to promote, its old and new channel, and the locales that its changelog must have."""

    required_locales: tuple[str, ...] = ()


def plan_promotion(request: PromotionRequest, current: Targets, expires: datetime) -> Promotion:
    """Call `server.core.role_edit.plan_promotion`; raises ReleaseRefusal for its errors.

    ReleaseRefusal is also raised when a changelog lacks a required locale.
    """
    with refusing(ReleaseRefusal):
        planned = role_edit.plan_promotion(request, current, expires)
        listed = decode_releases(planned.planned)
    for path in planned.paths:
        check_locales(listed[path].changelog, request.required_locales)
    return planned


def plan_withdrawal(request: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Call `server.core.role_edit.plan_withdrawal`; raises ReleaseRefusal for its errors."""
    with refusing(ReleaseRefusal):
        return role_edit.plan_withdrawal(request, current, expires)


def find_undrained(request: Withdrawal, current: Targets, planned: Targets) -> list[str]:
    """Return a sentence for each named package whose drain differs from the requested one.

    Such a package was withdrawn before, and a drain can only be set together with the withdrawal.
    """
    with refusing(ReleaseRefusal):
        before, after = decode_releases(current), decode_releases(planned)
        named = named_paths(request, before)
    return [
        f"{path} was withdrawn before, and a drain cannot be added or lengthened later: its bytes"
        f" are served {_until(release.drain_until or 0)}."
        for path in named
        if before[path].withdrawn
        and ((release := after[path]).drain_until or 0) < (request.drain_until or 0)
    ]


def _until(drain_until: int) -> str:
    return f"until {show_second(drain_until)}" if drain_until else "no more"


@dataclass(frozen=True, slots=True)
class Pruning:
    """The next version of the role, the removed paths, and the reason why the floor is not higher.

    `reason` is a sentence on why no more builds are removed. `blocking` are the paths of
    incrementals that start from builds needed for nothing else: if these incrementals were
    withdrawn, the floor could rise to `higher_floor`.
    """

    planned: Targets
    removed: tuple[str, ...]
    floor: int
    reason: str
    blocking: tuple[str, ...]
    higher_floor: int


@dataclass(frozen=True, slots=True)
class _RequiredCounter:
    """A counter that must stay, and the reason as a sentence."""

    counter: int
    reason: str


def plan_prune(
    codename: str, keep: int, current: Targets, now: datetime, expires: datetime
) -> Pruning:
    """Return the role without the builds that are older than every needed build.

    A build is needed if it is among the newest `keep` unwithdrawn builds of a channel, if it is a
    stepping stone to one of these, or if it still drains at `now`. The source builds of an
    incremental that stays listed and is not withdrawn are needed, too. A channel whose builds are
    all withdrawn needs no build.
    """
    if keep < 1:
        raise ReleaseRefusal("At least one build is kept in each channel; give --keep 1 or more.")
    with refusing(ReleaseRefusal):
        releases, before = decode_releases(current), decode_floor(current)
    needs = list(_needs(keep, releases, now))
    if not needs:
        raise ReleaseRefusal(
            f"{codename} has no build that is offered anywhere; to remove all builds, retire the"
            " model with `release retire`."
        )
    oldest = min(needs, key=lambda need: need.counter)
    lowest, edges = oldest, _edges(releases)
    while below := [
        need for path, need in edges if releases[path].counter >= lowest.counter > need.counter
    ]:
        lowest = min(below, key=lambda need: need.counter)
    removed = tuple(path for path, release in releases.items() if release.counter < lowest.counter)
    floor = lowest.counter if removed else before.counter
    with refusing(ReleaseRefusal):
        planned = role_edit.without_paths(codename, removed, floor, current, expires)
    return Pruning(
        planned=planned,
        removed=removed,
        floor=floor,
        reason=lowest.reason,
        blocking=tuple(
            path
            for path, need in edges
            if releases[path].counter >= lowest.counter and need.counter < oldest.counter
        ),
        higher_floor=oldest.counter,
    )


def plan_retirement(codename: str, current: Targets, expires: datetime) -> Targets:
    """Call `server.core.role_edit.plan_retirement`; raises ReleaseRefusal for its errors."""
    with refusing(ReleaseRefusal):
        return role_edit.plan_retirement(codename, current, expires)


def draining(current: Targets, now: datetime) -> tuple[str, ...]:
    """Return the paths that are withdrawn and whose bytes are still served at `now`."""
    with refusing(ReleaseRefusal):
        releases = decode_releases(current)
    return tuple(path for path, release in releases.items() if _drains(release, now))


def _drains(release: Release, now: datetime) -> bool:
    return release.withdrawn and (release.drain_until or 0) > now.timestamp()


def _needs(keep: int, releases: Mapping[str, Release], now: datetime) -> Iterator[_RequiredCounter]:
    edges = _edges(releases)
    channels = sorted({decode_release_path(path)[0] for path in releases}, key=str)
    for channel in channels:
        offered = offered_in(channel, releases)
        counters = sorted({release.counter for release in offered.values()}, reverse=True)
        for counter in counters[:keep]:
            reason = f"{channel} keeps its newest builds, counter {counter} among {keep}."
            yield _RequiredCounter(counter, reason)
            used = {counter}
            for step in _stones(channel, counter, offered):
                yield _RequiredCounter(
                    step, f"{channel} reaches counter {counter} over the stepping stone {step}."
                )
                used.add(step)
            for path, need in edges:
                if path in offered and offered[path].counter in used:
                    yield need
    for path, release in releases.items():
        if _drains(release, now):
            yield _RequiredCounter(release.counter, f"{path} is withdrawn and still drains.")


def _stones(channel: Channel, counter: int, offered: Mapping[str, Release]) -> list[int]:
    try:
        return find_upgrade_path(channel, counter, offered)[:-1]
    except ReleaseError:
        return []  # a stone was withdrawn, so this build is offered to no phone and needs none


def _edges(releases: Mapping[str, Release]) -> list[tuple[str, _RequiredCounter]]:
    """Return a pair for each unwithdrawn incremental and each listed build that it starts from."""
    by_build = {release.fingerprint: release.counter for release in releases.values()}
    return [
        (
            path,
            _RequiredCounter(by_build[source], f"{path} starts from {source}, which stays listed."),
        )
        for path, release in releases.items()
        if not release.withdrawn
        for source in release.source_builds
        if source in by_build
    ]


def check_locales(changelog: Mapping[str, str], required: Sequence[str]) -> None:
    """Raise ReleaseRefusal unless every locale of `required` has a text."""
    missing = [locale for locale in required if not changelog.get(locale, "").strip()]
    if missing:
        raise ReleaseRefusal(
            f"The changelog has no text for {', '.join(missing)}, which policy.toml requires;"
            f" add --changelog {missing[0]}=TEXT."
        )


def check_text(locale: str, text: str) -> None:
    """Raise ReleaseRefusal unless `text` is plain text of the allowed length."""
    try:
        check_plain(text, MAX_CHANGELOG, lines=True)
    except FormatError as error:
        raise ReleaseRefusal(f"The changelog for {locale} is not plain text: {error}.") from error
