"""Writing transactions are short: few statements, and few flushed files."""

import asyncio
import contextlib
import os
import re
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, event, func, select

from server.publisher.lease import AT_ONCE, Lease
from server.publisher.log import Log
from server.publisher.maintenance.rebuild import ROWS
from server.release.webhooks import change_detector, deliveries
from server.release.webhooks.change_detector import View
from server.release.webhooks.directory import MAX_WEBHOOKS
from server.storage.database import Sessions, open_database
from server.storage.models import Account, Delivery, LogEntry, Webhook
from server.storage.tree import LocalTree
from tests.server.world import PACKAGE_2

STATEMENTS = 4 + 2 * AT_ONCE  # the lease, the last index, and two for each row
FLUSHES = 2 * AT_ONCE  # of a file, and of its folder
LEAVES = 5 * AT_ONCE
CHANNELS = 20


@pytest.fixture
def transactions(monkeypatch):
    """Yield the statistics of all transactions during the test."""
    with watched_transactions(monkeypatch) as seen:
        yield seen


def check_short(seen):
    """Check that there were transactions and that none of them exceeded the limits."""
    assert seen.statements
    assert {place: n for place, n in seen.statements.items() if n > STATEMENTS} == {}
    assert {place: n for place, n in seen.flushes.items() if n > FLUSHES} == {}


async def test_log_append_uses_short_transactions(world, transactions):
    """Many log entries are appended in several short transactions."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        log = Log(LocalTree(world.folder.public), sessions, lease)
        leaves = [("armani", 1000 + n, f"{n:064x}") for n in range(LEAVES)]
        async with lease.held():
            await log.append(leaves, world.keys.log_keys, world.epoch())
    check_short(transactions)
    assert sum(transactions.flushes.values()) > 0


async def test_webhook_events_use_short_transactions(world, monkeypatch, transactions):
    """Events for the largest number of webhooks are queued in several short transactions."""
    (pointer,) = (await asyncio.to_thread(world.published)).pointers().values()
    pointers = {f"latest/m{number}/id/stable": pointer for number in range(CHANNELS)}
    async with open_database(world.folder.database) as sessions:

        async def notice():
            await change_detector.ChangeDetector(
                world.folder.public, sessions, world.epoch
            ).detect()

        await notice()
        async with sessions.begin() as session:
            session.add(Account(name="ani", role="admin", codenames='["*"]', created_at=1))
            await session.flush()
            session.add_all(make_webhook(f"{number:032x}") for number in range(MAX_WEBHOOKS))
        monkeypatch.setattr(change_detector, "_load_view", lambda _public: View(9, 9, {}, pointers))
        await notice()
        async with sessions() as session:
            count = await session.scalar(select(func.count()).select_from(Delivery))
    assert count == CHANNELS * MAX_WEBHOOKS
    check_short(transactions)
    ours = "server/release/webhooks/change_detector.py:_queue_events"
    assert deliveries.AT_ONCE < transactions.rows[ours] <= deliveries.AT_ONCE + STATEMENTS


async def test_rebuild_uses_short_transactions(world, transactions):
    """A rebuild writes few rows in each transaction and reads nothing inside one."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        log = Log(LocalTree(world.folder.public), sessions, lease)
        leaves = [("armani", 1000 + n, f"{n:064x}") for n in range(2 * ROWS)]
        async with lease.held():
            await log.append(leaves, world.keys.log_keys, world.epoch())
        async with sessions.begin() as session:
            await session.execute(delete(LogEntry))
    rebuilt = await asyncio.to_thread(world.rebuild)
    assert rebuilt.leaves > 2 * ROWS
    check_short(transactions)
    ours = "server/publisher/maintenance/rebuild.py:"
    rows = {place: n for place, n in transactions.rows.items() if place.startswith(ours)}
    assert rows
    assert max(rows.values()) <= ROWS + STATEMENTS
    reads = [text for place, text in transactions.texts if place.startswith(ours)]
    assert [text for text in reads if re.match(r"SELECT (?!leases)", text)] == []


def make_webhook(identity):
    """Return the row of a webhook for events about rollouts."""
    return Webhook(
        id=identity,
        url="https://hooks.example.org/",
        secret="s",
        events='["rolled-out"]',
        created_by="ani",
        created_at=1,
    )


def test_daily_operations_use_short_transactions(world, transactions):
    """Publishing a bundle, repairing, offering and draining use only short transactions."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.repair())
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    world.run(lambda publisher: publisher.drain())
    check_short(transactions)


ROOT = Path(__file__).parents[2]
INNER = ("server/storage/database.py", "server/publisher/lease.py")


class Transactions:
    """The largest numbers of statements, rows and flushes of a transaction, by place.

    A statement for many rows counts as one, and each of its rows as one. `texts` has the statements
    with their places.

    A place is the file and function of the server that opened the transaction. While it is open,
    all statements and flushes of the process count for it; SQLite has only one writing transaction
    at a time.
    """

    def __init__(self):
        self.statements = Counter()
        self.flushes = Counter()
        self.rows = Counter()
        self.texts = []
        self._lock = threading.Lock()
        self._place = ""
        self._now = Counter()

    def begin(self, place):
        """Record the begin of a transaction."""
        with self._lock:
            self._place, self._now = place, Counter()

    def count(self, kind, number=1):
        """Count something that happens in the open transaction, if there is one."""
        with self._lock:
            if self._place:
                self._now[kind] += number

    def note(self, text):
        """Record the text of a statement in the open transaction, if there is one."""
        with self._lock:
            if self._place:
                self.texts.append((self._place, text))

    def end(self):
        """Record the end of the open transaction."""
        with self._lock:
            place, self._place = self._place, ""
            kinds = {"statement": self.statements, "flush": self.flushes, "row": self.rows}
            for kind, found in kinds.items():
                found[place] = max(found[place], self._now[kind])


def find_place():
    """Return file and function of the server code that opened the current transaction."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        if name.startswith("server/") and not name.startswith(INNER):
            return f"{name}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"


@contextlib.contextmanager
def watched_transactions(monkeypatch):
    """Collect statistics of all transactions inside the block, and yield them."""
    seen = Transactions()
    begin, fsync = Sessions.begin, os.fsync

    @contextlib.asynccontextmanager
    async def counted(self):
        place = find_place()
        async with begin(self) as session:
            seen.begin(place)
            yield session
        seen.end()

    def flush(descriptor):
        seen.count("flush")
        return fsync(descriptor)

    def execute(_connection, _cursor, text, parameters, _context, is_many):
        seen.count("statement")
        seen.count("row", len(parameters) if is_many else 1)
        seen.note(text)

    monkeypatch.setattr(Sessions, "begin", counted)
    monkeypatch.setattr(os, "fsync", flush)
    event.listen(Engine, "before_cursor_execute", execute)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
