"""Pointer editing with intent: offer, set, pause, halt. Pure: pointers in, pointers out.

Raising the share only adds phones, so a schedule never falls below the share reached. Halting takes
precedence: a halted pointer can only be followed by an offer with a higher counter.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from server.core.names import Channel, decode_pointer_path, decode_release_path, suggest_similar
from server.core.pointer import (
    MAX_INCREMENTALS,
    Package,
    Pointer,
    Step,
    decode_pointer,
    encode_pointer,
    find_upgrade_path,
    has_full,
    offered_in,
)
from server.core.release import Release, decode_floor, decode_releases
from server.core.release_texts import sound_reason
from server.publisher.build_names import name_step
from server.publisher.errors import PublishError
from server.publisher.published import Trust

Schedule = Sequence[tuple[int, int]]


def newest_counter(channel: Channel, releases: Mapping[str, Release]) -> int:
    """Return the highest counter of an unwithdrawn release in `channel`.

    Raises PublishError if there is none.
    """
    _check_has_release(channel, releases)
    return max(release.counter for release in offered_in(channel, releases).values())


def plan_offer(
    channel: Channel,
    counter: int,
    releases: Mapping[str, Release],
    files: Mapping[str, tuple[int, str]],
    schedule: Schedule,
    current: Pointer | None,
    now: int,
) -> Pointer:
    """Return the pointer that offers `counter` in `channel` with the stepping stones it needs.

    It replaces `current`. If the rollout of `current` is complete at `now`, it names that build as
    complete, otherwise the one that `current` names (FORMATS section 4).
    """
    if current is not None and counter <= current.steps[-1].counter:
        known = name_step(current.steps[-1], releases).title
        state = "has halted" if current.halted else "already offers"
        raise PublishError(f"{channel} {state} {known}; offer a later build.")
    _check_has_release(channel, releases)
    offered = offered_in(channel, releases)
    steps = [
        _step(channel, step, offered, files)
        for step in find_upgrade_path(channel, counter, releases)
    ]
    custom = {
        "v": 1,
        "s": [msgspec.to_builtins(step) for step in steps],
        "r": [list(pair) for pair in schedule],
        "p": False,
        "h": False,
        "t": {},
    }
    if current is not None:
        is_complete = current.is_complete_at(now)
        before = current.counter if is_complete else current.complete_before
        if before is not msgspec.UNSET and has_full(channel, before, releases):
            custom["c"] = before
    return _checked(channel, custom)


def plan_schedule(channel: Channel, pointer: Pointer, schedule: Schedule, now: int) -> Pointer:
    """Return the pointer with a new schedule from `now` on; also resumes a paused one."""
    _check_not_halted(channel, pointer)
    reached = pointer.permille_at(now)
    if any(permille < reached for _, permille in schedule):
        raise PublishError(
            f"{channel} has reached {reached / 10:g}%, and phones cannot be taken out again:"
            " halt it instead."
        )
    past = [pair for pair in pointer.schedule if pair[0] <= now and pair[0] < schedule[0][0]]
    # The newest of these explains the share that was reached before the new schedule.
    pairs = [list(pair) for pair in (*past[-1:], *schedule)]
    return _checked(channel, encode_pointer(pointer) | {"p": False, "t": {}, "r": pairs})


def plan_pause(channel: Channel, pointer: Pointer, reason: Mapping[str, str], now: int) -> Pointer:
    """Return the pointer with its share frozen at the value reached at `now`."""
    _check_not_halted(channel, pointer)
    past = [[start, permille] for start, permille in pointer.schedule if start <= now]
    custom = encode_pointer(pointer) | {"p": True, "t": sound_reason(reason, pointer)}
    return _checked(channel, custom | {"r": past or [[now, 0]]})


def plan_halt(channel: Channel, pointer: Pointer, reason: Mapping[str, str]) -> Pointer:
    """Return the pointer that admits no device; once halted, only its reason can change."""
    sound = sound_reason(reason, pointer)
    if pointer.halted and (not sound or sound == pointer.reason):
        return pointer
    return _checked(channel, encode_pointer(pointer) | {"h": True, "t": sound})


def _check_has_release(channel: Channel, releases: Mapping[str, Release]) -> None:
    if not offered_in(channel, releases):
        others = (str(decode_release_path(path)[0]) for path in releases)
        near = suggest_similar(str(channel), others)
        raise PublishError(f"{channel} has no release: sign one first.{near}")


def _step(
    channel: Channel,
    counter: int,
    offered: Mapping[str, Release],
    files: Mapping[str, tuple[int, str]],
) -> Step:
    found = {path: r for path, r in offered.items() if r.counter == counter}
    full = [path for path, release in found.items() if release.type == "full"]
    if len(full) != 1:
        raise PublishError(
            f"{channel} lists {len(full)} full packages of counter {counter}; it needs one."
        )
    first = found[full[0]]
    increments = sorted(path for path, release in found.items() if release.type == "incremental")
    if len(increments) > MAX_INCREMENTALS or any(
        found[path].min_counter != first.min_counter for path in increments
    ):
        raise PublishError(
            f"{channel} lists more than {MAX_INCREMENTALS} incrementals of counter {counter},"
            " or with another min_counter than the full package."
        )
    return Step(
        counter=counter,
        post_timestamp=first.post_timestamp,
        security_patch_level=first.security_patch_level,
        min_counter=first.min_counter,
        packages=[
            Package(path, *files[path], list(found[path].source_builds))
            for path in [full[0], *increments]
        ],
    )


def _check_not_halted(channel: Channel, pointer: Pointer) -> None:
    if pointer.halted:
        raise PublishError(f"{channel} is halted for good: offer a later release.")


def _checked(channel: Channel, custom: dict[str, Any]) -> Pointer:
    return decode_pointer(channel.pointer_path, custom)


WITHDRAWN = {"en": "This release was withdrawn."}


def follow_roles(
    pointers: Mapping[str, Pointer], trust: Trust, changed: Collection[str]
) -> dict[str, Pointer]:
    """Return the pointers adapted to `trust`; only those of `changed` roles can change.

    A withdrawn incremental is removed from its step, and phones take the full package. A withdrawn
    full package halts the pointer. A complete build that is withdrawn, or gone from its role, is no
    longer named. A halted pointer is dropped if all its builds are gone from the role; if the role
    is empty, as of a retired model, all its pointers are. A reset of root drops the pointers to
    builds that it removed. Raises PublishError if another pointer still offers a package that its
    role no longer lists.
    """
    releases = {
        codename: decode_releases(trust.roles[codename])
        for codename in {decode_pointer_path(path).codename for path in pointers}
        if codename in changed
    }
    followed = {}
    for path, pointer in pointers.items():
        channel = decode_pointer_path(path)
        if channel.codename not in changed:
            followed[path] = pointer
            continue
        listed = releases[channel.codename]
        floor = decode_floor(trust.roles[channel.codename]).counter
        if listed and not _is_dropped(channel, pointer, listed, floor):
            followed[path] = _follow_withdrawal(channel, pointer, listed)
    return followed


def _is_dropped(
    channel: Channel, pointer: Pointer, listed: Mapping[str, Release], floor: int
) -> bool:
    """Answer whether a pointer is to be dropped, because builds are gone from its role.

    That is so if it is halted and all its builds are gone, or if a reset removed one of them.
    Raises PublishError if it still offers any other build that is gone.
    """
    offered = [package.path for step in pointer.steps for package in step.packages]
    missing = [path for path in offered if path not in listed]
    if not missing:
        return False
    if pointer.halted and len(missing) == len(offered):
        return True
    # Above the floor only a reset removes a build.
    if any(step.counter >= floor and step.packages[0].path in missing for step in pointer.steps):
        return True
    raise PublishError(
        f"{channel} still offers {missing[0]}, which {channel.codename} no longer lists: roll out a"
        " newer build there first."
    )


def _follow_withdrawal(
    channel: Channel, pointer: Pointer, listed: Mapping[str, Release]
) -> Pointer:
    before = pointer.complete_before
    if before is not msgspec.UNSET and not has_full(channel, before, listed):
        # Older complete builds are not on record.
        pointer = msgspec.structs.replace(pointer, complete_before=msgspec.UNSET)
    if pointer.halted:
        return pointer
    if any(listed[step.packages[0].path].withdrawn for step in pointer.steps):
        return plan_halt(channel, pointer, WITHDRAWN)
    steps = [
        msgspec.structs.replace(
            step, packages=[each for each in step.packages if not listed[each.path].withdrawn]
        )
        for step in pointer.steps
    ]
    return msgspec.structs.replace(pointer, steps=steps)
