"""The allowed changes of a codename role from one version to the next.

Source: docs/FORMATS.md section 3.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType

from tuf.api.metadata import TargetFile, Targets

from server.core.content.index import check_index_succession, decode_index
from server.core.content.kinds import CONTENT_ROLES
from server.core.errors import FormatError, ReleaseError
from server.core.limits import Reset, apply_reset, reset_number
from server.core.names import decode_release_path, is_codename
from server.core.profile import check_delegated
from server.core.release import Floor, Release, decode_floor, decode_releases

_CHANGING = frozenset({"changelog", "drain_until", "withdrawn"})


def check_succession(old: Targets, new: Targets) -> None:
    """Raise ReleaseError unless `new` keeps the paths, bytes, facts and withdrawals of `old`.

    A path may be removed if its counter is below the new floor, which is at most one above the
    highest counter. A new build must have a higher counter than all former builds, and no new path
    may bring back a withdrawn build. Raises FormatError if either role is malformed.
    `server.core.limits` has the limits of each single version.
    """
    floor_before, floor = decode_floor(old), decode_floor(new)
    if floor.counter < floor_before.counter or floor.time < floor_before.time:
        raise ReleaseError("the role's floor falls, so builds that left the role could come back.")
    for path, target in old.targets.items():
        if path in new.targets and _fixed(target) != _fixed(new.targets[path]):
            raise ReleaseError(f"{path} is changed, but a path always keeps its bytes and facts.")
    listed, planned = decode_releases(old), decode_releases(new)
    for path, before in listed.items():
        if path in planned:
            _check_withdrawal(path, before, planned[path])
        else:
            _check_leaving(path, before, floor)
    known = {release.counter for release in listed.values()}
    highest = max(known | {floor_before.counter - 1})
    _check_floor_rises(floor_before, floor, listed, planned)
    for path, release in planned.items():
        if release.counter not in known:
            _check_joining(path, release, highest, floor)
    _check_not_brought_back(old, new, listed | planned)


def _check_floor_rises(
    before: Floor, after: Floor, listed: Mapping[str, Release], planned: Mapping[str, Release]
) -> None:
    """Raise ReleaseError for a floor that is too high, because it never falls again."""
    counters = [release.counter for release in (*listed.values(), *planned.values())]
    if after.counter > max([before.counter, 1, *(counter + 1 for counter in counters)]):
        raise ReleaseError(
            f"the role's floor {after.counter} is more than one above {max(counters, default=0)},"
            " the highest counter so far, and it never falls again."
        )
    if after.time > max([before.time, *(release.post_timestamp for release in listed.values())]):
        raise ReleaseError(
            f"the role's floor_time {after.time} is later than every build that was listed, and it"
            " never falls again."
        )


def _check_withdrawal(path: str, before: Release, after: Release) -> None:
    if not before.withdrawn:
        return
    if not after.withdrawn:
        raise ReleaseError(f"{path} was withdrawn, and that is final.")
    if (after.drain_until or 0) > (before.drain_until or 0):
        raise ReleaseError(f"{path} has a later drain_until, but a drain can only get shorter.")


def _check_leaving(path: str, before: Release, floor: Floor) -> None:
    if before.counter >= floor.counter:
        raise ReleaseError(
            f"{path} is gone, but its counter is not below the role's floor: withdraw the release,"
            " or remove it with all builds before it."
        )
    if before.post_timestamp > floor.time:
        raise ReleaseError(
            f"{path} is gone, but the role's floor_time is before its post_timestamp."
        )


def _check_joining(path: str, release: Release, highest: int, floor: Floor) -> None:
    if release.counter <= highest:
        raise ReleaseError(
            f"{path} adds {release.fingerprint} with counter {release.counter}, which is not above"
            f" {highest}, the highest counter so far."
        )
    if release.post_timestamp <= floor.time:
        raise ReleaseError(
            f"{path} adds {release.fingerprint}, which is not newer than a build that has left the"
            " role permanently."
        )


def _check_not_brought_back(old: Targets, new: Targets, releases: Mapping[str, Release]) -> None:
    """Raise ReleaseError for a new path to withdrawn bytes, or to a completely withdrawn build.

    `releases` has all releases of `old` and `new`; those in both are as in `new`.
    """
    withdrawn_bytes = {
        target.hashes["sha256"]: path
        for path, target in old.targets.items()
        if releases[path].withdrawn
    }
    fulls: dict[tuple[int, str], list[bool]] = {}
    for path in old.targets:
        release = releases[path]
        if release.type == "full":
            for place in ("", str(decode_release_path(path)[0])):
                fulls.setdefault((release.counter, place), []).append(release.withdrawn)
    for path in new.targets.keys() - old.targets.keys():
        known = withdrawn_bytes.get(new.targets[path].hashes["sha256"])
        if known is not None:
            raise ReleaseError(
                f"{path} has the bytes of {known}, which is withdrawn, and that is final; build"
                " the release again."
            )
        channel = str(decode_release_path(path)[0])
        for place in ("", channel):
            if all(fulls.get((releases[path].counter, place), [False])):
                raise ReleaseError(
                    f"{path} leads to {releases[path].fingerprint}, which is withdrawn"
                    f"{f' from {place}' if place else ''}, and that is final; build it again, with"
                    " a new counter."
                )


def _fixed(target: TargetFile) -> str:
    """Return the immutable part of a target, as text because in Python `True` equals 1."""
    members = target.to_dict()
    custom = members.get("custom")
    if isinstance(custom, dict):
        members["custom"] = {name: custom[name] for name in custom if name not in _CHANGING}
    return json.dumps(members, sort_keys=True)


NO_RESETS: Mapping[str, Reset] = MappingProxyType({})


def check_role_content(
    name: str,
    before: Targets | None,
    after: Targets,
    resets: Mapping[str, Reset] = NO_RESETS,
) -> None:
    """Raise a HeningError unless `after` may follow `before` as the next version of role `name`.

    `before` is None for the first version. `resets` are those of the current root.
    """
    check_role_alone(name, after)
    if before is not None and reset_number(after) != reset_number(before):
        before = apply_reset(name, before, resets)
        if reset_number(after) != reset_number(before):
            raise ReleaseError(
                f"{name} {after.version} follows reset {reset_number(after)}, which root does not"
                " have."
            )
    if name in CONTENT_ROLES:
        check_index_succession(name, before, after)
    elif before is not None and is_codename(name):
        check_succession(before, after)


def check_role_alone(name: str, role: Targets) -> None:
    """Raise a HeningError for content that no version of the role `name` may have.

    Use it for a version whose predecessor is not available.
    """
    check_delegated(name, role)
    if name in CONTENT_ROLES:
        decode_index(name, role)
    elif is_codename(name):
        decode_releases(role)
    else:
        for path in role.targets:
            raise FormatError(f"{name} lists {path[:80]!r}, but only the server signs its targets.")
