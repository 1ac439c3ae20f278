"""What two looks at the public tree differ in, as events: whoever made the change, and however.

Events follow from what phones can see and not from what was asked for, so that nothing is told
before it is true and a crash in between loses none.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from server.core.encodings import encode_canonical_json
from server.core.names import Channel, decode_pointer_path
from server.core.pointer import Pointer
from server.release.webhooks.event import (
    UNSET,
    Build,
    Event,
    HaltedData,
    PublishedData,
    RolledOutData,
    make_event,
)

EVERYONE = 1000  # permille
Name = Callable[[Channel, int], Build]


@dataclass(frozen=True, slots=True)
class View:
    """What is public: versions of timestamp, snapshot and offline roles, and the pointers."""

    timestamp: int
    snapshot: int
    roles: Mapping[str, int]
    pointers: Mapping[str, Pointer]


class SeenPointer(msgspec.Struct, frozen=True):
    """What was told of a pointer: its newest counter, the share reached, whether it is halted."""

    counter: int
    permille: int
    halted: bool


class Seen(msgspec.Struct, frozen=True):
    """What of a view was told: versions of offline roles, and pointers by path."""

    roles: dict[str, int]
    pointers: dict[str, SeenPointer]


def see(view: View | None, now: int) -> Seen:
    """Return what there is to tell of a view at `now`; None is a server without publication."""
    if view is None:
        return Seen({}, {})
    pointers = {
        path: SeenPointer(
            pointer.steps[-1].counter,
            0 if pointer.halted else pointer.permille_at(now),
            pointer.halted,
        )
        for path, pointer in view.pointers.items()
    }
    return Seen(dict(view.roles), pointers)


def encode_seen(seen: Seen) -> str:
    """Return what was told as the text that the database keeps."""
    return encode_canonical_json(msgspec.to_builtins(seen)).decode()


def decode_seen(text: str) -> Seen:
    """Read what was told."""
    return msgspec.json.decode(text, type=Seen)


def plan_events(
    before: Seen, view: View, now: int, name: Name = lambda _channel, _counter: UNSET
) -> Iterator[Event]:
    """Yield what happened since `before`: publications, then halts and rollout steps by channel.

    `name` gives what people know a build by; it is asked for builds that are told of alone.
    """
    after = see(view, now)
    roles = {name: n for name, n in after.roles.items() if n > before.roles.get(name, 0)}
    if roles:
        yield make_event(
            PublishedData(roles, view.snapshot, view.timestamp),
            subject=f"snapshot/{view.snapshot}",
            time=now,
            occasion=str(view.timestamp),
        )
    for path, pointer in sorted(after.pointers.items()):
        channel = decode_pointer_path(path)
        told = before.pointers.get(path, SeenPointer(0, 0, halted=False))
        if pointer.halted and not (told.halted and told.counter == pointer.counter):
            build = name(channel, pointer.counter)
            yield make_halted(channel, pointer.counter, view.pointers[path].reason, now, build)
        reached = told.permille if told.counter == pointer.counter else 0
        if pointer.permille > reached:
            yield _rolled_out(channel, pointer, now, name(channel, pointer.counter))


def next_step(view: View | None, now: int) -> int | None:
    """Return when the next step of any rollout begins after `now`, None when none is to come."""
    starts = (
        start
        for pointer in (view.pointers.values() if view else ())
        if not pointer.halted
        for start, _ in pointer.schedule
        if start > now
    )
    return min(starts, default=None)


def make_halted(
    channel: Channel, counter: int, reason: Mapping[str, str], now: int, build: Build = UNSET
) -> Event:
    """Return the event of a halt, the same for the same build of a channel."""
    data = HaltedData(
        channel=channel.channel,
        codename=channel.codename,
        counter=counter,
        reason=dict(reason),
        region=channel.region,
        build=build,
    )
    return make_event(data, subject=str(channel), time=now, occasion=str(counter))


def _rolled_out(channel: Channel, pointer: SeenPointer, now: int, build: Build) -> Event:
    data = RolledOutData(
        channel=channel.channel,
        codename=channel.codename,
        complete=pointer.permille == EVERYONE,
        counter=pointer.counter,
        permille=pointer.permille,
        region=channel.region,
        build=build,
    )
    occasion = f"{pointer.counter}/{pointer.permille}"
    return make_event(data, subject=str(channel), time=now, occasion=occasion)
