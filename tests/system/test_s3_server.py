"""A whole server with its packages in S3: publish, serve, check, mirror."""

import asyncio
import json
import os
import uuid

import aiohttp
import pytest
import structlog

from server.app import running
from server.publisher.maintenance.check import check_state
from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.settings import load_settings
from server.storage.database import open_database
from server.stores import open_blobs
from tests.seaweed import BUCKET, KEY_ID, SECRET
from tests.server.test_app import until
from tests.server.world import PACKAGE_1, PACKAGE_2

pytestmark = pytest.mark.needs("seaweed")


async def test_from_bundle_to_mirror(world, seaweed, tmp_path):
    """The folder `blobs` is not used, and the secret appears in no log and no file."""
    environment = {
        "HENING_PORT": "0",
        "HENING_BLOBS_URL": f"s3://{BUCKET}/whole/{uuid.uuid4()}",
        "HENING_S3_ENDPOINT": seaweed.endpoint,
        "HENING_S3_KEY_ID": KEY_ID,
        "HENING_S3_SECRET": SECRET,
    }
    settings = load_settings(None, environment)
    folder = world.folder
    await asyncio.to_thread(folder.blobs.rename, tmp_path / "former")
    blobs = open_blobs(folder, settings, world.now)
    for path in await asyncio.to_thread(lambda: list((tmp_path / "former").glob("*/*"))):
        await asyncio.to_thread(blobs.ingest, path, path.name, len(PACKAGE_1))
    with structlog.testing.capture_logs() as logs:
        async with running(folder, settings, world.now, entropy=os.urandom) as port:
            bundle_id = await asyncio.to_thread(world.submit, world.second_release(), [PACKAGE_2])
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await fetched(session, folder, bundle_id)
    assert [entry for entry in logs if entry["log_level"] in {"error", "warning"}] == []
    assert SECRET not in json.dumps(logs, default=str)
    assert not await asyncio.to_thread(folder.blobs.exists)
    async with open_database(folder.database) as sessions:
        findings = await check_state(folder, sessions, blobs, world.now(), deep=True)
    assert [finding for finding in findings if finding.error] == []
    done = await asyncio.to_thread(export_mirror, folder, blobs, MirrorFolder(tmp_path / "mirror"))
    assert done.size > len(PACKAGE_1) + len(PACKAGE_2)


async def fetched(session, folder, bundle_id):
    """Wait until the second release is public, and fetch its package whole and in part."""
    result = folder.results / f"{bundle_id}.json"

    async def is_done():
        return await asyncio.to_thread(result.exists)

    async def is_served():
        async with session.get("/metadata/3.armani.json") as response:
            return response.status == 200

    await until(is_done)
    await until(is_served)
    async with session.get("/metadata/3.armani.json") as response:
        role = json.loads(await response.read())
    for path, target in role["signed"]["targets"].items():
        name = path.rpartition("/")[2]
        url = f"/targets/armani/id/stable/{target['hashes']['sha256']}.{name}"
        data = {"armani-1.zip": PACKAGE_1, "armani-2.zip": PACKAGE_2}[name]
        async with session.get(url) as response:
            assert (response.status, await response.read()) == (200, data)
        async with session.get(url, headers={"Range": "bytes=100-199"}) as response:
            assert (response.status, await response.read()) == (206, data[100:200])
