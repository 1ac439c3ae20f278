"""Edits of a codename role: its next version, and builds that are removed or withdrawn."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.encodings import MAX_INTEGER
from server.core.errors import HeningError, ReleaseError
from server.core.names import check_codename, decode_channel, decode_release_path
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
    """Return the version after `current` with `targets`, and `floor` if there is a new one.

    The targets are sorted, so that the same edit has the same bytes. Raises an error of the core
    for a forbidden change (docs/FORMATS.md sections 2 and 3).
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
    """Return a target with `custom`, its members sorted; other fields of `known` are kept."""
    kept = {} if known is None else known.unrecognized_fields
    ordered = {name: custom[name] for name in sorted(custom)}
    return TargetFile(length, {"sha256": sha256}, path, {**kept, "custom": ordered})


def is_unchanged(current: Targets, planned: Targets) -> bool:
    """Answer whether an edit changes only version and expiry."""
    return (
        planned.targets == current.targets
        and planned.unrecognized_fields == current.unrecognized_fields
    )


def plan_retirement(codename: str, current: Targets, expires: datetime) -> Targets:
    """Return the role without any release; a release with a higher counter may follow later.

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
    return without(codename, tuple(releases), floor, current, expires)


def without(
    codename: str, gone: Collection[str], floor: int, current: Targets, expires: datetime
) -> Targets:
    """Return the role without the paths `gone`, recording that builds below `floor` have left."""
    before, releases = decode_floor(current), decode_releases(current)
    time = max([before.time, *(releases[path].post_timestamp for path in gone)])
    targets = {path: each for path, each in current.targets.items() if path not in gone}
    after = Floor(schema=1, counter=floor, time=time)
    changed = None if after == before else after
    return next_role(codename, current, targets, expires, changed)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What to withdraw from one model.

    Each of `places` is `CODENAME` or `CODENAME/REGION/CHANNEL`, of which the build with `counter`
    is withdrawn, or the path of one package. `drain_until`, in epoch seconds, is how long servers
    still serve the bytes; None: they stop immediately.
    """

    places: tuple[str, ...]
    counter: int | None = None
    drain_until: int | None = None

    @property
    def codename(self) -> str:
        """The model; ReleaseError when the places are of several, or there is none."""
        names = sorted({place.partition("/")[0] for place in self.places})
        if len(names) != 1:
            raise ReleaseError(
                f"{len(names)} models are named; withdraw from one model at a time, because each"
                " has keys of its own."
            )
        return names[0]


def plan_withdrawal(withdrawal: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Return the next version of the role with the named releases withdrawn.

    What is withdrawn already stays so, and drains no longer than before. Without a change the
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
                f"{place} has counter {releases[place].counter}; leave the counter away."
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
        raise ReleaseError(f"{place} stands for builds; say which one by its counter.")
    found = [
        path
        for path, release in releases.items()
        if path.startswith(f"{place}/") and release.counter == withdrawal.counter
    ]
    if not found:
        raise ReleaseError(
            f"{place} lists no build with counter {withdrawal.counter}: look at its releases."
        )
    return found


def _check_no_rest(paths: Sequence[str], releases: Mapping[str, Release]) -> None:
    """Refuse to withdraw a full package whose incrementals stay."""
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
                    f"{path} is the full package of a build whose {other} would stay, and no"
                    f" pointer can offer that; withdraw the build with"
                    f" counter {withdrawn.counter} from {channel}."
                )
