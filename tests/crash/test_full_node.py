"""A device node's disk is full when a new snapshot is published."""

import asyncio
import shutil

import pytest
import structlog

from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from tests.crash.zygote import fill
from tests.server.site import Site
from tests.server.world import PACKAGE_2, publish_first
from tests.system.test_site import STAMP, devices, differs, get, says, serves, until


@pytest.fixture
def disk(small_disk):
    """Yield a small disk, and the path of a file that fills it once the file is written."""
    ballast = small_disk / "ballast"
    yield small_disk, ballast
    ballast.unlink(missing_ok=True)
    shutil.rmtree(small_disk / "node")


@pytest.mark.needs("seaweed", "postgresql", "small-disk")
async def test_full_disk_serves_old_snapshot(fresh_state, postgres, seaweed, tmp_path, disk):
    """The node logs the error and serves the old snapshot, until there is space again."""
    site = Site(fresh_state, postgres, seaweed, tmp_path)
    site.first = site.machine("first")
    await asyncio.to_thread(publish_first, site.first)
    place, ballast = disk
    folder = StateFolder(place / "node", tree=site.tree)
    write_durable(folder.trusted_root, site.first.folder.trusted_root.read_bytes())
    async with devices(site, folder) as (port,):
        await until(lambda: serves(port, STAMP))
        before = await get(port, STAMP)
    for _ in ("first", "restarted"):
        with structlog.testing.capture_logs() as logs:
            async with devices(site, folder) as (port,):
                if not ballast.exists():
                    await asyncio.to_thread(fill, ballast)
                    second = site.first.second_release()
                    result = await asyncio.to_thread(site.first.publish, second, [PACKAGE_2])
                    assert result.reason == ""
                await until(lambda logs=logs: says(logs, "the shared tree cannot be read"))
                assert "No space left on device" in str(logs)
                assert (await get(port, STAMP)).body == before.body
    async with devices(site, folder) as (port,):
        ballast.unlink()
        await until(lambda: serves(port, "/metadata/3.armani.json"))
        assert await differs(port, before)
