"""Detects changes of the public tree and the start of rollout steps, and queues their events."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import structlog
from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import encode_canonical_json
from server.core.metadata import decode_snapshot, decode_targets, decode_timestamp, metadata_limit
from server.core.names import Channel, decode_pointer_path, is_latest, metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.publisher.build_names import BuildName, BuildNames
from server.publisher.expiry.alarms import Alarm
from server.release.webhooks.deliveries import enqueue, enqueue_some
from server.release.webhooks.event import (
    Event,
    ExpiringData,
    HaltedData,
    PublishedData,
    RolledOutData,
    make_event,
)
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.models import AnnouncedRow
from server.storage.tree import identify_timestamp, list_roots

FULL_SHARE = 1000  # permille
Name = Callable[[Channel, int], BuildName]


@dataclass(frozen=True, slots=True)
class View:
    """The public state: versions of timestamp, snapshot and offline roles, and the pointers."""

    timestamp: int
    snapshot: int
    roles: Mapping[str, int]
    pointers: Mapping[str, Pointer]


class AnnouncedPointer(msgspec.Struct, frozen=True):
    """The announced state of a pointer: newest counter, share reached, whether it is halted."""

    counter: int
    permille: int
    halted: bool


class AnnouncedState(msgspec.Struct, frozen=True):
    """The announced state of a view: versions of offline roles, and pointers by path."""

    roles: dict[str, int]
    pointers: dict[str, AnnouncedPointer]


def describe_view(view: View | None, now: int) -> AnnouncedState:
    """Return the state of `view` to announce at `now`; a `view` of None has no publication."""
    if view is None:
        return AnnouncedState({}, {})
    pointers = {
        path: AnnouncedPointer(
            pointer.steps[-1].counter,
            0 if pointer.halted else pointer.permille_at(now),
            pointer.halted,
        )
        for path, pointer in view.pointers.items()
    }
    return AnnouncedState(dict(view.roles), pointers)


def plan_events(before: AnnouncedState, view: View, now: int, name: Name) -> Iterator[Event]:
    """Yield the events since `before`: publications, then halts and rollout steps by channel.

    `name` returns a build's name. It is called only for builds in an event, since it reads files.
    """
    after = describe_view(view, now)
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
        stored = before.pointers.get(path, AnnouncedPointer(0, 0, halted=False))
        if pointer.halted and not (stored.halted and stored.counter == pointer.counter):
            build = name(channel, pointer.counter)
            yield make_halted(channel, pointer.counter, view.pointers[path].reason, now, build)
        reached = stored.permille if stored.counter == pointer.counter else 0
        if pointer.permille > reached:
            yield _rolled_out(channel, pointer, now, name(channel, pointer.counter))


def next_step(view: View | None, now: int) -> int | None:
    """Return the start of the first rollout step after `now`, of any channel, or None."""
    starts = (
        start
        for pointer in (view.pointers.values() if view else ())
        if not pointer.halted
        for start, _ in pointer.schedule
        if start > now
    )
    return min(starts, default=None)


def make_halted(
    channel: Channel, counter: int, reason: Mapping[str, str], now: int, build: BuildName
) -> Event:
    """Return the event of a halt; its id depends only on the channel and the build."""
    data = HaltedData(
        channel=channel.channel,
        codename=channel.codename,
        counter=counter,
        reason=dict(reason),
        region=channel.region,
        build=build,
    )
    return make_event(data, subject=str(channel), time=now, occasion=str(counter))


def _rolled_out(channel: Channel, pointer: AnnouncedPointer, now: int, build: BuildName) -> Event:
    data = RolledOutData(
        channel=channel.channel,
        codename=channel.codename,
        complete=pointer.permille == FULL_SHARE,
        counter=pointer.counter,
        permille=pointer.permille,
        region=channel.region,
        build=build,
    )
    occasion = f"{pointer.counter}/{pointer.permille}"
    return make_event(data, subject=str(channel), time=now, occasion=occasion)


TICK_SECONDS = 0.5
PUBLIC = "public"  # the row with the announced state
log = structlog.get_logger()


class ChangeDetector:
    """Queues events for changes of the public state that phones can see.

    Events are queued in small transactions, and the announced state is stored after the last one.
    After a crash in between, the next poll plans the same events with the same ids. So each event
    is queued once, however many processes poll.
    """

    def __init__(self, public: Path, sessions: Sessions, clock: Callable[[], int]) -> None:
        self._public = public
        self._sessions = sessions
        self._clock = clock
        self._identity: tuple[int, int] | None = None
        self._view: View | None = None
        self._next: int | None = 0

    async def run(self) -> None:
        """Poll until cancelled; an error is logged once until it changes."""
        complaint = ""
        while True:
            try:
                await self.detect()
                complaint = ""
            except Exception as error:  # noqa: BLE001 - a bug must not end the task silently
                if str(error) != complaint:
                    complaint = str(error)
                    log.error("changes are not announced: trying again", error=complaint)
            await asyncio.sleep(TICK_SECONDS)

    async def detect(self) -> None:
        """Queue the events since the last poll of any process."""
        now = self._clock()
        identity = await asyncio.to_thread(identify_timestamp, self._public)
        is_changed = identity != self._identity
        if not is_changed and (self._next is None or now < self._next):
            return
        view = await asyncio.to_thread(_load_view, self._public) if is_changed else self._view
        if await self._queue_events(view, now):
            self._identity, self._view, self._next = identity, view, next_step(view, now)

    async def _queue_events(self, view: View | None, now: int) -> bool:
        """Queue the events; return False if another process did so first: then poll again."""
        state = msgspec.to_builtins(describe_view(view, now))
        value = encode_canonical_json(state).decode()
        async with self._sessions.begin() as session:
            stored = await session.get(AnnouncedRow, PUBLIC)
            if stored is None:
                # The first start of a version with webhooks: earlier publications are not events.
                session.add(AnnouncedRow(name=PUBLIC, value=value))
                return True
            if stored.value == value or view is None:
                return True
            before = stored.value
        announced = msgspec.json.decode(before, type=AnnouncedState)
        name = _Names(self._public, view.roles)
        events = await asyncio.to_thread(lambda: list(plan_events(announced, view, now, name)))
        while events:
            async with self._sessions.begin() as session:
                if not await _is_last(session, before):
                    return False
                del events[: await enqueue_some(session, events, now)]
        async with self._sessions.begin() as session:
            row = update(AnnouncedRow).where(
                AnnouncedRow.name == PUBLIC, AnnouncedRow.value == before
            )
            result = cast("CursorResult[None]", await session.execute(row.values(value=value)))
            return result.rowcount == 1


async def _is_last(session: AsyncSession, value: str) -> bool:
    """Answer whether `value` is the announced state, and lock it until the transaction ends."""
    query = select(AnnouncedRow.value).where(AnnouncedRow.name == PUBLIC).with_for_update()
    return await session.scalar(query) == value


class _Names:
    """Names builds from the roles of their models; reads each role when it is needed."""

    def __init__(self, public: Path, versions: Mapping[str, int]) -> None:
        self._folder = public / "metadata"
        self._versions = versions
        self._known: dict[str, BuildNames] = {}

    def __call__(self, channel: Channel, counter: int) -> BuildName:
        """Return the name of a build of a channel; only its counter if the role is not public."""
        role = channel.codename
        if role not in self._versions:
            return BuildName(counter)
        if role not in self._known:
            path = self._folder / metadata_name(role, self._versions[role])
            data = read_bounded(path, metadata_limit(role))
            self._known[role] = BuildNames({role: decode_targets(role, data).signed})
        return self._known[role].find(channel, counter)


def _load_view(public: Path) -> View | None:
    """Read timestamp, snapshot and pointers, but not the models' releases."""
    folder = public / "metadata"

    def read(role: str, version: int) -> bytes:
        return read_bounded(folder / metadata_name(role, version), metadata_limit(role))

    if not (folder / "timestamp.json").exists():
        return None
    timestamp = decode_timestamp(read("timestamp", 0)).signed
    snapshot = decode_snapshot(read("snapshot", timestamp.snapshot_meta.version)).signed
    versions = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    pointers = {}
    for role in sorted(versions):
        if is_latest(role):
            signed = decode_targets(role, read(role, versions[role])).signed
            for path, target in signed.targets.items():
                pointers[path] = decode_pointer(path, target.unrecognized_fields.get("custom"))
    offline = {name: version for name, version in versions.items() if not is_latest(name)}
    roots = list_roots(public, timestamp.version)
    return View(timestamp.version, snapshot.version, offline | {"root": roots[-1]}, pointers)


async def queue_expiring(sessions: Sessions, alarm: Alarm, now: int) -> None:
    """Queue the event of an alarm once, also across restarts."""
    data = ExpiringData(
        expires=int(alarm.expires.timestamp()),
        percent=int(alarm.share * 100),
        role=alarm.role,
        version=alarm.version,
    )
    occasion = f"{alarm.version}/{alarm.severity}"
    event = make_event(data, subject=alarm.role, time=now, occasion=occasion)
    async with sessions.begin() as session:
        await enqueue(session, event, now)
