"""The disk is full for a while under a running server, which continues without a restart."""

import asyncio
import contextlib
import hashlib
import io
import os
import shutil

import aiohttp
import pytest

from server.app import running
from server.settings import Settings
from tests.crash.after import check_public_log
from tests.crash.test_over_the_api import look, make_admin
from tests.crash.zygote import fill
from tests.server.release.api.test_submissions import TYPE, body_of
from tests.server.release.api.test_uploads import announcing, sending
from tests.server.test_app import until
from tests.server.world import CHANNEL

ACCOUNT = {"name": "ben", "role": "viewer", "codenames": ["*"]}
PACKAGE = bytes(range(256)) * 8192
LATER = {503, 507}


class Client:
    """Sends requests to the API, some with an idempotency key."""

    def __init__(self, session, port, token):
        self._session = session
        self._base = f"http://127.0.0.1:{port}/api/v1"
        self._token = {"Authorization": f"Bearer {token}"}

    async def ask(self, method, path, headers=(), **body):
        """Return status, headers, and the JSON body."""
        told = {**self._token, **dict(headers)}
        async with self._session.request(method, self._base + path, headers=told, **body) as answer:
            text = await answer.read()
            is_json = answer.headers.get("Content-Type", "").endswith("json")
            return (
                answer.status,
                answer.headers,
                await answer.json(content_type=None) if (is_json and text) else None,
            )


@pytest.mark.needs("small-disk")
async def test_disk_full_temporarily(published_state, small_disk):
    """Commands, uploads, submissions and bundles are refused, and work once there is space."""
    ballast = small_disk / "ballast"
    world = await asyncio.to_thread(published_state.copy, small_disk / "state")
    token = await make_admin(world)
    before, _ = await look(world)
    settings = Settings(port=0, api_port=0, keep_free=0)
    ports = []
    submitted, body = body_of({("tables", 2): world.ceremony.role("tables", 2)}, [])
    try:
        async with (
            running(
                world.folder, settings, world.now, entropy=os.urandom, announce_api=ports.append
            ),
            aiohttp.ClientSession() as session,
        ):
            client = Client(session, ports[0], token)
            key = {"Idempotency-Key": "upload"}
            _, told, _ = await client.ask("POST", "/uploads", announcing(PACKAGE) | key)
            upload = told["Location"].removeprefix("/api/v1")

            async def send():
                head = await client.ask("HEAD", upload, {"Tus-Resumable": "1.0.0"})
                offset = int(head[1]["Upload-Offset"])
                data = io.BytesIO(PACKAGE[offset:])
                return (await client.ask("PATCH", upload, sending(offset), data=data))[0]

            acts = {
                "halt": lambda: client.ask(
                    "POST", f"/channels/{CHANNEL}/halt", {"Idempotency-Key": "halt"}, json={}
                ),
                "account": lambda: client.ask(
                    "POST", "/accounts", {"Idempotency-Key": "ben"}, json=ACCOUNT
                ),
                "submission": lambda: client.ask(
                    "PUT", f"/submissions/{submitted}", TYPE, data=io.BytesIO(body)
                ),
            }
            await asyncio.to_thread(fill, ballast)
            for act in acts.values():
                status, _, problem = await act()
                assert status in LATER | {200, 201, 202}, problem  # a log has space in its pages
            assert await send() in LATER
            await asyncio.to_thread(ballast.unlink)
            for name, act in acts.items():
                status, _, answer = await act()
                assert status == {"halt": 200, "account": 201, "submission": 202}[name], answer
            assert await send() == 204
            sha256 = hashlib.sha256(PACKAGE).hexdigest()
            assert (await client.ask("GET", f"/blobs/{sha256}"))[0] == 200

            async def is_published():
                return (await client.ask("GET", f"/submissions/{submitted}"))[2]["status"] != (
                    "waiting"
                )

            await until(is_published)
        after, _ = await look(world)
        assert sorted(after[len(before) :]) == sorted(
            [
                *("rollout.halt", "rollout.halt.done", "account.create", "submission.receive"),
                *("upload.create", "upload.finish", "submission.publish"),
            ]
        )
        published = await asyncio.to_thread(world.published)
        assert published.pointers()[CHANNEL.pointer_path].halted
        assert published.roles["tables"].version == 2
        await asyncio.to_thread(check_public_log, world)
    finally:
        with contextlib.suppress(FileNotFoundError):
            ballast.unlink()
        shutil.rmtree(small_disk / "state")
