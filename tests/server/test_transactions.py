"""A transaction that writes is short: it has few statements, and flushes few files."""

import pytest

from server.publisher.lease import AT_ONCE, Lease
from server.publisher.log import Log
from server.storage.database import open_database
from tests.server.transactions import watched_transactions
from tests.server.world import PACKAGE_2

STATEMENTS = 4 + 2 * AT_ONCE  # the lease, the last index, and two for each row
FLUSHES = 2 * AT_ONCE  # of a file, and of its folder
LEAVES = 5 * AT_ONCE


@pytest.fixture
def transactions(monkeypatch):
    """Give what transactions hold."""
    with watched_transactions(monkeypatch) as seen:
        yield seen


def check_short(seen):
    """Check that no transaction was long, and that some were there."""
    assert seen.statements
    assert {place: n for place, n in seen.statements.items() if n > STATEMENTS} == {}
    assert {place: n for place, n in seen.flushes.items() if n > FLUSHES} == {}


async def test_many_leaves_are_many_transactions(world, transactions):
    """Rows, tiles, proofs: a bundle of many roles holds nobody up for long."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        log = Log(world.folder.public / "log", sessions, lease)
        leaves = [("armani", 1000 + n, f"{n:064x}") for n in range(LEAVES)]
        async with lease.held():
            await log.append(leaves, world.keys.log_keys, world.epoch())
    check_short(transactions)
    assert sum(transactions.flushes.values()) > 0


def test_what_a_server_does_every_day(world, transactions):
    """Repair, a bundle, a rollout, a drain."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.run(lambda publisher: publisher.repair())
    world.run(lambda publisher: publisher.change_pointers(world.offer(2)))
    world.run(lambda publisher: publisher.drain())
    check_short(transactions)
