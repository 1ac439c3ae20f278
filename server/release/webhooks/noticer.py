"""Looks at the public tree when it changes and when a rollout's step begins; queues the events."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import structlog
from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.metadata import decode_snapshot, decode_targets, decode_timestamp, metadata_limit
from server.core.names import Channel, is_latest, metadata_name
from server.core.pointer import decode_pointer
from server.publisher.build_names import BuildName, BuildNames
from server.release.webhooks.deliveries import enqueue_some
from server.release.webhooks.noticing import (
    View,
    decode_seen,
    encode_seen,
    next_step,
    plan_events,
    see,
)
from server.storage.bounded import read_bounded
from server.storage.control_models import Noticed
from server.storage.database import Sessions
from server.storage.roots import list_roots

TICK_SECONDS = 0.5
PUBLIC = "public"  # the row that remembers what was told
log = structlog.get_logger()


class Noticer:
    """Tells what phones can see now and could not before.

    Events are queued a few in a transaction, and what was told is remembered after the last. A
    process that dies in between leaves the rest to the next look, which finds the same events by
    their ids: each is queued once, however many processes look.
    """

    def __init__(self, public: Path, sessions: Sessions, clock: Callable[[], int]) -> None:
        self._public = public
        self._sessions = sessions
        self._clock = clock
        self._identity: tuple[int, int] | None = None
        self._view: View | None = None
        self._next: int | None = 0

    async def run(self) -> None:
        """Look for ever; what goes wrong is said once until it is something else."""
        complaint = ""
        while True:
            try:
                await self.notice()
                complaint = ""
            except Exception as error:  # noqa: BLE001 - a bug must not end it in silence
                if str(error) != complaint:
                    complaint = str(error)
                    log.error("events are not noticed and are looked for again", error=complaint)
            await asyncio.sleep(TICK_SECONDS)

    async def notice(self) -> None:
        """Queue what happened since the last look, by whomever that was."""
        now = self._clock()
        identity = await asyncio.to_thread(_identify, self._public)
        is_changed = identity != self._identity
        if not is_changed and (self._next is None or now < self._next):
            return
        view = await asyncio.to_thread(_load_view, self._public) if is_changed else self._view
        if await self._tell(view, now):
            self._identity, self._view, self._next = identity, view, next_step(view, now)

    async def _tell(self, view: View | None, now: int) -> bool:
        """Answer False where another process was faster: then the next look starts from there."""
        value = encode_seen(see(view, now))
        async with self._sessions.begin() as session:
            told = await session.get(Noticed, PUBLIC)
            if told is None:
                # The first start of a version that tells: what was public before is no news.
                session.add(Noticed(name=PUBLIC, value=value))
                return True
            if told.value == value or view is None:
                return True
            before = told.value
        seen, name = decode_seen(before), _Names(self._public, view.roles)
        events = await asyncio.to_thread(lambda: list(plan_events(seen, view, now, name)))
        while events:
            async with self._sessions.begin() as session:
                if not await _is_last(session, before):
                    return False
                del events[: await enqueue_some(session, events, now)]
        async with self._sessions.begin() as session:
            row = update(Noticed).where(Noticed.name == PUBLIC, Noticed.value == before)
            result = cast("CursorResult[None]", await session.execute(row.values(value=value)))
            return result.rowcount == 1


async def _is_last(session: AsyncSession, value: str) -> bool:
    """Answer whether `value` is what was told last, and keep it so until the transaction ends."""
    query = select(Noticed.value).where(Noticed.name == PUBLIC).with_for_update()
    return await session.scalar(query) == value


class _Names:
    """Names builds by the roles of their models, each read when it is asked for."""

    def __init__(self, public: Path, versions: Mapping[str, int]) -> None:
        self._folder = public / "metadata"
        self._versions = versions
        self._known: dict[str, BuildNames] = {}

    def __call__(self, channel: Channel, counter: int) -> BuildName:
        """Return the name of a build of a channel; its counter alone where its role is gone."""
        role = channel.codename
        if role not in self._versions:
            return BuildName(counter)
        if role not in self._known:
            path = self._folder / metadata_name(role, self._versions[role])
            data = read_bounded(path, metadata_limit(role))
            self._known[role] = BuildNames({role: decode_targets(role, data).signed})
        return self._known[role].find(channel, counter)


def _identify(public: Path) -> tuple[int, int] | None:
    try:
        found = (public / "metadata" / "timestamp.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _load_view(public: Path) -> View | None:
    """Read timestamp, snapshot and pointers; the releases of all models are left unread."""
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
