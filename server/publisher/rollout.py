"""Pointer editing with intent: offer, set, pause, halt. Pure: pointers in, pointers out.

Raising the share only adds phones, so a schedule never falls below what was reached. Halting wins
over everything: a halted pointer can only be followed by an offer with a higher counter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from server.core.names import Channel, decode_release_path
from server.core.near_names import ask_for_near
from server.core.pointer import Package, Pointer, Step, decode_pointer, encode_pointer
from server.core.release import Release
from server.core.release_texts import sound_reason
from server.core.way import MAX_INCREMENTALS, find_way, offered_in
from server.publisher.build_names import name_step
from server.publisher.errors import PublishError

Schedule = Sequence[tuple[int, int]]


def newest_counter(channel: Channel, releases: Mapping[str, Release]) -> int:
    """Return the highest counter of an unwithdrawn release in `channel`.

    Raises PublishError where there is none.
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
) -> Pointer:
    """Return the pointer that offers `counter` in `channel` with the stepping stones it needs."""
    if current is not None and counter <= current.steps[-1].counter:
        known = name_step(current.steps[-1], releases).title
        raise PublishError(f"{channel} already offers {known}; offer a later build.")
    _check_has_release(channel, releases)
    offered = offered_in(channel, releases)
    steps = [_step(channel, step, offered, files) for step in find_way(channel, counter, releases)]
    return _checked(
        channel,
        {
            "v": 1,
            "s": [msgspec.to_builtins(step) for step in steps],
            "r": [list(pair) for pair in schedule],
            "p": False,
            "h": False,
            "t": {},
        },
    )


def plan_schedule(channel: Channel, pointer: Pointer, schedule: Schedule, now: int) -> Pointer:
    """Return the pointer with a new schedule from `now` on; also resumes a paused one."""
    _check_not_halted(channel, pointer)
    reached = pointer.permille_at(now)
    if any(permille < reached for _, permille in schedule):
        raise PublishError(
            f"{channel} has reached {reached / 10:g}%, and nobody can be taken out again:"
            " halt it instead."
        )
    past = [list(pair) for pair in _past(pointer, now, schedule[0][0])]
    custom = encode_pointer(pointer) | {"p": False, "t": {}}
    return _checked(channel, custom | {"r": [*past, *(list(pair) for pair in schedule)]})


def plan_pause(channel: Channel, pointer: Pointer, reason: Mapping[str, str], now: int) -> Pointer:
    """Return the pointer with the share frozen that was reached at `now`."""
    _check_not_halted(channel, pointer)
    past = [[start, permille] for start, permille in pointer.schedule if start <= now]
    custom = encode_pointer(pointer) | {"p": True, "t": sound_reason(reason, pointer)}
    return _checked(channel, custom | {"r": past or [[now, 0]]})


def plan_halt(channel: Channel, pointer: Pointer, reason: Mapping[str, str]) -> Pointer:
    """Return the pointer that takes nobody in; once halted, only another reason changes it."""
    told = sound_reason(reason, pointer)
    if pointer.halted and (not told or told == pointer.reason):
        return pointer
    return _checked(channel, encode_pointer(pointer) | {"h": True, "t": told})


def _check_has_release(channel: Channel, releases: Mapping[str, Release]) -> None:
    if not offered_in(channel, releases):
        others = (str(decode_release_path(path)[0]) for path in releases)
        near = ask_for_near(str(channel), others)
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


def _past(pointer: Pointer, now: int, start: int) -> list[tuple[int, int]]:
    """Return the newest pair that explains what was reached, before the new schedule starts."""
    past = [pair for pair in pointer.schedule if pair[0] <= now and pair[0] < start]
    return past[-1:]


def _check_not_halted(channel: Channel, pointer: Pointer) -> None:
    if pointer.halted:
        raise PublishError(f"{channel} is halted, and that stays: offer a release that follows.")


def _checked(channel: Channel, custom: dict[str, Any]) -> Pointer:
    return decode_pointer(channel.pointer_path, custom)
