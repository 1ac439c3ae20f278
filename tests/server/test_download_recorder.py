"""Downloads are recorded per package and day, in multiples of twenty."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from server.download_recorder import DAY, DownloadRecorder, plan_growth
from server.http.counts import Counts
from server.storage.database import open_database
from server.storage.models import PackageDownloads

ONE, OTHER = "a" * 64, "b" * 64


def test_growth_is_a_multiple_of_twenty():
    """Growth is rounded down to a multiple of twenty; a package below that is left out."""
    for counted, recorded, grown in (
        (19, 0, 0),
        (20, 0, 20),
        (59, 0, 40),
        (59, 40, 0),
        (61, 40, 20),
    ):
        planned = plan_growth({ONE: counted}, {ONE: recorded} if recorded else {})
        assert planned == ({ONE: grown} if grown else {}), (counted, recorded)


@pytest.fixture
async def sessions(tmp_path):
    """Yield the sessions of a new database."""
    async with open_database(tmp_path / "hening.sqlite") as made:
        yield made


async def rows(sessions):
    """Return all rows, ordered by day and package."""
    async with sessions() as session:
        found = await session.scalars(
            select(PackageDownloads).order_by(PackageDownloads.day, PackageDownloads.sha256)
        )
        return [(row.sha256, row.day, row.begun, row.finished) for row in found]


async def test_remainder_counts_for_the_next_day(sessions):
    """Downloads below a multiple of twenty count for the next day."""
    counts, now = Counts(), 7 * DAY + 5
    recorder = DownloadRecorder(sessions, counts, lambda: now, pytest.fail)
    counts.begun |= {ONE: 35, OTHER: 19}
    counts.finished |= {ONE: 21}
    await recorder.record()
    counts.begun[ONE] = 41
    await recorder.record()
    assert await rows(sessions) == [(ONE, 7, 40, 20)]
    now += DAY
    counts.begun |= {ONE: 60, OTHER: 20}
    await recorder.record()
    assert await rows(sessions) == [(ONE, 7, 40, 20), (ONE, 8, 20, 0), (OTHER, 8, 20, 0)]


async def test_failed_record_is_repeated(sessions, monkeypatch):
    """After a failed transaction, the next run records the same downloads."""
    counts = Counts(begun={ONE: 20})
    recorder = DownloadRecorder(sessions, counts, lambda: 0, pytest.fail)

    def fail():
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "begin", fail)
        with pytest.raises(OperationalError):
            await recorder.record()
    await recorder.record()
    assert await rows(sessions) == [(ONE, 0, 20, 0)]


async def test_cancelled_recorder_writes_its_counts(sessions):
    """A recorder that is cancelled records the counts before it ends."""
    counts = Counts(begun={ONE: 39})
    task = asyncio.create_task(DownloadRecorder(sessions, counts, lambda: 0, pytest.fail).run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert await rows(sessions) == [(ONE, 0, 20, 0)]
