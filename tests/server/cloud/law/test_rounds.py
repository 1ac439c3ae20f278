"""The periods of a policy with a clock that the test sets: one second before, and at the time."""

import asyncio
import os

import pytest
import structlog
from sqlalchemy import func, select, text

from server.cloud.accounts.owners import add_code
from server.cloud.law.journal import forget_records, load_records
from server.cloud.law.notices import note_breach, note_use, tell_breach
from server.cloud.settings import CloudSettings
from server.cloud.storage.bodies import LocalBodies
from server.cloud.storage.law_models import Code, Erasure, OwnerLink, Quarantine
from server.cloud.storage.models import Account
from server.cloud.upkeep.rounds import run_round
from server.core.errors import FormatError
from server.storage.errors import StorageError
from tests.server.cloud.conftest import on_both, on_postgresql
from tests.server.cloud.device import NOW, Device, make_item
from tests.server.cloud.law.conftest import go_round, open_law
from tests.server.cloud.policies import DAYS, HOURS

HOUR, DAY, WEEK = 60 * 60, 24 * 60 * 60, 7 * 24 * 60 * 60


async def count(law, table):
    """Return the number of a table's rows."""
    async with law.database() as db:
        return await db.scalar(select(func.count()).select_from(table))


async def find_erasure(law):
    """Return the only erasure, or None."""
    async with law.database() as db:
        return (await db.scalars(select(Erasure))).one_or_none()


async def test_an_unused_account_is_announced_and_then_erased(cloud, law):
    """An erasure is announced `inactive` days after the last week of use, and due `notice` later.

    Any use by a device, or by a program that shows the notice, keeps the account.
    """
    device = await cloud.device()
    # Use is recorded by week, so the days count from a week's end.
    last = NOW // WEEK
    first = (last + 1) * WEEK + DAYS["inactive"] * DAY
    for at, is_announced in ((first - 1, False), (first, True)):
        cloud.clock.seconds = at
        await go_round(law)
        assert (await find_erasure(law) is not None) is is_announced
    found = await find_erasure(law)
    assert (found.reason, found.begins_at) == (
        "inactive",
        cloud.clock.seconds + DAYS["notice"] * DAY,
    )
    assert found.due_at == found.begins_at + HOURS["erase"] * HOUR
    again = Device(cloud.http, cloud.url, "ani", device.key)
    await again.log_in()
    assert (await again.ask("GET", "usage"))[1]["erases_at"] is None
    assert await find_erasure(law) is None
    cloud.clock.seconds = found.begins_at
    await go_round(law)
    assert await find_erasure(law) is None
    cloud.clock.seconds += (DAYS["inactive"] + 14) * DAY
    await go_round(law)
    found = await find_erasure(law)
    cloud.clock.seconds = found.begins_at - 1
    await go_round(law)
    assert (await find_erasure(law)).step == "announced"
    cloud.clock.seconds += 1
    await go_round(law)
    assert (await find_erasure(law)).step == "done"
    assert (await device.log_in())[0] == 401


@on_postgresql
async def test_use_that_another_node_is_recording(cloud, law):
    """A round waits for another node's record of a use, and then announces nothing.

    On SQLite writers take turns.
    """
    device = await cloud.device()
    cloud.clock.seconds += (DAYS["inactive"] + 14) * DAY
    waiting = text("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    async def is_waiting():
        async with law.database() as db:
            return await db.scalar(waiting) is not None

    async with law.database.begin() as using:
        account = await using.scalar(select(Account.id))
        await note_use(using, account, cloud.clock.seconds)
        announcing = asyncio.create_task(law.announce_inactive())
        while not (announcing.done() or await is_waiting()):
            pass
    assert await announcing == 0
    assert await find_erasure(law) is None
    assert device.token


async def test_erasure_after_a_withdrawal(cloud, law):
    """The erasure begins an hour before its deadline, to leave time for repairs."""
    device = await cloud.device()
    await device.ask("POST", "consents/withdrawal")
    due = NOW + HOURS["stop_after_withdrawal"] * HOUR
    cloud.clock.seconds = due - HOUR - 1
    await go_round(law)
    assert (await device.ask("GET", "export"))[0] == 200
    cloud.clock.seconds += 1
    await go_round(law)
    found = await find_erasure(law)
    assert (found.step, found.due_at, found.account) == ("done", due, None)
    assert (await device.ask("GET", "usage"))[0] == 401


async def test_failing_erasure_is_retried_and_raises_an_alarm(cloud, law, place, tmp_path):
    """An erasure is retried after any failure; after `erase` hours there is an alarm."""

    class Broken(LocalBodies):
        async def remove(self, _name):
            raise StorageError("the store is away")

    device = await cloud.device()
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(20_000)))
    await device.ask("POST", "consents/withdrawal")
    due = (await find_erasure(law)).due_at
    async with open_law(
        place, tmp_path, cloud.clock, bodies=Broken(tmp_path / "bodies", os.urandom)
    ) as broken:
        for at, event in ((due - HOUR, "an erasure goes on later"), (due, "alarm")):
            cloud.clock.seconds = at
            with structlog.testing.capture_logs() as logs:
                await go_round(broken)
            assert [each["event"] for each in logs] == [event]
            assert "the store is away" in logs[0]["error"]
    assert (await find_erasure(law)).step == "listed"
    await go_round(law)
    assert (await find_erasure(law)).step == "done"


@on_both
async def test_retention_of_erasures_and_names(cloud, law):
    """Records are kept `logs_days` beyond the last backup, names for `quarantine` days."""
    device = await cloud.device()
    await device.ask("POST", "erasure")
    assert await count(law, Quarantine) == 1
    cloud.clock.seconds = NOW + DAYS["quarantine"] * DAY
    await go_round(law)
    assert (await count(law, Quarantine), await count(law, Erasure)) == (0, 1)
    cloud.clock.seconds = NOW + (DAYS["backups"] + 365 + 1) * DAY - 1
    await go_round(law)
    assert await count(law, Erasure) == 1
    records = await load_records(law.bodies)
    assert await forget_records(law.bodies, records, cloud.clock()) == 0
    cloud.clock.seconds += 1
    assert (await run_round(law, CloudSettings(region="id")))["bodies"] == 1
    assert (await count(law, Erasure), await load_records(law.bodies)) == (0, [])


@on_both
async def test_deadline_of_a_breach_notice(cloud, law):
    """An alarm begins a day before the deadline and ends with the notice, which accounts see."""
    device = await cloud.device()
    async with law.database.begin() as db:
        number = await note_breach(db, NOW, "")
    deadline = NOW + HOURS["breach_notice"] * HOUR
    for at, rings in ((deadline - DAY - 1, 0), (deadline - DAY, 1)):
        cloud.clock.seconds = at
        with structlog.testing.capture_logs() as logs:
            await go_round(law)
        assert len(logs) == rings
    assert (await device.ask("GET", "notices"))[1] == []
    async with law.database.begin() as db:
        await tell_breach(db, number, "Change your password.", cloud.clock())
    later = await cloud.device("budi")
    (notice,) = (await device.ask("GET", "notices"))[1]
    assert (notice["kind"], notice["text"]) == ("breach", "Change your password.")
    assert (await later.ask("GET", "notices"))[1] == []
    with structlog.testing.capture_logs() as logs:
        await go_round(law)
    assert logs == []
    with pytest.raises(FormatError, match="no breach 1"):
        async with law.database.begin() as db:
            await tell_breach(db, number, "again", cloud.clock())


@on_both
async def test_links_and_codes_expire(cloud, law):
    """Unused links to the owner's page and unspent sign-up codes are removed after their time."""
    device = await cloud.device()
    await device.ask("POST", "owner-links")
    async with law.database.begin() as db:
        await add_code(db, "a" * 16, NOW + 600)
    await go_round(law)
    assert (await count(law, OwnerLink), await count(law, Code)) == (1, 1)
    cloud.clock.seconds += 600
    await go_round(law)
    assert (await count(law, OwnerLink), await count(law, Code)) == (0, 0)
