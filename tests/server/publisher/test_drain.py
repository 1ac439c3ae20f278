"""Which role files leave the public folder, and when."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.garbage import plan_drain
from server.publisher.publisher import Publisher
from server.storage.local_blobs import LocalBlobs
from tests.server.log_invariant import check_log
from tests.server.world import CHANNEL, refresh_from_disk

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def files(role, versions, at=NOW - 2 * HOUR):
    """Return names of a role's versions with the times at which they were written."""
    return {f"{version}.{role}.json": at for version in versions}


def test_what_left_the_window_an_hour_ago_goes():
    """Of 20 versions the last nine stay: 12 to 20; of nine all do."""
    written = files("armani", range(1, 21)) | files("cancro", range(1, 10))
    gone = plan_drain(written, {"armani": 20, "cancro": 9}, NOW)
    assert sorted(gone) == sorted(files("armani", range(1, 12)))


@pytest.mark.parametrize(("minutes", "is_gone"), [(0, False), (59, False), (60, True), (-5, False)])
def test_the_grace_counts_from_the_version_that_pushed_it_out(minutes, is_gone):
    """Version 1 leaves when version 10 is written."""
    written = files("armani", range(1, 10), NOW - 99 * HOUR)
    written |= files("armani", [10], NOW - timedelta(minutes=minutes))
    assert plan_drain(written, {"armani": 10}, NOW) == ["1.armani.json"] * is_gone


def test_a_version_that_was_passed_over_pushes_nothing_out():
    """If version 10 is burned, version 11 pushes out 1 and 2 together."""
    written = files("armani", range(1, 10)) | files("armani", [11], NOW)
    assert plan_drain(written, {"armani": 11}, NOW) == []
    assert plan_drain(written, {"armani": 11}, NOW + HOUR) == ["1.armani.json", "2.armani.json"]


def test_what_stays():
    """Roots, timestamp, roles that are not listed, unpublished files, and other names."""
    written = files("root", range(1, 30)) | files("dior", range(1, 30))
    written |= files("armani", range(1, 30)) | {"timestamp.json": NOW - 9 * HOUR}
    written |= {"01.armani.json": NOW - 9 * HOUR, ".tmp-1.armani.json": NOW - 9 * HOUR}
    assert plan_drain(written, {"armani": 9}, NOW) == []


def age(world, hours):
    """Make every public role file older."""
    for path in (world.folder.public / "metadata").iterdir():
        then = path.stat().st_mtime - hours * 3600
        os.utime(path, (then, then))


@pytest.fixture
def long(world):
    """Give a server that changed its pointers 24 times."""
    pointers = world.published().pointers()

    async def renew(publisher):
        for _ in range(12):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)

    world.run(renew)
    return world


def served(world):
    """Return everything that a device node would serve if it started now."""
    blobs = LocalBlobs(world.folder.blobs)
    return load_snapshot(world.folder.public, blobs, EMPTY)


def test_nothing_that_is_served_vanishes(long):
    """Before the hour nothing is removed; after it answers and log are as before."""
    before, log = served(long), long.folder.public / "log"
    kept = {path for path in log.rglob("*") if path.is_file()}
    assert long.run(Publisher.drain) == 0
    age(long, 2)
    latest = before.current["latest"]
    snapshot = before.current["snapshot"]
    assert long.run(Publisher.drain) == (latest - 9) + (snapshot - 9)
    assert served(long) == before
    assert {path for path in log.rglob("*") if path.is_file()} == kept
    assert len(check_log(long.folder, long.keys.log_verifier.public)) > latest
    refresh_from_disk(long.folder, [CHANNEL.pointer_path])
    assert long.run(Publisher.drain) == 0


def test_nothing_is_published_yet(fresh):
    """There is nothing to remove."""
    assert fresh.run(Publisher.drain) == 0
