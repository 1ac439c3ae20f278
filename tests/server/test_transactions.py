"""Writing transactions are short: few statements, and few flushed files."""

import asyncio
import re

import pytest
from sqlalchemy import delete, func, select

from server.publisher.lease import AT_ONCE, Lease
from server.publisher.log import Log
from server.publisher.rebuild import ROWS
from server.release.webhooks import change_detector, deliveries
from server.release.webhooks.change_detector import View
from server.release.webhooks.directory import MAX_WEBHOOKS
from server.storage.control_models import Account, Delivery, Webhook
from server.storage.database import open_database
from server.storage.models import LogEntry
from tests.server.transactions import watched_transactions
from tests.server.world import PACKAGE_2

STATEMENTS = 4 + 2 * AT_ONCE  # the lease, the last index, and two for each row
FLUSHES = 2 * AT_ONCE  # of a file, and of its folder
LEAVES = 5 * AT_ONCE
CHANNELS = 20


@pytest.fixture
def transactions(monkeypatch):
    """Give the statistics of transactions."""
    with watched_transactions(monkeypatch) as seen:
        yield seen


def check_short(seen):
    """Check that no transaction was long, and that some were there."""
    assert seen.statements
    assert {place: n for place, n in seen.statements.items() if n > STATEMENTS} == {}
    assert {place: n for place, n in seen.flushes.items() if n > FLUSHES} == {}


async def test_many_leaves_are_many_transactions(world, transactions):
    """Rows, tiles, proofs: a bundle of many roles blocks no other for long."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        log = Log(world.folder.public / "log", sessions, lease)
        leaves = [("armani", 1000 + n, f"{n:064x}") for n in range(LEAVES)]
        async with lease.held():
            await log.append(leaves, world.keys.log_keys, world.epoch())
    check_short(transactions)
    assert sum(transactions.flushes.values()) > 0


async def test_events_for_many_webhooks_are_many_transactions(world, monkeypatch, transactions):
    """All are queued, in few statements and rows each."""
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


async def test_a_rebuild_is_many_transactions(world, transactions):
    """It writes few rows in each, and reads a whole table in none."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        log = Log(world.folder.public / "log", sessions, lease)
        leaves = [("armani", 1000 + n, f"{n:064x}") for n in range(2 * ROWS)]
        async with lease.held():
            await log.append(leaves, world.keys.log_keys, world.epoch())
        async with sessions.begin() as session:
            await session.execute(delete(LogEntry))
    rebuilt = await asyncio.to_thread(world.rebuild)
    assert rebuilt.leaves > 2 * ROWS
    check_short(transactions)
    ours = "server/publisher/rebuild.py:"
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


def test_what_a_server_does_every_day(world, transactions):
    """Repair, a bundle, a rollout, a drain."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.repair())
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    world.run(lambda publisher: publisher.drain())
    check_short(transactions)
