"""A site of several machines: uploads and submissions continue at another control node."""

import asyncio
import base64
import contextlib
import hashlib
import io
import os

import aiohttp
import pytest
import structlog

from server.app import running, running_device
from server.device_serving import Inherited
from server.settings import Node
from tests.server.ceremony import release
from tests.server.release.api.test_submissions import TYPE, body_of
from tests.server.release.auth.issue import make_token
from tests.server.world import FIRST, PACKAGE_1, SECOND

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]
PACKAGE = b"PK\x03\x04" + bytes(range(256)) * (9 << 12)  # 9 MiB: two pieces
HALF = 5 << 20
TUS = {"Tus-Resumable": "1.0.0"}


@contextlib.asynccontextmanager
async def control(site, world, public_url, token):
    """Run a control node; yields `call(method, path, headers, data)`."""
    ports = []
    settings = site.settings(Node.CONTROL, public_url=public_url, api_port=0)
    async with (
        running(world.folder, settings, world.now, entropy=os.urandom, announce_api=ports.append),
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
    ):

        async def call(method, path, headers=None, data=None):
            url = f"http://127.0.0.1:{ports[0]}/api/v1{path}"
            sent = None if data is None else io.BytesIO(data)
            async with session.request(method, url, headers=headers, data=sent) as response:
                assert response.status < 400, await response.text()
                body = await response.json() if response.content_type.endswith("json") else None
                return response.headers, body

        yield call


async def test_upload_and_submission_at_two_nodes(site):
    """A node stops in the middle of an upload, another completes it, a third has the result."""
    worlds = [site.machine(name, site.first) for name in ("a", "b", "c", "publisher")]
    publisher = worlds[3]
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE, release(2))}
    role = {("armani", 3): publisher.ceremony.role("armani", 3, files)}
    bundle_id, body = body_of(role, [PACKAGE])
    token = await make_token(publisher)
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            running_device(
                site.device("device"),
                site.settings(Node.DEVICE),
                publisher.now,
                Inherited((), {}, asyncio.Event()),
            )
        )
        logs = stack.enter_context(structlog.testing.capture_logs())
        url = f"http://127.0.0.1:{port}"
        sha256 = base64.b64encode(hashlib.sha256(PACKAGE).hexdigest().encode()).decode()
        announced = {"Upload-Length": str(len(PACKAGE)), "Upload-Metadata": f"sha256 {sha256}"}
        part = TUS | {"Content-Type": "application/offset+octet-stream"}
        async with control(site, worlds[0], url, token) as call:
            headers, _ = await call("POST", "/uploads", TUS | announced)
            path = headers["Location"].removeprefix("/api/v1")
            headers, _ = await call("PATCH", path, part | {"Upload-Offset": "0"}, PACKAGE[:HALF])
            assert headers["Upload-Offset"] == str(HALF)
        settings = site.settings(Node.PUBLISHER, public_url=url)
        await stack.enter_async_context(
            running(publisher.folder, settings, publisher.now, entropy=os.urandom)
        )
        async with control(site, worlds[1], url, token) as call:
            headers, _ = await call("HEAD", path, TUS)
            assert headers["Upload-Offset"] == str(HALF)
            headers, _ = await call(
                "PATCH", path, part | {"Upload-Offset": str(HALF)}, PACKAGE[HALF:]
            )
            assert headers["Upload-Offset"] == str(len(PACKAGE))
            _, state = await call("PUT", f"/submissions/{bundle_id}", TYPE, body)
            assert state["status"] == "waiting"
        async with control(site, worlds[2], url, token) as call:
            _, state = await call("GET", f"/submissions/{bundle_id}?wait=30")
            assert (state["status"], state["reason"]) == ("published", "")
            _, page = await call("GET", "/submissions")
            assert bundle_id in [item["id"] for item in page["items"]]
            _, status = await call("GET", "/status")
            assert status["queue"] == 0
    assert [each for each in logs if each["log_level"] in {"error", "warning"}] == []
    assert publisher.blobs.length(hashlib.sha256(PACKAGE).hexdigest()) == len(PACKAGE)
