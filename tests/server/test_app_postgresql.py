"""The running server on PostgreSQL, while the database is unreachable."""

import asyncio
import os

import pytest
import structlog

from server.app import running
from server.settings import Settings
from server.storage.layout import StateFolder
from tests.postgres import PASSWORD
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.test_app import client, until


@pytest.mark.needs("postgresql")
async def test_a_database_that_is_gone_for_a_while(fresh, postgres):
    """Phones are still served; waiting submissions are published once it is back, automatically.

    No message about it contains the password.
    """
    address = await asyncio.to_thread(postgres.make_database)
    world = fresh.on(StateFolder(fresh.folder.root, address))
    root = {("root", 1): await asyncio.to_thread(world.folder.trusted_root.read_bytes)}
    with structlog.testing.capture_logs() as logs:
        async with (
            running(world.folder, Settings(port=0), world.now, entropy=os.urandom) as port,
            client(port) as get,
        ):
            await asyncio.to_thread(world.submit, world.ceremony.first() | root)

            async def is_served():
                return (await get("/metadata/timestamp.json"))[0] == 200

            await until(is_served)
            await asyncio.to_thread(postgres.stop)
            try:
                role = world.ceremony.role("tables", 2)
                bundle = await asyncio.to_thread(world.submit, {("tables", 2): role})

                async def is_reported():
                    await asyncio.sleep(0)
                    return any("see that it is up" in str(entry) for entry in logs)

                await until(is_reported)
                assert (await get("/metadata/timestamp.json"))[1]["signed"]["version"] == 1
            finally:
                await asyncio.to_thread(postgres.start)

            async def is_done():
                return not await asyncio.to_thread((world.folder.incoming / bundle).exists)

            await until(is_done)
            assert (await get("/metadata/2.tables.json"))[0] == 200
    assert PASSWORD not in str(logs)
    result = await asyncio.to_thread(world.result, bundle)
    assert (result.status, result.snapshot) == ("published", 2)
    public = world.keys.log_verifier.public
    leaves = await asyncio.to_thread(check_log, world.folder, public)
    await asyncio.to_thread(check_metadata_is_logged, world.folder, leaves)
